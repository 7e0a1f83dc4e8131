"""Which way out a private network has here; and the own one of a sandbox that shares its network with nobody.

A way of root's is `nat`, a plain user's `pasta`. Where there is none a private network is cut off, and `why`
says what is missing. A sandbox never reaches the host by it: not its loopback, nor its other addresses.
What lays a way is loaded where there is one.
"""

import os
from time import sleep

from envforge.kernel import init, processes
from envforge.sandbox.first_process import map_by_tools
from envforge.sandbox.outbound import addresses, forwarding, pasta, resolvers
from envforge.sandbox.payload import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from envforge.sandbox.compiled import Plan
    from envforge.sandbox.outbound import nat, rtnetlink

NAT, PASTA, NONE = "nat", "pasta", ""
INSIDE = "eth0"
_SIGKILL = 9
_PAUSE_S = 0.0002
_NO_WAY = "there is no way out of a private network here"
_TUN = "/dev/net/tun"


class Way:
    """The way out that there is here."""

    __slots__ = ("kind", "resolvers", "why")

    def __init__(self, kind: str, why: str, text: str) -> None:
        self.kind = kind
        self.why = why
        """What is missing, where something is."""
        self.resolvers = text
        """/etc/resolv.conf for inside."""

    def fail(self, why: str) -> None:
        """Note that it could not be made."""
        self.kind, self.why = NONE, f"{_NO_WAY}: {why}"

    @property
    def forwards(self) -> bool:
        """Whether it has to lead to the host's resolver."""
        return resolvers.FORWARDED in self.resolvers

    def fit(self, plan: "Plan") -> "Plan":
        """Return the plan with the resolvers that are reached inside, and a note of what is missing."""
        if self.why:
            plan = {**plan, "notes": (*plan["notes"], self.why)}
        return resolvers.laid(plan, self.resolvers) if self.kind else plan


def alone(plan: "Plan") -> "tuple[Plan, Alone]":
    """Return the plan of a sandbox that has a private network to itself, and its way out."""
    pasta.sweep()
    found = find()
    return found.fit(plan), Alone(plan, found)


def find() -> Way:
    """Return the way that there is here, and what is missing where it is not a whole one."""
    kind, why = (NAT, forwarding.why_not()) if os.geteuid() == 0 else (PASTA, _why_no_pasta())
    if why:
        return Way(NONE, f"{_NO_WAY}: {why}", "")
    text, resolves = resolvers.configuration(addresses.own(), forwards=kind == PASTA)
    why = "" if resolves else "names cannot be resolved in a private network: the host's resolver is its own"
    return Way(kind, why, text)


def _why_no_pasta() -> str:
    if not pasta.program():
        return "pasta is not installed: sudo apt-get install passt"
    if not os.access(_TUN, os.R_OK | os.W_OK):
        return f"{_TUN} cannot be opened: sudo modprobe tun"
    if not addresses.default_interface():
        return "this machine has none itself"
    return ""


class Alone:
    """The own way out of one sandbox, from before its start until after its end."""

    __slots__ = ("_cable", "_pasta", "_plan", "_way")

    def __init__(self, plan: "Plan", way: Way) -> None:
        self._way = way
        self._plan = plan
        self._pasta = 0
        self._cable: nat.Cable | None = None

    @property
    def way(self) -> "tuple[str, str]":
        """Which way there is, and what is missing."""
        return self._way.kind, self._way.why

    def within(self, plan: "Plan") -> "Plan":
        """Return the plan with ids that `connect` maps."""
        return {**plan, "mapping": "member"} if self._maps() else plan

    def _maps(self) -> bool:
        return self._way.kind == PASTA and self._plan["mapping"] == "tools"

    @property
    def move_in(self) -> None:
        """Nothing: the sandbox is cloned from here."""

    def connect(self, plan: "Plan", pid: int, network: int) -> None:  # noqa: ARG002  # those of a project need it
        """Connect a waiting sandbox; one whose way cannot be made is cut off. Raises RefusedError."""
        if self._maps():
            map_by_tools(self._plan, pid)
        try:
            if self._way.kind == NAT:
                self._lay(network)
            elif self._way.kind == PASTA:
                self._start_pasta(pid, network)
        except OSError as error:
            self.ended()
            self._way.fail(error.strerror or str(error))
            if os.isatty(2):
                say(f"note: {self._way.why}")

    def _lay(self, network: int) -> None:
        from envforge.sandbox.outbound import nat  # noqa: PLC0415  # only where the host forwards

        cable = self._cable = nat.Cable(os.urandom(5).hex(), INSIDE, network)

        def set_up(links: "rtnetlink.Links") -> None:
            links.add_address(INSIDE, cable.address, nat.PREFIX)
            links.bring_up(INSIDE)
            links.add_default_route(cable.gateway)

        inside(-1, network, set_up)

    def _start_pasta(self, pid: int, network: int) -> None:
        while not _is_mapped(pid):  # PID 1 does it itself where there is a single id
            sleep(_PAUSE_S)
        own = addresses.own()
        self._pasta = pasta.start(pid, INSIDE, forwards=self._way.forwards)
        pasta.note(self._pasta)
        user = os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        try:
            inside(user, network, lambda links: block(links, own))
        finally:
            os.close(user)

    def ended(self) -> None:
        """End the way: the sandbox has ended."""
        if self._cable is not None:
            self._cable.close()
            self._cable = None
        if self._pasta:
            os.kill(self._pasta, _SIGKILL)
            init.wait(self._pasta)
            pasta.forget(self._pasta)
            self._pasta = 0


def block(links: "rtnetlink.Links", own: "Iterable[str]") -> None:
    """Refuse the host's addresses in a network that pasta serves: it would reach the host by them."""
    for address in own:
        try:
            links.make_unreachable(address)
        except OSError:
            continue  # of a family that there is not inside


def _is_mapped(pid: int) -> bool:
    with open(f"/proc/{pid}/uid_map", "rb", buffering=0) as file:
        return bool(file.read(1))


def inside(user: int, network: int, do: "Callable[[rtnetlink.Links], None]") -> None:
    """Call that in a process of its own in a network namespace; `user`: of which user namespace, -1: of ours.

    Raises OSError as it does.
    """
    from envforge.sandbox.outbound import rtnetlink  # noqa: PLC0415  # only with a way out

    told, tell = os.pipe()
    helper = processes.clone(0)
    if helper == 0:
        try:
            if user >= 0:
                processes.setns(user, processes.CLONE_NEWUSER)
            processes.setns(network, processes.CLONE_NEWNET)
            do(rtnetlink.Links())
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(0)
    os.close(tell)
    with open(told, "rb") as file:
        problem = file.read()
    init.wait(helper)
    if problem:
        raise OSError(int(problem), os.strerror(int(problem)))
