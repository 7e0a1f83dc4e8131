"""Filters the extended attributes of a package's files. Pure."""

import struct
from typing import Final

from envforge.archives.tar import Member
from envforge.errors import ArchiveError
from envforge.sources.debian.dpkg.names import shown

_CAPABILITY: Final = b"security.capability"
_LABELS: Final = frozenset((b"security.selinux", b"security.ima", b"security.evm", b"security.apparmor"))


def kept_xattrs(member: Member) -> tuple[tuple[bytes, bytes], ...]:
    """Return the xattrs that a tree may carry: capabilities as version 2, ACLs, `user.*` but overlayfs' own.

    Security labels are the host's business and left out. Raises ArchiveError for every other xattr.
    """
    kept = []
    for name, value in member.xattrs:
        if name == _CAPABILITY:
            kept.append((name, _capability(value)))
        elif name.startswith(b"user.overlay.") or not name.startswith((b"user.", b"system.posix_acl_")):
            if name not in _LABELS:
                raise ArchiveError(
                    f"{shown(member.name)} has the xattr {shown(name)}, which no package may set"
                )
        else:
            kept.append((name, value))
    return tuple(kept)


def _capability(value: bytes) -> bytes:
    """Return a file capability as version 2, without a root id (capabilities(7), linux/capability.h)."""
    magic = struct.unpack_from("<I", value)[0] if len(value) in (20, 24) else 0
    if magic >> 24 not in (2, 3):
        raise ArchiveError(f"it contains the broken file capability {value.hex()}")
    return struct.pack("<I", 0x0200_0000 | magic & 1) + value[4:20]
