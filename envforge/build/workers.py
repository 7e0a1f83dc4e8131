"""Processes that do jobs side by side. Forked from a single-threaded parent, so each may clone sandboxes.

Threads would share one interpreter lock and could not clone safely; a process a job would cost a fork each.
"""

import os
import pickle
import select
import signal
import socket
import struct
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field

from envforge.errors import BuildError, EnvforgeError
from envforge.sandbox import syscalls

_HEADER: Final = struct.Struct("=cQ")
_DONE, _FAILED, _BROKE, _REPORT = b"d", b"f", b"b", b"r"

Report = Callable[[int], None]
"""Called by a job with the number of bytes that it has got since the last call."""
Job = Callable[..., Any]


@define
class _Worker:
    pid: int
    channel: socket.socket
    tag: Any = None
    busy: bool = False


@define
class Workers:
    """A few processes of one kind, started when first needed.

    `submit` jobs (module-level functions, whose first argument is a `Report`), then take `(tag, result)`
    pairs from `finished` as they come. Leaving the context ends the processes.
    """

    count: int
    report: Report = lambda _count: None
    _workers: list[_Worker] = field(factory=list, init=False)
    _waiting: deque[tuple[Any, Job, tuple[Any, ...]]] = field(factory=deque, init=False)

    def submit(self, tag: Any, job: Job, *arguments: Any) -> None:
        """Queue `job(report, *arguments)`; its result comes from `finished` with `tag`."""
        self._waiting.append((tag, job, arguments))
        self._dispatch()

    @property
    def channels(self) -> list[socket.socket]:
        """The channels of busy workers, to be waited on together with those of other pools."""
        return [worker.channel for worker in self._workers if worker.busy]

    def finished(self, ready: list[socket.socket]) -> Iterator[tuple[Any, Any]]:
        """Yield tag and result of the jobs whose workers are in `ready`; raise what a job raised."""
        for worker in self._workers:
            if worker.channel in ready and worker.busy:
                kind, value = self._heard(worker)
                if kind == _REPORT:
                    self.report(value)
                    continue
                tag, worker.busy = worker.tag, False
                if kind == _FAILED:
                    raise value
                if kind == _BROKE:
                    raise RuntimeError(f"a worker process failed:\n{value}")
                self._dispatch()
                yield tag, value

    @staticmethod
    def _heard(worker: _Worker) -> tuple[bytes, Any]:
        try:
            return _receive(worker.channel)
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
            _send(worker.channel, _DONE, (job, arguments))

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            ours.close()
            for other in self._workers:
                other.channel.close()
            _serve(theirs, parent)
        theirs.close()
        worker = _Worker(pid, ours)
        self._workers.append(worker)
        return worker

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        alive = [worker.pid for worker in self._workers if worker.pid]
        for worker in self._workers:
            worker.channel.close()
        for pid in alive:  # other pools' processes hold copies of the channels: closing alone ends nobody
            os.kill(pid, signal.SIGTERM)
        for pid in alive:
            os.waitpid(pid, 0)
        self._workers.clear()


def wait(*pools: Workers) -> Iterator[tuple[Any, Any]]:
    """Yield `(tag, result)` of whatever finishes next in any of the pools, until none is busy.

    More jobs may be submitted between two results.
    """
    while channels := [channel for pool in pools for channel in pool.channels]:
        ready, _, _ = select.select(channels, [], [])
        for pool in pools:
            yield from pool.finished(ready)


def _serve(channel: socket.socket, parent: int) -> None:
    """Do jobs until the channel closes; never returns."""
    syscalls.set_parent_death_signal(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        while os.getppid() == parent:
            try:
                _, (job, arguments) = _receive(channel)
            except EOFError:
                break
            _answer(channel, job, arguments)
    finally:
        os._exit(0)


def _answer(channel: socket.socket, job: Job, arguments: tuple[Any, ...]) -> None:
    try:
        result = job(lambda count: _send(channel, _REPORT, count), *arguments)
    except EnvforgeError as error:
        _send(channel, _FAILED, error)
    except OSError as error:
        _send(channel, _FAILED, error)
    except BaseException:  # noqa: BLE001 - handed to the parent, which raises it
        _send(channel, _BROKE, traceback.format_exc())
    else:
        _send(channel, _DONE, result)


def _send(channel: socket.socket, kind: bytes, value: Any) -> None:
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    channel.sendall(_HEADER.pack(kind, len(data)) + data)


def _receive(channel: socket.socket) -> tuple[bytes, Any]:
    kind, size = _HEADER.unpack(_exactly(channel, _HEADER.size))
    return kind, pickle.loads(_exactly(channel, size))  # noqa: S301 - our own child wrote it


def _exactly(channel: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        chunk = channel.recv(min(size - len(parts), 1 << 20))
        if not chunk:
            raise EOFError("the other end is gone")
        parts += chunk
    return bytes(parts)
