"""Computes what overlayfs shows of stacked layers, from their listings. Pure. filesystems/overlayfs.rst."""

from collections.abc import Iterable, Mapping, Sequence

from envforge.errors import SandboxError
from envforge.store.listing import Entry

_LINKS_FOLLOWED = 40


def merged(layers: Sequence[Iterable[Entry]]) -> dict[bytes, Entry]:
    """Return the visible entry of each path; `layers` from top to bottom."""
    shown: dict[bytes, Entry] = {}
    for layer in reversed(layers):
        entries = sorted(layer, key=lambda entry: entry.path)
        hidden = [entry.path for entry in entries if entry.type != "d" and _is_directory(shown, entry.path)]
        if hidden:
            _forget(shown, hidden)
        for entry in entries:
            if entry.type == "w":
                shown.pop(entry.path, None)
            else:
                shown[entry.path] = entry
    return shown


def _is_directory(shown: Mapping[bytes, Entry], path: bytes) -> bool:
    below = shown.get(path)
    return below is not None and below.type in {"d", "o"}


def _forget(shown: dict[bytes, Entry], directories: Iterable[bytes]) -> None:
    prefixes = tuple(directory.rstrip(b"/") + b"/" for directory in directories)
    for path in [path for path in shown if path.startswith(prefixes)]:
        del shown[path]


def resolve(shown: Mapping[bytes, Entry], path: bytes) -> bytes:
    """Return `path` with every symbolic link resolved inside the tree; missing components are kept.

    The result has no empty components, no `.` and no `..`. Raises SandboxError for a loop of links.
    """
    for _ in range(_LINKS_FOLLOWED):
        step = _first_link(shown, path)
        if step is None:
            return b"/" + b"/".join(part for part in path.split(b"/") if part not in {b"", b"."})
        path = step
    raise SandboxError(f"too many symbolic links on the way to {path!r}")


def _first_link(shown: Mapping[bytes, Entry], path: bytes) -> bytes | None:
    parts = [part for part in path.split(b"/") if part not in {b"", b"."}]
    done: list[bytes] = []
    for index, part in enumerate(parts):
        if part == b"..":
            return b"/" + b"/".join(done[:-1] + parts[index + 1 :])
        entry = shown.get(b"/" + b"/".join([*done, part]))
        if entry is not None and entry.type == "l":
            start = [] if entry.content.startswith(b"/") else done
            return b"/" + b"/".join([*start, *entry.content.split(b"/"), *parts[index + 1 :]])
        done.append(part)
    return None
