"""Volumes as tar archives, for `volume export`, `import` and `clone`.

What a volume holds is foreign, so it is packed and unpacked in a confined process that sees nothing but the
volume and the archive. Owners in the archive are the numbers inside.
"""

import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Final

from envforge.containers.volumes.named import Volume
from envforge.errors import ArchiveError
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.confined.deleting import delete
from envforge.sandbox.ids.identity import Identity

_PIECE: Final = 1 << 20


def export(store: str, volume: Volume, identity: Identity, target: BinaryIO) -> None:
    """Write a volume as a tar archive."""
    with _place(store) as place:
        path = f"{place}/archive"
        view = View.of(readable=[volume.path], writable=[place], every_id=True)
        call_confined(identity, view, _pack, volume.path, path)
        with open(path, "rb") as archive:
            while piece := archive.read(_PIECE):
                target.write(piece)


def fill(store: str, volume: Volume, identity: Identity, source: BinaryIO) -> None:
    """Unpack a tar archive (as it is, or compressed by gzip, bzip2 or xz) into a volume.

    Raises ArchiveError for what is none; what had been unpacked until then stays.
    """
    with _place(store) as place:
        path = f"{place}/archive"
        with open(path, "wb") as archive:
            while piece := source.read(_PIECE):
                archive.write(piece)
        view = View.of(readable=[place], writable=[volume.path], every_id=True)
        call_confined(identity, view, _unpack, path, volume.path)


def clone(store: str, volume: Volume, target: Volume, identity: Identity) -> None:
    """Copy what one volume holds into another."""
    with _place(store) as place:
        path = f"{place}/archive"
        view = View.of(readable=[volume.path], writable=[place, target.path], every_id=True)
        call_confined(identity, view, _copy, volume.path, path, target.path)


@contextmanager
def _place(store: str) -> Iterator[str]:
    """Yield an empty directory of staging, on the same disk; it is removed in the end."""
    path = f"{store}/staging/volume-{os.getpid()}-{os.urandom(6).hex()}"
    os.mkdir(path, 0o700)
    try:
        yield path
    finally:
        delete(path)


def _pack(source: str, path: str) -> None:
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for name in sorted(os.listdir(source)):
            archive.add(f"{source}/{name}", arcname=name)


def _unpack(path: str, target: str) -> None:
    try:
        with tarfile.open(path, "r:*") as archive:
            # Confined: nothing but the volume can be written, whatever names and links are in there.
            archive.extractall(target, numeric_owner=True, filter="fully_trusted")  # noqa: S202
    except (tarfile.TarError, EOFError) as error:
        raise ArchiveError(
            f"it is no whole tar archive: {error}", hint="`envforge volume export` writes one"
        ) from error


def _copy(source: str, path: str, target: str) -> None:
    _pack(source, path)
    _unpack(path, target)
