"""Packages of a generated store: blob, tree with control files, facts. Only the archives are no archives."""

import hashlib
import os
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from envforge.sources.debian.dpkg import facts
from envforge.sources.debian.dpkg.facts import Facts
from envforge.sources.debian.model import LockedPackage
from envforge.store.layout import Store
from envforge.store.listing import DIRECTORY_MTIME, HEADER, Entry, format_entry
from tests.bigstore.sizes import BASE

_EPOCH: Final = 1_700_000_000
_FOLDER: Final = 20
"""Files in one directory."""


@frozen
class Shipped:
    """An unpacked package."""

    locked: LockedPackage
    newest_mtime: int
    root: str
    lines: tuple[tuple[bytes, bytes, bool], ...]
    """Path, line of the listing, and whether it is a directory."""


def make_package(store: Store, held: str, number: int, version: int, files: int) -> Shipped:
    """Write one version of a package into the store."""
    name = f"pkg-{number:03}"
    archive = b"the archive of %s, version %d\n" % (name.encode(), version) * 20
    sha256 = hashlib.sha256(archive).hexdigest()
    _write_new(store.blob(sha256), archive, 0o444)
    tree = store.tree(held, sha256)
    mtime = _EPOCH + 1000 * number + version
    entries = dict(_entries(name, version, files, mtime))
    _write_tree(f"{tree}/root", entries)
    lines = [(entry.path, format_entry(entry), entry.type == "d") for entry, _ in entries.values()]
    lines.sort()
    _write_new(f"{tree}/listing", HEADER + b"".join(line for _, line, _ in lines), 0o644)
    paths = [os.fsdecode(path) for path, _, _ in lines]
    control = {"list": "".join(f"{path}\n" for path in paths).encode()}
    for member, data in control.items():
        _write_new(f"{tree}/control/{member}", data, 0o644)
    _set_time(f"{tree}/control")
    known = _facts(sha256, name, version, mtime, paths, control)
    _write_new(store.facts(sha256), facts.to_json(known), 0o644)
    return Shipped(_locked(known, len(archive)), mtime, f"{tree}/root", tuple(lines))


def _entries(name: str, version: int, files: int, mtime: int) -> Iterator[tuple[str, tuple[Entry, bytes]]]:
    own = f"/usr/share/{name}"
    for path in ("/", "/usr", "/usr/bin", "/usr/share", "/usr/share/doc", f"/usr/share/doc/{name}", own):
        yield path, (Entry(path.encode(), "d"), b"")
    yield (
        f"{own}/latest",
        (Entry(f"{own}/latest".encode(), "l", 0o777, mtime=mtime, content=b"d00/f000"), b""),
    )
    program = b"#!/bin/sh\necho %s %d\n" % (name.encode(), version)
    yield f"/usr/bin/{name}", _file(f"/usr/bin/{name}", program, 0o755, mtime)
    page = f"/usr/share/doc/{name}/copyright"
    yield page, _file(page, b"%s may be copied\n" % name.encode(), 0o644, mtime)
    for at in range(max(1, files - 3)):
        folder = f"{own}/d{at // _FOLDER:02}"
        if at % _FOLDER == 0:
            yield folder, (Entry(folder.encode(), "d"), b"")
        path = f"{folder}/f{at:03}"
        changing = version if at % 10 == 0 else 0
        text = b"%s file %d, edition %d\n" % (name.encode(), at, changing) if at % 3 == 0 else b""
        yield path, _file(path, text, 0o644, mtime)


def _file(path: str, data: bytes, mode: int, mtime: int) -> tuple[Entry, bytes]:
    sha256 = hashlib.sha256(data).hexdigest().encode()
    return Entry(path.encode(), "f", mode, mtime=mtime, size=len(data), content=sha256), data


def _write_tree(root: str, entries: dict[str, tuple[Entry, bytes]]) -> None:
    """Write files and links; `entries` have each directory before what lies in it."""
    directories = [path for path, (entry, _) in entries.items() if entry.type == "d"]
    for path in directories:
        os.makedirs(f"{root}{path}", 0o755, exist_ok=True)
    for path, (entry, data) in entries.items():
        if entry.type == "f":
            write_file(f"{root}{path}", data, entry.mode, entry.mtime)
        elif entry.type == "l":
            os.symlink(entry.content, f"{root}{path}")
            os.utime(f"{root}{path}", (entry.mtime, entry.mtime), follow_symlinks=False)
    for path in directories:
        _set_time(f"{root}{path}")


def write_file(path: str, data: bytes, mode: int, mtime: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if data:
            os.write(descriptor, data)
        os.fchmod(descriptor, mode)
        os.utime(descriptor, (mtime, mtime))
    finally:
        os.close(descriptor)


def write_layer(path: str, files: dict[str, bytes], mtime: int) -> None:
    """Write the tree of `layer_listing` to `path/root`, and the listing beside it."""
    entries = _of_layer(files, mtime)
    _write_tree(f"{path}/root", entries)
    _write_new(f"{path}/listing", _text(entries), 0o644)


def layer_listing(files: dict[str, bytes], mtime: int) -> bytes:
    """The listing of a layer of these files, with the directories that they need."""
    return _text(_of_layer(files, mtime))


def _of_layer(files: dict[str, bytes], mtime: int) -> dict[str, tuple[Entry, bytes]]:
    entries: dict[str, tuple[Entry, bytes]] = {"/": (Entry(b"/", "d"), b"")}
    for path, data in files.items():
        parts = path.split("/")[1:-1]
        for depth in range(1, len(parts) + 1):
            directory = "/" + "/".join(parts[:depth])
            entries.setdefault(directory, (Entry(directory.encode(), "d"), b""))
        entries[path] = _file(path, data, 0o644, mtime)
    return entries


def _text(entries: dict[str, tuple[Entry, bytes]]) -> bytes:
    return HEADER + b"".join(
        line for _, line in sorted((one.path, format_entry(one)) for one, _ in entries.values())
    )


def _set_time(path: str) -> None:
    os.utime(path, (DIRECTORY_MTIME, DIRECTORY_MTIME))


def _write_new(path: str, data: bytes, mode: int) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    write_file(path, data, mode, _EPOCH)


def _facts(  # noqa: PLR0917 - one call
    sha256: str, name: str, version: int, mtime: int, paths: list[str], control: dict[str, bytes]
) -> Facts:
    number = int(name.rpartition("-")[2])
    needs = f"Depends: {', '.join(_needed(number))}\n" if _needed(number) else ""
    paragraph = (
        f"Package: {name}\nVersion: 1.{version}-1\nArchitecture: all\n"
        f"Maintainer: Nobody <nobody@example.org>\nDescription: a package of the tests\n{needs}"
    )
    members = {member: hashlib.sha256(data).hexdigest() for member, data in control.items()}
    return facts.make(
        sha256,
        {"control": paragraph.encode(), **control},
        members,
        conffiles=(),
        newest_mtime=mtime,
        files=tuple(path for path in paths if path != "/"),
        private_keys=(),
    )


def _needed(number: int) -> list[str]:
    """What a package depends on: a base package, and one with half its number, so that chains are long."""
    return sorted({f"pkg-{number % BASE:03}", f"pkg-{number // 2:03}"}) if number >= BASE else []


def _locked(known: Facts, size: int) -> LockedPackage:
    number = int(known.name.rpartition("-")[2])
    return LockedPackage(
        known.name,
        known.version,
        known.architecture,
        "bookworm",
        f"pool/main/p/{known.name}/{known.name}_{known.version}_all.deb",
        size,
        known.sha256,
        base=number < BASE,
        required=number < BASE,
        needs=tuple(_needed(number)),
    )
