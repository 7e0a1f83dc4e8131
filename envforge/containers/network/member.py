"""A sandbox's place in its project's network: an address, the names by which the others reach it, a cable.

    RUNTIME/networks/<key>/     key: a hash of the project and its instance; gone with the last member
        making                  flocked while a member joins or leaves
        users                   flocked shared by every member; the holder waits for it
        holder                  its pid, when it started, the network's address as a number, pid and start of
                                its pasta or zeros, and its way out, in quotes
        members/<n>             flocked by member n, of that address: its names, a line; its pid and its
                                descriptors of both namespaces, a line; then its own hosts
        hosts/<n>               what member n has as /etc/hosts, written in place: it is bound inside

RUNTIME is where the records of running sandboxes lie (`sandbox/record.py`). Locks end with their processes:
who dies leaves its place, and is out of the others' hosts as soon as the next one joins or leaves. Every
member has the network's namespaces open, so the network outlives its holder: `mend` gives it a new one.
"""

import os
from _blake2 import blake2b
from errno import EADDRNOTAVAIL
from fcntl import LOCK_EX, LOCK_SH, flock

from envforge.containers.network import holder
from envforge.containers.network.keeping import address6_of, address_of, has_ipv6, hold, opened_at, took, top
from envforge.kernel import init, processes
from envforge.kernel.removal import is_still_at
from envforge.sandbox.outbound import rtnetlink
from envforge.sandbox.outbound import way as ways
from envforge.sandbox.payload import RefusedError, map_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import NoReturn

    from envforge.sandbox.compiled import Plan

HOSTS = "/etc/hosts"
_FIRST, _LAST = 2, 1022
_OPEN = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
_STEP = "the project's network"


class Member:
    """One sandbox's place, from before its start until after its end."""

    __slots__ = (
        "_base",
        "_descriptors",
        "_directory",
        "_namespaces",
        "_own",
        "_plan",
        "addresses",
        "holder",
        "number",
        "way",
    )

    def __init__(self, directory: str, plan: "Plan") -> None:
        self._directory = directory
        self._plan = plan
        self.way = ("", "")
        self.holder = 0
        """The pid of the process that holds the network."""
        self._descriptors: list[int] = []
        self._namespaces = (-1, -1)
        self._own = -1
        self._base = 0
        self.number = 0
        self.addresses: list[str] = []
        """Of IPv4 and, if there is that, of IPv6."""

    def within(self, plan: "Plan") -> "Plan":
        """Return the plan with its id maps as they are inside the network's user namespace."""
        if self._namespaces[0] < 0:
            return plan
        uids, gids = holder.outer_maps(self._plan)
        mapping = "self" if plan["mapping"] == "self" else "member"
        return {
            **plan,
            "mapping": mapping,
            "uid_map": translated(plan["uid_map"], uids),
            "gid_map": translated(plan["gid_map"], gids),
        }

    @property
    def move_in(self) -> "Callable[[], None] | None":
        """What moves a process into the network's user namespace, None if it has none."""
        return self._move_in if self._namespaces[0] >= 0 else None

    def _move_in(self) -> None:
        processes.setns(self._namespaces[0], processes.CLONE_NEWUSER)

    def connect(self, plan: "Plan", pid: int, network: int) -> None:
        """Connect a waiting sandbox: a process does it that may move through the namespaces."""
        told, tell = os.pipe()
        helper = processes.clone(0)
        if helper == 0:
            self._be_helper(plan, pid, network, tell)
        os.close(tell)
        with open(told, "rb") as file:
            problem = file.read()
        init.wait(helper)
        if problem:
            number = int(problem)
            raise RefusedError(_STEP, OSError(number, os.strerror(number)))

    def _be_helper(self, plan: "Plan", pid: int, network: int, tell: int) -> "NoReturn":
        try:
            if self.move_in is not None:
                self.move_in()
            if plan["mapping"] == "member":
                map_ids(str(pid), plan["uid_map"], plan["gid_map"])
            processes.setns(self._namespaces[1], processes.CLONE_NEWNET)
            links = rtnetlink.Links()
            links.add_veth(f"m{self.number}", holder.BRIDGE, "eth0", network)
            processes.setns(network, processes.CLONE_NEWNET)
            links = rtnetlink.Links()
            holder.give(links, "eth0", self.addresses)
            links.bring_up("eth0")
            if self.way[0]:
                links.add_default_route(address_of(self._base, 1))
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(0)

    def take(self, names: "Iterable[str]") -> "Plan":
        """Take the first free address under these names; return the plan with its own hosts."""
        for number in range(_FIRST, _LAST + 1):
            own = os.open(f"{self._directory}/members/{number}", _OPEN, 0o600)
            if took(own):
                self.number, self._own = number, own
                break
            os.close(own)
        else:
            raise OSError(EADDRNOTAVAIL, os.strerror(EADDRNOTAVAIL), _STEP)
        self.addresses = self._addresses_of(self.number)
        mounts = list(self._plan["mounts"])
        at = next((place for place, one in enumerate(mounts) if one[1] == HOSTS), -1)
        before = b"" if at < 0 else _read(mounts[at][0])
        user, network = self._namespaces
        _replace(self._own, f"{' '.join(names)}\n{os.getpid()} {user} {network}\n".encode() + before)
        self._tell_all()
        if at >= 0:
            mounts[at] = (f"{self._directory}/hosts/{self.number}", *mounts[at][1:])
        plan: Plan = {**self._plan, "mounts": tuple(mounts), "around": self._around()}
        return self._led_out(plan)

    def _led_out(self, plan: "Plan") -> "Plan":
        """Return the plan with what it needs to know of the way out, if it may have one."""
        if not plan["outbound"]:
            return plan
        found, kind = ways.find(), holder.Noted.read(self._directory).kind
        if found.kind and not kind:
            found.fail("the project's network was made without one; `envforge down` and `up` make it anew")
        self.way = (found.kind, found.why)
        return found.fit(plan)

    def _around(self) -> "tuple[int, int] | None":
        if self._namespaces[0] < 0:
            return None
        status = os.fstat(self._namespaces[0])
        return status.st_dev, status.st_ino

    def _tell_all(self) -> None:
        """Write every member's hosts anew."""
        members = list(self._members())
        lines = b"".join(
            f"{place}\t".encode() + names + b"\n"
            for number, names, _ in members
            for place in self._addresses_of(number)
        )
        for number, _, before in members:
            descriptor = os.open(f"{self._directory}/hosts/{number}", _OPEN, 0o644)
            _replace(descriptor, before + lines)
            os.close(descriptor)

    def _addresses_of(self, number: int) -> "list[str]":
        own = [address_of(self._base, number)]
        return [*own, address6_of(self._directory, number)] if has_ipv6() else own

    def _members(self) -> "Iterator[tuple[int, bytes, bytes]]":
        """Yield number, names and own hosts of each member that is alive."""
        for name in sorted(os.listdir(f"{self._directory}/members"), key=int):
            path = f"{self._directory}/members/{name}"
            with open(path, "rb", buffering=0) as file:
                if int(name) != self.number and took(file.fileno()):
                    os.unlink(path)  # it has died
                    continue
                names, _, rest = file.read().partition(b"\n")
                before = rest.partition(b"\n")[2]
            yield int(name), names, before

    def enter(self) -> None:
        """Join the network, or make it; the caller holds the lock of its directory."""
        users = os.open(f"{self._directory}/users", _OPEN, 0o600)
        self._descriptors.append(users)
        flock(users, LOCK_SH)
        if not is_still_at(users, f"{self._directory}/users"):
            raise FileNotFoundError
        for name in ("members", "hosts"):
            os.makedirs(f"{self._directory}/{name}", 0o700, exist_ok=True)
        self.holder, self._base = hold(self._directory, self._plan, self._namespaces)
        self._open_namespaces()

    def mend(self) -> None:
        """Give the network a new holder, if the last one was killed. Raises OSError."""
        making = os.open(f"{self._directory}/making", _OPEN, 0o600)
        try:
            flock(making, LOCK_EX)
            self.holder, self._base = hold(self._directory, self._plan, self._namespaces)
        finally:
            os.close(making)

    def _open_namespaces(self) -> None:
        network = opened_at(f"/proc/{self.holder}/ns/net")
        self._descriptors.append(network)
        user = -1
        if self._plan["mapping"] in ("tools", "self"):
            user = opened_at(f"/proc/{self.holder}/ns/user")
            self._descriptors.append(user)
        self._namespaces = (user, network)

    def close(self) -> None:
        """Leave: the others forget the names."""
        if self._own >= 0:
            making = os.open(f"{self._directory}/making", _OPEN, 0o600)
            flock(making, LOCK_EX)
            for name in ("members", "hosts"):
                os.unlink(f"{self._directory}/{name}/{self.number}")
            self.number = 0
            self._tell_all()
            os.close(self._own)
            os.close(making)
            self._own = -1
        self.drop()

    def ended(self) -> None:
        """Keep the place: its holder leaves when it has no further use for it."""

    def drop(self) -> None:
        """Close all descriptors, without a word to the others."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []


def join(plan: "Plan", identity: str, names: "Iterable[str]") -> "tuple[Member, Plan]":
    """Join the network of that identity under these names; return the place, and the plan to start with it.

    The identity is the project's, with its instance. Raises OSError and RefusedError, leaving nothing.
    """
    key = blake2b(identity.encode(errors="surrogateescape"), digest_size=8).hexdigest()
    directory = f"{top()}/{key}"
    while True:
        os.makedirs(directory, 0o700, exist_ok=True)
        making = os.open(f"{directory}/making", _OPEN, 0o600)
        member = Member(directory, plan)
        try:
            flock(making, LOCK_EX)
            if is_still_at(making, f"{directory}/making"):
                member.enter()
                return member, member.take(names)
        except FileNotFoundError:
            member.drop()  # the last member has just left: once more, from the beginning
        except BaseException:
            member.drop()
            raise
        finally:
            os.close(making)


def translated(inner: str, outer: str) -> str:
    """Return an id map whose outside ids are those inside of another map."""
    lines = []
    for line in inner.splitlines():
        inside, outside, count = map(int, line.split())
        for other in outer.splitlines():
            other_inside, other_outside, other_count = map(int, other.split())
            first = max(outside, other_outside)
            length = min(outside + count, other_outside + other_count) - first
            if length > 0:
                lines.append(f"{inside + first - outside} {other_inside + first - other_outside} {length}\n")
    return "".join(lines)


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def _replace(descriptor: int, data: bytes) -> None:
    """Write a file in place: who has it bound sees the new content."""
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))
