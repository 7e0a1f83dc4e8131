"""Looking for a way out from inside: of a maintainer script, and of what `envforge run` starts."""

import json
import re
from pathlib import Path

import pytest
from canary import GaveWayError
from foe import PYTHON

pytestmark = pytest.mark.userns

PROBE = Path(__file__).with_name("probe.py")
NAMES = re.findall(r"^def ([a-z]\w*)\(\):", PROBE.read_text(), re.MULTILINE)
NAMES = [name for name in NAMES if name not in ("processes", "foreign")]
# What is as it shall be: a payload has the host's network unless the spec says otherwise, and its terminal.
ALLOWED = {
    "run": ("a_server_of_the_host", "the_callers_terminal"),
    "run as root": ("a_server_of_the_host", "the_callers_terminal"),
    "run without network": ("the_callers_terminal",),
    "a script": ("sockets",),  # packets too, of a network that is empty
}
_found: dict[tuple[str, str], dict[str, str | None]] = {}


@pytest.mark.parametrize("where", ALLOWED)
@pytest.mark.parametrize("name", NAMES)
def test_no_way_out(prober, where, name):
    if name in ALLOWED[where]:
        pytest.skip("allowed")
    found = _found.get((prober.kind, where))
    if found is None:
        found = _found[prober.kind, where] = _probe(prober, where)
    if found[name]:
        raise GaveWayError(found[name])


def _probe(victim, where):
    arguments = [str(victim.canary.secret), ".local/share/envforge", str(victim.server.server_port)]
    if where == "a script":
        arguments[1] = victim.user.home
        words = f"sys.argv[1:] = {arguments!r}"
        script = PROBE.read_text().replace(
            "WANTED, FORBIDDEN, PORT =", f"{words}\nWANTED, FORBIDDEN, PORT =", 1
        )
        script = script.replace("print(json", "print(file=open('/found', 'w'), *[json", 1)[:-2] + "])"
        victim.package(postinst=f"{PYTHON}\n{script}\n")
        return json.loads(victim.seen("cat", "/found"))
    more = '[network]\nmode = "none"' if where == "run without network" else ""
    victim.want("attacker", more=more)
    victim.write(victim.project / "probe.py", PROBE.read_text())
    options = ["-u", "root"] if where == "run as root" else []
    output = victim.succeed(
        "run", *options, "--", "python3", "-I", str(victim.project / "probe.py"), *arguments
    )
    return json.loads(output.splitlines()[-1])
