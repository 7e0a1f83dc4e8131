"""`cp`: files between a container and here, whether it runs or not."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import frozen

from envforge.api.containers import explained
from envforge.containers.files import copying, places
from envforge.containers.files.copying import Copied
from envforge.containers.records import Container
from envforge.errors import ConflictError, NotFoundError, OwnerError, UsageError

__all__ = ["STREAM", "Copied", "End", "end_of", "from_container", "to_container"]

STREAM: Final = "-"
"""Standard input or output, as a tar archive."""
_WAYS: Final = "envforge cp NAME:PATH PATH, or envforge cp PATH NAME:PATH"


@frozen
class End:
    """One of the two ends of a copy."""

    container: str
    """The container's name; empty for a path here."""
    path: str


def end_of(text: str) -> End:
    """Return what an argument means: `NAME:PATH`, `-`, or a path here (with a `/` before any colon)."""
    name, colon, path = text.partition(":")
    if not colon or "/" in name or name.startswith("."):
        return End("", text)
    if not name or not path:
        raise UsageError(f"{text!r} names no path in a container", hint=_WAYS)
    return End(name, path)


def from_container(
    container: Container, path: str, target: str, *, follow: bool = False, owners: bool = False
) -> Copied:
    """Copy `path` of a container to `target` here, or to standard output as a tar archive.

    `follow`: the link that `path` is. `owners`: keep them; else all belongs to the caller. Set-id bits are
    not kept. Raises ArchiveError, ConflictError, NotFoundError, OwnerError, StoreFullError.
    """
    source = places.place_of(path)
    with explained(), _refusals(container.name):
        if target == STREAM:
            return copying.stream_out(container, source, 1, follow=follow)
        place = places.place_of(target, os.getcwd())
        return copying.copy_out(container, source, place, follow=follow, owners=owners)


def to_container(
    container: Container, source: str, path: str, *, follow: bool = False, owners: bool = False
) -> Copied:
    """Copy `source` here, or the tar archive on standard input, to `path` of a container. Raises likewise."""
    target = places.place_of(path)
    with explained(), _refusals(container.name):
        if source == STREAM:
            return copying.stream_in(container, 0, target, owners=owners)
        place = places.place_of(source, os.getcwd())
        return copying.copy_in(container, place, target, follow=follow, owners=owners)


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Turn the system's refusals into errors that tell what was refused; a full disk is one already."""
    try:
        yield
    except PermissionError as error:
        raise OwnerError(
            f"{error.filename or name}: {error.strerror}", hint="choose what you may read, and may write to"
        ) from error
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFoundError(f"{error.filename or name}: {error.strerror}") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
            raise
        raise ConflictError(f"{error.filename or name}: {error.strerror}") from error
