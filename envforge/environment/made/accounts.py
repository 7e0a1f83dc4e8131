"""The users and groups inside: the environment's own, and whoever enters. Pure. passwd(5), group(5)."""

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from envforge.errors import NotFoundError

_PASSWD_FIELDS: Final = 7
_ID_DIGITS_MAX: Final = 10
_NO_HOME: Final = "/nonexistent"
"""The home of an account whose line has no absolute one: a mount needs a target of its own."""
_GROUP_FIELDS: Final = 4


@frozen
class User:
    """A line of /etc/passwd."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str = "/bin/bash"
    gecos: str = ""

    @property
    def line(self) -> str:
        """Return the user's line in the file."""
        return f"{self.name}:x:{self.uid}:{self.gid}:{self.gecos}:{self.home}:{self.shell}\n"


def _is_id(text: str) -> bool:
    return text.isdecimal() and len(text) <= _ID_DIGITS_MAX


def users(passwd: str) -> tuple[User, ...]:
    """Return the users of a passwd file; malformed lines are skipped."""
    found = []
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) == _PASSWD_FIELDS and _is_id(fields[2]) and _is_id(fields[3]):
            name, _, uid, gid, gecos, home, shell = fields
            place = home if home.startswith("/") else _NO_HOME
            found.append(User(name, int(uid), int(gid), place, shell, gecos))
    return tuple(found)


def named(passwd: str, name: str) -> User:
    """Return the user of that name. Raises NotFoundError, which lists the existing names."""
    there = users(passwd)
    for user in there:
        if user.name == name:
            return user
    raise NotFoundError(
        f"the environment has no user {name!r}",
        hint="its users are " + ", ".join(user.name for user in there) + "; a package may be missing",
    )


def groups_of(group: str, name: str) -> tuple[int, ...]:
    """Return the ids of the supplementary groups that a group file gives a user."""
    found = []
    for line in group.splitlines():
        fields = line.split(":")
        if len(fields) == _GROUP_FIELDS and fields[2].isdecimal() and name in fields[3].split(","):
            found.append(int(fields[2]))
    return tuple(found)


def with_user(passwd: str, user: User) -> str:
    """Return the passwd file with a line for the user; lines of the same name or uid are dropped."""
    kept = [line for line in _lines(passwd) if not _same(line, user.name, user.uid)]
    return "".join([*kept, user.line])


def with_group(group: str, name: str, gid: int) -> str:
    """Return the group file with a group of that gid, added if it has none; a taken name gets `-self`."""
    lines = list(_lines(group))
    if any(line.split(":")[2:3] == [str(gid)] for line in lines):
        return "".join(lines)
    taken = any(line.split(":")[0] == name for line in lines)
    return "".join([*lines, f"{name}-self:x:{gid}:\n" if taken else f"{name}:x:{gid}:\n"])


def _lines(text: str) -> Iterable[str]:
    return (f"{line}\n" for line in text.splitlines() if line)


def _same(line: str, name: str, uid: int) -> bool:
    fields = line.rstrip("\n").split(":")
    return fields[0] == name or fields[2:3] == [str(uid)]
