"""Resets what a process inherits from its caller, so that none of it can change a byte of a build.

Variables, locale, time zone and home are set for every command; the host name, network, pids and root
directory are the sandbox's own. This module resets the rest, in the processes that build.
"""

import os
import resource
import signal
from typing import Final

_UMASK: Final = 0o022
_OPEN_FILES: Final = 1024
"""The usual soft limit: some programs close every number below it one by one."""
_UNLIMITED: Final = (
    resource.RLIMIT_CPU,
    resource.RLIMIT_DATA,
    resource.RLIMIT_FSIZE,
    resource.RLIMIT_NPROC,
    resource.RLIMIT_AS,
)
_STACK_BYTES: Final = 8 << 20
_PYTHONS_OWN: Final = (signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE, signal.SIGXFSZ)
"""Signals that cannot be set, and those that Python ignores: they are reset before exec."""


def forget_caller() -> None:
    """Give this process the usual umask, soft limits and signals, whatever it was started with.

    Call it in a child that works for a build. Hard limits stay, as only root could raise them.
    """
    os.umask(_UMASK)
    for number in _UNLIMITED:
        _set_soft_limit(number, resource.RLIM_INFINITY)
    _set_soft_limit(resource.RLIMIT_CORE, 0)
    _set_soft_limit(resource.RLIMIT_STACK, _STACK_BYTES)
    _set_soft_limit(resource.RLIMIT_NOFILE, _OPEN_FILES)
    for number in signal.valid_signals() - frozenset(_PYTHONS_OWN):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _set_soft_limit(number: int, wanted: int) -> None:
    _, hard = resource.getrlimit(number)
    soft = wanted if hard == resource.RLIM_INFINITY or 0 <= wanted <= hard else hard
    resource.setrlimit(number, (soft, hard))
