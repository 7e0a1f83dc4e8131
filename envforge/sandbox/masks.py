"""Finds where bind mounts would show envforge's own directories: store, state, configuration, plan cache.

Computed on entry from the sources as opened, not from the plan's paths, which may have moved since. Paths are
compared inside their file systems, by each mount's root there (mountinfo, proc(5)), so a directory is found
under every bind mount of it. Loaded on the warm path.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Mask = tuple[int, str, int, int]
    """Which source, the path below it, device and inode of what lies there (0 where that does not matter)."""
    Found = tuple[int, str, int, int, bool]
    """The same, and whether it is in a mount below the source, which another one may have covered."""
    Private = tuple[str, int, int]
    """Real path, device and inode."""


def find(paths: "Sequence[str | None]", private: "Sequence[str]") -> "list[Mask]":
    """Return what must be covered in mounts of these real paths (None: a mount that may show anything)."""
    if not any(paths):
        return []
    with open("/proc/self/mountinfo", "rb", buffering=0) as file:
        table = b"".join(iter(lambda: file.read(1 << 16), b""))
    found = []
    for number, below, device, inode, is_further in hidden(table, paths, [*_identities(private)]):
        if not is_further or not device or _is(f"{paths[number]}/{below}", device, inode):
            found.append((number, below, device, inode))
    return list(dict.fromkeys(found))


def _is(path: str, device: int, inode: int) -> bool:
    try:
        status = os.stat(path)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (device, inode)


def _identities(private: "Sequence[str]") -> "Iterator[Private]":
    for path in private:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue  # not there
        status = os.fstat(descriptor)
        yield os.readlink(f"/proc/self/fd/{descriptor}"), status.st_dev, status.st_ino
        os.close(descriptor)


def hidden(table: bytes, paths: "Sequence[str | None]", private: "Sequence[Private]") -> "Iterator[Found]":
    """Yield what must be covered, candidates in further mounts too, by a mountinfo table. Pure."""
    mounts = [*_mounts(table)]
    places = [(*_place(path, mounts), device, inode) for path, device, inode in private]
    for number, path in enumerate(paths):
        if path is None:
            continue
        shown = [("", *_place(path, mounts))]
        start = len(path.rstrip("/"))
        shown += [(point[start:], system, top) for point, system, top in mounts if _is_below(point, path)]
        for below, system, top in shown:
            is_further = bool(below)
            for private_system, place, device, inode in places:
                if system != private_system:
                    continue
                if is_inside(top, place):
                    yield number, below.strip("/"), 0, 0, is_further
                elif _is_below(place, top):
                    path_below = f"{below}{place[len(top.rstrip('/')) :]}".strip("/")
                    yield number, path_below, device, inode, is_further


def _mounts(table: bytes) -> "Iterator[tuple[str, str, str]]":
    """Yield the mount point of each mount, its file system's number, and its root in there."""
    for line in table.splitlines():
        fields = line.split(b" ", 5)
        yield _text(fields[4]), fields[2].decode(), _text(fields[3])


def _text(field: bytes) -> str:
    if b"\\" in field:
        for octal, plain in ((b"\\040", b" "), (b"\\011", b"\t"), (b"\\012", b"\n"), (b"\\134", b"\\")):
            field = field.replace(octal, plain)
    return os.fsdecode(field)


def _place(path: str, mounts: "Sequence[tuple[str, str, str]]") -> "tuple[str, str]":
    """Return the file system that a path is on, and the path in there."""
    best = ("", "", "/")
    for mount in mounts:
        point = mount[0]
        if is_inside(path, point) and len(point) >= len(best[0]):
            best = mount
    point, system, top = best
    return system, f"{top.rstrip('/')}{path[len(point.rstrip('/')) :]}" or "/"


def is_inside(path: str, directory: str) -> bool:
    """Say whether a normalised path is the directory, or below it."""
    return path == directory or _is_below(path, directory)


def _is_below(path: str, directory: str) -> bool:
    return path.startswith(f"{directory.rstrip('/')}/") and path != directory


def seen_in(path: "str | None", wanted: "Sequence[str]") -> "Iterator[str]":
    """Yield at which paths, relative to `path`, a mount of it shows the wanted paths; "" for all of it."""
    for one in wanted:
        if path is None:
            return
        if is_inside(path, one):
            yield ""
        elif _is_below(one, path):
            yield one[len(path.rstrip("/")) + 1 :]
