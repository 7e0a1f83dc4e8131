"""Runs programs of the host and captures their output. The only module that uses `subprocess`."""

import os
import subprocess
from collections.abc import Mapping, Sequence

from attrs import frozen

from envforge.errors import SandboxError


@frozen
class Finished:
    """A program that has ended."""

    code: int
    """Exit code; 128 + n where signal n ended it."""
    output: bytes
    """What it wrote to its standard output."""
    errors: str
    """What it wrote to its standard error."""


def run(
    command: Sequence[str],
    *,
    input_bytes: bytes | None = None,
    environment: Mapping[str, str] | None = None,
    cwd: str | None = None,
    timeout_s: float | None = None,
    pass_descriptors: Sequence[int] = (),
) -> Finished:
    """Run a program to its end and return what it wrote; no shell, no terminal.

    Raises SandboxError where it cannot be started or does not end in time.
    """
    try:
        done = subprocess.run(  # noqa: S603  # commands are lists made by this program, never a shell's text
            list(command),
            input=input_bytes,
            stdin=subprocess.DEVNULL if input_bytes is None else None,
            capture_output=True,
            env=None if environment is None else dict(environment),
            cwd=cwd,
            timeout=timeout_s,
            pass_fds=pass_descriptors,
            check=False,
        )
    except OSError as error:
        raise SandboxError(f"cannot start {command[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise SandboxError(f"{command[0]} did not end within {timeout_s} s") from error
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    return Finished(code=code, output=done.stdout, errors=done.stderr.decode(errors="replace"))


def begin(command: Sequence[str]) -> bool:
    """Start a program that goes on without us and our terminal; say whether it could be started."""
    nothing = subprocess.DEVNULL
    try:
        subprocess.Popen(  # noqa: S603  # as above
            list(command), stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )
    except OSError:
        return False
    return True


def find_program(name: str) -> str | None:
    """Return the path of a program on $PATH or in the usual sbin directories, or None."""
    places = os.environ.get("PATH", os.defpath).split(os.pathsep)
    for place in (*places, "/usr/local/sbin", "/usr/sbin", "/sbin"):
        path = os.path.join(place, name)
        if place and os.access(path, os.X_OK) and os.path.isfile(path):
            return path
    return None
