"""Extended attributes: ACLs that name ids are kept in the table, all others in the file itself."""

import errno
import os

from attrs import define

from envforge.sandbox.owners import kernel, memory
from envforge.sandbox.owners.kernel import AT_EMPTY_PATH
from envforge.sandbox.owners.state import posix_acl
from envforge.sandbox.owners.state.attributes import Owned
from envforge.sandbox.owners.state.names import Place, directory_of
from envforge.sandbox.owners.state.shared import CONTINUE, SharedState

_AT_FDCWD = 0xFFFFFF9C
_FIELDS = {posix_acl.ACCESS: "access_acl", posix_acl.DEFAULT: "default_acl"}
_FOLLOW, _NO_FOLLOW = True, False


@define(slots=True)
class AclCalls:
    """Answers for ACLs; each call has a form by path, by path of a link itself, and by descriptor."""

    state: SharedState

    def setxattr(self, pid: int, path: int, name: int, value: int, size: int, *_: int) -> int:
        return self._set(pid, self._by_name(pid, path), name, value, size, follow=_FOLLOW)

    def lsetxattr(self, pid: int, path: int, name: int, value: int, size: int, *_: int) -> int:
        return self._set(pid, self._by_name(pid, path), name, value, size, follow=_NO_FOLLOW)

    def fsetxattr(self, pid: int, descriptor: int, name: int, value: int, size: int, *_: int) -> int:
        place = self.state.names.of_descriptor(pid, descriptor)
        return self._set(pid, place, name, value, size, follow=_FOLLOW)

    def getxattr(self, pid: int, path: int, name: int, value: int, size: int, *_: int) -> int:
        field = self._field(pid, name)
        return (
            CONTINUE
            if field is None
            else self._get(pid, self._by_name(pid, path), field, value, size, follow=_FOLLOW)
        )

    def lgetxattr(self, pid: int, path: int, name: int, value: int, size: int, *_: int) -> int:
        field = self._field(pid, name)
        return (
            CONTINUE
            if field is None
            else self._get(pid, self._by_name(pid, path), field, value, size, follow=_NO_FOLLOW)
        )

    def fgetxattr(self, pid: int, descriptor: int, name: int, value: int, size: int, *_: int) -> int:
        field, place = self._field(pid, name), self.state.names.of_descriptor(pid, descriptor)
        return CONTINUE if field is None else self._get(pid, place, field, value, size, follow=_FOLLOW)

    def listxattr(self, pid: int, path: int, names: int, size: int, *_: int) -> int:
        return self._list(pid, self._by_name(pid, path), names, size, follow=_FOLLOW)

    def llistxattr(self, pid: int, path: int, names: int, size: int, *_: int) -> int:
        return self._list(pid, self._by_name(pid, path), names, size, follow=_NO_FOLLOW)

    def flistxattr(self, pid: int, descriptor: int, names: int, size: int, *_: int) -> int:
        place = self.state.names.of_descriptor(pid, descriptor)
        return self._list(pid, place, names, size, follow=_FOLLOW)

    def removexattr(self, pid: int, path: int, name: int, *_: int) -> int:
        return self._remove(pid, self._by_name(pid, path), name, follow=_FOLLOW)

    def lremovexattr(self, pid: int, path: int, name: int, *_: int) -> int:
        return self._remove(pid, self._by_name(pid, path), name, follow=_NO_FOLLOW)

    def fremovexattr(self, pid: int, descriptor: int, name: int, *_: int) -> int:
        return self._remove(pid, self.state.names.of_descriptor(pid, descriptor), name, follow=_FOLLOW)

    def _by_name(self, pid: int, path: int) -> Place | None:
        return self.state.names.read(pid, _AT_FDCWD, path)

    def _field(self, pid: int, name: int) -> str | None:
        """Return the field of `Owned` that holds the attribute, None if the file itself does."""
        return _FIELDS.get(memory.text(pid, name) or b"")

    def _get(self, pid: int, place: Place | None, field: str, value: int, size: int, *, follow: bool) -> int:
        owned = None if place is None else self.state.owned(place, follow=follow)
        acl = current_acl(owned, field) if owned else b""
        if not acl:
            return CONTINUE
        if size == 0:
            return len(acl)
        if size < len(acl):
            return -errno.ERANGE
        return memory.write(pid, value, acl) or len(acl)

    def _list(self, pid: int, place: Place | None, names: int, size: int, *, follow: bool) -> int:
        owned = None if place is None else self.state.owned(place, follow=follow)
        if place is None or owned is None or not (owned.access_acl or owned.default_acl):
            return CONTINUE
        descriptor = os.open(place[1], os.O_RDONLY | os.O_NONBLOCK, dir_fd=directory_of(place))
        try:
            found = [os.fsencode(name) for name in os.listxattr(descriptor)]
        finally:
            os.close(descriptor)
        found += [name for name, field in _FIELDS.items() if getattr(owned, field) and name not in found]
        answer = b"".join(name + b"\0" for name in found)
        if size == 0:
            return len(answer)
        return (memory.write(pid, names, answer) or len(answer)) if size >= len(answer) else -errno.ERANGE

    def _remove(self, pid: int, place: Place | None, name: int, *, follow: bool) -> int:
        field = self._field(pid, name)
        owned = None if place is None or field is None else self.state.owned(place, follow=follow)
        if field is None or owned is None or not getattr(owned, field):
            return CONTINUE
        setattr(owned, field, b"")
        self.state.attributes.settle(owned)
        return 0

    def _set(self, pid: int, place: Place | None, name: int, value: int, size: int, *, follow: bool) -> int:
        field = self._field(pid, name)
        if place is None or field is None:
            return CONTINUE
        entries = posix_acl.parse(memory.read(pid, value, size) or b"")
        if size and (entries is None or not posix_acl.is_valid(entries)):
            return CONTINUE  # EINVAL, EFAULT
        if not entries or not posix_acl.names_ids(entries):
            self._remove(pid, place, name, follow=follow)
            return CONTINUE
        descriptor = os.open(
            place[1], os.O_PATH | (0 if follow else os.O_NOFOLLOW), dir_fd=directory_of(place)
        )
        try:
            self._keep(descriptor, field, entries)
        finally:
            os.close(descriptor)
        return 0

    def _keep(self, descriptor: int, field: str, entries: list[posix_acl.Entry]) -> None:
        """Set the mode that the ACL implies, by which the kernel checks and copies up; keep the ACL."""
        kernel.look(descriptor, b"", AT_EMPTY_PATH)
        mode = kernel.links_and_mode()[1] & 0o7777
        if field == "access_acl":
            mode = mode & ~0o777 | posix_acl.mode_of(entries)
        os.chmod(b"self/fd/%d" % descriptor, mode, dir_fd=self.state.names.processes)
        setattr(self.state.attributes.keep(descriptor), field, posix_acl.dump(entries))


def current_acl(owned: Owned, field: str) -> bytes:
    """Return the kept ACL; an access ACL's own entries follow the mode of the file last looked at."""
    acl: bytes = getattr(owned, field)
    if acl and field == "access_acl":
        return posix_acl.with_mode(acl, kernel.links_and_mode()[1])
    return acl
