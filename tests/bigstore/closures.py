"""Sets of packages, and the layers that all environments with one set share: their farm links into trees."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from typing import Final

from attrs import evolve, frozen

from envforge.build.built import Built
from envforge.build.recipe import Recipe, recipe
from envforge.sources.debian.model import Closure, LockedArchive, LockedPackage
from envforge.store import records
from envforge.store.layout import Store
from envforge.store.listing import DIRECTORY_MTIME, HEADER, Entry, digest, format_entry
from tests.bigstore.packages import Shipped, layer_listing, write_file, write_layer
from tests.bigstore.sizes import BASE, VERSIONS, Sizes

_ARCHIVE: Final = LockedArchive("bookworm", "bookworm", "2026-01-01T00:00:00Z", "4" * 40)
_ASKED: Final = 10
"""Every tenth package was asked for."""


@frozen
class Shared:
    """A set of packages with its layers, top to bottom."""

    closure: Closure
    layers: tuple[Built, ...]


def chosen(sizes: Sizes, number: int) -> list[tuple[int, int]]:
    """Number and version of each package of a set: from one set to the next, four have another version.

    The last package is another one in each, so that one is gone and one is new.
    """
    count = sizes.of_closure
    more = max(0, min(sizes.names, 2 * count - 2) - count)
    numbers = [*range(count - 1), count - 1 + (number % (more + 1))]
    return [(one, 1 + (one + 4 * number) // count % VERSIONS) for one in numbers]


def make_shared(store: Store, held: str, packages: Sequence[Shipped]) -> Shared:
    """Write the layers of a set of packages."""
    locked = [evolve(one.locked, asked=int(one.locked.name[4:]) % _ASKED == _ASKED - 1) for one in packages]
    hashes = [one.sha256 for one in locked]
    newest = max(one.newest_mtime for one in packages)
    base = _configured("base", locked[:BASE], newest=max(one.newest_mtime for one in packages[:BASE]))
    rest = _configured("rest", locked, newest=newest, lower=[base.key])
    database = recipe(
        "database",
        "database",
        packages=[[one.sha256, "manual" if one.asked else "auto"] for one in locked],
        lower=[rest.key, base.key],
        epoch=newest,
    )
    status = {"/var/lib/dpkg/status": "\n".join(map(_paragraph, locked)).encode()}
    layers = (
        made(store, held, database, status, newest),
        made(store, held, rest, {"/var/lib/rest": rest.key.encode(), "/etc/rest.conf": b"rest\n"}, newest),
        made(store, held, base, {"/var/lib/base": base.key.encode(), "/etc/passwd": _PASSWD}, newest),
        _farm(store, held, recipe("farm", "farm", packages=hashes), packages),
    )
    return Shared(Closure("amd64", (_ARCHIVE,), tuple(locked)), layers)


_PASSWD: Final = b"root:x:0:0:root:/root:/bin/sh\n"


def _configured(
    name: str, locked: Sequence[LockedPackage], *, newest: int, lower: Sequence[str] = ()
) -> Recipe:
    return recipe(
        name,
        "configure",
        packages=[one.sha256 for one in locked],
        configure=[one.name for one in locked[:: 2 if lower else 1]],
        unpack=[],
        triggers=[],
        lower=list(lower),
        epoch=newest,
    )


def _paragraph(one: LockedPackage) -> str:
    depends = f"Depends: {', '.join(one.needs)}\n" if one.needs else ""
    return (
        f"Package: {one.name}\nStatus: install ok installed\nArchitecture: {one.architecture}\n"
        f"Version: {one.version}\n{depends}"
    )


def made(store: Store, held: str, how: Recipe, files: Mapping[str, bytes], mtime: int) -> Built:
    """Write a layer of these files, unless it is there, and its record."""
    text = layer_listing(dict(files), mtime)
    path = store.layer(held, digest(text))
    staged = f"{store.path}/staging/layer-{how.key}-{os.getpid()}"
    if not os.path.exists(path):
        write_layer(staged, dict(files), mtime)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            os.rename(staged, path)
        except OSError:  # another process was quicker
            shutil.rmtree(staged)
    return _recorded(store, how, digest(text), sum(map(len, files.values())), len(files))


def _recorded(store: Store, how: Recipe, layer: str, size_bytes: int, files: int) -> Built:
    document = {
        "key": how.key, "recipe": how.canonical, "digest": layer,
        "size_bytes": size_bytes, "files": files, "notes": {},
    }  # fmt: skip
    write_document(store.record(how.key), document)
    return Built(how.name, how.key, layer, size_bytes, files, reused=False)


def write_document(path: str, document: Mapping[str, object]) -> None:
    """Write a document as `records.write` does, but neither synced nor replaced atomically."""
    whole = {"format": records.FORMAT, **document}
    text = json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _farm(store: Store, held: str, how: Recipe, packages: Sequence[Shipped]) -> Built:
    """Write a farm: directories of its own, and hard links to the files of the packages' trees."""
    lines: dict[bytes, bytes] = {}
    sources: dict[bytes, bytes] = {}
    for one in packages:
        root = os.fsencode(one.root)
        for path, line, is_directory in one.lines:
            if path not in lines:
                lines[path] = line
                if not is_directory:
                    sources[path] = root + path
    lines[b"/bin"] = format_entry(Entry(b"/bin", "l", 0o777, content=b"usr/bin"))
    text = HEADER + b"".join(line for _, line in sorted(lines.items()))
    size = sum(int(line.split(b" ", 6)[5]) for line in lines.values() if line.startswith(b"f"))
    layer = store.layer(held, digest(text))
    root = os.fsencode(f"{layer}/root")
    directories = [path for path in lines if path not in sources and path != b"/bin"]
    for path in sorted(directories):
        os.makedirs(root + path, 0o755)
    for path, source in sources.items():
        os.link(source, root + path, follow_symlinks=False)
    os.symlink("usr/bin", root + b"/bin")
    times = (DIRECTORY_MTIME, DIRECTORY_MTIME)
    for path in [b"/bin", *directories]:
        os.utime(root + path, times, follow_symlinks=False)
    write_file(f"{layer}/listing", text, 0o644, DIRECTORY_MTIME)
    return _recorded(store, how, digest(text), size, len(sources) + 1)
