"""The network of a project as its directory shows it: who holds it, and what is left where all were killed.

`member.py` draws the directory. Whoever changes something has `making` locked.
"""

import os
from fcntl import LOCK_EX, LOCK_NB, flock

from envforge.containers.network import holder
from envforge.containers.network.holder import NOBODY, Noted
from envforge.kernel.removal import remove_tree
from envforge.sandbox import record
from envforge.sandbox.outbound import addresses, pasta, way

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.sandbox.compiled import Plan

_SIGKILL = 9


def top() -> str:
    """Return where the networks of this user's projects are."""
    return f"{os.path.dirname(record.directory())}/networks"


def hold(directory: str, plan: "Plan", there: "holder.Namespaces") -> "tuple[int, int]":
    """See to it that a network has a holder; return its pid, and the network's first address as a number.

    `there` are the network's namespaces, where the caller has them. A holder without a way out is replaced
    where the plan wants one and it can be had. Raises OSError.
    """
    noted = Noted.read(directory)
    out = way.find() if plan["outbound"] else way.Way(way.NONE, "", "")
    if noted.is_there and (noted.kind or not out.kind):
        return noted.pid, noted.base
    borrowed = there[1] < 0
    if borrowed:
        there = _of_holder(plan, noted.pid) if noted.is_there else _still_there(directory)
    if noted.is_there:
        os.kill(noted.pid, _SIGKILL)
    pasta.end(*noted.pasta)  # of a holder that was killed
    base = noted.base
    if there[1] < 0:
        seed = int(os.path.basename(directory)[:4], 16)
        base = addresses.free(addresses.PROJECTS, holder.PREFIX, seed, addresses.of_the_host())
    try:
        gateways = [address_of(base, 1), *([address6_of(directory, 1)] if has_ipv6() else [])]
        pid, other = holder.start(holder.Network(plan, directory, gateways, out), there)
    finally:
        for one in there if borrowed else ():
            if one >= 0:
                os.close(one)
    Noted.write(directory, pid, base, other, out.kind)
    return pid, base


def _of_holder(plan: "Plan", pid: int) -> "holder.Namespaces":
    is_plain = plan["mapping"] in ("tools", "self")
    return opened_at(f"/proc/{pid}/ns/user") if is_plain else -1, opened_at(f"/proc/{pid}/ns/net")


def _still_there(directory: str) -> "holder.Namespaces":
    """Return the namespaces of a network whose holder was killed, which its members still have open."""
    for name in os.listdir(f"{directory}/members"):
        with open(f"{directory}/members/{name}", "rb", buffering=0) as file:
            words = file.read().split(b"\n", 2)[1:2]
            if not words or took(file.fileno()):
                continue
        pid, user, network = map(int, words[0].split())
        try:
            opened = -1 if user < 0 else opened_at(f"/proc/{pid}/fd/{user}")
            return opened, opened_at(f"/proc/{pid}/fd/{network}")
        except OSError:
            continue
    return NOBODY


def sweep() -> None:
    """Remove the networks that nobody is in any more, though nobody has left them: all were killed."""
    try:
        keys = os.listdir(top())
    except FileNotFoundError:
        return
    for key in keys:
        directory = f"{top()}/{key}"
        try:
            making = os.open(f"{directory}/making", os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            if took(making) and not Noted.read(directory).is_there and not _is_used(directory):
                holder.end_pasta(directory)
                remove_tree(directory)
        finally:
            os.close(making)


def _is_used(directory: str) -> bool:
    try:
        users = os.open(f"{directory}/users", os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        return not took(users)
    finally:
        os.close(users)


def address_of(base: int, number: int) -> str:
    """Return the address of a network's member; number 1 is the bridge."""
    return addresses.text_of(base + number)


def address6_of(directory: str, number: int) -> str:
    """Return its address of IPv6: a local one, of a prefix that is the network's own (RFC 4193)."""
    key = os.path.basename(directory)
    return f"fd{key[:2]}:{key[2:6]}:{key[6:10]}::{number:x}"


def has_ipv6() -> bool:
    """Say whether the kernel speaks IPv6."""
    return os.path.exists("/proc/net/if_inet6")


def opened_at(path: str) -> int:
    """Open a namespace's file."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def took(descriptor: int) -> bool:
    """Lock a file; say whether that worked: nobody else has it locked."""
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
