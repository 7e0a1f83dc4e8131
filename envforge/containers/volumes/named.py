"""Named volumes: directories that outlive containers, kept in the store.

    STORE/volumes/<name>/volume.json    {"format", "name", "project", "created"}
    STORE/volumes/<name>/data/          what containers see; owned by the first one's user

A volume of a service is called `PROJECT-VOLUME`, and belongs to one project: another of the same name
does not get it. `volumes/.<random>` is one that is being made.
"""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

from attrs import frozen

from envforge import whole_file
from envforge.containers import records
from envforge.errors import ConflictError, InUseError, NotFoundError, StoreError, UsageError
from envforge.sandbox.compiled import Plan
from envforge.sandbox.confined.deleting import delete
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.ids.worker import call_in_namespace
from envforge.sandbox.life.running import running

FORMAT: Final = 1
_TOP: Final = "volumes"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,126}")


@frozen
class Volume:
    """A named volume."""

    name: str
    project: str
    """Real path of the spec that it belongs to."""
    created: int
    """Nanoseconds since 1970."""
    path: str
    """Where its data is, on the host."""


def volume_name(project: str, volume: str, instance: str = "") -> str:
    """Return the name of a service's volume: `shop-data`, or `shop-test-data` of the instance `test`."""
    return "-".join(filter(None, (project, instance, volume)))


def ensure(store: str, name: str, project: str, plan: Plan, identity: Identity) -> Volume:
    """Return the volume of that name, made if there is none: empty, and the user's that the plan runs as.

    Raises ConflictError where it belongs to another project.
    """
    try:
        found = read(store, name)
    except NotFoundError:
        return new(store, name, project, lambda path: _give(path, plan, identity))
    if found.project not in ("", project):
        raise ConflictError(
            f"the volume {name} belongs to {found.project}",
            hint="give the projects different names: `name` in the spec",
        )
    return found


def found_or_new(store: str, name: str) -> Volume:
    """Return the volume of that name; a new one belongs to no project yet."""
    try:
        return read(store, name)
    except NotFoundError:
        return new(store, name, "")


def new(store: str, name: str, project: str, prepare: Callable[[str], None] = lambda _: None) -> Volume:
    """Make an empty volume; `prepare` gets its directory. Raises UsageError for what is no name."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a volume", hint="use a to z, 0 to 9, `_`, `.` and `-`")
    made = f"{store}/{_TOP}/.{os.urandom(6).hex()}"
    os.makedirs(f"{made}/data", 0o755)
    values = {"format": FORMAT, "name": name, "project": project, "created": time.time_ns()}
    whole_file.write(f"{made}/volume.json", json.dumps(values, indent=1).encode() + b"\n", mode=0o600)
    prepare(f"{made}/data")
    try:
        os.rename(made, f"{store}/{_TOP}/{name}")
    except OSError:
        delete(made)  # another was quicker
    return read(store, name)


def _give(path: str, plan: Plan, identity: Identity) -> None:
    """Make a new directory the payload's user's."""
    owner = plan["credentials"][:2] if plan["credentials"] is not None else (0, 0)
    if owner == (0, 0) or identity.held == "flat":
        return
    call_in_namespace(identity, os.chown, path, *owner)


def read(store: str, name: str) -> Volume:
    """Return a volume. Raises NotFoundError, StoreError."""
    if not _NAME.fullmatch(name):
        raise NotFoundError(f"there is no volume {name!r}", hint="`envforge volume ls` lists them")
    place = f"{store}/{_TOP}/{name}"
    try:
        with open(f"{place}/volume.json", encoding="utf-8") as file:
            values: dict[str, Any] = json.load(file)
        return Volume(values["name"], values["project"], values["created"], f"{place}/data")
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(f"there is no volume {name}", hint="`envforge volume ls` lists them") from None
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{place}/volume.json cannot be read: {error}", hint="envforge fsck") from error


def read_all(store: str) -> Iterator[Volume]:
    """Yield all volumes of a store, by name."""
    try:
        names = sorted(os.listdir(f"{store}/{_TOP}"))
    except FileNotFoundError:
        return
    for name in names:
        if not name.startswith("."):
            try:
                yield read(store, name)
            except NotFoundError:
                continue  # it was removed meanwhile


def users(store: str, name: str) -> list[str]:
    """Return the names of the containers that have a volume, whether or not they run."""
    return [
        one.name
        for one in records.read_all(store)
        if name in {volume["volume"] for volume in one.config.get("volumes", ())}
    ]


def runs(store: str, name: str) -> list[str]:
    """Return the ids of what runs with a volume and is no container: of a `run -v NAME:/path`, say."""
    place = os.path.realpath(f"{store}/{_TOP}/{name}/data")
    containers = {one.state["pid"] for one in records.read_all(store)}
    return [
        one.id
        for one in running()
        if one.pid not in containers and place in {source for source, *_ in one.plan["mounts"]}
    ]


def remove(store: str, name: str) -> None:
    """Remove a volume with all that is in it. Raises InUseError where something has it, NotFoundError."""
    volume = read(store, name)
    if names := users(store, name):
        raise InUseError(
            f"the volume {name} belongs to the container {', '.join(names)}",
            hint=f"`envforge rm {names[0]}` first",
        )
    if ids := runs(store, name):
        raise InUseError(
            f"the volume {name} is in use by the container {', '.join(ids)}, which runs in a terminal",
            hint="end it first; `envforge exec` lists what runs",
        )
    trashed = f"{store}/trash/volume-{os.urandom(6).hex()}"
    os.rename(os.path.dirname(volume.path), trashed)
    delete(trashed)
