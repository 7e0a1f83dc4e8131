"""Where a user's own files lie, also for users whose home is of no use: accounts of CI, daemons, containers.

XDG base directory specification. Loaded on the warm path only where the usual place is not there.
"""

import os
import stat

from envforge.errors import StoreError


def usual_state_directory() -> str:
    """Return `$XDG_STATE_HOME/envforge`, whether or not it can be used."""
    return os.path.join(base("XDG_STATE_HOME", ".local/state"), "envforge")


def state_directory() -> str:
    """Return where homes, plans and what was allowed are kept. The usual place may not exist yet.

    Where it can be neither written nor made it is `$XDG_RUNTIME_DIR/envforge`, else a directory of the user's
    own in the one for temporary files. Raises StoreError where somebody else has taken that.
    """
    usual = usual_state_directory()
    if is_usable(usual):
        return usual
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _is_own(runtime):
        return os.path.join(runtime, "envforge")
    temporary = os.environ.get("TMPDIR", "")
    above = temporary if temporary.startswith("/") and os.path.isdir(temporary) else "/tmp"  # noqa: S108
    path = os.path.join(above, f"envforge-{os.geteuid()}")
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise _unusable(f"{path} cannot be made: {error.strerror}") from error
    if not _is_own(path):
        raise _unusable(f"{path} is not a directory of your own with mode 0700")
    return path


def is_usable(path: str) -> bool:
    """Say whether a directory below the home, or of the user's choice, can be written, or made."""
    home = os.path.expanduser("~")
    if path.startswith(f"{home}/") and not os.path.isdir(home):
        return False  # to make a home is not for us
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)


def base(variable: str, default: str) -> str:
    """Return a base directory; relative values are ignored, as the specification says."""
    value = os.environ.get(variable, "")
    return value if value.startswith("/") else os.path.join(os.path.expanduser("~"), default)


def _is_own(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _unusable(reason: str) -> StoreError:
    return StoreError(
        f"{usual_state_directory()} cannot be written, and {reason}",
        hint="set XDG_STATE_HOME to a directory of your own",
    )
