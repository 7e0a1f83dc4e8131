"""What the scripts of one build print: kept in a file, and told to who watches.

    $XDG_STATE_HOME/envforge/logs/<project>-<time>-<pid>.log    0600

What is said comes from confined workers and is believed in nothing: its size is bounded, and what goes to a
terminal has no control characters. Old logs are removed where there are many.
"""

import os
import time
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

from attrs import define, field

from envforge import config
from envforge.errors import EnvforgeError
from envforge.progress import Progress
from envforge.sources.debian.configure.dpkg_output import SETTING_UP, Output, Step

LOG_MAX_BYTES: Final = 32 << 20
"""Of one log; of what comes later only the end is kept."""
_END_BYTES: Final = 256 << 10
LOGS_MAX: Final = 40
LOGS_MAX_BYTES: Final = 256 << 20
"""How many logs are kept, and how large all of them may be."""


@define
class ScriptLog:
    """The log of one build. The file is made when the first thing is said; leaving the context ends it."""

    project: str
    progress: Progress
    path: str = field(default="", init=False)
    """Where the log is, once there is one."""
    output: Output = field(factory=Output, init=False)
    _step: Step | None = field(default=None, init=False)
    _set_up: set[str] = field(factory=set, init=False)
    """Packages that are, as dpkg names them."""
    _awaited: frozenset[str] | None = field(default=None, init=False)
    """Those that count for the stage of configuring, without architecture; None before it."""
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
        for line in self.output.end():
            self.progress.log(line, self.output.step.package)
        if kind is None:
            self._begin(Step("", ""))
        if self._descriptor < 0:
            return
        with suppress(OSError):
            if self._left_out:
                os.write(self._descriptor, b"\n[%d bytes are left out]\n" % self._left_out)
            os.write(self._descriptor, b"".join(self._end))
        os.close(self._descriptor)
        self._descriptor = -1

    @property
    def is_staged(self) -> bool:
        """Return whether the stage of configuring has begun."""
        return self._awaited is not None

    def begin_stage(self, unconfigured: Collection[str]) -> None:
        """Tell that all is unpacked, and which packages have to be configured."""
        self._awaited = frozenset(_without_architecture(name) for name in unconfigured)
        if not unconfigured:
            self.progress.stage("linking")
            return
        self.progress.stage("configuring", total_items=len(unconfigured))
        for package in sorted(self._set_up):  # the base is configured while others are still unpacked
            self._count(package)
        if self._step is not None and self._step.package:
            self.progress.doing(self._step.package, self._step.doing)

    def take(self, said: Any) -> None:
        """Take the next piece of what scripts print, as text with bytes escaped."""
        if not isinstance(said, str):
            return
        data = said.encode("utf-8", "surrogateescape")
        for step, line in self.output.steps(data):
            if step is not self._step:
                self._begin(step)
            self.progress.log(line, step.package)
        self._keep(data)

    def _begin(self, step: Step) -> None:
        """Tell of a new step; the package of the one before it is set up, if it was that."""
        before, self._step = self._step, step
        if before is not None and before.doing == SETTING_UP and before.package not in self._set_up:
            self._set_up.add(before.package)
            self._count(before.package)
        if step.package:
            self.progress.doing(step.package, step.doing)

    def _count(self, package: str) -> None:
        if self._awaited is not None and _without_architecture(package) in self._awaited:
            self.progress.item(package)

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
        except OSError as error:  # a full disk, say: the build itself will tell what it lacks
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


def _without_architecture(package: str) -> str:
    return package.partition(":")[0]


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
