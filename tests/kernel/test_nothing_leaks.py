"""A process that starts sandboxes again and again keeps no descriptor of one that was refused."""

import os
import subprocess
import sys

import pytest

from envforge.errors import CapabilityError
from envforge.sandbox import confine
from envforge.sandbox.confine import View, call_confined
from envforge.sandbox.identity import detect

pytestmark = pytest.mark.userns

CLONE_FS = 0x200
"""The kernel refuses it together with a new user namespace (clone(2))."""

REFUSED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import box
from envforge.sandbox import perform
from envforge.sandbox.identity import detect
from envforge.sandbox.plan import compile_plan
from envforge.sandbox.settle import settle
home = sys.argv[2]
project = box.Box(home, 0, "", list).project
def refused(**options):
    plan = compile_plan(settle(box.plan_of(home, project, options, detect())))
    plan["flags"] |= flags
    try:
        perform.enter(plan, ["true"], {}, "/")
    except perform.RefusedError:
        return os.listdir("/proc/self/fd")
    raise SystemExit("it was not refused")
flags = int(sys.argv[3])
options = {"mounts": [("/no/such/place", "/mnt")]} if flags == 0 else {}
before = refused(**options)
assert refused(**options) == before, before
"""


@pytest.mark.parametrize("flags", [CLONE_FS, 0], ids=["by clone", "by a mount"])
def test_a_refused_sandbox_leaves_no_descriptor(box, request, flags):
    box.shell("true")
    tests = str(request.config.rootpath / "tests")
    words = [sys.executable, "-c", REFUSED, tests, box.home, str(flags)]
    result = subprocess.run(box.words(words), capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert box.leftovers() == []


def test_a_refused_worker_leaves_no_descriptor(monkeypatch):
    monkeypatch.setattr(confine, "_NAMESPACES", confine._NAMESPACES | CLONE_FS)
    found = []
    for _ in range(2):
        with pytest.raises(CapabilityError):
            call_confined(detect(), View.of(), list)
        found.append(len(os.listdir("/proc/self/fd")))
    assert found[0] == found[1]
