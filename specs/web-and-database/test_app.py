"""Run in the environment `test`, while the database runs in `db`."""

import subprocess
import unittest

from app import app, visit


class Counting(unittest.TestCase):
    def test_each_visit_counts(self):
        before = visit()
        page = app.test_client().get("/").get_data(as_text=True)
        assert f"<h1>Visit {before + 1}</h1>" in page

    def test_this_environment_has_what_tests_need(self):
        said = subprocess.run(
            ["/usr/bin/curl", "--version"], capture_output=True, text=True, check=True
        ).stdout
        assert said.startswith("curl ")


if __name__ == "__main__":
    unittest.main()
