"""Computes what overlayfs shows of stacked layers, from their listings. Pure. filesystems/overlayfs.rst."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from envforge.errors import SandboxError
from envforge.store import listing
from envforge.store.listing import Entry

_LINKS_FOLLOWED = 40
_DIRECTORIES = (b"d ", b"o ")


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


class Shown(Mapping[bytes, Entry]):
    """The same as `merged`: each path's line of a listing, parsed when it is asked for."""

    def __init__(self, layers: Sequence[bytes] = (), *, over: "Shown | None" = None) -> None:
        """Merge the listings of layers, top to bottom, over what is merged already."""
        self.lines: dict[bytes, bytes] = {} if over is None else dict(over.lines)
        for text in reversed(layers):
            self.lay(listing.index(text))

    def lay(self, layer: Mapping[bytes, bytes]) -> None:
        """Put a layer on top, as `listing.index` gives it."""
        if not self.lines:
            self.lines = {path: line for path, line in layer.items() if not line.startswith(b"w ")}
            return
        hidden = tuple(
            path.rstrip(b"/") + b"/"
            for path, line in layer.items()
            if not line.startswith(b"d ") and self.lines.get(path, b"").startswith(_DIRECTORIES)
        )
        if hidden:
            self.lines = {path: line for path, line in self.lines.items() if not path.startswith(hidden)}
        for path, line in layer.items():
            if line.startswith(b"w "):
                self.lines.pop(path, None)
            else:
                self.lines[path] = line

    def __getitem__(self, path: bytes) -> Entry:
        return listing.parse_entry(self.lines[path])

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)


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
