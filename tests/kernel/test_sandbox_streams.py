"""Files that a caller gives as standard streams: read as they are, and never written through stdin."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.userns

TEXT = "".join(f"line {number}\n" for number in range(100))
ROOT = ["root", 0, 0, []]
WRITE = """
    for name in /proc/self/fd/0 /dev/stdin /proc/1/fd/0; do
        (echo spoilt >>$name) 2>/dev/null && echo "wrote $name"
        (: >$name) 2>/dev/null && echo "emptied $name"
        chmod 777 $name 2>/dev/null && echo "changed $name"
        touch -d 2000-01-01 $name 2>/dev/null && echo "dated $name"
    done
    tail -n 1; cat
"""


@pytest.fixture
def given(box):
    """A file of the user's, given as stdin."""
    box.shell("true")
    path = f"{box.home}/given"
    with open(path, "w", encoding="ascii") as file:
        file.write(TEXT)
    os.chown(path, box.uid, box.uid)
    return path


def run_with(box, file, *command, **options):
    words = box.command(*command, **options)
    return subprocess.run(words, stdin=file, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("account", [None, ROOT], ids=["self", "root"])
def test_a_file_on_stdin_is_read_and_not_written(box, given, account):
    options = {} if account is None else {"account": account}
    before = os.stat(given)
    with open(given, encoding="ascii") as file:
        assert run_with(box, file, "sh", "-c", WRITE, **options).stdout == "line 99\n"
    after = os.stat(given)
    assert (after.st_mode, after.st_mtime_ns, after.st_size) == (
        before.st_mode,
        before.st_mtime_ns,
        len(TEXT),
    )


def test_it_is_read_on_from_where_the_caller_is_and_can_be_sought_in(box, given):
    with open(given, "rb", buffering=0) as file:
        file.readline()
        assert run_with(box, file, "sh", "-c", "head -c 7").stdout == "line 1\n"
        code = "import os; os.lseek(0, -8, os.SEEK_END); print(os.read(0, 8))"
        sought = subprocess.run(
            box.command(sys.executable, "-I", "-c", code, python=True),
            stdin=file,
            capture_output=True,
            text=True,
            check=True,
        )
        assert sought.stdout == "b'line 99\\n'\n"


def test_a_file_without_a_name_goes_through_a_pipe(box, given):
    with open(given, encoding="ascii") as file:
        os.unlink(given)
        told = run_with(box, file, "sh", "-c", "readlink /proc/self/fd/0; cat")
    kind, _, text = told.stdout.partition("\n")
    assert kind.startswith("pipe:")
    assert text == TEXT


def test_nobody_has_to_read_all_of_it(box, given):
    with open(given, "wb") as file:
        file.truncate(1 << 28)
    with open(given, "rb") as file:
        os.unlink(given)
        assert run_with(box, file, "head", "-c", "3").stdout == "\0\0\0"


def test_what_the_caller_opened_for_writing_stays_so(box, given):
    with open(given, "r+", encoding="ascii") as file:
        run_with(box, file, "sh", "-c", "echo new >/proc/self/fd/0")
    with open(given, encoding="ascii") as file:
        assert box.kind == "root" or file.read() == "new\n"


def test_a_directory_is_no_stream(box):
    box.shell("true")
    directory = os.open("/", os.O_RDONLY)
    try:
        refused = run_with(box, directory, "ls", "/proc/self/fd/0/")
    finally:
        os.close(directory)
    assert refused.returncode != 0
    assert refused.stdout == ""
    assert "directory" in refused.stderr


@pytest.mark.root
def test_root_reads_what_lies_in_another_users_directory(root_box):
    root_box.shell("true")
    private = f"{root_box.home}/private"
    os.mkdir(private)
    with open(f"{private}/given", "w", encoding="ascii") as file:
        file.write(TEXT)
    os.chown(private, 1001, 1001)
    os.chmod(private, 0o700)
    with open(f"{private}/given", encoding="ascii") as file:
        assert run_with(root_box, file, "sh", "-c", WRITE).stdout == "line 99\n"
    with open(f"{private}/given", encoding="ascii") as file:
        assert file.read() == TEXT
