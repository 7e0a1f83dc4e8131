"""The files layer: what the spec's `[[files]]` bring, owned by root and the same in any clone."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from typing import Any, Final

from attrs import frozen

from envforge.build.layer import Built, ensure
from envforge.build.parents import make_parents
from envforge.build.site import Site, placing
from envforge.errors import SpecError
from envforge.recipe.model import recipe
from envforge.spec.model import LocalFile
from envforge.store import layers, listing
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.merge import merged, resolve
from envforge.store.scan import scan

_EXECUTABLE: Final = 0o755
_PLAIN: Final = 0o644


@frozen
class Placed:
    """One file, link or directory on its way into the environment."""

    target: str
    """Absolute inside."""
    type: str
    mode: int
    content: bytes
    """Of a file; the target of a link."""

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the content."""
        return hashlib.sha256(self.content).hexdigest()


def read_files(directory: str, files: Sequence[LocalFile]) -> tuple[Placed, ...]:
    """Return what `[[files]]` name, directories whole, sorted by target.

    Raises SpecError for a source that is missing, unreadable or neither file, directory nor link.
    """
    found = {placed.target: placed for file in files for placed in _read(directory, file)}
    return tuple(found[target] for target in sorted(found))


def sources(directory: str, files: Sequence[LocalFile]) -> tuple[str, ...]:
    """Return every path that `read_files` looks at, to be watched; a directory's time tells of new names."""
    found = []
    for file in files:
        source = os.path.join(directory, file.source)
        found.append(source)
        for above, names, others in os.walk(source):
            found += (os.path.join(above, name) for name in (*names, *others))
    return tuple(path for path in found if os.path.exists(path))


def _read(directory: str, file: LocalFile) -> Iterator[Placed]:
    mode = int(file.mode, 8) if file.mode else None
    source = os.path.join(directory, file.source)
    try:
        yield from _placed(os.path.realpath(source) if os.path.islink(source) else source, file.target, mode)
    except OSError as error:
        raise SpecError(
            f"[[files]] source {file.source!r}: {error.strerror}",
            hint=f"it is looked for at {error.filename}",
        ) from error


def _placed(source: str, target: str, mode: int | None) -> Iterator[Placed]:
    status = os.lstat(source)
    if stat.S_ISDIR(status.st_mode):
        yield Placed(target, "d", _EXECUTABLE, b"")
        for name in sorted(os.listdir(source)):
            yield from _placed(f"{source}/{name}", f"{target.rstrip('/')}/{name}", mode)
    elif stat.S_ISLNK(status.st_mode):
        yield Placed(target, "l", 0o777, os.fsencode(os.readlink(source)))
    elif stat.S_ISREG(status.st_mode):
        usual = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _PLAIN
        with open(source, "rb") as file:
            yield Placed(target, "f", usual if mode is None else mode, file.read())
    else:
        raise SpecError(
            f"[[files]]: {source} is neither a file, a directory nor a link", hint="take it out of the spec"
        )


def make_layer(site: Site, files: Sequence[Placed], below: Sequence[Built]) -> Built:
    """Return the layer that holds `files`, over the layers below (top to bottom)."""
    made = recipe(
        "files",
        "files",
        files=[[one.target, one.type, f"{one.mode:04o}", one.sha256] for one in files],
        lower=[layer.key for layer in below],
    )
    return ensure(site, made, placing(site.store), _stage, site, files, below).built


def _stage(place: str, site: Site, files: Sequence[Placed], below: Sequence[Built]) -> dict[str, Any]:
    """Stage the layer at `place/layer`."""
    root = f"{place}/layer/root"
    os.makedirs(root, 0o755)
    shown = merged([listing.load(_listing(site, layer)) for layer in below])
    for one in files:
        target = resolve(shown, os.fsencode(one.target))
        try:
            make_parents(root, target, shown, chown=site.held != "flat")
            _write(os.fsencode(root) + target, one)
        except OSError as error:
            raise SpecError(
                f"[[files]] target {one.target!r}: {os.fsdecode(target)} cannot be made: {error.strerror}",
                hint="do two entries lead to the same place, or one through a file of another?",
            ) from error
        if one.type != "d" or target not in shown:
            content = one.content if one.type == "l" else b""
            shown[target] = Entry(target, one.type, one.mode, content=content)  # links may lead on
    _settle(root)
    owners = None if site.held != "flat" else _owners(shown)
    return layers.stage(f"{place}/layer", scan(root, owners))


def _listing(site: Site, layer: Built) -> bytes:
    return layers.read_listing(site.store, site.held, layer.digest)


def _owners(shown: dict[bytes, Entry]) -> dict[bytes, Entry]:
    return {path: entry for path, entry in shown.items() if entry.type == "d" and (entry.uid or entry.gid)}


def _write(path: bytes, one: Placed) -> None:
    if one.type == "d":
        if not os.path.isdir(path):
            os.mkdir(path, 0o755)
    elif one.type == "l":
        os.symlink(one.content, path)
    else:
        with open(path, "xb") as file:
            file.write(one.content)
        os.chmod(path, one.mode)


def _settle(root: str) -> None:
    for directory, _, names in os.walk(os.fsencode(root), topdown=False):
        for name in (*names, b""):
            path = os.path.join(directory, name) if name else directory
            os.utime(path, (DIRECTORY_MTIME, DIRECTORY_MTIME), follow_symlinks=False)
