"""Says in words why an environment has a new generation: what differs from the one before. Pure."""

from collections.abc import Collection, Iterator, Mapping
from typing import Final

from attrs import frozen

from envforge.environment.made.model import Environment
from envforge.lock.model import Part
from envforge.sources import registry

FIRST: Final = "first build"
_NAMED: Final = 3
_Key = tuple[str, str, str]


@frozen
class State:
    """What a reason is found in."""

    versions: Mapping[_Key, str]
    """By source, name and architecture."""
    asked: Collection[_Key]
    layers: Mapping[str, str]
    """Digest by the layer's name."""
    runtime: Mapping[str, object]


def state_of(part: Part, environment: Environment) -> State:
    """Return what a reason is found in, of an environment and the part of the lock that it was built from."""
    packages = [one for name, pins in part.pinned.items() for one in registry.source(name).packages(pins)]
    return State(
        {(one.source, one.name, one.architecture): one.version for one in packages},
        frozenset((one.source, one.name, one.architecture) for one in packages if one.asked),
        {layer.name: layer.digest for layer in environment.layers},
        environment.runtime,
    )


def reason(before: State | None, now: State) -> str:
    """Return the reason in a line: `jq added; 2 upgraded`, `files changed`."""
    if before is None:
        return FIRST
    found = [*_packages(before, now), *_files(before, now), *_runtime(before, now)]
    return "; ".join(found) or "the same inputs gave other bytes"


def _packages(before: State, now: State) -> Iterator[str]:
    for (here, asked), (there, _), word in (
        ((now.versions, now.asked), (before.versions, before.asked), "added"),
        ((before.versions, before.asked), (now.versions, now.asked), "removed"),
    ):
        keys = here.keys() - there.keys()
        if keys:
            yield f"{_names(keys & set(asked) or keys)} {word}"
    both = now.versions.keys() & before.versions.keys()
    changed = {key for key in both if now.versions[key] != before.versions[key]}
    if len(changed) == 1:
        (key,) = changed
        yield f"{key[1]} {before.versions[key]} -> {now.versions[key]}"
    elif changed:
        yield f"{_names(changed & set(now.asked) or changed)} changed version"


def _names(keys: Collection[_Key]) -> str:
    """Return some of the names, and how many there are besides."""
    names = sorted({name for _, name, _ in keys})
    more = len(names) - _NAMED
    return ", ".join(names) if more <= 1 else f"{', '.join(names[:_NAMED])} and {more} more"


def _files(before: State, now: State) -> Iterator[str]:
    for source in registry.LOCAL:
        if before.layers.get(source.name) != now.layers.get(source.name):
            yield f"{source.name} changed"


def _runtime(before: State, now: State) -> Iterator[str]:
    tables = sorted(
        name
        for name in before.runtime.keys() | now.runtime.keys()
        if before.runtime.get(name) != now.runtime.get(name)
    )
    if tables:
        yield f"{', '.join(tables)} changed"
