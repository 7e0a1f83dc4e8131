"""Finds services of a spec that are valid alone and contradict each other, or their environments."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from envforge.spec.grammar import nearest, quoted
from envforge.spec.positions import Path
from envforge.spec.service.model import Service
from envforge.spec.structure import Problem

_CHECKS: Final = ("command", "http", "tcp")
_TABLE: Final = "services"


def contradictions(
    services: Mapping[str, Service], secrets: Collection[str], environments: Collection[str]
) -> Iterator[Problem]:
    """Yield the contradictions of a spec's services; `secrets` and `environments` are its own, by name."""
    for name, service in services.items():
        path = (_TABLE, name)
        yield from _environment(service, path, environments)
        yield from _dependencies(name, service, services)
        yield from _health(service, path)
        yield from _ports(service, path)
        yield from _secrets(service, path, secrets)
        yield from _targets(service, path)
    yield from _circle(services)


def dependency_of(text: str) -> tuple[str, str]:
    """Return the name in an item of `depends-on`, and its condition; empty where none is written."""
    name, _, condition = text.partition(":")
    return name, condition


def volume_of(text: str) -> tuple[str, str, bool]:
    """Return the name in an item of `volumes`, its target, and whether it is read-only."""
    name, _, rest = text.partition(":")
    target, _, access = rest.partition(":")
    return name, target, access == "ro"


def _environment(service: Service, path: Path, environments: Collection[str]) -> Iterator[Problem]:
    name = service.environment
    if name and name not in environments:
        yield Problem((*path, "environment"), f"there is no environment {_guessed(name, environments)}")


def _dependencies(name: str, service: Service, services: Mapping[str, Service]) -> Iterator[Problem]:
    for index, text in enumerate(service.depends_on):
        path: Path = (_TABLE, name, "depends-on", index)
        other, condition = dependency_of(text)
        if not other:
            continue
        if other not in services:
            yield Problem(path, f"there is no service {_guessed(other, services)}")
        elif other == name:
            yield Problem(path, "a service cannot wait for itself")
        elif condition == "healthy" and not is_checked(services[other]):
            yield Problem(path, f"{other} has no health check: write [{_TABLE}.{other}.health]")
        elif condition == "completed" and services[other].restart in ("always", "unless-stopped"):
            yield Problem(path, f'{other} never completes, as it has restart = "{services[other].restart}"')


def _guessed(name: str, known: Collection[str]) -> str:
    meant = nearest(name, known)
    return quoted(name) + (f"; did you mean {quoted(meant)}?" if meant else "")


def is_checked(service: Service) -> bool:
    """Say whether the service has a health check."""
    return any(getattr(service.health, kind) for kind in _CHECKS)


def _health(service: Service, path: Path) -> Iterator[Problem]:
    there = [kind for kind in _CHECKS if getattr(service.health, kind)]
    if len(there) > 1:
        yield Problem((*path, "health"), f"has {' and '.join(there)}: one is enough")
    if not there and service.health != type(service.health)():
        yield Problem((*path, "health"), "says no way to check: write command, http or tcp")


def _ports(service: Service, path: Path) -> Iterator[Problem]:
    if service.publish and service.network != "private":
        message = f'cannot be with network = "{service.network}": only a private network has ports to publish'
        yield Problem((*path, "publish"), message)


def _secrets(service: Service, path: Path, secrets: Collection[str]) -> Iterator[Problem]:
    for index, name in enumerate(service.secrets):
        if name and name not in secrets:
            yield Problem((*path, "secrets", index), f"there is no {_guessed(name, secrets)} in [secrets]")


def _targets(service: Service, path: Path) -> Iterator[Problem]:
    mounts: list[tuple[Path, str]] = [
        ((*path, "mounts", index, "target"), mount.target) for index, mount in enumerate(service.mounts)
    ]
    volumes: list[tuple[Path, str]] = [
        ((*path, "volumes", index), volume_of(text)[1]) for index, text in enumerate(service.volumes)
    ]
    seen: dict[str, Path] = {}
    for where, target in (*mounts, *volumes):
        if target and seen.setdefault(target, where) != where:
            yield Problem(where, f"{quoted(target)} is the target of another one already")


def _circle(services: Mapping[str, Service]) -> Iterator[Problem]:
    """Yield the first circle of dependencies, at the service that comes first in it."""
    done: set[str] = set()
    for name in services:
        if found := _walk(name, services, [], done):
            index = [dependency_of(one)[0] for one in services[found[0]].depends_on].index(found[1])
            yield Problem((_TABLE, found[0], "depends-on", index), f"goes in a circle: {' -> '.join(found)}")
            return


def _walk(name: str, services: Mapping[str, Service], above: list[str], done: set[str]) -> list[str]:
    """Return the circle that is reached from a service, such as [a, b, a]; empty for none."""
    if name in above:
        return [*above[above.index(name) :], name]
    if name in done or name not in services:
        return []
    for text in services[name].depends_on:
        other = dependency_of(text)[0]
        if other != name and (found := _walk(other, services, [*above, name], done)):
            return found
    done.add(name)
    return []
