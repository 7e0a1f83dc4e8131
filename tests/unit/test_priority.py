"""Work in the background has what nobody else wants."""

import subprocess
import sys

import pytest

from envforge.kernel import processes

_GET = {"x86_64": 252}.get(processes._MACHINE, 31)
_IDLE = 3


def test_a_process_can_be_idle():
    code = (
        "import os, sys\n"
        "from envforge.kernel import priority, syscalls\n"
        "priority.be_idle()\n"
        "print(os.getpriority(os.PRIO_PROCESS, 0), syscalls.call(int(sys.argv[1]), 1, 0) >> 13)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(_GET)], capture_output=True, text=True, check=False
    )
    if "ENOSYS" in said.stderr or "not implemented" in said.stderr:
        pytest.skip("needs ioprio_set")
    assert said.stdout == f"19 {_IDLE}\n", said.stderr
