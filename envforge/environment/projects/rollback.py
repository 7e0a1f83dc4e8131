"""Goes back to an earlier generation: its spec and lock replace the project's, edits since are kept aside.

Looks at no spec, so a broken one does not stand in the way.
"""

import hashlib
import os
import time

from envforge import config, trust, whole_file
from envforge.environment.projects import generations, spec_file
from envforge.environment.projects.generations import Change, Generation, History, Plan
from envforge.errors import EnvforgeError, StoreError
from envforge.lock import file as lock_file
from envforge.spec import parse as spec_parse
from envforge.store import blobs, layers, records
from envforge.store.layout import Store


def plan(store: Store, project: History, target: Generation) -> Plan:
    """Return what going back to `target` would do. Raises StoreError where its spec or lock is gone."""
    changes, edits = [], []
    for path, sums in (
        (project.spec, {one.number: one.spec for one in project.generations}),
        (trust.lock_of(project.spec), {one.number: one.lock for one in project.generations}),
    ):
        now, then = _on_disk(path), _recorded(store, path, sums[target.number])
        if now != then:
            changes.append(Change(path, now, then))
        if now and hashlib.sha256(now).hexdigest() not in sums.values():
            edits.append(Change(path, _recorded(store, path, sums[project.current.number]), now))
    return Plan(target, tuple(changes), tuple(edits))


def keep(spec_path: str, edits: tuple[Change, ...]) -> str:
    """Keep a copy of edited files in the state directory; return the copies' directory. Raises StoreError."""
    name = f"{time.strftime('%Y-%m-%dT%H-%M-%S')}-{os.urandom(3).hex()}"
    directory = os.path.join(config.state_directory(), "backups", generations.project_id(spec_path), name)
    try:
        os.makedirs(directory, 0o700)
        for edit in edits:
            whole_file.write(os.path.join(directory, os.path.basename(edit.path)), edit.after)
    except OSError as error:
        raise StoreError(
            f"what you edited cannot be kept in {directory}: {error.strerror}", hint="envforge doctor"
        ) from error
    return directory


def restore(changes: tuple[Change, ...]) -> None:
    """Write spec and lock as they are to be. Raises SpecError, LockError."""
    for change in changes:
        if change.path.endswith(".lock"):
            lock_file.write_bytes(change.path, change.after)
        else:
            spec_file.write(change.path, change.after)


def note(store: Store, project: History, target: Generation) -> Generation:
    """Record the target's environment as a new generation; return that one."""
    spec = blobs.read(store, target.spec)
    return generations.note(
        store,
        project.spec,
        _name(spec) or project.name,
        target.environment,
        spec=spec,
        lock=blobs.read(store, target.lock),
        variant=project.variant,
        reason=lambda _before: f"rollback to {target.number}",
        always=True,
    )


def _name(spec: bytes) -> str:
    """Return the name that a spec gives its project; empty where this release cannot read it."""
    try:
        return next(iter(spec_parse.parse_all(spec, "").values())).name
    except EnvforgeError:
        return ""


def is_whole(store: Store, generation: Generation, held: str) -> bool:
    """Return whether the store has a generation's environment, in the ownership mode `held`."""
    document = records.read(store.environment(generation.environment))
    return document is not None and all(
        layers.exists(store, held, one["digest"]) for one in document["layers"]
    )


def _on_disk(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _recorded(store: Store, path: str, sha256: str) -> bytes:
    try:
        return blobs.read(store, sha256)
    except FileNotFoundError as error:
        raise StoreError(
            f"{os.path.basename(path)} as it was then is gone from the store {store.path}",
            hint="`envforge history` lists the others",
        ) from error
