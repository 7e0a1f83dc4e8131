"""Turns the output of scripts that failed into an error that names the package, with a hint. Pure."""

import errno
import os
import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

from envforge.errors import BuildError, EnvforgeError, StoreFullError
from envforge.sources.debian.configure.output.dpkg_output import Failure, Output
from envforge.units import duration_text

_NO_SPACE: Final = os.strerror(errno.ENOSPC)
_SCRIPTS: Final = {"pre-installation": "preinst", "post-installation": "postinst", "config": "config script"}
_REASON: Final = re.compile(
    r"(?:installed|new|old) \S+ package (?P<script>\S+) script subprocess "
    r"(?:returned error exit status (?P<status>\d+)|was killed by signal \((?P<signal>[^)]*)\))"
)
_PARTICIPLES: Final = {"unpacking": "unpacked"}
_TOO_LONG: Final = "does it wait for an answer or for a service? `script-timeout` in config.toml is the limit"
_LOOK: Final = "`envforge build --shell-on-failure` enters the half-built tree"
_CAUSES: Final = (
    (
        re.compile(
            r"could not resolve|name resolution|network is unreachable|name or service not known"
            r"|unable to resolve|failed to fetch|couldn't connect|could not connect|download failed",
            re.IGNORECASE,
        ),
        "scripts of packages run without the network; fetch what it wants in the environment instead",
    ),
    (
        re.compile(r"connection refused|/var/run/dbus|system has not been booted|is the server running"),
        "no service runs while packages are configured; start it in the environment instead",
    ),
)


@frozen
class Ended:
    """How the scripts ended."""

    code: int
    """Exit code as a shell sees it."""
    limit_s: int = 0
    """The time limit that a script was ended for exceeding; 0 if none was."""
    full: bool = False
    """The disk is full."""


def explain(output: Output, ended: Ended, packages: int) -> EnvforgeError:
    """Return the error for scripts that failed: the first package, and the last lines of its own output.

    `packages` is the number of packages configured, for messages that can name none.
    """
    failure = output.failure
    lines = failure.lines if failure else tuple(output.step.lines)
    said = (*lines, *output.step.lines, failure.reason if failure else "")
    if ended.full or any(_NO_SPACE in line for line in said):
        return StoreFullError(
            f"no space was left while {packages} packages were configured",
            hint="free some space, or use --store DIR",
        )
    if ended.limit_s:
        what = output.step.label or "configuring"
        message = f"{what} took longer than {duration_text(ended.limit_s)} and was ended"
        return BuildError(message + _indented(output.step.lines), hint=_TOO_LONG)
    if failure is None:
        names = ", ".join(output.others) or f"{packages} packages"
        message = f"{names} could not be configured (exit code {ended.code})"
    else:
        message = (
            f"{failure.package} could not be {_PARTICIPLES.get(failure.doing, 'configured')}: {_why(failure)}"
        )
    left = (
        f"\nnot configured because of that: {', '.join(output.others)}" if failure and output.others else ""
    )
    return BuildError(message + _indented(lines) + left, hint=_hint(lines))


def _why(failure: Failure) -> str:
    """Return dpkg's reason, shortened if it is one of the usual ones."""
    found = _REASON.match(failure.reason)
    if found is None:
        return failure.reason or f"its {failure.doing.removesuffix(' of') or 'script'} failed"
    script = _SCRIPTS.get(found["script"], f"{found['script']} script")
    when = ", run for a trigger," if failure.doing == "processing triggers for" else ""
    if found["signal"]:
        return f"its {script}{when} was ended by a signal ({found['signal']})"
    return f"its {script}{when} ended with exit code {found['status']}"


def _hint(lines: Iterable[str]) -> str:
    """Return the hint for the first known cause that the lines show."""
    text = "\n".join(lines)
    return next((hint for cause, hint in _CAUSES if cause.search(text)), _LOOK)


def _indented(lines: Iterable[str]) -> str:
    return "".join(f"\n  {line}" for line in lines)
