"""System calls whose answers need care."""

import os
import subprocess
import sys

from envforge.kernel import syscalls

RENAMES = """
import os, sys
os.chdir(sys.argv[1])
while True:
    os.rename("one", "other")
    os.rename("other", "one")
"""


def test_a_name_with_dots_is_found_while_others_rename(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "one").write_text("")
    busy = subprocess.Popen([sys.executable, "-c", RENAMES, str(tmp_path)])
    directory = os.open(tmp_path, os.O_PATH)
    path = "a/b/../../" * 30 + "a"
    try:
        for _ in range(3000):
            os.close(syscalls.open_resolved(path, os.O_PATH, syscalls.RESOLVE_IN_ROOT, directory=directory))
    finally:
        busy.kill()
        busy.wait()
        os.close(directory)
