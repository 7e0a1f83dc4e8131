"""What the warm path loads, counted in a real entry."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.userns

# Kept short by hand: each module costs a part of a millisecond.
ALLOWED = {
    "_blake2",
    "_ctypes",
    "_socket",
    "envforge",
    "envforge.hot",
    "envforge.kernel",
    "envforge.kernel.removal",
    "envforge.kernel.syscalls",
    "envforge.sandbox",
    "envforge.sandbox.cache",
    "envforge.kernel.processes",
    "envforge.sandbox.first_process",
    "envforge.sandbox.idmapped",
    "envforge.kernel.init",
    "envforge.sandbox.masks",
    "envforge.sandbox.mounts",
    "envforge.sandbox.inherited",
    "envforge.sandbox.payload",
    "envforge.sandbox.perform",
    "envforge.sandbox.record",
    "envforge.sandbox.streams",
    "envforge.sandbox.binds",
    "envforge.sandbox.uppers",
    "envforge.trust",
    "envforge.warm_line",
    "errno",
    "fcntl",
    "gc",
}

OF_THE_COMMAND = {
    "_blake2",
    "_json",
    "_socket",
    "envforge",
    "envforge.containers",
    "envforge.containers.control",
    "envforge.containers.lifecycle",
    "envforge.containers.making",
    "envforge.containers.names",
    "envforge.containers.plain_json",
    "envforge.containers.plans",
    "envforge.containers.records",
    "envforge.containers.removing",
    "envforge.containers.starting",
    "envforge.containers.starting.ahead",
    "envforge.containers.truth",
    "envforge.containers.warm",
    "envforge.errors",
    "envforge.hot",
    "envforge.kernel",
    "envforge.kernel.removal",
    "envforge.run_options",
    "envforge.sandbox",
    "envforge.sandbox.cache",
    "envforge.sandbox.inherited",
    "envforge.sandbox.masks",
    "envforge.sandbox.uppers",
    "envforge.trust",
    "envforge.warm_line",
    "errno",
    "fcntl",
    "gc",
    "time",
}
SCRIPT = """
import os, sys
from envforge import importing
importing.install()
before = set(sys.modules)
from envforge import hot
def show(code):
    print(*sorted(set(sys.modules) - before))
    sys.stdout.flush()
    end(code)
end, os._exit = os._exit, lambda code: show(code) if os.getpid() == own else end(code)
own = os.getpid()
sys.argv[1:] = ["run", *sys.argv[1:], "--", "echo", "inside"]
hot.main()
"""

KEEP = """
import json, os, sys
sys.path.insert(0, sys.argv[1])
import box
from envforge import trust
from envforge.sandbox import cache
from envforge.sandbox.ids.identity import detect
from envforge.sandbox.plan.compile import compile_plan
home = sys.argv[2]
project = box.Box(home, 0, "", list).project
for name in ("envforge.toml", "envforge.lock"):
    open(f"{project}/{name}", "w").close()
plan = compile_plan(box.plan_of(home, project, {}, detect()))
cache.make_secret()
plan["links"] = ()
plan["owners"] = trust.owners(f"{project}/envforge.toml")
cache.store_plan(cache.project_key(f"{project}/envforge.toml", f"{project}/envforge.lock", None), plan, ())
"""


def test_the_warm_path_loads_next_to_nothing(box, request):
    box.shell("true")
    tests = str(request.config.rootpath / "tests")
    subprocess.run(box.words([sys.executable, "-c", KEEP, tests, box.home]), check=True)
    for options, further in (((), set()), (("-e", "A=1", "-w", "/"), {"envforge.run_options"})):
        words = box.words([sys.executable, "-c", SCRIPT, *options])
        said = subprocess.run(
            words, cwd=box.project, capture_output=True, text=True, check=True
        ).stdout.splitlines()
        assert said[0] == "inside"
        assert set(said[1].split()) <= ALLOWED | further
    words = box.words([sys.executable, "-c", SCRIPT, "-d", "--rm"])
    identifier, loaded = subprocess.run(
        words, cwd=box.project, capture_output=True, text=True, check=True
    ).stdout.split("\n", 1)
    assert len(identifier) == 12
    assert set(loaded.split()) <= OF_THE_COMMAND, "its fork loads what makes a sandbox, at the same time"
