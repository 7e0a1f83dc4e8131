"""A process that starts sandboxes again and again keeps no descriptor of one that was refused."""

import os

import pytest

from envforge.errors import CapabilityError
from envforge.sandbox.confined import confine
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import detect

pytestmark = pytest.mark.userns

CLONE_FS = 0x200
"""The kernel refuses it together with a new user namespace (clone(2))."""

REFUSED = """
flags = int(sys.argv[3])
def refused():
    plan = compiled_plan(home, {"mounts": [("/no/such/place", "/mnt")]} if flags == 0 else {})
    plan["flags"] |= flags
    try:
        perform.enter(plan, ["true"], {}, "/")
    except perform.RefusedError:
        return os.listdir("/proc/self/fd")
    raise SystemExit("it was not refused")
before = refused()
assert refused() == before, before
"""


@pytest.mark.parametrize("flags", [CLONE_FS, 0], ids=["by clone", "by a mount"])
def test_a_refused_sandbox_leaves_no_descriptor(box, flags):
    box.shell("true")
    box.program(REFUSED, str(flags))
    assert box.leftovers() == []


def test_a_refused_worker_leaves_no_descriptor(monkeypatch):
    monkeypatch.setattr(confine, "_NAMESPACES", confine._NAMESPACES | CLONE_FS)
    found = []
    for _ in range(2):
        with pytest.raises(CapabilityError):
            call_confined(detect(), View.of(), list)
        found.append(len(os.listdir("/proc/self/fd")))
    assert found[0] == found[1]
