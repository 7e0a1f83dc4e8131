"""Which ids this user may map: all of root's, a subordinate range, or a single one.

Reads files only; it makes no namespace. `worker.py` and `plan/compile.py` use the maps.
"""

import os
import pwd

from attrs import frozen

from envforge.errors import CapabilityError
from envforge.process import find_program

Map = tuple[tuple[int, int, int], ...]
"""Lines of an id map: first id inside, first id outside, how many (user_namespaces(7))."""

RANGE_IDS = 65536
"""How many ids a sandbox can name: 0 to 65535, which holds `nobody`."""

_BUILT_IN_FIRST = 0x70000000  # the first block that no allocator uses: systemd's containers end right below
_BUILT_IN_LAST = 0x7FFE0000  # systemd's foreign ids begin here


@frozen
class Identity:
    """The ownership mode of a user's trees on disk, and the id maps of that user's namespaces."""

    held: str
    """`true` (real owners, by root), `range-<first uid>-<first gid>`, or `flat` (a single id)."""
    uid_map: Map
    """Namespace A, in which trees are built: 0 is the user's own id."""
    gid_map: Map
    needs_tools: bool
    """newuidmap and newgidmap write the maps."""
    run_uid_map: Map
    """Namespace A of a sandbox: for root a subordinate range, else the same as `uid_map`."""
    run_gid_map: Map
    notes: tuple[str, ...] = ()
    """What is missing for a better ownership mode, each with its remedy."""


def map_text(ids: Map) -> str:
    """Return a map as the kernel reads it."""
    return "".join(f"{inside} {outside} {count}\n" for inside, outside, count in ids)


@frozen
class SubordinateRange:
    """One line of /etc/subuid or /etc/subgid (subuid(5))."""

    owner: str
    first: int
    count: int

    def overlaps(self, first: int, count: int) -> bool:
        """Say whether the two ranges share an id."""
        return self.first < first + count and first < self.first + self.count


def parse_ranges(text: str) -> tuple[SubordinateRange, ...]:
    """Return the ranges of a subuid(5) file; lines that cannot be read are left out, as newuidmap does."""
    ranges = []
    for line in text.splitlines():
        fields = line.split("#")[0].strip().split(":")
        if len(fields) == 3 and fields[0] and fields[1].isdecimal() and fields[2].isdecimal():
            ranges.append(SubordinateRange(fields[0], int(fields[1]), int(fields[2])))
    return tuple(ranges)


def own_range(ranges: tuple[SubordinateRange, ...], uid: int, name: str) -> SubordinateRange | None:
    """Return the first range of that user that is large enough, None if there is none."""
    owners = (str(uid), name)
    for candidate in ranges:
        if candidate.owner in owners and candidate.count >= RANGE_IDS - 1:
            return candidate
    return None


def free_block(ranges: tuple[SubordinateRange, ...]) -> int:
    """Return the first id of a high block that collides with nobody's range."""
    for first in range(_BUILT_IN_FIRST, _BUILT_IN_LAST, RANGE_IDS):
        if not any(other.overlaps(first, RANGE_IDS) for other in ranges):
            return first
    raise CapabilityError("all ids above 1879048192 are taken", hint="edit /etc/subuid and /etc/subgid")


def detect(*, prefer: str | None = None) -> Identity:
    """Return the identity of this process's user.

    `prefer` asks for one ownership mode (`true`, `range`, `flat`, or a whole `held`). Raises CapabilityError,
    with the command that helps, if that mode is not possible here.
    """
    uid, gid = os.geteuid(), os.getegid()
    available = _own_map("uid"), _own_map("gid")
    if uid == 0 and prefer in (None, "true") and min(_count(each) for each in available) >= RANGE_IDS:
        return _of_root(*available)
    if prefer == "true":
        raise CapabilityError("trees with true owners are made by root only", hint="sudo envforge …")
    name = _user_name(uid)
    flat = _flat(uid, gid)
    if prefer == "flat":
        return flat
    ranged, missing = _ranged(uid, gid, name, available)
    wanted_other = prefer not in (None, "range") and ranged is not None and ranged.held != prefer
    if ranged is not None and not wanted_other:
        return ranged
    if prefer is not None:
        raise CapabilityError(
            f"trees held as {prefer} need the same subordinate range again: {missing[0]}", hint=missing[1]
        )
    return Identity(
        held=flat.held,
        uid_map=flat.uid_map,
        gid_map=flat.gid_map,
        needs_tools=False,
        run_uid_map=flat.run_uid_map,
        run_gid_map=flat.run_gid_map,
        notes=(f"{missing[0]}: {missing[1]}",),
    )


def _of_root(uids: Map, gids: Map) -> Identity:
    full_uids = tuple((inside, inside, count) for inside, _, count in uids)
    full_gids = tuple((inside, inside, count) for inside, _, count in gids)
    run_uids = _root_block("/etc/subuid", uids)
    run_gids = _root_block("/etc/subgid", gids)
    whole = run_uids is None or run_gids is None
    return Identity(
        held="true",
        uid_map=full_uids,
        gid_map=full_gids,
        needs_tools=False,
        run_uid_map=full_uids if whole or run_uids is None else run_uids,
        run_gid_map=full_gids if whole or run_gids is None else run_gids,
        notes=("no free block of ids for sandboxes of root: they see the host's ids",) if whole else (),
    )


def _root_block(file_name: str, available: Map) -> Map | None:
    ranges = _read_ranges(file_name)
    own = own_range(ranges, 0, "root")
    first = own.first if own is not None and own.count >= RANGE_IDS else free_block(ranges)
    return ((0, first, RANGE_IDS),) if _contains(available, first, RANGE_IDS) else None


def _flat(uid: int, gid: int) -> Identity:
    uids, gids = ((0, uid, 1),), ((0, gid, 1),)
    return Identity(
        held="flat", uid_map=uids, gid_map=gids, needs_tools=False, run_uid_map=uids, run_gid_map=gids
    )


def _ranged(
    uid: int, gid: int, name: str, available: tuple[Map, Map]
) -> tuple[Identity | None, tuple[str, str]]:
    """Return the identity over the user's ranges, or None with what is missing and the remedy."""
    uids = own_range(_read_ranges("/etc/subuid"), uid, name)
    gids = own_range(_read_ranges("/etc/subgid"), uid, name)
    if uids is None or gids is None:
        return None, (
            f"{name} has no subordinate range of {RANGE_IDS} ids in /etc/subuid and /etc/subgid",
            range_command(name, _read_ranges("/etc/subuid") + _read_ranges("/etc/subgid")),
        )
    if not (find_program("newuidmap") and find_program("newgidmap")):
        return None, ("newuidmap and newgidmap are missing", "sudo apt-get install uidmap")
    if _no_new_privileges():
        return None, ("no_new_privs is set, so newuidmap cannot work", "start it outside that sandbox")
    count_uids, count_gids = min(uids.count, RANGE_IDS), min(gids.count, RANGE_IDS)
    if not (
        _contains(available[0], uids.first, count_uids) and _contains(available[1], gids.first, count_gids)
    ):
        return None, ("the subordinate range is not mapped in this container", "give the container more ids")
    uid_map = ((0, uid, 1), (1, uids.first, count_uids))
    gid_map = ((0, gid, 1), (1, gids.first, count_gids))
    return Identity(
        held=f"range-{uids.first}-{gids.first}",
        uid_map=uid_map,
        gid_map=gid_map,
        needs_tools=True,
        run_uid_map=uid_map,
        run_gid_map=gid_map,
    ), ("another range", "give the user the range that the store was made with again, or use --store DIR")


def range_command(name: str, taken: tuple[SubordinateRange, ...]) -> str:
    """Return the command that gives that user a range which collides with nobody's."""
    first = 100000
    while overlapping := [other for other in taken if other.overlaps(first, RANGE_IDS)]:
        first = max(other.first + other.count for other in overlapping)
    span = f"{first}-{first + RANGE_IDS - 1}"
    return f"sudo usermod --add-subuids {span} --add-subgids {span} {name}"


def _read_ranges(file_name: str) -> tuple[SubordinateRange, ...]:
    try:
        with open(file_name, encoding="utf-8", errors="replace") as file:
            return parse_ranges(file.read())
    except OSError:
        return ()


def _own_map(kind: str) -> Map:
    try:
        with open(f"/proc/self/{kind}_map", encoding="ascii") as file:
            return tuple((int(a), int(b), int(c)) for a, b, c in (line.split() for line in file))
    except OSError:
        return ((0, 0, 0xFFFFFFFF),)


def _count(ids: Map) -> int:
    return sum(count for _, _, count in ids)


def _contains(ids: Map, first: int, count: int) -> bool:
    return any(inside <= first and first + count <= inside + size for inside, _, size in ids)


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _no_new_privileges() -> bool:
    try:
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            return "\nNoNewPrivs:\t1" in file.read()
    except OSError:
        return False
