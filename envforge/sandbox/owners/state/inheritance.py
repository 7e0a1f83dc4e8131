"""What a new file inherits from its creator and its directory: owner, group, ACL, mode under the umask."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from envforge.sandbox.owners import kernel
from envforge.sandbox.owners.state import posix_acl
from envforge.sandbox.owners.state.attributes import Owned
from envforge.sandbox.owners.state.identities import Identity
from envforge.sandbox.owners.state.names import Place
from envforge.sandbox.owners.state.shared import SharedState


@frozen(slots=True)
class Inherited:
    """Owner, group and the directory's default ACL."""

    uid: int
    gid: int
    default_acl: bytes

    @property
    def is_plain(self) -> bool:
        """Say if the kernel would make the same file."""
        return not (self.uid or self.gid or self.default_acl)


def inherited_in(state: SharedState, identity: Identity, directory: Place) -> Inherited:
    """Return what a file that `identity` makes in `directory` gets (inode(7), acl(5))."""
    uid, gid = identity.uids[3], identity.gids[3]
    if not kernel.look(*directory):
        return Inherited(uid, gid, b"")
    mode = kernel.links_and_mode()[1]
    owned = state.attributes.find()
    if mode & stat.S_ISGID:
        gid = owned.gid if owned else 0
    return Inherited(uid, gid, owned.default_acl if owned else b"")


@contextmanager
def umask_of(state: SharedState, pid: int, inherited: Inherited, mode: int) -> Iterator[int]:
    """Apply the program's umask meanwhile, or a default ACL in its place; yield the mode to create with."""
    mode &= 0o7777
    if inherited.default_acl:
        entries = posix_acl.parse(posix_acl.masked(inherited.default_acl, mode)) or []
        yield mode & ~0o777 | posix_acl.mode_of(entries)
        return
    os.umask(state.names.umask(pid))
    try:
        yield mode
    finally:
        os.umask(0)


def record(state: SharedState, pin: int, inherited: Inherited, mode: int) -> Owned:
    """Keep the true attributes of the new file behind an O_PATH descriptor."""
    owned = state.attributes.keep(pin)
    owned.uid, owned.gid = inherited.uid, inherited.gid
    if inherited.default_acl:
        owned.access_acl = posix_acl.masked(inherited.default_acl, mode)
    return owned
