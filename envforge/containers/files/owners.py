"""Numbers of users and groups: as a container's command sees them, and as its root, which is above, does."""

from typing import Final

from attrs import frozen

from envforge.errors import CapabilityError
from envforge.sandbox.compiled import Plan

NOBODY: Final = 65534
"""What the kernel shows for an owner without a number."""

Ranges = tuple[tuple[int, int, int], ...]
"""First number seen, first number held, count."""


@frozen
class Numbers:
    """Both kinds of numbers of one container."""

    uids: Ranges
    gids: Ranges

    @classmethod
    def of(cls, plan: Plan) -> "Numbers":
        """Return those of a plan: a nested user namespace lets the user's own number and 0 change places."""
        uid_map, gid_map = plan["nested"] or ("0 0 4294967295", "0 0 4294967295")
        return cls(_ranges(uid_map), _ranges(gid_map))

    def seen_uid(self, number: int) -> int:
        """Return an owner as the command sees it."""
        return _seen(self.uids, number)

    def seen_gid(self, number: int) -> int:
        """Return a group as the command sees it."""
        return _seen(self.gids, number)

    def held(self, uid: int, gid: int) -> tuple[int, int]:
        """Return what the command sees as this user and group. Raises CapabilityError where it has none."""
        return _held(self.uids, uid), _held(self.gids, gid)


def _ranges(text: str) -> Ranges:
    """Return the lines of an id map (user_namespaces(7))."""
    lines = (line.split() for line in text.strip().splitlines())
    return tuple((int(first), int(second), int(count)) for first, second, count in lines)


def _seen(ranges: Ranges, number: int) -> int:
    found = (first + number - second for first, second, count in ranges if second <= number < second + count)
    return next(found, NOBODY)


def _held(ranges: Ranges, number: int) -> int:
    for first, second, count in ranges:
        if first <= number < first + count:
            return second + number - first
    raise CapabilityError(f"the container has no number for the owner {number}", hint="leave --archive away")
