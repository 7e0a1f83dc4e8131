"""POSIX ACLs as the kernel's xattr bytes (linux/posix_acl_xattr.h): pure functions.

version 2 (u32), then entries: tag (u16), permissions (u16), id (u32)
"""

from collections.abc import Callable
from struct import Struct

ACCESS = b"system.posix_acl_access"
DEFAULT = b"system.posix_acl_default"
_VERSION = b"\x02\x00\x00\x00"
_ENTRY = Struct("<HHI")
_USER_OBJ, _USER, _GROUP_OBJ, _GROUP, _MASK, _OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
_NO_ID = 0xFFFFFFFF

Entry = tuple[int, int, int]
"""Tag, permissions, id."""


def parse(value: bytes) -> list[Entry] | None:
    """Return the entries, with an undefined id if the tag has none; None if the bytes are no ACL."""
    if value[:4] != _VERSION or (len(value) - 4) % _ENTRY.size:
        return None
    return [
        (tag, permissions, number if tag in (_USER, _GROUP) else _NO_ID)
        for tag, permissions, number in _ENTRY.iter_unpack(value[4:])
    ]


def dump(entries: list[Entry]) -> bytes:
    """Return the xattr's value."""
    return _VERSION + b"".join(_ENTRY.pack(*entry) for entry in entries)


def is_valid(entries: list[Entry]) -> bool:
    """Say if the kernel would take the ACL (posix_acl_valid): tags in order, a mask if ids are named."""
    kinds = [tag for tag, _, _ in entries]
    once = [tag for tag in kinds if tag not in {_USER, _GROUP}]
    whole = once in ([_USER_OBJ, _GROUP_OBJ, _OTHER], [_USER_OBJ, _GROUP_OBJ, _MASK, _OTHER])
    masked_names = _MASK in kinds or not names_ids(entries)
    return whole and masked_names and kinds == sorted(kinds) and all(bits & ~7 == 0 for _, bits, _ in entries)


def names_ids(entries: list[Entry]) -> bool:
    """Say if an entry names a user or a group; else the mode bits say it all."""
    return any(tag in (_USER, _GROUP) for tag, _, _ in entries)


def _group_tag(entries: list[Entry]) -> int:
    """Return the tag whose permissions the mode's group bits show."""
    return _MASK if any(tag == _MASK for tag, _, _ in entries) else _GROUP_OBJ


def mode_of(entries: list[Entry]) -> int:
    """Return the nine permission bits that go with an access ACL."""
    shifts = {_USER_OBJ: 6, _group_tag(entries): 3, _OTHER: 0}
    mode = 0
    for tag, permissions, _ in entries:
        if tag in shifts:
            mode |= (permissions & 7) << shifts[tag]
    return mode


def with_mode(value: bytes, mode: int) -> bytes:
    """Return the access ACL of a file whose mode chmod(2) has set."""
    return _change(value, lambda _, bits: bits, mode)


def masked(value: bytes, mode: int) -> bytes:
    """Return the access ACL of a new file: the directory's default one, cut by the call's mode (acl(5))."""
    return _change(value, lambda permissions, bits: permissions & bits, mode)


def _change(value: bytes, combine: Callable[[int, int], int], mode: int) -> bytes:
    entries = parse(value) or []
    shifts = {_USER_OBJ: 6, _group_tag(entries): 3, _OTHER: 0}
    return dump(
        [
            (tag, combine(permissions, mode >> shifts[tag] & 7) if tag in shifts else permissions, number)
            for tag, permissions, number in entries
        ]
    )
