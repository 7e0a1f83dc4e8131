"""Archives as a cache holds them, honest ones and others, made by hand."""

import hashlib
import io
import tarfile

import zstandard

from envforge.store import listing
from envforge.store.listing import Entry


def file_entry(path: str, data: bytes, **details) -> Entry:
    content = hashlib.sha256(data).hexdigest().encode()
    given = {"mode": 0o644, "mtime": 7, **details}
    return Entry(path.encode(), "f", **given, size=len(data), content=content)


def member(name: str, data: bytes = b"", **details) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in details.items():
        setattr(info, field, value)
    return info, data


def packed(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data))
    return zstandard.compress(raw.getvalue())


def archive_of(text: bytes, *contents: bytes) -> tuple[bytes, str]:
    """Return an archive of a listing with these contents, and its digest."""
    members = [member("listing", text), *(member(f"root/{n}", data) for n, data in enumerate(contents))]
    return packed(*members), listing.digest(text)
