"""Moves aside what is damaged and removes what is left over: renames into trash/, so that nobody finds it.

A layer that is moved aside is not found by whoever enters next, so it is made again then, if not before. What
a running build relies on, and layers that somebody is inside of, stay: else a repair would break what works.
"""

import errno
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress

from attrs import frozen

from envforge.digest import is_sha256
from envforge.errors import EnvforgeError
from envforge.store import blobs, holds, locks
from envforge.store.layout import Store
from envforge.upkeep.fsck.documents import NEWER
from envforge.upkeep.fsck.model import Finding, Kind

_FOLDERS = {Kind.RECORD: "records", Kind.ENVIRONMENT: "environments", Kind.FACTS: "facts"}


@frozen
class Moved:
    """What was moved, and what could not be."""

    names: frozenset[str]
    """Of trees, layers, facts, blobs and documents."""
    notes: tuple[str, ...]


def move(store: Store, findings: Sequence[Finding], inside: Mapping[str, Sequence[str]]) -> Moved:
    """Move aside everything that the findings are about. `inside`: the environments of each layer."""
    names, notes = set[str](), list[str]()
    paths = {path: one for one in findings for path in _paths(store, one)}
    with holds.collecting(store) as held:
        for path, one in paths.items():
            if one.kind is Kind.TOOL and held:
                notes.append(f"tool {one.layer[:20]} stays: a build that is running may use it")
                continue
            if one.layer in held:
                notes.append(f"{one.kind} {one.layer[:12]} stays: a build that is running relies on it")
                continue
            with ExitStack() as stack:
                used = _entered(store, inside.get(one.layer, ()) if one.kind is Kind.LAYER else (), stack)
                if used:
                    notes.append(
                        f"layer {one.layer[:12]} stays: somebody is inside environment {used[:12]}; "
                        "leave it, then repair again"
                    )
                elif _rename(path, store.new_trash()):
                    names.add(one.layer)
    for one in findings:
        if one.kind is Kind.BLOB and is_sha256(one.layer) and blobs.set_aside(store, one.layer):
            names.add(one.layer)
    return Moved(frozenset(names), tuple(notes))


def _paths(store: Store, one: Finding) -> Iterator[str]:
    """Yield the paths that are to be moved away for a finding; none for what is mended in another way."""
    if one.problem.startswith(NEWER):
        return
    if one.kind in {Kind.LAYER, Kind.TREE}:
        yield f"{store.path}/{'layers' if one.kind is Kind.LAYER else 'trees'}/{one.held}/{one.layer}"
    elif one.kind in _FOLDERS and not one.path and "lock file" not in one.problem:
        name = f"{one.layer}.json" if is_sha256(one.layer) else one.layer
        yield f"{store.path}/{_FOLDERS[one.kind]}/{name}"
    elif one.kind is Kind.TOOL:
        yield f"{store.path}/tools/{one.layer}"
    elif one.kind is Kind.PARTIAL:
        yield f"{store.path}/partial/{one.layer}"
    elif one.kind is Kind.BLOB and (one.is_leftover or one.problem in {"type", "unreadable"}):
        name = one.layer if "/" in one.layer else f"{one.layer[:2]}/{one.layer}"
        yield f"{store.path}/blobs/{name}"


def _entered(store: Store, environments: Sequence[str], stack: ExitStack) -> str:
    """Lock environments against being entered until the stack ends; return one that somebody is inside of."""
    for digest in environments:
        try:
            descriptor = locks.taken(store.environment_lock(digest))
        except (FileNotFoundError, EnvforgeError):
            continue
        if descriptor is None:
            return digest
        stack.callback(os.close, descriptor)
    return ""


def _rename(path: str, trash: str) -> bool:
    try:
        os.rename(path, trash)
    except OSError as error:
        if error.errno != errno.ENOENT:  # gone already
            raise
        return False
    return True


def restore_locks(store: Store, findings: Sequence[Finding]) -> None:
    """Make the lock files that environments lack."""
    for one in findings:
        if one.kind is Kind.ENVIRONMENT and "lock file" in one.problem:
            path = store.environment_lock(one.layer)
            os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600))


def restore_blob(store: Store, sha256: str, path: str) -> bool:
    """Store the blob of a spec or a lock again from the project's file, if that still has the same bytes."""
    with suppress(OSError), open(path, "rb") as file:
        data = file.read()
        if hashlib.sha256(data).hexdigest() == sha256:
            blobs.put(store, data, durable=True)
            return True
    return False
