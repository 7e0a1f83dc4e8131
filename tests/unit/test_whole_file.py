"""Files are written as a whole; what fails leaves what was there and nothing else."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import envforge
from envforge import whole_file


def test_no_other_module_puts_a_file_in_place_of_another():
    top = Path(envforge.__file__).parent
    found = [str(path.relative_to(top)) for path in top.rglob("*.py") if "os.replace(" in path.read_text()]
    # Supervisors and the warm path write their records without loading what it needs.
    assert sorted(found) == ["containers/records.py", "whole_file.py"]


def test_a_file_takes_the_place_of_another_with_its_mode(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    whole_file.write(str(path), b"new", mode=0o640)
    assert path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == ["file"]


def test_the_mode_is_not_the_umasks_affair(tmp_path):
    before = os.umask(0o077)
    try:
        whole_file.write(str(tmp_path / "file"), b"", mode=0o644)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644


def test_without_a_mode_a_file_keeps_its_own_and_a_new_one_gets_the_umasks(tmp_path):
    path = tmp_path / "file"
    before = os.umask(0o027)
    try:
        whole_file.write(str(path), b"", mode=None)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        whole_file.write(str(path), b"new", mode=None)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604
    assert path.read_bytes() == b"new"


def test_what_may_not_replace_leaves_the_file_that_is_there(tmp_path):
    path = tmp_path / "file"
    whole_file.write(str(path), b"first", replace=False)
    with pytest.raises(FileExistsError):
        whole_file.write(str(path), b"second", replace=False)
    assert path.read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["file"]


def test_a_failed_replacement_leaves_no_temporary_file(tmp_path):
    (tmp_path / "place").mkdir()
    with pytest.raises(IsADirectoryError):
        whole_file.write(str(tmp_path / "place"), b"data")
    assert os.listdir(tmp_path) == ["place"]


_FULL = """
import os, sys
from envforge import whole_file
path = sys.argv[1] + "/file"
whole_file.write(path, b"old")
try:
    whole_file.write(path, b"x" * 1_000_000)
except OSError as error:
    assert error.errno == 28, error
else:
    raise SystemExit("the disk was not full")
assert os.listdir(sys.argv[1]) == ["file"], os.listdir(sys.argv[1])
assert open(path, "rb").read() == b"old"
"""


@pytest.mark.userns
def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    script = f'mount -t tmpfs -o size=64k none "$1" && exec {sys.executable} -c "$2" "$1"'
    command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh", str(tmp_path)]
    done = subprocess.run([*command, _FULL], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
