"""Partly fetched blobs: kept when a transfer breaks off, so that the next one resumes there.

    partial/<name>     the bytes so far; flocked by the one process that writes it
    partial/<name>.of  the server's validator for the version of the file that they are of (If-Range)

Resuming hashes the existing bytes first, and the complete blob is checked like any other.
"""

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from envforge import whole_file
from envforge.errors import IntegrityError
from envforge.kernel.removal import is_still_at
from envforge.store import blobs
from envforge.store.layout import Store

WORTH_BYTES: Final = 1 << 20
"""Smaller files are fetched again as quickly."""
_KEPT_S: Final = 7 * 24 * 3600
_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK: Final = 1 << 20
_VERSION_MAX_BYTES: Final = 1024


class Arriving(blobs.Sink):
    """A blob that is being fetched, with the bytes so far."""

    def __init__(self, name: str, limit: int | None, descriptor: int, path: str) -> None:
        super().__init__(name, limit, descriptor)
        self._path = path
        self.version = ""
        """The server's validator of the file that the bytes so far are of; empty if it sent none."""

    def restart(self, version: str) -> None:
        """Discard the bytes so far: from here on the file is of that version."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self.size = 0
        self._hash = hashlib.sha256()
        self.version = version
        with suppress(FileNotFoundError):
            os.unlink(f"{self._path}.of")
        if version and len(version) <= _VERSION_MAX_BYTES:
            whole_file.write(f"{self._path}.of", version.encode(), mode=0o600, durable=False)

    def take_up(self) -> None:
        """Hash and count the bytes that an earlier transfer left, and read their version."""
        buffer = bytearray(_CHUNK)
        while count := os.readv(self._descriptor, [buffer]):
            self._hash.update(memoryview(buffer)[:count])
            self.size += count
        with suppress(OSError), open(f"{self._path}.of", encoding="utf-8") as file:
            self.version = file.read(_VERSION_MAX_BYTES)


@contextmanager
def arriving(
    store: Store, key: str, sha256: str, *, name: str, size: int | None = None, limit: int | None = None
) -> Iterator[Arriving]:
    """Yield a blob to start or resume; on leaving, check size and SHA-256 and publish it.

    `key` (hex digits) names the partial file: the promised SHA-256, or if none is promised one of the URL;
    the blob is then stored under its actual SHA-256. If the body raises, 1 MiB or more stays to be resumed,
    but not after IntegrityError (wrong bytes) or OSError (a full disk). A second process that fetches the
    blob at the same time gets a partial file of its own.
    """
    path, descriptor = _claim(store, key)
    kept = False
    try:
        blob = Arriving(name, limit if size is None else size, descriptor, path)
        blob.take_up()
        if blob.limit is not None and blob.size > blob.limit:
            blob.restart("")
        try:
            yield blob
        except (IntegrityError, OSError):
            raise
        except BaseException:
            kept = blob.size >= WORTH_BYTES
            raise
        blobs.check_promise(name, (blob.size, blob.sha256), (size, sha256))
        os.fchmod(descriptor, 0o444)
        final = store.blob(blob.sha256)
        os.makedirs(os.path.dirname(final), exist_ok=True)
        with suppress(FileNotFoundError):
            os.unlink(f"{path}.of")
        os.rename(path, final)
        kept = True  # from here on another process may have a file of that name
    finally:
        if not kept:
            for left in (path, f"{path}.of"):
                with suppress(FileNotFoundError):
                    os.unlink(left)
        os.close(descriptor)


def _claim(store: Store, key: str) -> tuple[str, int]:
    """Return path and locked descriptor of a partial file, of a fresh one if another process writes that."""
    path = f"{store.path}/partial/{key}"
    own = f"{path}-{os.urandom(4).hex()}"
    while True:
        try:
            descriptor = os.open(path, _OPEN, 0o600)
        except PermissionError:
            if not path.endswith(key):
                raise
            path = own  # it is whole, read-only already, and published in a moment
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                path = own  # a FIFO, say: none of ours, and `fsck` names it
            elif is_still_at(descriptor, path):
                return path, descriptor
        except BlockingIOError:
            path = own
        os.close(descriptor)


def sweep(store: Store) -> None:
    """Remove partial files that nobody has written to for a week."""
    oldest = time.time() - _KEPT_S
    for entry in os.scandir(f"{store.path}/partial"):
        with suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime < oldest:
                os.unlink(entry.path)
