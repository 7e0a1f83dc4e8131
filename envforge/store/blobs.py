"""Blobs: fetched files, content-addressed by SHA-256. Staged, checked, then renamed into place.

The name proves nothing, as disks corrupt files. So every use of a blob hashes it first (`check`, `opened`,
`read`), through the same descriptor that it then reads from. A blob with other bytes is moved to the trash
and fetched again.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

from envforge.digest import new_sha256, sha256_of
from envforge.errors import DamagedError, IntegrityError
from envforge.store.layout import Store
from envforge.whole_file import sync_directory, write_all

_CHUNK: Final = 1 << 20
_LARGE: Final = 1 << 40
"""Bytes: how many come is not known yet."""
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Sink:
    """Takes a blob's bytes: counts, hashes and writes them."""

    def __init__(self, name: str, limit: int | None, descriptor: int) -> None:
        self.name = name
        """Stands for the blob in messages."""
        self.limit = limit
        """Most bytes that it may have."""
        self.size = 0
        self._descriptor = descriptor
        self._hash = new_sha256(_LARGE)

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of the bytes so far."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> None:
        """Append bytes. Raises IntegrityError beyond `limit`."""
        self.size += len(data)
        if self.limit is not None and self.size > self.limit:
            raise IntegrityError(f"{self.name}: more than the promised {self.limit} bytes came")
        self._hash.update(data)
        write_all(self._descriptor, data)


def has(store: Store, sha256: str) -> bool:
    """Return whether the store has the blob; a symbolic link in its place does not count."""
    try:
        return stat.S_ISREG(os.lstat(store.blob(sha256)).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def writing(
    store: Store, sha256: str, *, size: int | None, name: str, limit: int | None = None, durable: bool = False
) -> Iterator[Sink]:
    """Yield a sink for a blob's bytes; on leaving, check size and SHA-256 and publish the blob.

    Nothing is left if the body raises or the bytes are wrong. `name` stands for the blob in messages. An
    empty `sha256` promises none: the blob is stored under its actual one. `limit` bounds a blob of unknown
    size. `durable`: blob and name are synced to disk before this returns. Raises IntegrityError.
    """
    from envforge.store.staging import staging  # noqa: PLC0415 (most commands only read)

    with staging(store, "blob") as directory:
        path = f"{directory}/data"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
        try:
            sink = Sink(name, limit if size is None else size, descriptor)
            yield sink
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        check_promise(name, (sink.size, sink.sha256), (size, sha256))
        final = store.blob(sink.sha256)
        os.makedirs(os.path.dirname(final), exist_ok=True)
        os.rename(path, final)
        if durable:
            sync_directory(os.path.dirname(final))


def check_promise(name: str, came: tuple[int, str], promised: tuple[int | None, str]) -> None:
    """Raise IntegrityError unless received size and SHA-256 are the promised ones (None, "": no promise)."""
    if promised[0] not in (None, came[0]):
        raise IntegrityError(f"{name}: {came[0]} bytes came, {promised[0]} were promised")
    if promised[1] not in ("", came[1]):
        raise IntegrityError(
            f"{name}: the SHA-256 is {came[1]}, it must be {promised[1]}",
            hint="the server gives other bytes; try again later, or set another mirror",
        )


def put(store: Store, data: bytes, *, durable: bool = False) -> str:
    """Store `data` and return its SHA-256."""
    sha256 = sha256_of(data)
    if not has(store, sha256):
        with writing(store, sha256, size=len(data), name="a file", durable=durable) as sink:
            sink.write(data)
    return sha256


@contextmanager
def opened(store: Store, sha256: str) -> Iterator[int]:
    """Open a blob, hash it, and yield its descriptor.

    Raises FileNotFoundError, and IntegrityError for other bytes: then the blob is moved to the trash.
    """
    path = store.blob(sha256)
    with ExitStack() as stack:
        try:
            descriptor = os.open(path, _OPEN)
            stack.callback(os.close, descriptor)
            check(descriptor, sha256, path)
        except (IntegrityError, OSError) as error:
            if isinstance(error, OSError) and error.errno != errno.ELOOP:
                raise
            with suppress(OSError):  # another process was quicker, or this one may not write the store
                os.rename(path, store.new_trash())
            raise _altered(path, "no file") if isinstance(error, OSError) else error from error
        yield descriptor


def check(descriptor: int, sha256: str, name: str) -> None:
    """Raise IntegrityError unless the bytes of an open file have that SHA-256.

    1.8 GB/s, with the GIL released. Reads by pread(2), so the descriptor's offset stays.
    """
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise _altered(name, "no file")
    found = new_sha256(status.st_size)
    buffer = bytearray(_CHUNK)
    position = 0
    while count := os.preadv(descriptor, [buffer], position):
        found.update(memoryview(buffer)[:count])
        position += count
    if found.hexdigest() != sha256:
        raise _altered(name, f"{position} bytes with the SHA-256 {found.hexdigest()}")


def _altered(name: str, what: str) -> DamagedError:
    return DamagedError(
        f"{name} was altered after it came: it is {what}",
        hint="run the command again: it is moved aside and fetched anew; if that recurs, check the disk",
    )


def set_aside(store: Store, sha256: str) -> bool:
    """Move a blob whose bytes do not match its name to the trash; return whether that was needed."""
    try:
        with opened(store, sha256):
            return False
    except FileNotFoundError:
        return False
    except IntegrityError:
        return True


def read(store: Store, sha256: str) -> bytes:
    """Return a small blob's bytes. Raises like `opened`."""
    with opened(store, sha256) as descriptor, open(descriptor, "rb", closefd=False) as file:
        return file.read()
