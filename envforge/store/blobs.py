"""Files as fetched, each under its SHA-256. Written beside, checked, synced, then renamed into place."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from envforge.errors import IntegrityError
from envforge.store.layout import Store
from envforge.store.staging import staging


class Sink(Protocol):
    """Where a blob's bytes are written."""

    def write(self, data: bytes | memoryview) -> None:
        """Take the next bytes. Raises IntegrityError when more come than were promised."""


class _BlobSink:
    def __init__(self, descriptor: int, name: str, size: int | None) -> None:
        self.hash = hashlib.sha256()
        self.size = 0
        self._descriptor = descriptor
        self._name = name
        self._limit = size

    def write(self, data: bytes | memoryview) -> None:
        self.size += len(data)
        if self._limit is not None and self.size > self._limit:
            raise IntegrityError(f"{self._name}: more than the promised {self._limit} bytes came")
        self.hash.update(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]


def has(store: Store, sha256: str) -> bool:
    """Return whether the blob is in the store."""
    return os.path.exists(store.blob(sha256))


@contextmanager
def writing(store: Store, sha256: str, *, size: int | None, name: str) -> Iterator[Sink]:
    """Give a sink for a blob's bytes; on leaving, check size and SHA-256 and publish it.

    Nothing is left where the body raises or the bytes are wrong. `name` is what messages call it.
    Raises IntegrityError.
    """
    with staging(store, "blob") as directory:
        path = f"{directory}/data"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            sink = _BlobSink(descriptor, name, size)
            yield sink
        finally:
            os.close(descriptor)
        if size is not None and sink.size != size:
            raise IntegrityError(f"{name}: {sink.size} bytes came, {size} were promised")
        if sink.hash.hexdigest() != sha256:
            raise IntegrityError(
                f"{name}: the SHA-256 is {sink.hash.hexdigest()}, it must be {sha256}",
                hint="the mirror serves other bytes; try again later or set another mirror",
            )
        final = store.blob(sha256)
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(path, final)


def put(store: Store, data: bytes) -> str:
    """Store `data` and return its SHA-256."""
    sha256 = hashlib.sha256(data).hexdigest()
    if not has(store, sha256):
        with writing(store, sha256, size=len(data), name="a file") as sink:
            sink.write(data)
    return sha256


def read(store: Store, sha256: str) -> bytes:
    """Return a blob's bytes. Raises FileNotFoundError."""
    with open(store.blob(sha256), "rb") as file:
        return file.read()
