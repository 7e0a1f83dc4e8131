"""Exit codes that monitors leave: one small file for each sandbox, for any command of the user.

    RUNTIME/ended/<id>      the exit code in decimal; RUNTIME as for the records of running sandboxes

Written atomically before the record of the running sandbox is removed: readers always find one of the two.
"""

import os
import time
from typing import Final

from envforge import whole_file
from envforge.sandbox import record
from envforge.sandbox.life import running

_BELOW: Final = "ended"
_KEPT_S: Final = 7 * 86400
"""A code that nobody asked for is removed after a week."""


def note(identifier: str, code: int) -> None:
    """Write down a sandbox's exit code, and remove the codes that nobody asked for."""
    directory = f"{os.path.dirname(record.directory())}/{_BELOW}"
    os.makedirs(directory, 0o700, exist_ok=True)
    whole_file.write(f"{directory}/{identifier}", f"{code}\n".encode(), durable=False)
    for name in os.listdir(directory):
        path = f"{directory}/{name}"
        try:
            if time.time() - os.stat(path).st_mtime > _KEPT_S:
                os.unlink(path)
        except FileNotFoundError:
            continue  # another process sweeps as well


def code_of(identifier: str) -> int | None:
    """Return a sandbox's exit code, None if it is unknown, or still running."""
    for path in _places(identifier):
        try:
            with open(path, encoding="ascii") as file:
                return int(file.read())
        except (FileNotFoundError, ValueError):
            continue
    return None


def forget(identifier: str) -> None:
    """Remove a sandbox's exit code."""
    for path in _places(identifier):
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue


def _places(identifier: str) -> list[str]:
    if not identifier.isalnum():
        return []
    places = (f"{os.path.dirname(place)}/{_BELOW}" for place in running.directories())
    return [f"{place}/{identifier}" for place in places if record.is_own(place)]
