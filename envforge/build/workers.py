"""Pools of worker processes: fetchers have the host's view, all others are confined (confine.py).

    parent -> worker   pickle: workers trust the parent
    worker -> parent   JSON: the parent does not trust processes that handle foreign content

Each confined worker has a directory under staging/ that it may write, and each of its jobs a fresh one in
there. The parent moves results out of that before it lets the worker remove the rest.
"""

import json
import os
import pickle
import select
import signal
import socket
import struct
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field, frozen

from envforge.errors import BuildError
from envforge.kernel import processes
from envforge.kernel.interrupts import heed, signals_wait
from envforge.sandbox.confined import confine
from envforge.sandbox.confined.confine import View
from envforge.sandbox.confined.inside import close_all_but
from envforge.sandbox.ids.identity import Identity
from envforge.store import staging
from envforge.store.layout import Store
from envforge.store.staging import remove_tree

_HEADER: Final = struct.Struct("=cQ")
_RESULT, _REPORT, _JOB, _CLEAN, _END = b"d", b"r", b"j", b"c", b"e"
_FRAME_MAX_BYTES: Final = 256 << 20

Report = Callable[[Any], None]
"""Called by a job for interim reports, JSON values: bytes received, say."""
Job = Callable[..., Any]
"""job(report, place, *arguments) returns JSON values; `place` is a directory of its own, "" for fetchers."""


@frozen
class Cell:
    """What the confined workers of a pool can see, besides their own directories."""

    store: Store
    identity: Identity
    view: Callable[[str], View]
    """The view of a worker, given its own directory."""


@frozen
class Done:
    """A finished job."""

    tag: Any
    value: Any
    directory: str
    """The worker's own directory."""
    name: str
    """The name of the job's directory in there."""


@define
class _Worker:
    pid: int
    channel: socket.socket
    directory: str = ""
    lock: int = -1
    tag: Any = None
    busy: bool = False
    jobs: int = 0


@define
class Workers:
    """A pool of processes of one kind, started on demand.

    `submit` jobs (module-level functions), then iterate over `finished`. Leaving the context ends the pool.
    """

    count: int
    cell: Cell | None = None
    """None for unconfined workers."""
    report: Report = lambda _value: None
    _workers: list[_Worker] = field(factory=list, init=False)
    _waiting: deque[tuple[Any, Job, tuple[Any, ...]]] = field(factory=deque, init=False)

    def submit(self, tag: Any, job: Job, *arguments: Any) -> None:
        """Queue a job; its result comes from `finished` with `tag`."""
        self._waiting.append((tag, job, arguments))
        self._dispatch()

    @property
    def is_free(self) -> bool:
        """Whether a job would begin at once, or right behind one that is being done."""
        return len(self._waiting) == 0

    @property
    def channels(self) -> list[socket.socket]:
        """The channels of busy workers, to be waited on together with those of other pools."""
        return [worker.channel for worker in self._workers if worker.busy]

    def finished(self, ready: set[int]) -> Iterator[Done]:
        """Yield the finished jobs of workers that are `ready` (descriptors); raise what a job raised.

        A job's directory is removed once the next job is asked for.
        """
        for worker in self._workers:
            if worker.channel.fileno() not in ready or not worker.busy:
                continue
            kind, value = self._heard(worker)
            if kind == _REPORT:
                self.report(value)
                continue
            done = Done(worker.tag, confine.unwrapped(value), worker.directory, str(worker.jobs))
            worker.busy = False
            self._dispatch()
            yield done
            if worker.directory:
                _tell(worker.channel, _CLEAN, done.name)

    @staticmethod
    def _heard(worker: _Worker) -> tuple[bytes, Any]:
        try:
            kind, data = _receive(worker.channel)
            return kind, json.loads(data)
        except (EOFError, ConnectionResetError):
            _, status = os.waitpid(worker.pid, 0)
            worker.pid = 0
            code = os.waitstatus_to_exitcode(status)
            raise BuildError(
                f"a worker process ended in the middle of its job (exit status {code})",
                hint="was it killed for want of memory? try again with fewer workers",
            ) from None

    def _dispatch(self) -> None:
        while self._waiting:
            worker = next((worker for worker in self._workers if not worker.busy), None)
            if worker is None:
                if len(self._workers) >= self.count:
                    return
                worker = self._start()
            worker.tag, job, arguments = self._waiting.popleft()
            worker.busy = True
            worker.jobs += 1
            _tell(worker.channel, _JOB, (str(worker.jobs), job, arguments))

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        worker = _start_confined(self.cell, ours, theirs) if self.cell else _start_plain(ours, theirs)
        theirs.close()
        self._workers.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            if kind is None and not worker.busy:
                _tell(worker.channel, _END, None)
            elif worker.pid:
                os.kill(worker.pid, signal.SIGKILL)  # PID 1 of a namespace does not hear SIGTERM
        for worker in self._workers:
            if worker.pid:
                os.waitpid(worker.pid, 0)
            worker.channel.close()
            if worker.directory:
                staging.give_up(worker.directory, worker.lock)
        self._workers.clear()


def _start_confined(cell: Cell, ours: socket.socket, theirs: socket.socket) -> _Worker:
    directory, lock = staging.reserve(cell.store, "worker")
    descriptor = theirs.fileno()
    body = lambda: _serve(theirs, directory)  # noqa: E731
    pid = confine.start(cell.identity, cell.view(directory), body, keep=(descriptor,))
    return _Worker(pid, ours, directory, lock)


def _start_plain(ours: socket.socket, theirs: socket.socket) -> _Worker:
    with signals_wait():
        pid = os.fork()
    if pid:
        return _Worker(pid, ours)
    try:
        heed()
        close_all_but([theirs.fileno()])
        processes.set_parent_death_signal(signal.SIGKILL)
        os.umask(0o022)
        _serve(theirs, "")
    finally:
        os._exit(0)


def ready(*pools: Workers, timeout_ms: int | None = None) -> set[int]:
    """Wait until workers of these pools have sent something; return their channels' descriptors."""
    poller = select.poll()
    for pool in pools:
        for channel in pool.channels:
            poller.register(channel, select.POLLIN)
    return {descriptor for descriptor, _ in poller.poll(timeout_ms)}


def _serve(channel: socket.socket, directory: str) -> None:
    """Do jobs until told to end, or until the parent is gone."""
    while True:
        try:
            kind, data = _receive(channel)
        except (EOFError, ConnectionResetError):
            return
        value = pickle.loads(data)  # noqa: S301 - the parent wrote it
        if kind == _END:
            return
        if kind == _CLEAN:
            remove_tree(f"{directory}/{value}")
            continue
        name, job, arguments = value
        place = f"{directory}/{name}" if directory else ""
        if place:
            os.mkdir(place, 0o755)
        answer = confine.outcome(job, lambda value: _say(channel, _REPORT, value), place, *arguments)
        _send(channel, _RESULT, answer)


def _tell(channel: socket.socket, kind: bytes, value: Any) -> None:
    _send(channel, kind, pickle.dumps(value, pickle.HIGHEST_PROTOCOL))


def _say(channel: socket.socket, kind: bytes, value: Any) -> None:
    _send(channel, kind, json.dumps(value).encode())


def _send(channel: socket.socket, kind: bytes, data: bytes) -> None:
    channel.sendall(_HEADER.pack(kind, len(data)) + data)


def _receive(channel: socket.socket) -> tuple[bytes, bytes]:
    kind, size = _HEADER.unpack(_exactly(channel, _HEADER.size))
    if size > _FRAME_MAX_BYTES:
        raise EOFError(f"a message of {size} bytes")
    return kind, _exactly(channel, size)


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        chunk = channel.recv(min(size - len(parts), 1 << 20))
        if not chunk:
            raise EOFError("the other end is gone")
        parts += chunk
    return bytes(parts)
