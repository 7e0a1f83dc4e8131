"""Decides which of a container's changes can become `[[files]]`, and says why others cannot. Pure."""

import stat
from typing import Final

CONTENT_MAX_BYTES: Final = 256 << 10
"""A larger file is no configuration."""

REASONS: Final = {
    "deleted": "deleted: a spec only adds",
    "link": "links",
    "special": "pipes, sockets and devices",
    "set-id": "set-id programs",
    "home": "in a home: what is to be in a new one goes below /etc/skel",
    "account": "users and groups",
    "state": "state that programs keep",
    "generated": "made by programs from other files",
    "large": "large: use [[fetch]], a mount or a volume",
    "binary": "no text: use [[fetch]] or a package",
    "secret": "with a private key: use [secrets]",
    "name": "names that a spec does not take",
    "listed": "in [[files]] already: edit their sources",
    "more": "more than are proposed at once",
}
"""Each reason, and what it is called for people."""

_HOMES: Final = ("/root/", "/home/")
_ACCOUNTS: Final = frozenset(
    f"/etc/{name}{end}"
    for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
    for end in ("", "-", ".lock")
)
_STATE: Final = ("/var/cache/", "/var/log/", "/var/tmp/", "/var/lib/", "/var/spool/", "/var/backups/")  # noqa: S108
_GENERATED: Final = ("/etc/alternatives/", "/etc/ssl/certs/")
_CACHES: Final = ("/etc/ld.so.cache", "/etc/.pwd.lock", "/etc/mailcap")


def why_not(kind: str, path: str, mode: int, size_bytes: int) -> str:
    """Return the reason why a change cannot be carried over; empty where its content decides."""
    rules = (
        ("deleted", kind == "D"),
        ("link", stat.S_ISLNK(mode)),
        ("special", not stat.S_ISREG(mode)),
        ("account", path in _ACCOUNTS),
        ("home", path.startswith(_HOMES)),
        ("state", path.startswith(_STATE)),
        ("generated", path.startswith(_GENERATED) or path in _CACHES or "/__pycache__/" in path),
        ("set-id", bool(mode & (stat.S_ISUID | stat.S_ISGID))),
        ("large", size_bytes > CONTENT_MAX_BYTES),
    )
    return next((reason for reason, holds in rules if holds), "")


def why_not_content(content: bytes) -> str:
    """Return the reason why a file's content cannot be carried over; empty where it can."""
    if b"PRIVATE KEY-----" in content:
        return "secret"
    if b"\0" in content:
        return "binary"
    try:
        content.decode()
    except UnicodeDecodeError:
        return "binary"
    return ""
