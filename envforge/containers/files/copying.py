"""Copies between a container and outside: two processes, and a tar stream between them.

`pack` reads at one end, `unpack` writes at the other. The end inside sees what the container sees and nothing
of the host (`sandbox/life/visit.py`), and neither end trusts the other. A container that does not run is
mounted for it, with its lock held: it cannot be started meanwhile.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from typing import Any, Final

from attrs import frozen

from envforge.containers import joined, plans, records
from envforge.containers.files.owners import Numbers
from envforge.containers.files.packing import pack
from envforge.containers.files.places import Place
from envforge.containers.files.unpacking import unpack
from envforge.containers.records import Container
from envforge.errors import ArchiveError, InUseError, SandboxError
from envforge.sandbox import uppers
from envforge.sandbox.compiled import Plan
from envforge.sandbox.life import visit
from envforge.whole_file import write_all

_PIECE: Final = 1 << 20

Inside = Callable[[int, bool], Any]
"""What is done inside: it gets its end of the pipe, and whether the container runs."""


@frozen
class Copied:
    """What was copied."""

    files: int = 0
    """Files and links; 0 where only the archive was seen."""
    size_bytes: int = 0
    left_out: tuple[str, ...] = ()
    """Pipes, sockets and devices: the first few of them."""
    left_out_count: int = 0


def copy_out(container: Container, source: Place, target: Place, *, follow: bool, owners: bool) -> Copied:
    """Copy from a container to here. Raises ArchiveError, ConflictError, NotFoundError, OSError."""
    owner = (lambda uid, gid: (uid, gid)) if owners else None
    return _received(container, source, lambda end: unpack(end, target, source.name, owner), follow=follow)


def stream_out(container: Container, source: Place, target: int, *, follow: bool) -> Copied:
    """Write what is in a container to a descriptor, as a tar archive. Raises likewise."""
    return _received(container, source, lambda end: _carry(end, target), follow=follow)


def copy_in(container: Container, source: Place, target: Place, *, follow: bool, owners: bool) -> Copied:
    """Copy from here into a container. Raises ArchiveError, ConflictError, NotFoundError, OSError."""

    def send(end: int) -> Any:
        return pack(end, source, follow, _itself, _itself)

    return _sent(container, source.name, target, send, owners=owners)


def stream_in(container: Container, source: int, target: Place, *, owners: bool) -> Copied:
    """Unpack a tar archive that is read from a descriptor into a container's directory. Raises likewise."""
    return _sent(container, None, target, lambda end: _carry(source, end), owners=owners)


def _received(
    container: Container, source: Place, receive: Callable[[int], dict[str, Any]], *, follow: bool
) -> Copied:
    plan = plans.read(container)
    numbers = Numbers.of(plan)

    def send(end: int, _runs: bool) -> Any:  # noqa: FBT001
        return pack(end, source, follow, numbers.seen_uid, numbers.seen_gid)

    found, told = _exchange(container, plan, send, receive, outward=True)
    return _copied(found, told)


def _sent(
    container: Container, name: str | None, target: Place, send: Callable[[int], Any], *, owners: bool
) -> Copied:
    plan = plans.read(container)
    owner = Numbers.of(plan).held if owners else None

    def receive(end: int, runs: bool) -> Any:  # noqa: FBT001
        return unpack(end, target, name, owner, keeps_memory=runs)

    told, found = _exchange(container, plan, receive, send, outward=False)
    return _copied(found, told)


def _copied(received: dict[str, Any], sent: dict[str, Any]) -> Copied:
    return Copied(
        received["files"], received["bytes"], tuple(sent.get("left_out", ())), sent.get("left_out_count", 0)
    )


def _itself(number: int) -> int:
    return number


def _carry(source: int, target: int) -> dict[str, Any]:
    """Copy bytes from a descriptor to another one until the end."""
    size_bytes = 0
    while piece := os.read(source, _PIECE):
        write_all(target, piece)
        size_bytes += len(piece)
    return {"files": 0, "bytes": size_bytes}


def _exchange(
    container: Container, plan: Plan, inside: Inside, outside: Callable[[int], Any], *, outward: bool
) -> tuple[Any, Any]:
    """Run both ends; return what the one here and the one inside say.

    Where both fail, what happened inside is told, unless it was only that the pipe broke.
    """
    reading, writing = os.pipe()
    read, write = FileIO(reading, "rb"), FileIO(writing, "wb")
    ours, theirs = (read, write) if outward else (write, read)
    with read, write, _visiting(container, plan, theirs.fileno(), inside) as visited:
        theirs.close()
        here, problem = None, None
        try:
            here = outside(ours.fileno())
        except (ArchiveError, BrokenPipeError) as error:
            problem = error
        finally:
            ours.close()
        try:
            there = visited.result()
        except BrokenPipeError:
            raise problem or SandboxError("the archive was not read to its end") from None
        if problem is not None:
            raise problem
        return here, there


@contextmanager
def _visiting(container: Container, plan: Plan, end: int, inside: Inside) -> Iterator[visit.Visit]:
    """Start the end inside. Raises InUseError, RefusedError, StaleError."""
    if container.state["pid"]:
        seen: Plan = {**plan, "around": tuple(container.state["around"]) or None}
        with visit.running(joined.target_of(container, seen), [end], inside, end, True) as visited:
            yield visited
        return
    lock = records.lock(container.directory)
    try:
        try:
            upper = uppers.keep(plan["uppers"], container.id, uppers.over_of(plan), owner=plan["owner"])
        except BlockingIOError:
            raise InUseError(
                f"the files of {container.name} are in use", hint="try again in a moment"
            ) from None
        with visit.mounted(plan, upper, [end], inside, end, False) as visited:
            yield visited
    finally:
        os.close(lock)
