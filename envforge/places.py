"""The user's directories (XDG base directory specification), and fallbacks for the state directory.

The fallbacks are for users without a usable home: CI accounts, daemons, containers. The warm path loads this
module only where the usual state directory is missing or cannot be written.
"""

import os
import stat

from envforge.errors import StoreError


def usual_state_directory() -> str:
    """Return `$XDG_STATE_HOME/envforge`, whether or not it can be used."""
    return os.path.join(base("XDG_STATE_HOME", ".local/state"), "envforge")


def state_directory() -> str:
    """Return the directory for private homes, cached plans and consent. The usual one may not exist yet.

    Where the usual one can be neither written nor created, it is `$XDG_RUNTIME_DIR/envforge`, else
    `envforge-UID` in `$TMPDIR` or /tmp, with mode 0700. Raises StoreError where another user owns that name.
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
    """Return whether a directory can be written or created; a missing home is never created."""
    home = os.path.expanduser("~")
    if path.startswith(f"{home}/") and not os.path.isdir(home):
        return False  # the home itself is not ours to create
    while not os.path.lexists(path):
        path = os.path.dirname(path)
    return os.path.isdir(path) and os.access(path, os.W_OK | os.X_OK)


def base(variable: str, default: str) -> str:
    """Return an XDG base directory; relative values are ignored, as the specification says."""
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
