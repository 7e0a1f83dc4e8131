"""A service's place in the network of its project, which its supervisor keeps in order."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from envforge.containers.network.member import Member
    from envforge.containers.supervisor.loop import Loop
    from envforge.sandbox.compiled import Plan


def join(config: "dict[str, Any]", plan: "Plan") -> "tuple[Member | None, Plan]":
    """Let a service into the network of its project, where the others reach it by its name.

    A single command with a service's means is there under its own name only: the service keeps its name.
    """
    if plan["network"] != "private" or not (config["service"] or config.get("means")):
        return None, plan
    from envforge.containers.network import member  # noqa: PLC0415  # only for services

    names = [name for name in (config["service"], config["name"]) if name]
    return member.join(plan, f"{config['project']}\0{config['instance']}", names)


class Held:
    """Sees to it that the network is held by somebody, also if the process that does is killed."""

    __slots__ = ("_holder", "_loop", "_member")

    def __init__(self, loop: "Loop", member: "Member") -> None:
        self._loop = loop
        self._member = member
        self._holder = -1
        self._watch()

    def _watch(self) -> None:
        try:
            self._holder = os.pidfd_open(self._member.holder)
        except OSError:
            return  # nobody to watch; who joins next mends it
        self._loop.watch(self._holder, self._mend)

    def _mend(self, _events: int) -> None:
        self.forget()
        try:
            self._member.mend()
        except OSError:
            return  # likewise
        self._watch()

    def forget(self) -> None:
        """Watch no more."""
        if self._holder >= 0:
            self._loop.unwatch(self._holder)
            os.close(self._holder)
            self._holder = -1
