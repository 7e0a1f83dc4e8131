"""Upper directories kept by name: the next sandbox of that name sees what the last one changed.

    uppers/kept-<name>/lock     flocked exclusively by the sandbox that uses it
    uppers/kept-<name>/over     the layers that it was made over, with their ownership mode: it fits no others

No sweep touches them (`uppers.py`); `forget` removes one. An overlay on one of them is not volatile.
"""

import os
import string
from collections.abc import Callable
from typing import Final

from envforge.errors import NotFoundError, StoreError, UsageError
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
    over = uppers.over_of(plan)
    try:
        upper = uppers.keep(plan["uppers"], name, over, owner=plan["owner"])
    except (BlockingIOError, FileNotFoundError) as error:
        raise _explain(error, name) from None
    try:
        with open(f"{path}/over", encoding="utf-8", errors="surrogateescape") as file:
            known = file.read()
    except OSError:
        os.close(upper.descriptor)
        raise
    if known != over:
        os.close(upper.descriptor)
        raise StoreError(
            f"what was kept as {name} lies over another environment, and cannot be used over this one",
            hint="use another name",
        )
    return upper


def forget(plan: Plan, name: str, delete: Callable[[str], None]) -> None:
    """Remove what was kept under a name; `delete` as in `uppers`. Raises StoreError if it is in use."""
    path = f"{plan['uppers']}/{KEPT}{name}"
    if name not in names(plan):
        raise NotFoundError(f"nothing is kept as {name}", hint="use one of: " + " ".join(names(plan)))
    try:
        descriptor = uppers.lock_alone(path)
    except (BlockingIOError, FileNotFoundError) as error:
        raise _explain(error, name) from None
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


def _explain(error: OSError, name: str) -> StoreError:
    if isinstance(error, BlockingIOError):
        return StoreError(f"{name} is in use by a sandbox that runs", hint="envforge exec")
    return StoreError(f"{name} has just been removed", hint="try again")
