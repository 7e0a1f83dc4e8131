"""Packs a layer into a zstd tar: its listing, then its tree, with the owners that the listing names.

Runs confined: the layer's files may belong to any id. Whiteouts are devices 0:0, as in overlayfs; attributes
that tar has no field for are in the listing alone.
"""

import hashlib
import io
import os
import tarfile
from typing import Any, Final, cast

import zstandard

from envforge.errors import IntegrityError
from envforge.kernel.tree import Tree
from envforge.store import listing
from envforge.store.listing import Entry

_LEVEL: Final = 3
_KINDS: Final = {
    "d": tarfile.DIRTYPE,
    "o": tarfile.DIRTYPE,
    "f": tarfile.REGTYPE,
    "l": tarfile.SYMTYPE,
    "w": tarfile.CHRTYPE,
}
_CHUNK: Final = 1 << 20


def pack(_report: object, place: str, layer: str, digest: str) -> str:
    """Write the archive of the layer at `layer` to `place/archive`; return the digest.

    Raises IntegrityError if the layer does not match its digest, or holds a device, a pipe or a socket.
    """
    with Tree(layer) as tree, open(f"{place}/archive", "xb") as file:
        text = tree.read("/listing", limit=listing.MAX_BYTES, follow=False)
        if listing.digest(text) != digest:
            raise IntegrityError(f"the listing of layer {digest[:12]} was altered")
        with (
            zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).stream_writer(file) as writer,
            tarfile.open(
                fileobj=cast("Any", writer), mode="w|", format=tarfile.PAX_FORMAT, bufsize=_CHUNK
            ) as archive,
        ):
            info = tarfile.TarInfo("listing")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
            for entry in listing.iterate(text):
                _add(archive, tree, entry)
    return digest


def _add(archive: tarfile.TarFile, tree: Tree, entry: Entry) -> None:
    if entry.type not in _KINDS:
        raise IntegrityError(f"{os.fsdecode(entry.path)} is a device, a pipe or a socket: not for a cache")
    info = tarfile.TarInfo(_name(entry.path))
    info.type, info.mode, info.mtime = _KINDS[entry.type], entry.mode, entry.mtime
    info.uid, info.gid = entry.uid, entry.gid
    if entry.link:
        info.type, info.linkname = tarfile.LNKTYPE, _name(entry.link)
    elif entry.type == "l":
        info.linkname = os.fsdecode(entry.content)
    elif entry.type == "f":
        info.size = entry.size or 0
        with open(tree.open(b"/root" + entry.path, follow=False), "rb") as file:
            content = _Hashed(file)
            archive.addfile(info, cast("Any", content))
        if content.hash.hexdigest().encode() != entry.content:
            raise IntegrityError(f"{os.fsdecode(entry.path)} was altered")
        return
    archive.addfile(info)


def _name(path: bytes) -> str:
    return os.fsdecode(b"root" + path).rstrip("/")


class _Hashed:
    """A file that is hashed while it is read. Raises IntegrityError if it is too short."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.hash = hashlib.sha256()
        self._file = file

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise IntegrityError(f"{self._file.name} was altered: it is too short")
        self.hash.update(data)
        return data
