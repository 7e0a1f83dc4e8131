"""Services in their project's network, as commands see it: killed holders, and what is left of it all."""

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from processes import wait_until
from serving import name_of
from test_services import HEAD, containers, line, shop, write

__all__ = ["line", "shop"]

pytestmark = [pytest.mark.userns, pytest.mark.archive]

HTTPD = '["busybox", "httpd", "-f", "-p", "0.0.0.0:8080", "-h", "/srv"]'
PAIR = f"""{HEAD}
[services.web]
command = {HTTPD}
publish = ["auto:8080"]
mounts = [{{ source = "public", target = "/srv" }}]

[services.client]
command = ["sleep", "600"]
"""
ASK = ("busybox", "wget", "-qO-", "http://web:8080/")


def own_processes(line):
    """Return the processes that have the command line's home, by pid."""
    found = {}
    for name in filter(str.isdecimal, os.listdir("/proc")):
        with suppress(OSError), open(f"/proc/{name}/environ", "rb") as file:
            if os.fsencode(line.home) in file.read():
                found[int(name)] = name_of(int(name))
    return found


def holder_of(line):
    """Return the pid of the one process that holds a network."""
    (pid,) = [pid for pid, name in own_processes(line).items() if name == "envforge-net"]
    return pid


def places(line):
    """Return all files of networks, ways and running sandboxes that the user has."""
    found = []
    for top, _, names in os.walk(line.home):
        if {"networks", "ways", "running"} & set(Path(top).parts):
            found += [f"{top}/{name}" for name in names]
    return found


def test_a_killed_holder_is_replaced_while_services_run(line):
    write(line, PAIR)
    line.succeed("up", "-d")
    assert line.succeed("exec", "shop-client", "--", *ASK) == "the shop\n"  # its name is of IPv6 too
    assert line.succeed("exec", "shop-client", "--", "grep", "-c", "\tweb shop-web", "/etc/hosts") == "2\n"
    first = holder_of(line)
    os.kill(first, signal.SIGKILL)
    wait_until(
        lambda: [name for pid, name in own_processes(line).items() if pid != first].count("envforge-net") == 1
    )
    assert line.succeed("exec", "shop-client", "--", *ASK) == "the shop\n"
    write(line, PAIR + '[services.late]\ncommand = ["sleep", "600"]\n')
    line.succeed("up", "-d")
    assert line.succeed("exec", "shop-late", "--", *ASK) == "the shop\n"
    assert line.succeed("exec", "shop-web", "--", "grep", "-c", "shop-late", "/etc/hosts") == "2\n"
    line.succeed("down")
    wait_until(lambda: not own_processes(line))
    line.succeed("up", "-d")
    assert line.succeed("exec", "shop-client", "--", *ASK) == "the shop\n"


def test_when_all_is_killed_the_next_command_puts_it_right(line):
    write(line, PAIR)
    line.succeed("up", "-d")
    cut_short = own_processes(line)
    for pid in cut_short:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    states = {one["name"]: one["status"] for one in json.loads(line.succeed("ps", "-a", "--json"))}
    assert states == {"shop-web": "exited", "shop-client": "exited"}
    wait_until(lambda: not own_processes(line), timeout_s=20)
    assert not [one for one in places(line) if "networks" in one or "ways" in one]
    line.succeed("up", "-d")
    assert line.succeed("exec", "shop-client", "--", *ASK) == "the shop\n"


def test_after_a_reboot_services_are_down_and_up_starts_them_in_their_network(line):
    write(line, PAIR.replace("publish", 'restart = "always"\npublish'))
    line.succeed("up", "-d")
    ids = {name: one["id"] for name, one in containers(line).items()}
    kept = [(path, Path(path).read_bytes()) for path in places(line) if path.endswith(("/holder", "/making"))]
    alive = own_processes(line)
    for number in (signal.SIGSTOP, signal.SIGKILL):  # all end at one moment: none sees another one gone
        for pid in alive:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
    for identifier in ids.values():
        path = line.store / "containers" / str(identifier) / "state.json"
        state = json.loads(path.read_text())
        # Their pids are others' by now, and started at whatever time.
        path.write_text(
            json.dumps({**state, "boot": "0" * 36, "supervisor": os.getpid(), "pid": os.getpid()})
        )
    for path, data in kept:
        assert Path(path).exists()
        if path.endswith("/holder"):
            Path(path).write_bytes(b" ".join([str(os.getpid()).encode(), *data.split()[1:]]))
    assert {one["status"] for one in containers(line).values()} == {"exited"}
    (told,) = json.loads(line.succeed("inspect", "shop-web"))
    assert told["state"]["error"] == "the machine went down while it ran"
    line.succeed("up", "-d")
    assert {name: one["id"] for name, one in containers(line).items()} == ids
    assert line.succeed("exec", "shop-client", "--", *ASK) == "the shop\n"


def traces(line, network_names):
    """Return what containers make on this machine, as far as it is this command line's."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [text for text in file if str(line.store) in text]
    cgroups = [
        f"{top}/{name}"
        for top, names, _ in os.walk("/sys/fs/cgroup")
        for name in names
        if name.isdecimal() and "envforge" in top
    ]
    links = [name for name in os.listdir("/sys/class/net") if name.startswith("ef-")]
    uppers = [str(path) for path in (line.store / "uppers").iterdir()]
    kept = [str(path) for path in (line.store / "containers").iterdir() if path.name != "names"]
    names = [str(path) for path in (line.store / "containers" / "names").glob("*")]
    return {
        "processes": set(own_processes(line)),
        "mounts": set(mounts),
        "cgroups": set(cgroups),
        "links": set(links),
        "tables": network_names(),
        "uppers": set(uppers),
        "containers": set(kept),
        "names": set(names),
        "places": set(places(line)),
        "sockets": {text for text in listening() if text},
    }


def listening():
    """Return the ports of loopback on which something listens."""
    found = []
    with suppress(OSError), open("/proc/net/tcp", encoding="ascii") as file:
        for text in file:
            words = text.split()
            if words[3] == "0A" and words[1].startswith("0100007F"):
                found.append(words[1])
    return found


def tables():
    """Return the names of our tables of nf_tables."""
    said = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=False).stdout
    return {text for text in said.splitlines() if "envforge" in text}


@pytest.mark.one_kind
def test_nothing_is_left_of_twenty_containers_in_networks_with_published_ports(line):
    services = "\n".join(
        f'[services.s{number}]\ncommand = ["busybox", "httpd", "-f", "-p", "8080"]\npublish = ["auto:8080"]\n'
        for number in range(10)
    )
    write(line, HEAD + services)
    line.succeed("up", "-d", "s0")
    line.succeed("down")
    wait_until(lambda: not own_processes(line))
    before = traces(line, tables)
    for instance in ("a", "b"):
        line.succeed("up", "-d", "--instance", instance)
    there = containers(line)
    assert len(there) == 20
    assert {one["status"] for one in there.values()} == {"running"}
    during = traces(line, tables)
    assert len(during["processes"]) > 60  # supervisor, proxy, PID 1 and payload of each
    assert len(during["sockets"] - before["sockets"]) >= 20
    line.succeed("rm", "-f", *there)

    def gone():
        after = traces(line, tables)
        return all(not (during[kind] - before[kind]) & after[kind] for kind in during)

    wait_until(gone, timeout_s=30)
    after = traces(line, tables)
    for kind in ("processes", "mounts", "uppers", "containers", "names", "places"):
        assert after[kind] <= before[kind], kind
