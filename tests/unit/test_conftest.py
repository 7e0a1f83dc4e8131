"""The tests' own ground: users, homes, and skips that fail in CI."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from processes import own_mark, running
from together import group_of


@pytest.mark.plain_user
def test_plain_user_has_a_single_id(plain_user):
    assert plain_user.run(["id", "-u"]).stdout.strip() == str(plain_user.uid)
    assert plain_user.run(["sh", "-c", "echo x >file; stat -c %u file; pwd"]).stdout.split() == [
        str(plain_user.uid),
        plain_user.home,
    ]
    assert plain_user.run(["unshare", "-U", "--map-auto", "true"], check=False).returncode != 0


@pytest.mark.ranges
def test_range_user_maps_a_range(range_user):
    script = "touch own && chown 7:8 own && stat -c %u:%g own"
    command = ["unshare", "--user", "--map-root-user", "--map-auto", "sh", "-c", script]
    assert range_user.run(command).stdout.strip() == "7:8"


def test_plain_user_runs_the_interpreter_of_the_tests(plain_user):
    assert plain_user.python("import envforge; print('here')").stdout == "here\n"


def test_empty_home_is_empty(empty_home):
    assert os.path.expanduser("~") == empty_home
    assert os.listdir(empty_home) == []


def test_what_acts_as_a_user_is_marked_for_it(tmp_path):
    path = tmp_path / "test_acting.py"
    path.write_text("def test_acts(plain_user):\n    pass\ndef test_does_not(tmp_path):\n    pass\n")
    command = [sys.executable, "-m", "pytest", "-qp", "no:cacheprovider", "-p", "conftest", "--collect-only"]
    tests = os.path.dirname(os.path.dirname(__file__))
    variables = os.environ | {"PYTHONPATH": tests, "PYTEST_ADDOPTS": ""}
    for chosen, name in (("each_kind", "test_acts"), ("not each_kind", "test_does_not")):
        said = subprocess.run(
            [*command, "-m", chosen, str(path)],
            env=variables,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert re.findall(r"::(\w+)", said) == [name]


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
def test_missing_capability_fails_in_ci_only(tmp_path, ci, code):
    path = tmp_path / "test_missing.py"
    path.write_text("import pytest\ndef test_it():\n    pytest.skip('needs a pony')\n")
    command = [sys.executable, "-m", "pytest", "-qrs", "-p", "no:cacheprovider", "-p", "conftest", str(path)]
    tests = os.path.dirname(os.path.dirname(__file__))
    variables = os.environ | {"CI": ci, "PYTHONPATH": tests, "PYTEST_ADDOPTS": ""}
    result = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == code, result.stdout
    assert "needs a pony" in result.stdout


def test_a_test_that_hangs_fails_after_its_time_and_the_next_one_runs(tmp_path):
    path, mark = tmp_path / "test_hanging.py", own_mark("72")
    path.write_text(
        "import subprocess, pytest\n"
        "@pytest.mark.time_limit(1)\n"
        f"def test_hangs():\n    subprocess.run(['sleep', '{mark}'])\n"
        "def test_next():\n    pass\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "conftest", str(path)]
    tests = os.path.dirname(os.path.dirname(__file__))
    variables = os.environ | {"PYTHONPATH": tests, "PYTEST_ADDOPTS": ""}
    result = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert "1 failed, 1 passed" in result.stdout, result.stdout
    assert "took longer than 1 s" in result.stdout
    assert not running("sleep", mark)


def test_the_attacks_on_one_account_and_the_tests_of_a_file_stay_together():
    assert [
        group_of(f"tests/{name}")
        for name in (
            "attack/test_attack_fetch.py::test_archive[root-over a link-tar]",
            "attack/test_attack_links.py::test_nothing_is_read[single-absolute]",
            "attack/test_attack_race.py::test_signals[ranges]",
            "kernel/test_sandbox_ids.py::test_root[root]",
            "unit/test_web.py::test_one",
        )
    ] == [
        "attacks on root",
        "attacks on single",
        "attacks on ranges",
        "tests/kernel/test_sandbox_ids.py",
        "tests/unit/test_web.py",
    ]


def test_no_two_test_modules_have_one_name():
    names = Counter(path.name for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert not [name for name, count in names.items() if count > 1], "pytest imports one of them only"


def test_the_commands_that_ci_types_are_marked_in_the_readme():
    top = Path(__file__).parents[2]
    names = re.findall(r'\$\(readme "?([a-z ]+)"?\)', (top / ".ci" / "run").read_text())
    assert names
    for name in names:
        assert f"<!-- CI types this: {name} -->\n```sh\n" in (top / "README.md").read_text()
