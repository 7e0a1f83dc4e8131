"""Writes dpkg's database for a set of packages as if dpkg had installed them, and apt's marks.

    var/lib/dpkg/status                  a paragraph a package
    var/lib/dpkg/arch                    native architecture, then foreign ones
    var/lib/dpkg/info/format             "1"
    var/lib/dpkg/info/PACKAGE[:ARCH].*   control members, hard links into the packages' trees (copies where
                                         they are too new); :ARCH iff Multi-Arch: same
    var/lib/dpkg/triggers/File           "PATH PACKAGE[/noawait]" for file triggers
    var/lib/dpkg/triggers/TRIGGER        "PACKAGE[/noawait]" for named ones
    var/lib/dpkg/triggers/Unincorp       "TRIGGER -" for pending ones
    var/lib/dpkg/{diversions,statoverride}   only where scripts made them
    var/lib/apt/extended_states          automatically installed packages

Scripts may change some of these files; `changed_database` reads the changes from the overlayfs upper.
"""

import errno
import math
import os
import shutil
import stat
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from attrs import field, frozen

from envforge.errors import StoreError
from envforge.kernel.tree import Tree
from envforge.sources.debian.dpkg.facts import Facts
from envforge.sources.debian.dpkg.status import Status, status_paragraph

_DPKG: Final = "var/lib/dpkg"
_EXTENDED_STATES: Final = "var/lib/apt/extended_states"
_AGAIN: Final = "envforge build --rebuild"
_ADDED_FILES: Final = ("diversions", "statoverride")
_FILE_MAX_BYTES: Final = 64 << 20


@frozen
class Installed:
    """A package and what the database is to record of it."""

    facts: Facts
    status: Status
    control_dir: str
    """Directory of its control members, as `unpack` leaves it."""
    auto: bool = False
    """Automatically installed: apt may remove it once nothing depends on it."""
    awaited: tuple[str, ...] = ()
    """Packages that it depends on beyond what its archive says, until all are configured."""


@frozen
class DatabaseChanges:
    """What maintainer scripts changed in the database. Bytes are Latin-1 text, so that JSON carries them."""

    files: Mapping[str, str] = field(factory=dict)
    """Whole new content of `diversions`, `statoverride` and `info/…`, by path below var/lib/dpkg."""
    removed: tuple[str, ...] = ()
    """Paths of the same kind that scripts removed, sorted."""


def write_database(
    root: str,
    packages: Collection[Installed],
    *,
    changes: DatabaseChanges | None = None,
    activated: Collection[str] = (),
    newest: float = math.inf,
) -> None:
    """Write the database of `packages` below `root`, an environment's root directory.

    `changes` are those of scripts that ran for lower layers. `activated` triggers are pending: dpkg runs them
    as soon as it processes triggers. No control member has an mtime later than `newest`, in whole seconds.
    """
    ordered = sorted(packages, key=lambda package: (package.facts.name, *_architecture_order(package.facts)))
    base = f"{root}/{_DPKG}"
    for directory in ("info", "triggers", "updates"):
        os.makedirs(f"{base}/{directory}", exist_ok=True)
    native, foreign = _architectures(ordered)
    paragraphs = (status_paragraph(one.facts, one.status, one.awaited) for one in ordered)
    _write(f"{base}/status", "".join(f"{paragraph}\n" for paragraph in paragraphs))
    _write(f"{base}/arch", "".join(f"{name}\n" for name in (native, *foreign) if name))
    _write(f"{base}/info/format", "1\n")
    for package in ordered:
        _link_control(package, f"{base}/info", newest)
    for name, text in trigger_files(package.facts for package in ordered).items():
        _write(f"{base}/triggers/{name}", text)
    _write(f"{base}/triggers/Unincorp", "".join(f"{trigger} -\n" for trigger in sorted(activated)))
    marks = extended_states((package.facts for package in ordered if package.auto), native)
    if marks:
        os.makedirs(os.path.dirname(f"{root}/{_EXTENDED_STATES}"), exist_ok=True)
        _write(f"{root}/{_EXTENDED_STATES}", marks)
    if changes is not None:
        _apply(base, changes)


def trigger_files(packages: Iterable[Facts]) -> dict[str, str]:
    """Return name and text of the files in triggers/: which packages want which trigger. Pure."""
    texts: dict[str, str] = {}
    for facts in packages:
        for interest in facts.interests:
            option = "" if interest.waits else "/noawait"
            if interest.trigger.startswith("/"):
                name, line = "File", f"{interest.trigger} {facts.qualified_name}{option}\n"
            else:
                name, line = interest.trigger, f"{facts.qualified_name}{option}\n"
            texts[name] = texts.get(name, "") + line
    return texts


def extended_states(packages: Iterable[Facts], native: str) -> str:
    """Return apt's list of automatically installed packages, empty for none. Pure."""
    return "".join(
        f"Package: {facts.name}\n"
        f"Architecture: {native if facts.architecture == 'all' else facts.architecture}\n"
        "Auto-Installed: 1\n\n"
        for facts in packages
    )


def unconfigured(status: str) -> tuple[str, ...]:
    """Return the packages of a status file that are not `install ok installed`, with their state. Pure."""
    found = []
    for paragraph in status.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line[:20])
        if fields and fields.get("Status") != "install ok installed":
            found.append(f"{fields.get('Package')} ({fields.get('Status', '').rpartition(' ')[2]})")
    return tuple(found)


def changed_database(upper: str) -> DatabaseChanges:
    """Return what scripts changed in the database, read from the upper of the overlayfs in which they ran.

    dpkg's own state (status, triggers) is left out: it follows from the packages.
    """
    files, removed = {}, []
    with Tree(upper) as tree:
        info = [f"info/{os.fsdecode(name)}" for name in tree.names(f"/{_DPKG}/info")]
        for name in (*_ADDED_FILES, *info):
            path = f"/{_DPKG}/{name}"
            status = tree.stat(path, follow=False)
            if status is None:
                continue
            if stat.S_ISREG(status.st_mode):
                files[name] = tree.read(path, limit=_FILE_MAX_BYTES, follow=False).decode("latin-1")
            elif stat.S_ISCHR(status.st_mode) and status.st_rdev == 0:
                removed.append(name)
    return DatabaseChanges(files, tuple(sorted(removed)))


def joined(changes: Sequence[DatabaseChanges]) -> DatabaseChanges:
    """Return the changes of several configurations, given top to bottom, as one: upper ones win. Pure."""
    files: dict[str, str] = {}
    removed: set[str] = set()
    for lower in reversed(changes):
        removed = (removed - lower.files.keys()) | set(lower.removed)
        files = {name: text for name, text in files.items() if name not in lower.removed} | dict(lower.files)
    return DatabaseChanges(files, tuple(sorted(removed)))


def changes_to_json(changes: DatabaseChanges) -> dict[str, Any]:
    """Return the changes as plain data."""
    return {"files": dict(sorted(changes.files.items())), "removed": list(changes.removed)}


def changes_from_json(value: Mapping[str, Any]) -> DatabaseChanges:
    """Return the changes that `changes_to_json` was given. Raises StoreError for paths no script changes."""
    changes = DatabaseChanges(dict(value["files"]), tuple(value["removed"]))
    for name in (*changes.files, *changes.removed):
        if not _is_changed_name(name):
            raise StoreError(f"a build record names {name!r} as part of dpkg's database", hint=_AGAIN)
    return changes


def _is_changed_name(name: str) -> bool:
    above, _, rest = name.partition("/")
    return name in _ADDED_FILES or (above == "info" and "/" not in rest and rest not in {"", ".", ".."})


def _architecture_order(facts: Facts) -> tuple[bool, str]:
    """Return the order of packages of one name: dpkg lists those without `:ARCH` first."""
    qualified = facts.multi_arch == "same"
    return qualified, facts.architecture if qualified else ""


def _architectures(packages: Iterable[Installed]) -> tuple[str, list[str]]:
    """Return the native architecture, that of the package dpkg, else the most common; then the others."""
    count: dict[str, int] = {}
    native = ""
    for facts in (package.facts for package in packages):
        if facts.architecture != "all":
            count[facts.architecture] = count.get(facts.architecture, 0) + 1
            native = facts.architecture if facts.name == "dpkg" else native
    native = native or max(sorted(count), key=lambda name: count[name], default="")
    return native, sorted(count.keys() - {native})


def _link_control(package: Installed, info: str, newest: float) -> None:
    prefix = f"{info}/{package.facts.qualified_name}."
    for name in (*package.facts.members, "list"):
        target = prefix + name
        if not os.path.lexists(target):
            _link(f"{package.control_dir}/{name}", target, newest)


def _link(source: str, target: str, newest: float) -> None:
    if os.lstat(source).st_mtime > newest:  # the time of a link would be that of the package's tree as well
        shutil.copy2(source, target, follow_symlinks=False)
        os.utime(target, (newest, newest), follow_symlinks=False)
        return
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EMLINK, errno.EXDEV):
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def _apply(base: str, changes: DatabaseChanges) -> None:
    for name in changes.removed:
        if os.path.lexists(f"{base}/{name}"):
            os.unlink(f"{base}/{name}")
    for name, text in changes.files.items():
        path = f"{base}/{name}"
        mode = 0o644
        if os.path.lexists(path):
            mode = stat.S_IMODE(os.lstat(path).st_mode)
            os.unlink(path)  # writing would change the package's tree: it is a hard link into that
        _write(path, text, encoding="latin-1", mode=mode)


def _write(path: str, text: str, *, encoding: str = "utf-8", mode: int = 0o644) -> None:
    with open(
        path, "w", encoding=encoding, errors="strict" if encoding == "latin-1" else "surrogateescape"
    ) as file:
        file.write(text)
        os.fchmod(file.fileno(), mode)
