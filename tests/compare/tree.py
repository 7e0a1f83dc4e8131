"""A directory tree as plain data, with owners by name as the tree itself names them.

Some files say the same in another order, or with numbers that are free to differ (uids of system users, the
day a password was set). CANONICAL brings those to one form before they are compared; everything else is
compared by its bytes.
"""

import hashlib
import os
import re
import stat
from collections.abc import Callable, Mapping

from attrs import frozen

_TYPES = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "character device",
    stat.S_IFBLK: "block device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}
_READ_BYTES = 1 << 20


@frozen
class Node:
    """One path of a tree."""

    type: str
    mode: int
    owner: str
    group: str
    content: str
    """SHA-256 of a file (in its canonical form), target of a link, numbers of a device."""
    xattrs: tuple[tuple[str, str], ...]
    mtime: int | None
    """Of an archive's file, in whole seconds; None for what nobody promises."""


def read_tree(root: str) -> dict[str, Node]:
    """Return path -> node of everything under `root`, which is not crossed into other file systems."""
    users, groups = _names(f"{root}/etc/passwd"), _names(f"{root}/etc/group")
    archived = _archived(root)
    device = os.lstat(root).st_dev
    nodes: dict[str, Node] = {}
    pending = ["/"]
    while pending:
        path = pending.pop()
        real = root + path
        status = os.lstat(real)
        kept = path in archived and not stat.S_ISDIR(status.st_mode) and not _is_alternative(real, status)
        mtime = int(status.st_mtime) if kept else None
        nodes[path] = Node(
            _TYPES[stat.S_IFMT(status.st_mode)],
            stat.S_IMODE(status.st_mode),
            users.get(status.st_uid, str(status.st_uid)),
            groups.get(status.st_gid, str(status.st_gid)),
            _content(path, real, status),
            _xattrs(real),
            mtime,
        )
        if stat.S_ISDIR(status.st_mode) and status.st_dev == device:
            pending += [os.path.join(path, name) for name in os.listdir(real)]
    return nodes


def _is_alternative(real: str, status: os.stat_result) -> bool:
    """Say whether update-alternatives made that link: an archive may bring the same one."""
    return stat.S_ISLNK(status.st_mode) and os.readlink(real).startswith("/etc/alternatives/")


def _content(path: str, real: str, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        target = os.readlink(real)
        # Whether a package or systemd's own postinst came first, the link names the same unit.
        return re.sub(r"^/lib/", "/usr/lib/", target) if path.startswith("/etc/systemd/") else target
    if stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
        return f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    if not stat.S_ISREG(status.st_mode):
        return ""
    canonical = next((form for pattern, form in CANONICAL.items() if re.fullmatch(pattern, path)), None)
    digest = hashlib.sha256()
    with open(real, "rb") as file:
        if canonical is not None:
            digest.update(canonical(file.read()))
        else:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()


def _xattrs(real: str) -> tuple[tuple[str, str], ...]:
    names = sorted(os.listxattr(real, follow_symlinks=False))
    kept = [name for name in names if not name.startswith(("user.overlay.", "trusted.overlay."))]
    return tuple((name, os.getxattr(real, name, follow_symlinks=False).hex()) for name in kept)


def _names(path: str) -> dict[int, str]:
    """Return id -> name of a passwd or group file."""
    with open(path, encoding="utf-8") as file:
        fields = [line.split(":") for line in file]
    return {int(line[2]): line[0] for line in reversed(fields)}


def _archived(root: str) -> set[str]:
    """Return the paths that archives brought, by dpkg's lists, with merged directories resolved."""
    merged = {
        name: os.readlink(f"{root}/{name}") for name in os.listdir(root) if os.path.islink(f"{root}/{name}")
    }
    info = f"{root}/var/lib/dpkg/info"
    found: set[str] = set()
    for name in filter(lambda name: name.endswith(".list"), os.listdir(info)):
        with open(f"{info}/{name}", encoding="utf-8", errors="surrogateescape") as file:
            for line in file:
                top, slash, rest = line.rstrip("\n").removeprefix("/").partition("/")
                if slash or top not in merged:
                    found.add(f"/{merged.get(top, top)}{slash}{rest}")
    return found


def sort_lines(data: bytes) -> bytes:
    """Return the lines in order: their order means nothing."""
    return b"\n".join(sorted(data.splitlines()))


def sort_paragraphs(data: bytes) -> bytes:
    """Return the paragraphs of a control file in order, and each one's fields too."""
    paragraphs = []
    for paragraph in data.strip().split(b"\n\n"):
        fields = re.split(rb"\n(?=\S)", paragraph)
        paragraphs.append(b"\n".join(sorted(fields)))
    return b"\n\n".join(sorted(paragraphs))


def without_tls(data: bytes) -> bytes:
    """Return postfix's main.cf without the part that it has only where there is a self-made certificate."""
    return re.sub(rb"^(# TLS parameters|smtpd?_tls_.*|)\n", b"", data, flags=re.MULTILINE)


def blank_numbers(fields: tuple[int, ...]) -> Callable[[bytes], bytes]:
    """Return a form of account files: lines in order, with those fields blanked."""

    def form(data: bytes) -> bytes:
        lines = []
        for line in data.splitlines():
            values = line.split(b":")
            lines.append(b":".join(b"" if place in fields else value for place, value in enumerate(values)))
        return b"\n".join(sorted(lines))

    return form


CANONICAL: Mapping[str, Callable[[bytes], bytes]] = {
    r"/etc/passwd": blank_numbers((2, 3)),
    r"/etc/group": blank_numbers((2,)),
    r"/etc/shadow": blank_numbers((2,)),
    r"/etc/gshadow": sort_lines,
    r"/var/lib/dpkg/status": sort_paragraphs,
    r"/var/lib/apt/extended_states": sort_paragraphs,
    r"/var/cache/debconf/(config|templates|passwords)\.dat": sort_paragraphs,
    r"/var/lib/dpkg/triggers/.*": sort_lines,
    r"/etc/shells": sort_lines,
    r"/var/lib/ucf/(hashfile|registry)": sort_lines,
    r"/etc/postfix/main\.cf": without_tls,
}
"""Pattern of the path -> how its bytes are brought to one form."""
