"""PID 1 of a sandbox, and its parent's wait outside: reaping, forwarding signals, exit codes as in a shell.

Both block the signals that they forward and take them one by one with sigwaitinfo(2), which tells a signal
that a process sent from one that the terminal sent: the latter has reached the payload already. `_signal`
saves the import of `enum` that `signal` costs.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal as signals
    from collections.abc import Iterable
else:
    import _signal as signals

FORWARDED = (
    signals.SIGTERM,
    signals.SIGINT,
    signals.SIGHUP,
    signals.SIGQUIT,
    signals.SIGUSR1,
    signals.SIGUSR2,
)
WAITED = (signals.SIGCHLD, *FORWARDED)

_PATIENCE_S = 0.1
_SI_KERNEL = 0x80  # from the terminal's driver, which signals the whole foreground group


def block() -> set[int]:
    """Block the signals that `supervise` waits for; returns the previous mask, for the payload."""
    return set(signals.pthread_sigmask(signals.SIG_BLOCK, WAITED))


def unblock(mask: "Iterable[int]") -> None:
    """Restore the signal mask that `block` returned."""
    signals.pthread_sigmask(signals.SIG_SETMASK, mask)


def restore(mask: "Iterable[int]") -> None:
    """Reset signals for the payload: Python ignores SIGPIPE and SIGXFSZ, and exec would inherit that.

    A SIGINT that the caller ignores (`&` in a script) stays ignored.
    """
    ours = [signals.SIGPIPE, signals.SIGXFSZ]
    if signals.getsignal(signals.SIGINT) != signals.SIG_IGN:
        ours.append(signals.SIGINT)
    for number in ours:
        signals.signal(number, signals.SIG_DFL)
    signals.pthread_sigmask(signals.SIG_SETMASK, mask)


def supervise(payload: int) -> int:
    """In PID 1: reap all children and forward signals until `payload` has ended; returns its exit code."""
    while True:
        code = _reap(payload)
        if code is not None:
            return code
        _pass_on(signals.sigwaitinfo(WAITED), payload, shares_terminal=True)


def attend(child: int, *, shares_terminal: bool = True, is_alone: bool = True) -> int:
    """Forward signals until a child has ended; returns its exit code. Other children are not reaped.

    `shares_terminal`: the child gets the terminal's signals itself, so they are not forwarded. Unless this
    thread `is_alone`, another one may take the SIGCHLD, so the child is polled.
    """
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return exit_code(status)
        if is_alone:
            _pass_on(signals.sigwaitinfo(WAITED), child, shares_terminal=shares_terminal)
        elif information := signals.sigtimedwait(WAITED, _PATIENCE_S):
            _pass_on(information, child, shares_terminal=shares_terminal)


def _pass_on(information: "signals.struct_siginfo", child: int, *, shares_terminal: bool) -> None:
    from_terminal = shares_terminal and information.si_code == _SI_KERNEL
    if information.si_signo != signals.SIGCHLD and not from_terminal:
        _send(child, information.si_signo)


def wait(child: int) -> None:
    """Wait until a child has ended, if it has not been reaped yet."""
    try:
        os.waitpid(child, 0)
    except ChildProcessError:
        return


def _reap(payload: int) -> int | None:
    result = None
    try:
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return result
            if pid == payload:
                result = exit_code(status)
    except ChildProcessError:
        return result


def _send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it ended meanwhile: SIGCHLD follows


def exit_code(status: int) -> int:
    """Return a wait status as a shell's exit code: 128 + n if signal n ended the process."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code
