"""stat and its variants: nearly all notifications are of these, and nearly all let the kernel answer."""

from collections.abc import Callable
from struct import Struct

from attrs import define

from envforge.sandbox.owners import kernel, memory
from envforge.sandbox.owners.kernel import AT_SYMLINK_NOFOLLOW, STATX, STATX_ADDRESS, STATX_BASIC
from envforge.sandbox.owners.state.attributes import Owned
from envforge.sandbox.owners.state.shared import CONTINUE, SharedState

_AT_FDCWD = 0xFFFFFF9C
_unpack_statx = Struct("<4xI8xI8xH2xQQQ8xqI4x16xqI4xqI4xIIII").unpack_from
_pack_x86_64 = Struct("<QQQIIIIQqqqqQqQqQ24x").pack
_pack_i386 = Struct("<QIIIIIIQIqIQIIIIIIQ").pack
_IDS = Struct("<II")
_MODE = Struct("<H")
_RDEV = Struct("<II")

Encode = Callable[[Owned], bytes]


def _device(major: int, minor: int) -> int:
    return (minor & 0xFF) | (major & 0xFFF) << 8 | (minor & ~0xFF) << 12 | (major & ~0xFFF) << 32


def _mode_and_device(owned: Owned, mode: int, major: int, minor: int) -> tuple[int, int]:
    if owned.kind:
        return owned.kind | mode & 0o7777, _device(*owned.device)
    return mode, _device(major, minor)


def stat_x86_64(owned: Owned) -> bytes:
    """Return struct stat (asm/stat.h) of the file last looked at, with its true attributes."""
    block_size, links, mode, inode, size, blocks, *rest = _unpack_statx(STATX)
    access, access_ns, change, change_ns, modify, modify_ns, major, minor, *device = rest
    mode, special = _mode_and_device(owned, mode, major, minor)
    return _pack_x86_64(
        *(_device(*device), inode, links, mode, owned.uid, owned.gid, 0, special, size, block_size, blocks),
        *(access, access_ns, modify, modify_ns, change, change_ns),
    )


def stat_i386(owned: Owned) -> bytes:
    """Return struct stat64 of 32-bit programs likewise."""
    block_size, links, mode, inode, size, blocks, *rest = _unpack_statx(STATX)
    access, access_ns, change, change_ns, modify, modify_ns, major, minor, *device = rest
    mode, special = _mode_and_device(owned, mode, major, minor)
    low = 0xFFFFFFFF
    return _pack_i386(
        *(_device(*device), 0, inode & low, mode, links, owned.uid, owned.gid, special, 0, size, block_size),
        *(blocks, access & low, access_ns, modify & low, modify_ns, change & low, change_ns, inode),
    )


def patch_statx(owned: Owned) -> bytes:
    """Return struct statx of the file last looked at, with its true attributes."""
    patched = bytearray(STATX)
    _IDS.pack_into(patched, 20, owned.uid, owned.gid)
    if owned.kind:
        mode = kernel.links_and_mode()[1]
        _MODE.pack_into(patched, 28, owned.kind | mode & 0o7777)
        _RDEV.pack_into(patched, 128, *owned.device)
    return bytes(patched)


@define(slots=True)
class StatCalls:
    """Answers for the files in the table."""

    state: SharedState
    encode: Encode

    def stat(self, pid: int, name: int, buffer: int, *_: int) -> int:
        return self.newfstatat(pid, _AT_FDCWD, name, buffer, 0)

    def lstat(self, pid: int, name: int, buffer: int, *_: int) -> int:
        return self.newfstatat(pid, _AT_FDCWD, name, buffer, AT_SYMLINK_NOFOLLOW)

    def fstat(self, pid: int, descriptor: int, buffer: int, *_: int) -> int:
        path = b"%d/fd/%d" % (pid, descriptor & 0xFFFFFFFF)
        if kernel.statx(self.state.names.processes, path, 0, STATX_BASIC, STATX_ADDRESS):
            return CONTINUE
        owned = self.state.attributes.find()
        return CONTINUE if owned is None else memory.write(pid, buffer, self.encode(owned))

    def newfstatat(self, pid: int, directory: int, name: int, buffer: int, flags: int, *_: int) -> int:
        if not self.state.names.look(pid, directory, name, flags):
            return CONTINUE
        owned = self.state.attributes.find()
        return CONTINUE if owned is None else memory.write(pid, buffer, self.encode(owned))

    def statx(self, pid: int, directory: int, name: int, flags: int, mask: int, buffer: int, *_: int) -> int:
        if not self.state.names.look(pid, directory, name, flags, mask & 0xFFFFFFFF):
            return CONTINUE
        owned = self.state.attributes.find()
        return CONTINUE if owned is None else memory.write(pid, buffer, patch_statx(owned))
