"""What containers and other sandboxes that run use, and what may be changed of that while they run."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from attrs import frozen

from envforge.containers import control, plans, records, truth
from envforge.containers import named as naming
from envforge.containers.records import Container
from envforge.errors import ConflictError, NotFoundError
from envforge.sandbox.life.running import running
from envforge.sandbox.limits import control as limiting
from envforge.sandbox.limits import processes as listing
from envforge.sandbox.limits import reading
from envforge.sandbox.limits.processes import Process

if TYPE_CHECKING:
    from envforge.sandbox.limits.model import Limits, Usage

_HINT: Final = "`envforge ps` and `envforge exec` list what runs"


@frozen
class Target:
    """Something that runs: a container, or a `run` or `shell` in another terminal."""

    id: str
    name: str
    pid: int
    """Its PID 1 on the host."""
    cgroup: tuple[str, ...]
    own_network: bool
    container: Container | None = None

    def usage(self) -> "Usage":
        """Return what it uses."""
        return reading.read(self.cgroup, self.pid, own_network=self.own_network)

    def processes(self) -> list[Process]:
        """Return its processes, without our PID 1."""
        return listing.below(self.pid)


def targets(store: str) -> list[Target]:
    """Return all that runs: the store's containers, then this user's other sandboxes."""
    found = [of_container(one) for one in truth.all_checked(store) if one.state["pid"]]
    of_containers = {one.pid for one in found}
    return found + [
        Target(one.id, one.name, one.pid, one.cgroup, one.plan["network"] != "host")
        for one in running()
        if one.pid not in of_containers
    ]


def of_container(one: Container) -> Target:
    """Return a container that runs."""
    network = one.config["network"]["mode"]
    return Target(one.id, one.name, one.state["pid"], tuple(one.state["cgroup"]), network != "host", one)


def find(store: str, named: str, spec: str | None = None, instance: str = "") -> Target:
    """Return what runs under a name, an id, a service of the project here, or the beginning of an id.

    Raises NotFoundError, AmbiguousError; ConflictError for a container that does not run.
    """
    try:
        container = truth.checked(naming.find(store, named, spec, instance))
    except NotFoundError:
        for one in targets(store):
            if one.container is None and (one.name == named or one.id.startswith(named)):
                return one
        raise
    if not container.state["pid"]:
        raise ConflictError(f"the container {container.name} is not running", hint=_HINT)
    return of_container(container)


def pause(target: Target) -> None:
    """Stop all its processes where they are. Raises LimitError where it has no cgroup."""
    limiting.freeze(target.cgroup, target.pid)
    _note(target, paused=True)


def unpause(target: Target) -> None:
    """Let them go on."""
    limiting.thaw(target.cgroup, target.pid)
    _note(target, paused=False)


def _note(target: Target, *, paused: bool) -> None:
    if target.container is None:
        return
    try:
        control.ask(target.container.directory, {"do": "paused", "paused": paused})
    except control.GoneError:
        truth.checked(target.container)  # it has ended meanwhile


def update(target: Target, limits: "Limits", options: Iterable[tuple[str, str]]) -> None:
    """Change its limits, a container's for its next start too. Raises LimitError."""
    enforced = limiting.update(target.cgroup, target.pid, limits)
    one = target.container
    if one is None:
        return
    plan = plans.read(one)
    plan["limits"] = limiting.changed(plan["limits"], limits, enforced)
    plans.change(one, plan)
    said = {
        **one.config["limits"],
        "asked": list(plan["limits"]["asked"]),
        "memory": plan["limits"]["memory"],
        "changed": {**one.config["limits"].get("changed", {}), **dict(options)},
    }
    records.write_config(one.directory, {**one.config, "limits": said})
