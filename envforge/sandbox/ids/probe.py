"""Probes what a sandbox needs of this machine, for `doctor`. Leaves nothing behind."""

import os
import shutil
import tempfile

from envforge.errors import EnvforgeError
from envforge.kernel import advice, syscalls
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.ids.worker import call_in_namespace

_OPTIONS = "lowerdir=lower,upperdir=upper,workdir=work,userxattr"


def namespace(identity: Identity) -> EnvforgeError | None:
    """Return why no namespace can be entered with that identity's ids, None if one can."""
    try:
        call_in_namespace(identity, os.getuid)
    except EnvforgeError as error:
        return error
    return None


def overlay(identity: Identity, directory: str) -> EnvforgeError | None:
    """Return why a sandbox's overlay cannot be mounted over `directory`, None if it can.

    The directory must be writable.
    """
    place = tempfile.mkdtemp(prefix=".envforge-probe-", dir=directory)
    try:
        call_in_namespace(identity, _try_overlay, place)
    except EnvforgeError as error:
        return error
    except OSError as error:
        return advice.no_mount(error, f"overlay in {directory}")
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return None


def _try_overlay(place: str) -> None:
    """Remove a lower directory through an overlay, which needs user xattrs in the upper one."""
    os.chdir(place)
    for name in ("lower", "lower/d", "upper", "work", "merged"):
        os.mkdir(name)
    try:
        syscalls.mount("probe", "merged", "overlay", options=_OPTIONS)
        os.rmdir("merged/d")
        syscalls.umount("merged")
    finally:
        if os.path.isdir("work/work"):
            os.chmod("work/work", 0o700)  # overlay leaves it at 000
