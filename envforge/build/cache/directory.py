"""A cache in a directory, which several machines may share: files appear in it by rename only.

CACHE/
format                      "envforge-cache 1"
records/<key>.json          build records as in a store; for a closure: all its layers
layers/<digest>.tar.zst     `listing`, then `root/`; the mtime is its last use
"""

import json
import os
import shutil
import stat
from contextlib import suppress
from typing import Any, Final

from attrs import frozen

from envforge import whole_file
from envforge.errors import IntegrityError, StoreError

_HEADER: Final = b"envforge-cache 1\n"
_FOLDERS: Final = ("layers", "records")
_RECORD_MAX_BYTES: Final = 16 << 20
_CHUNK: Final = 1 << 20


@frozen
class DirectoryCache:
    """A cache in a directory. Make one with `open_directory`."""

    path: str

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.path

    @property
    def is_private(self) -> bool:
        """Whether nobody but this user, or root, can have put anything into it."""
        found = [os.stat(path) for path in (self.path, *(f"{self.path}/{name}" for name in _FOLDERS))]
        return all(one.st_uid in {0, os.geteuid()} and not one.st_mode & 0o022 for one in found)

    def lookup(self, key: str) -> dict[str, Any] | None:
        """Return the record of a key, None if there is none. Raises IntegrityError if it is malformed."""
        path = f"{self.path}/records/{key}.json"
        try:
            with open(_open(path), "rb") as file:
                data = file.read(_RECORD_MAX_BYTES)
        except FileNotFoundError:
            return None
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise IntegrityError(f"{path} is damaged") from error
        if not isinstance(document, dict):
            raise IntegrityError(f"{path} is no record")
        return document

    def has(self, digest: str) -> bool:
        """Return whether there is an archive of that layer."""
        return os.path.isfile(self._archive(digest))

    def pull(self, digest: str, path: str) -> None:
        """Copy an archive to `path`, so that nobody changes it while it is read."""
        source = _open(self._archive(digest))
        with open(source, "rb") as file, open(path, "xb") as copy:
            shutil.copyfileobj(file, copy, _CHUNK)
        with suppress(OSError):  # another user's, or on a read-only file system
            os.utime(self._archive(digest))

    def push(self, digest: str, archive: int) -> None:
        """Copy an archive into the cache, atomically."""
        with whole_file.filling(self._archive(digest), mode=None) as descriptor:
            while chunk := os.read(archive, _CHUNK):
                whole_file.write_all(descriptor, chunk)

    def note(self, key: str, document: dict[str, Any]) -> None:
        """Write a record, atomically."""
        text = json.dumps(document, sort_keys=True, ensure_ascii=False) + "\n"
        path = f"{self.path}/records/{key}.json"
        whole_file.write(path, text.encode("utf-8", "surrogateescape"), mode=None)

    def _archive(self, digest: str) -> str:
        return f"{self.path}/layers/{digest}.tar.zst"


def open_directory(path: str) -> DirectoryCache:
    """Return the cache at `path`, created if it does not exist.

    Raises StoreError if something else is there, or it cannot be created.
    """
    try:
        os.makedirs(path, exist_ok=True)
        _check_format(path)
        for name in _FOLDERS:
            os.makedirs(f"{path}/{name}", exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the cache {path} cannot be used: {error.strerror}", hint="name another directory with --cache"
        ) from error
    return DirectoryCache(path)


def _check_format(path: str) -> None:
    name = f"{path}/format"
    if os.path.lexists(name):
        with open(_open(name), "rb") as file:
            header = file.read(100)
        if header != _HEADER:
            raise StoreError(
                f"the cache {path} has the format {header!r}, this release knows {_HEADER!r}",
                hint="use another --cache directory",
            )
    elif any(one not in _FOLDERS and not one.startswith(".format.") for one in os.listdir(path)):
        raise StoreError(
            f"{path} is a directory with other things in it, not a cache",
            hint="name an empty or a new directory with --cache",
        )
    else:
        whole_file.write(name, _HEADER, mode=None)


def _open(path: str) -> int:
    """Return a descriptor of a regular file. Raises IntegrityError for anything else, OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IntegrityError(f"{path} is no file")
    return descriptor
