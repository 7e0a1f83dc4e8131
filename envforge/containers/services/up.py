"""Brings services up, each as soon as what it waits for is ready; and takes them down.

    one thread a service:  wait for its dependencies ── act (create, start, …) ── say so

How a container is, is read from its record, as by any other command: nothing here is a container's parent.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event, Lock
from typing import Any, Final, Literal

from attrs import field, frozen

from envforge.containers import lifecycle, truth
from envforge.containers.output import logs
from envforge.containers.records import Container
from envforge.containers.services.plan import ENDED, Condition, Dependency, Step, Wanted
from envforge.containers.supervisor.health import HEALTHY, UNHEALTHY
from envforge.errors import EnvforgeError, NotFoundError, UnhealthyError
from envforge.units import printable

_PAUSE_S: Final = 0.02
_LAST_LINES: Final = 10

What = Literal[
    "waiting", "creating", "starting", "started", "kept", "healthy", "stopping", "removed", "completed"
]


@frozen
class Happened:
    """Something that happened to a service."""

    service: str
    what: What
    seconds: float
    """Since the beginning."""


Report = Callable[[Happened], None]


@frozen
class Ready:
    """A service that can be brought up."""

    wanted: Wanted
    name: str
    """Its container's."""
    make: Callable[[], Container]
    """Creates its container, stopped."""
    start: Callable[[Container], object]
    update: Callable[[Container], None]
    """Writes changed fields into the container's record."""
    plan: Any = None
    config: Mapping[str, Any] = field(factory=dict)
    """What its container would be made of."""


class Up:
    """One bringing up: what each service has become, for those that wait for it."""

    def __init__(self, store: str, services: Mapping[str, Ready], report: Report) -> None:
        self._store = store
        self._services = services
        self._report = report
        self._began = time.monotonic()
        self._containers: dict[str, str] = {}
        self._is_over = Event()
        self._lock = Lock()
        self._told: set[tuple[str, str]] = set()

    def run(self, steps: Iterable[Step]) -> dict[str, str]:
        """Take all steps; return the ID of each service's container.

        Raises UnhealthyError for a service that ended or is unhealthy while another one waited for it, and
        what making and starting containers raises. The services that run are left running then.
        """
        steps = tuple(steps)
        for step in steps:
            if step.action == "remove":
                self._remove(step)
        rest = [step for step in steps if step.action != "remove"]
        with ThreadPoolExecutor(max_workers=max(1, len(rest))) as pool:
            futures = [pool.submit(self._take, step) for step in rest]
            try:
                wait(futures)
            except BaseException:  # ctrl+c
                self._is_over.set()
                raise
        failures = [failure for future in futures if (failure := future.exception())]
        told = [failure for failure in failures if not isinstance(failure, _EndedError)]
        if told:
            raise told[0]
        return self._containers

    def _take(self, step: Step) -> None:
        try:
            ready = self._services[step.service]
            for dependency in ready.wanted.depends_on:
                self._await(step.service, dependency)
            self._containers[step.service] = self._act(step, ready)
        except BaseException:
            self._is_over.set()
            raise

    def await_dependencies(self, wanted: Wanted) -> None:
        """Wait until all that a service depends on is as it must be. Raises UnhealthyError."""
        for dependency in wanted.depends_on:
            self._await(wanted.name, dependency)

    def _act(self, step: Step, ready: Ready) -> str:
        if step.action == "keep":
            self._say(step.service, "kept")
            return step.container
        if step.action in ("create", "recreate"):
            if step.container:
                lifecycle.remove(self._find(step.container), force=True)
            self._say(step.service, "creating")
            container = ready.make()
        else:
            container = self._find(step.container)
            if step.action == "restart":
                lifecycle.stop(container)
            if step.changed:
                ready.update(container)
            container = self._find(step.container)
        self._say(step.service, "starting")
        ready.start(container)
        self._say(step.service, "started")
        return container.id

    def _find(self, identifier: str) -> Container:
        return lifecycle.find(self._store, identifier)

    def _await(self, service: str, dependency: Dependency) -> None:
        """Wait until a dependency is as it must be."""
        is_told = False
        while True:
            if self._is_over.is_set():
                raise _EndedError
            identifier = self._containers.get(dependency.name)
            if identifier and is_ready(self._find(identifier), dependency.condition, waiting=service):
                if dependency.condition != "started":
                    self._say_once(dependency.name, dependency.condition)
                return
            if not is_told:
                self._say(service, "waiting")
                is_told = True
            time.sleep(_PAUSE_S)

    def await_all(self, containers: Mapping[str, str], checked: Collection[str]) -> None:
        """Wait until every service runs, and those with a health check are healthy. Raises UnhealthyError."""
        for service, identifier in containers.items():
            condition: Condition = "healthy" if service in checked else "started"
            while not (is_done(container := self._find(identifier)) or is_ready(container, condition)):
                time.sleep(_PAUSE_S)
            if condition == "healthy":
                self._say_once(service, condition)

    def _remove(self, step: Step) -> None:
        self._say(step.service, "stopping")
        lifecycle.remove(self._find(step.container), force=True)
        self._say(step.service, "removed")

    def _say_once(self, service: str, what: What) -> None:
        """Say what several threads may see, once."""
        with self._lock:
            is_new = (service, what) not in self._told
            self._told.add((service, what))
        if is_new:
            self._say(service, what)

    def _say(self, service: str, what: What) -> None:
        self._report(Happened(service, what, time.monotonic() - self._began))


class _EndedError(Exception):
    """Another service failed meanwhile."""


def is_done(container: Container) -> bool:
    """Say whether a container has done what it was there for, as a migration does."""
    state, policy = container.state, container.config["restart"]["policy"]
    return container.status in ENDED and state["exit_code"] == 0 and policy in ("no", "on-failure")


def is_ready(container: Container, condition: Condition, *, waiting: str = "") -> bool:
    """Say whether a container is as somebody waits for it. Raises UnhealthyError where it never will be."""
    state = container.state
    has_ended = container.status in ENDED
    if condition == "completed":
        if has_ended and state["exit_code"] != 0:
            raise _failure(container, f"ended with {state['exit_code']}", waiting)
        return has_ended
    if has_ended:
        raise _failure(container, f"ended with {state['exit_code']}", waiting)
    if condition == "started":
        return container.status == "running"
    health: Mapping[str, Any] = state["health"] or {}
    if health.get("status") == UNHEALTHY:
        raise _failure(container, "is unhealthy", waiting, said=str(health["output"]))
    return health.get("status") == HEALTHY


def _failure(container: Container, what: str, waiting: str, *, said: str = "") -> EnvforgeError:
    """Return the error of a service that will never be ready, with its last words."""
    service = container.config["service"] or container.name
    lines = [f"the service {service} {what}" + (f", and {waiting} waits for it" if waiting else "")]
    if said.strip():
        lines += ["its last check said:", *(f"  {printable(line)}" for line in said.strip().splitlines())]
    last = [printable(one.text.decode(errors="replace")) for one in logs.entries(container, last=_LAST_LINES)]
    if last:
        lines += ["its last lines:", *(f"  {line}" for line in last)]
    return UnhealthyError("\n".join(lines), hint=f"envforge logs {container.name}")


def take_down(
    store: str, identifiers: Iterable[str], report: Callable[[str, What], None], *, remove: bool = True
) -> None:
    """Stop containers one after the other, and remove them unless told otherwise."""
    for identifier in identifiers:
        try:
            container = lifecycle.find(store, identifier)
            name = container.config["service"] or container.name
            if container.is_live:
                report(name, "stopping")
                lifecycle.stop(container)
            if remove:
                lifecycle.remove(lifecycle.find(store, identifier), force=True)
                report(name, "removed")
        except NotFoundError:
            continue  # another command was quicker


def existing(store: str, project: str, instance: str) -> list[Container]:
    """Return the containers of a project's services, of one of its instances."""
    return [
        one
        for one in truth.all_checked(store)
        if one.config["project"] == project and one.config["service"] and one.config["instance"] == instance
    ]
