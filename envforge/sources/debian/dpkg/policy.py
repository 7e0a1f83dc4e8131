"""The grammar of names in packages, indexes and locks: what fits no rule never becomes a path or a line.

Debian Policy 5.6 (fields), dpkg's lib/dpkg/parsehelp.c and trigdeferred, deb-control(5), deb-triggers(5),
deb-conffiles(5), adduser.conf(5). No rule allows control characters, and only PATH and LINE allow spaces. A
name that becomes one component of a path has no slash, no leading dot, and a length that file systems take.
"""

import re
from typing import Final, Protocol

from envforge.errors import ArchiveError, EnvforgeError, IntegrityError
from envforge.values import frozen

_COMPONENT_MAX_BYTES: Final = 200
"""File systems allow 255; dpkg appends to names: `PACKAGE:ARCH.postinst`."""
_PATH_MAX_BYTES: Final = 4095


@frozen
class Rule:
    """The grammar of one kind of name."""

    what: str
    """As messages call it: `package name`."""
    pattern: str
    """Compiled when it is first needed: most commands need few of them."""
    longest: int = _COMPONENT_MAX_BYTES
    """In characters, which are bytes for all but paths."""

    def allows(self, text: str) -> bool:
        """Return whether `text` is such a name."""
        return re.fullmatch(self.pattern, text) is not None and len(text) <= self.longest

    def check(self, text: str, kind: type[EnvforgeError] = ArchiveError) -> str:
        """Return `text`. Raises an error of `kind` that shows it, if it breaks the rule."""
        if self.allows(text):
            return text
        raise kind(f"{_shortened(text)} is no {self.what}")


PACKAGE: Final = Rule("package name", r"[a-z0-9][a-z0-9+.-]*")
"""Policy 5.6.1; like dpkg, without insisting on two characters."""
VERSION: Final = Rule("version", r"(?:[0-9]{1,9}:)?[A-Za-z0-9][A-Za-z0-9.+~:-]*")
"""Policy 5.6.12; like dpkg, without insisting on a digit in front."""
ARCHITECTURE: Final = Rule("architecture", r"[a-z0-9][a-z0-9-]*")
"""dpkg-architecture(1)."""
MEMBER: Final = Rule("name of a control member", r"[A-Za-z0-9][A-Za-z0-9+._-]*", 100)
"""dpkg takes at most 100 characters and no `list`, which it makes itself."""
FIELD: Final = Rule("field name", r"[!\"$-,.-9;-~][!-9;-~]*")
"""Policy 5.1: no colon, and neither `#` nor `-` in front."""
USER: Final = Rule("name of a user or group", r"[A-Za-z_][A-Za-z0-9_.-]*\$?", 32)
"""adduser's NAME_REGEX with what Debian's own names need: capitals (Debian-exim) and dots."""
PATH: Final = Rule(
    "path of a package", r"/(?=.*[^/])(?!(?:.*/)?\.\.?(?:/|$))[^\x00-\x1f\x7f]+", _PATH_MAX_BYTES
)
"""Absolute inside, with no `.` and `..`: conffiles and diversions. Spaces are rare, and right."""
_FILE_TRIGGER: Final = Rule("trigger", r"/(?!(?:.*/)?\.\.?(?:/|$))[!-~]*", _PATH_MAX_BYTES)
_NAMED_TRIGGER: Final = Rule("trigger", r"[a-z0-9][a-z0-9+.-]*")
ARCHIVE_PATH: Final = Rule(
    "path in an archive", r"(?!(?:.*/)?\.\.?(?:/|$))[!-.0-~](?:/?[!-.0-~])*", _PATH_MAX_BYTES
)
"""Relative to an archive's address, as a `Filename` in a Packages file."""
PRIORITY: Final = Rule("priority", r"[a-z][a-z-]*")
MULTI_ARCH: Final = Rule("value of Multi-Arch", r"no|same|foreign|allowed")
LINE: Final = Rule("text of one line", r"[^\x00-\x1f\x7f]*", 1 << 20)
"""For text that is only shown, or parsed by a grammar of its own."""


def trigger(text: str, kind: type[EnvforgeError] = ArchiveError) -> str:
    """Return `text` if it names a trigger: a path, or a name like a package's (deb-triggers(5)).

    Capitals are dpkg's own: its files `File`, `Unincorp` and `Lock` lie beside those of named triggers.
    Raises an error of `kind`.
    """
    return (_FILE_TRIGGER if text.startswith("/") else _NAMED_TRIGGER).check(text, kind)


class Promised(Protocol):
    """What an index or a lock says of a package."""

    @property
    def name(self) -> str:
        """Name of the package, without an architecture."""

    @property
    def version(self) -> str:
        """Whole version, with its epoch."""

    @property
    def architecture(self) -> str:
        """Architecture of the package, or `all`."""

    @property
    def sha256(self) -> str:
        """SHA-256 of the archive file."""


def check_same(found: Promised, promised: Promised) -> None:
    """Raise IntegrityError if an unpacked package is not the one that the lock or an index promised."""
    for what in ("name", "version", "architecture", "sha256"):
        has, says = getattr(found, what), getattr(promised, what)
        if has != says:
            raise IntegrityError(
                f"the archive of {promised.name} {promised.version} has the {what} {_shortened(has)}, "
                f"the lock says {_shortened(says)}",
                hint="the archive that it came from is broken or lies; ask who runs it, or use another one",
            )


def _shortened(text: str) -> str:
    return repr(text) if len(text) <= _COMPONENT_MAX_BYTES else f"{text[:_COMPONENT_MAX_BYTES]!r}…"
