"""`envforge run -p` from its cache: the same network, without the whole command line."""

import subprocess
import sys

import pytest
from test_hot_imports import ALLOWED, KEEP

from envforge.sandbox.outbound import way

pytestmark = pytest.mark.userns

FURTHER = {
    "_thread",
    "envforge.containers",
    "envforge.containers.network",
    "envforge.containers.network.datagrams",
    "envforge.containers.network.foreground",
    "envforge.containers.network.joining",
    "envforge.containers.network.listening",
    "envforge.containers.network.loop",
    "envforge.containers.network.pipes",
    "envforge.containers.network.proxy",
    "envforge.containers.network.streams",
    "envforge.containers.network.published",
    "envforge.run_options",
    "select",
    "time",
}
ASKED_FOR_A_WAY_OUT = {
    "envforge.sandbox.outbound",
    "envforge.sandbox.outbound.addresses",
    "envforge.sandbox.outbound.forwarding",
    "envforge.sandbox.outbound.pasta",
    "envforge.sandbox.outbound.resolvers",
    "envforge.sandbox.outbound.way",
}
WITH_A_WAY_OUT = {
    "_struct",
    "envforge.sandbox.outbound.firewall",
    "envforge.sandbox.outbound.nat",
    "envforge.sandbox.outbound.rtnetlink",
    "struct",
}
SCRIPT = """
import os, sys
before = set(sys.modules)
from envforge import hot
def show(code):
    print(*sorted(set(sys.modules) - before))
    sys.stdout.flush()
    end(code)
end, os._exit = os._exit, lambda code: show(code) if os.getpid() == own else end(code)
own = os.getpid()
sys.argv[1:] = ["run", *sys.argv[1:], "--", "sh", "-c", "cat /proc/net/dev | tail -n +3; echo inside"]
hot.main()
"""


@pytest.mark.parametrize("outbound", [False, True])
def test_it_loads_next_to_nothing(box, request, outbound):
    box.shell("true")
    tests = str(request.config.rootpath / "tests")
    keep = KEEP.replace("plan_of(home, project, {}", "plan_of(home, project, {WANTED}").replace(
        "WANTED", f"'network': 'private', 'outbound': {outbound}"
    )
    keep = keep.replace('envforge.lock", None)', 'envforge.lock", None, ["private"])')
    subprocess.run(box.words([sys.executable, "-c", keep, tests, box.home]), check=True)
    words = box.words([sys.executable, "-c", SCRIPT, "-p", "auto:80", "-p", "[::1]:auto:53/udp"])
    result = subprocess.run(words, cwd=box.project, capture_output=True, text=True, check=True)
    *interfaces, inside, loaded = result.stdout.splitlines()
    assert outbound or [one.split()[0] for one in interfaces] == ["lo:"]
    assert inside == "inside"
    further = ASKED_FOR_A_WAY_OUT | (WITH_A_WAY_OUT if way.find().kind else set()) if outbound else set()
    assert set(loaded.split()) <= ALLOWED | FURTHER | further
    assert result.stderr.startswith("envforge: note: port 80/tcp is published as 127.0.0.1 port ")
