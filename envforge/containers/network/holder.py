"""The process that holds a project's network: a namespace with a bridge, for as long as anybody is in it.

    members ── veth ── BRIDGE ── its namespace forwards ── OUT ── a cable to the host, or pasta

A plain user's network lies in a user namespace, in which the sandboxes of the project are cloned: only so may
one process connect two of them. The holder waits for the lock that every member has shared, so it ends with
the last one, however that ends, and the kernel takes bridge, cable, rules and namespaces apart.
"""

import os
from fcntl import LOCK_EX, flock

from envforge.kernel import init, processes, syscalls
from envforge.kernel.removal import remove_tree
from envforge.sandbox import record
from envforge.sandbox.first_process import map_by_tools
from envforge.sandbox.outbound import addresses, firewall, nat, pasta, rtnetlink, way
from envforge.sandbox.payload import map_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from signal import SIG_SETMASK, pthread_sigmask
    from typing import NoReturn

    from envforge.sandbox.compiled import Plan

    Namespaces = tuple[int, int]
    """Descriptors of a user and a network namespace; -1 for none."""
else:
    from _signal import SIG_SETMASK, pthread_sigmask

BRIDGE = "project"
OUT = "out"
PREFIX, PREFIX_6 = 22, 64
NOBODY = (-1, -1)
_WORDS = 6
_CUT_OFF = b"cut off "
_FORWARDING = "/proc/sys/net/ipv4/ip_forward"


class Network:
    """What a holder is to make."""

    __slots__ = ("directory", "gateways", "plan", "way")

    def __init__(self, plan: "Plan", directory: str, gateways: "list[str]", out: way.Way) -> None:
        self.plan = plan
        self.directory = directory
        self.gateways = gateways
        """The bridge's addresses: of IPv4 and, if there is that, of IPv6."""
        self.way = out


def outer_maps(plan: "Plan") -> "tuple[str, str]":
    """Return the id maps of the user namespace around a plain user's sandboxes."""
    if plan["mapping"] == "tools":
        return plan["uid_map"], plan["gid_map"]
    return f"0 {os.geteuid()} 1\n", f"0 {os.getegid()} 1\n"


def start(network: Network, there: "Namespaces" = NOBODY) -> "tuple[int, int]":
    """Start the holder of a network; return its pid and that of its pasta, 0 for none. Raises OSError.

    `there`: the namespaces of a network whose holder was killed.
    """
    plan = network.plan
    told, tell = os.pipe()
    wait, go = os.pipe()
    _start_apart(lambda: _be_holder(network, there, tell, wait))
    os.close(tell)
    os.close(wait)
    try:
        pid = int(os.read(told, 16) or b"0")
        if pid and plan["mapping"] == "tools" and there[0] < 0:
            map_by_tools(plan, pid)
        os.write(go, b"go")
        with open(told, "rb", closefd=False) as file:
            problem = file.read()
        if problem.startswith(_CUT_OFF):
            network.way.fail(os.strerror(int(problem.removeprefix(_CUT_OFF))))
        elif problem != b"ready":
            number = int(problem or b"3")
            raise OSError(number, os.strerror(number), "the project's network")
    finally:
        os.close(told)
        os.close(go)
    return pid, _start_pasta(pid, network.way) if network.way.kind == way.PASTA else 0


def _start_pasta(holder: int, out: way.Way) -> int:
    """Start pasta for the namespaces of the holder, as nobody's child; return its pid, 0 where it fails."""
    told, tell = os.pipe()

    def run() -> None:
        try:
            said = str(pasta.start(holder, OUT, forwards=out.forwards))
        except OSError as error:
            said = error.strerror or ""
        os.write(tell, said.encode(errors="replace"))

    _start_apart(run)
    os.close(tell)
    with open(told, "rb") as file:
        said = file.read().decode()
    if said.isdecimal():
        return int(said)
    out.fail(said)
    return 0


def _start_apart(run: "Callable[[], object]") -> None:
    """Call that in a process that is nobody's child, so that nobody has to wait for it."""
    between = processes.clone(0)
    if between == 0:
        try:
            os.setsid()
            if os.fork() == 0:
                run()
        finally:
            os._exit(0)
    init.wait(between)


def _be_holder(network: Network, there: "Namespaces", tell: int, wait: int) -> "NoReturn":
    try:
        pthread_sigmask(SIG_SETMASK, ())
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.chdir("/")
        syscalls.close_others((tell, wait, *(one for one in there if one >= 0)))
        processes.set_name("envforge-net")
        held = _make(network, there, tell, wait)
        os.close(tell)
        os.close(wait)
        users = os.open(f"{network.directory}/users", os.O_RDWR | os.O_CLOEXEC)
        flock(users, LOCK_EX)  # nobody has it any more
        for one in held:
            one.close()
        end_pasta(network.directory)
        remove_tree(network.directory)
    finally:
        os._exit(0)


def end_pasta(directory: str) -> None:
    """End the pasta of a network, which does not end with it."""
    pid, started = Noted.read(directory).pasta
    pasta.end(pid, started)


def _make(network: Network, there: "Namespaces", tell: int, wait: int) -> "list[nat.Cable | firewall.Table]":
    """Make the network, or go on with the one that there is; return what ends with this process."""
    try:
        own = addresses.own() if network.way.kind == way.PASTA else []
        host = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        _move(network.plan, there, tell, wait)
        links = rtnetlink.Links()
        if there[1] < 0:
            syscalls.bring_up_loopback()
            links.add_bridge(BRIDGE)
            give(links, BRIDGE, network.gateways)
        elif network.way.kind == way.NAT:
            links.remove_if_there(OUT)
        way.block(links, own)
        said, held = b"ready", []
        try:
            held = _lead_out(network.way.kind, host, links)
        except OSError as error:
            said = _CUT_OFF + str(error.errno).encode()
        links.close()
        os.close(host)
        os.write(tell, said)
    except OSError as error:
        os.write(tell, str(error.errno).encode())
        os._exit(0)
    return held


def give(links: rtnetlink.Links, interface: str, places: "list[str]") -> None:
    """Give an interface its addresses in the network; that of IPv6 may be refused (disable_ipv6)."""
    links.add_address(interface, places[0], PREFIX)
    for place in places[1:]:
        try:
            links.add_address(interface, place, PREFIX_6)
        except OSError:
            return


def _move(plan: "Plan", there: "Namespaces", tell: int, wait: int) -> None:
    """Move into new namespaces, or into those of a network that there is; tell its pid."""
    is_plain = plan["mapping"] in ("tools", "self")
    maps = outer_maps(plan)  # while the own ids still have their numbers
    if there[0] >= 0:
        processes.setns(there[0], processes.CLONE_NEWUSER)
    if there[1] >= 0:
        processes.setns(there[1], processes.CLONE_NEWNET)
    else:
        processes.unshare(processes.CLONE_NEWNET | (processes.CLONE_NEWUSER if is_plain else 0))
    os.write(tell, str(os.getpid()).encode())
    if os.read(wait, 2) != b"go":
        os._exit(0)  # the starter has died
    if plan["mapping"] == "self" and there[0] < 0:
        map_ids("self", *maps, deny_groups=True)


def _lead_out(kind: str, host: int, links: rtnetlink.Links) -> "list[nat.Cable | firewall.Table]":
    """Lead what members send to others out of the network's namespace, under one address of its own."""
    if kind == way.NONE:
        return []
    with open(_FORWARDING, "w", encoding="utf-8") as file:
        file.write("1")
    table = firewall.Table("envforge")
    table.add_chain(firewall.POSTROUTING)
    table.add_rule(firewall.POSTROUTING, firewall.leaves_by(OUT), firewall.masquerade())
    table.make()
    if kind == way.PASTA:
        return [table]
    here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    processes.setns(host, processes.CLONE_NEWNET)
    try:
        cable = nat.Cable(os.urandom(5).hex(), OUT, here)
    finally:
        processes.setns(here, processes.CLONE_NEWNET)
        os.close(here)
    links.add_address(OUT, cable.address, nat.PREFIX)
    links.bring_up(OUT)
    links.add_default_route(cable.gateway)
    return [table, cable]


class Noted:
    """What the file `holder` of a network says."""

    __slots__ = ("base", "kind", "pasta", "pid", "started")

    def __init__(self, words: "list[bytes]") -> None:
        whole = len(words) == _WORDS
        self.pid, self.started, self.base, *own = map(int, words[:5]) if whole else (0, 0, 0, 0, 0)
        self.pasta = (own[0], own[1])
        """Pid and start of its pasta, zeros for none."""
        self.kind = words[5].decode().strip("'") if whole else way.NONE

    @classmethod
    def read(cls, directory: str) -> "Noted":
        """Return what it says; zeros where there is none."""
        try:
            with open(f"{directory}/holder", "rb", buffering=0) as file:
                return cls(file.read().split())
        except FileNotFoundError:
            return cls([])

    @staticmethod
    def write(directory: str, pid: int, base: int, other: int, kind: str) -> None:
        """Write it down; `other` is the pid of its pasta."""
        started = record.started_of(other) if other else 0
        text = f"{pid} {record.started_of(pid)} {base} {other} {started} '{kind}'"
        with open(f"{directory}/holder", "wb") as file:
            file.write(text.encode())

    @property
    def is_there(self) -> bool:
        """Whether the holder lives."""
        return pasta.is_there(self.pid, self.started)
