"""System calls whose answers need care."""

import os
import subprocess
import sys

import pytest

from envforge.kernel import processes, syscalls

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


@pytest.mark.parametrize(
    "refused",
    [
        lambda: processes.set_parent_death_signal(-5),
        lambda: processes.set_dumpable(77),
        lambda: processes.set_seccomp(b"\xff" * 8),
    ],
)
def test_a_process_that_cannot_be_restricted_is_an_error(refused):
    with pytest.raises(OSError, match=r"Errno \d+"):
        refused()


def test_capabilities_that_the_kernel_does_not_know_are_not_dropped():
    with open("/proc/sys/kernel/cap_last_cap", encoding="ascii") as file:
        last = int(file.read())
    tried = []

    def prctl(option, capability, *rest):
        tried.append(capability)
        return call(option, capability, *rest)

    call, processes._prctl = processes._prctl, prctl
    try:
        processes.drop_bounding(range(last + 1))
    finally:
        processes._prctl = call
    assert tried == [last + 1]
