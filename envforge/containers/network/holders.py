"""Why a port cannot be published, and who holds it: a sandbox, by its record, or a process, by /proc."""

import os
import pwd
import sys
from collections.abc import Iterator
from errno import EACCES, EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT
from socket import AF_INET, AF_INET6, inet_pton
from typing import Final

from envforge.containers.network.listening import RefusedPortError
from envforge.containers.network.published import Published
from envforge.errors import ConflictError, EnvforgeError, PortError
from envforge.kernel.advice import read_sysctl
from envforge.sandbox.life import running
from envforge.units import printable

_LISTENS: Final = {"tcp": "0A", "udp": "07"}
"""State in /proc/net/tcp and /proc/net/udp of a socket that takes callers (tcp_states.h)."""
_ANYWHERE: Final = frozenset({"0" * 8, "0" * 32})
_FIRST: Final = "net.ipv4.ip_unprivileged_port_start"


def explained(refused: RefusedPortError) -> EnvforgeError:
    """Return the error that tells a user why, and what helps."""
    address, port, container, protocol = refused.published
    what = f"port {port}/{protocol} of {address}"
    if refused.errno == EADDRINUSE:
        return ConflictError(
            f"{what} is taken by {holder_of(refused.published)}",
            hint=f"end that, or take another port: -p auto:{container} finds a free one",
        )
    if refused.errno == EACCES:
        first = read_sysctl(_FIRST) or "1024"
        return PortError(
            f"{what} is for root: a user's ports begin with {first}",
            hint=f"-p {8000 + port % 1000}:{container}, or as root sysctl {_FIRST}={port}",
        )
    if refused.errno in (EADDRNOTAVAIL, EAFNOSUPPORT):
        return PortError(
            f"this machine has no address {address}", hint="`ip address` lists those that it has"
        )
    return PortError(f"{what}: {refused.strerror}", hint="`ulimit -n` says how many sockets may be open")


def holder_of(published: Published) -> str:
    """Return in words who holds that port or one that it collides with, as far as this user can see it."""
    found = _sandbox(published)
    if found:
        return found
    inode, uid = _socket(published)
    if not inode:
        return "another process"
    pid = _process(f"socket:[{inode}]")
    if pid:
        return f"{_called(pid)} (process {pid})"
    return f"a process of {_user(uid)}"


def _sandbox(published: Published) -> str:
    for one in running.running():
        if any(_collide(published, other) for other in one.plan["published"]):
            return f"{one.name} ({one.id}: {printable(' '.join(one.command))})"
    return ""


def _collide(one: Published, other: Published) -> bool:
    same = (one[1], one[3]) == (other[1], other[3])
    return same and (one[0] == other[0] or {"0.0.0.0", "::"} & {one[0], other[0]} != set())  # noqa: S104  # compared only


def _socket(published: Published) -> tuple[int, int]:
    """Return inode and uid of the socket at that port, zeros if there is none to be seen."""
    address, port, _, protocol = published
    wanted = {_as_listed(address), *_ANYWHERE}
    for place, state, uid, inode in _listed(protocol):
        at, _, number = place.partition(":")
        collides = at in wanted or address in ("0.0.0.0", "::")  # noqa: S104  # compared only
        if state == _LISTENS[protocol] and int(number, 16) == port and collides:
            return inode, uid
    return 0, 0


def _listed(protocol: str) -> Iterator[tuple[str, str, int, int]]:
    """Yield local address, state, uid and inode of each socket; proc_net_tcp(5)."""
    for name in (protocol, f"{protocol}6"):
        try:
            with open(f"/proc/net/{name}", encoding="ascii") as file:
                lines = file.read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            yield words[1], words[3], int(words[7]), int(words[9])


def _as_listed(address: str) -> str:
    """Return an address as /proc/net writes it: each 32 bits as a number in the machine's byte order."""
    packed = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
    words = (packed[start : start + 4] for start in range(0, len(packed), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _process(link: str) -> int:
    """Return the first process that has that socket open, 0 if this user can see none."""
    for name in os.listdir("/proc"):
        if name.isdecimal() and link in _links(f"/proc/{name}/fd"):
            return int(name)
    return 0


def _links(directory: str) -> Iterator[str]:
    try:
        for name in os.listdir(directory):
            yield os.readlink(f"{directory}/{name}")
    except OSError:
        return  # another user's, or it has ended


def _called(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read(200).split(b"\0")
    except OSError:
        return "a process"
    return printable(b" ".join(words).decode(errors="surrogateescape").strip()) or "a process"


def _user(uid: int) -> str:
    try:
        return f"the user {pwd.getpwuid(uid).pw_name}"
    except KeyError:
        return f"uid {uid}"
