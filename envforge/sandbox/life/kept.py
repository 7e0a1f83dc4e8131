"""Upper directories kept by name: the next sandbox of that name sees what the last one changed.

    uppers/kept-<name>/lock     flocked exclusively by the sandbox that uses it
    uppers/kept-<name>/over     the layers that it was made over, with their ownership mode: it fits no others

No sweep touches them (`uppers.py`); `forget` removes one. An overlay on one of them is not volatile.
"""

import os
import string
from collections.abc import Callable
from errno import EEXIST, ENOTEMPTY
from fcntl import LOCK_EX, LOCK_NB, flock
from typing import Final

from envforge.errors import NotFoundError, StoreError, UsageError
from envforge.kernel.removal import is_still_at
from envforge.sandbox import uppers
from envforge.sandbox.compiled import Plan
from envforge.sandbox.uppers import KEPT, Upper

_LETTERS: Final = frozenset(string.ascii_lowercase + string.digits + "-")
_NAME_MAX: Final = 63


def keep(plan: Plan, name: str) -> Upper:
    """Return the upper directory of that name for a sandbox of `plan`, made if there is none.

    It is for `perform.start`. Raises UsageError for an invalid name, StoreError if another sandbox uses it or
    it was made over other layers.
    """
    _check(name)
    path = f"{plan['uppers']}/{KEPT}{name}"
    over = "\n".join((plan["layers_directory"], *plan["layers"], ""))
    if not os.path.isdir(path):
        _make(plan, path, over)
    descriptor = _alone(path, name)
    try:
        with open(f"{path}/over", encoding="utf-8", errors="surrogateescape") as file:
            known = file.read()
    except OSError:
        os.close(descriptor)
        raise
    if known != over:
        os.close(descriptor)
        raise StoreError(
            f"what was kept as {name} lies over another environment, and cannot be used over this one",
            hint="use another name",
        )
    return Upper(f"{KEPT}{name}", descriptor, kept=True)


def forget(plan: Plan, name: str, delete: Callable[[str], None]) -> None:
    """Remove what was kept under a name; `delete` as in `uppers`. Raises StoreError if it is in use."""
    path = f"{plan['uppers']}/{KEPT}{name}"
    if name not in names(plan):
        raise NotFoundError(f"nothing is kept as {name}", hint="use one of: " + " ".join(names(plan)))
    descriptor = _alone(path, name)
    try:
        uppers.throw_away(path, f"{plan['trash']}/upper-{KEPT}{name}-{os.urandom(6).hex()}", delete)
    finally:
        os.close(descriptor)


def names(plan: Plan) -> list[str]:
    """Return the names of all kept upper directories."""
    return sorted(one.removeprefix(KEPT) for one in os.listdir(plan["uppers"]) if one.startswith(KEPT))


def _check(name: str) -> None:
    if not name or len(name) > _NAME_MAX or name.startswith("-") or not _LETTERS.issuperset(name):
        raise UsageError(f"{name!r} is no name to keep something by", hint="use a to z, 0 to 9 and -")


def _make(plan: Plan, path: str, over: str) -> None:
    """Make it under another name and rename it: it exists complete, or not at all."""
    made = uppers.make(plan["uppers"], owner=plan["owner"])
    try:
        with open(
            f"{plan['uppers']}/{made.name}/over", "w", encoding="utf-8", errors="surrogateescape"
        ) as file:
            file.write(over)
        os.rename(f"{plan['uppers']}/{made.name}", path)
    except OSError as error:
        if error.errno not in (EEXIST, ENOTEMPTY):  # else another was quicker, and a sweep takes this one
            raise
    finally:
        os.close(made.descriptor)


def _alone(path: str, name: str) -> int:
    """Lock it exclusively; return the lock's descriptor. Raises StoreError if another sandbox uses it."""
    lock = f"{path}/lock"
    descriptor = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise StoreError(f"{name} is in use by a sandbox that runs", hint="envforge exec") from None
    if not is_still_at(descriptor, lock):
        os.close(descriptor)
        raise StoreError(f"{name} has just been removed", hint="try again")
    return descriptor
