"""Looks at what was installed and edited in a container, for `capture`. A confined child does it.

Everything in there is hostile: only regular files are opened, sizes and numbers are bounded. What comes of it
is a proposal, in which the caller checks each name by the spec's grammar.
"""

import base64
import os
import stat
from typing import Any, Final

from attrs import frozen

from envforge.containers.files import changes
from envforge.containers.files.capturable import CONTENT_MAX_BYTES, why_not, why_not_content
from envforge.containers.records import Container
from envforge.errors import SandboxError
from envforge.kernel.reading import NotRegularError, ReadTree
from envforge.sandbox.compiled import Plan
from envforge.sandbox.ids.identity import Identity
from envforge.sources import registry

_FILES_MAX: Final = 200
_NAMED_MAX: Final = 20
"""How many of those that are left behind for one reason are named."""
_PACKAGES_MAX: Final = 5000
_TEXT_MAX: Final = 4096
_UNITS: Final = ("/lib/systemd/system", "/usr/lib/systemd/system")
_UNIT: Final = ".service"


@frozen
class File:
    """A file that was added or edited."""

    path: str
    mode: int
    content: bytes


@frozen
class Left:
    """What is left behind for one reason."""

    reason: str
    """A key of `capturable.REASONS`."""
    count: int
    paths: tuple[str, ...]
    """The first of them."""


@frozen
class Captured:
    """What was found, not yet checked by grammar."""

    by_hand: tuple[str, ...] = ()
    pulled_in: tuple[str, ...] = ()
    changed: tuple[tuple[str, str, str], ...] = ()
    """Packages of another version: name, version before and after."""
    removed: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    """Services of systemd that new packages brought: nothing starts them in a container."""
    files: tuple[File, ...] = ()
    left: tuple[Left, ...] = ()


def capture(container: Container, plan: Plan, identity: Identity) -> Captured:
    """Return what was done in a container. Raises SandboxError where layers are missing."""
    found = changes.over_layers(container, plan, identity, look)
    if found is None:
        return Captured()
    try:
        return Captured(
            by_hand=_texts(found["by_hand"]),
            pulled_in=_texts(found["pulled_in"]),
            changed=tuple((str(name), str(old), str(new)) for name, old, new in found["changed"]),
            removed=_texts(found["removed"]),
            units=_texts(found["units"]),
            files=tuple(
                File(str(path), int(mode), base64.b64decode(content))
                for path, mode, content in found["files"]
            ),
            left=tuple(
                Left(str(reason), int(count), _texts(paths))
                for reason, (count, paths) in found["left"].items()
            ),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SandboxError(f"what was found in {container.name} cannot be read: {error}") from error


def _texts(values: Any) -> tuple[str, ...]:
    return tuple(str(one)[:_TEXT_MAX] for one in values)


def look(upper: str, layers: list[str]) -> dict[str, Any]:
    """Look. Runs in the confined child."""
    below = [ReadTree(layer) for layer in layers]
    with ReadTree(upper) as tree:
        brought = [source.brought(below, tree) for source in registry.LOCKED]
        owned = frozenset().union(*(one.files for one in brought))
        packages = [package for one in brought for package in one.packages][:_PACKAGES_MAX]
        files, left = _files(tree, changes.changes_here(upper, layers), owned)
        return {
            "by_hand": [one.name for one in packages if one.asked],
            "pulled_in": [one.name for one in packages if not one.asked],
            "changed": [list(one) for found in brought for one in found.changed][:_PACKAGES_MAX],
            "removed": [one for found in brought for one in found.removed][:_PACKAGES_MAX],
            "units": _units(owned),
            "files": files,
            "left": left,
        }


def _units(owned: frozenset[bytes]) -> list[str]:
    names = {
        os.path.basename(path)
        for path in map(os.fsdecode, owned)
        if path.endswith(_UNIT) and os.path.dirname(path) in _UNITS
    }
    return sorted(names)[:_NAMED_MAX]


def _files(
    tree: ReadTree, found: list[tuple[str, str]], owned: frozenset[bytes]
) -> tuple[list[list[Any]], dict[str, list[Any]]]:
    """Return path, mode and content of each file, and what is left behind: reason, number and first paths."""
    files: list[list[Any]] = []
    left: dict[str, list[Any]] = {}
    for kind, path in sorted(found, key=lambda one: one[1]):
        raw = os.fsencode(path)
        if raw in owned or any(source.is_state(raw) for source in registry.LOCKED):
            continue
        status = None if kind == "D" else tree.stat(raw, follow=False)
        if kind != "D" and (status is None or stat.S_ISDIR(status.st_mode)):
            continue
        reason, content = _read(tree, kind, path, status)
        if not reason and len(files) >= _FILES_MAX:
            reason = "more"
        if reason:
            entry = left.setdefault(reason, [0, []])
            entry[0] += 1
            entry[1] += [path] if len(entry[1]) < _NAMED_MAX else []
        elif status is not None:
            files.append([path, stat.S_IMODE(status.st_mode), base64.b64encode(content).decode()])
    return files, left


def _read(tree: ReadTree, kind: str, path: str, status: os.stat_result | None) -> tuple[str, bytes]:
    """Return why a file is left behind, or an empty text and its content."""
    mode, size = (0, 0) if status is None else (status.st_mode, status.st_size)
    reason = why_not(kind, path, mode, size)
    if reason:
        return reason, b""
    try:
        content = tree.read(os.fsencode(path), limit=CONTENT_MAX_BYTES, follow=False)
    except NotRegularError:
        return "special", b""  # it has just been replaced
    except FileNotFoundError:
        return "deleted", b""
    return why_not_content(content), content
