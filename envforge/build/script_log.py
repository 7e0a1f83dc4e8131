"""The log of one build's scripts: kept in a file, and passed on to a reader.

    $XDG_STATE_HOME/envforge/logs/<project>-<time>-<pid>.log    0600

The output comes from confined workers and is untrusted: its size is bounded, and no control characters of it
reach a terminal. Only the newest logs are kept.
"""

import os
import time
from collections import deque
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field

from envforge import config
from envforge.build.task import Reader
from envforge.errors import EnvforgeError
from envforge.progress import Progress

LOG_MAX_BYTES: Final = 32 << 20
"""Of one log; of further output only the end is kept."""
_END_BYTES: Final = 256 << 10
LOGS_MAX: Final = 40
LOGS_MAX_BYTES: Final = 256 << 20
"""How many logs are kept, and how large all of them may be."""


@define
class ScriptLog:
    """The log of one build. The file is made with the first output; leaving the context ends it."""

    project: str
    progress: Progress
    path: str = field(default="", init=False)
    """The log's path, once there is output."""
    reader: Reader | None = field(default=None, init=False)
    _descriptor: int = field(default=-1, init=False)
    _written: int = field(default=0, init=False)
    _end: deque[bytes] = field(factory=deque, init=False)
    _end_bytes: int = field(default=0, init=False)
    _left_out: int = field(default=0, init=False)
    _is_kept: bool = field(default=True, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.reader is not None:
            self.reader.end(well=kind is None)
        if self._descriptor < 0:
            return
        with suppress(OSError):
            if self._left_out:
                os.write(self._descriptor, b"\n[%d bytes are left out]\n" % self._left_out)
            os.write(self._descriptor, b"".join(self._end))
        os.close(self._descriptor)
        self._descriptor = -1

    def take(self, said: Any) -> None:
        """Take the next piece of output, as text in which surrogates stand for undecodable bytes."""
        if not isinstance(said, str):
            return
        data = said.encode("utf-8", "surrogateescape")
        if self.reader is not None:
            self.reader.feed(data)
        self._keep(data)

    def read_by(self, reader: Reader) -> None:
        """Pass further output to `reader`; the previous one has had all of its own."""
        if self.reader is not None and self.reader is not reader:
            self.reader.end(well=True)
        self.reader = reader

    def named(self, error: EnvforgeError) -> EnvforgeError:
        """Return an error with the path of the log, if there is one."""
        if not self.path:
            return error
        return type(error)(f"{error.message}\nthe whole output: {self.path}", hint=error.hint)

    def _keep(self, data: bytes) -> None:
        if not self._is_kept:
            return
        try:
            if self._descriptor < 0:
                self._open()
            if self._written < LOG_MAX_BYTES:
                self._written += os.write(self._descriptor, data)
                return
        except OSError as error:  # a full disk, say, which the build itself reports
            self._is_kept = False
            self.progress.message(f"the output of scripts is not kept: {error}")
            return
        self._end.append(data)
        self._end_bytes += len(data)
        while self._end_bytes > _END_BYTES:
            size = len(self._end.popleft())
            self._end_bytes -= size
            self._left_out += size

    def _open(self) -> None:
        directory = f"{config.state_directory()}/logs"
        os.makedirs(directory, 0o700, exist_ok=True)
        sweep(directory)
        moment = time.strftime("%Y-%m-%dT%H.%M.%S", time.gmtime())
        path = f"{directory}/{self.project or 'build'}-{moment}-{os.getpid()}.log"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(path, flags, 0o600)
        self.path = path


def sweep(directory: str, *, count: int = LOGS_MAX - 1, size_bytes: int = LOGS_MAX_BYTES) -> None:
    """Remove the oldest logs, so that no more than `count` of at most `size_bytes` together stay."""
    found = []
    for entry in os.scandir(directory):
        with suppress(FileNotFoundError):  # another build sweeps too
            if entry.name.endswith(".log") and entry.is_file(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                found.append((status.st_mtime_ns, status.st_size, entry.path))
    left = size_bytes
    for place, (_, size, path) in enumerate(sorted(found, reverse=True)):
        left -= size
        if place >= count or left < 0:
            with suppress(FileNotFoundError):
                os.unlink(path)
