"""A farm: the files of many packages in one tree, as hard links into the packages' own trees."""

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Mapping, Sequence

from attrs import evolve, frozen

from envforge.errors import BuildError, DamagedError
from envforge.sources.debian.dpkg import names
from envforge.store import listing
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.merge import resolve


@frozen
class Tree:
    """One unpacked package, as a farm needs it."""

    name: str
    path: str
    """Directory with `root/` and `listing`."""
    replaces: frozenset[str] = frozenset()
    """Packages whose files this one may take over."""

    @property
    def root(self) -> bytes:
        """Where the package's files lie."""
        return os.fsencode(self.path) + b"/root"


@frozen(slots=True)
class Owned:
    """A path of the farm and the tree that it comes from."""

    entry: Entry
    tree: Tree | None
    """None for the farm's own entries: links of merged /usr, whiteouts, directories of a lower farm."""
    source: bytes
    """Path inside the tree: not the farm's where a link of another package leads elsewhere."""


def plan_farm(trees: Sequence[tuple[Tree, Iterable[Entry]]]) -> dict[bytes, Owned]:
    """Return for each path the tree that it comes from. Pure; trees in the farm's order.

    A directory comes from the first tree that has it. Raises BuildError if two packages ship a file and
    neither replaces the other.
    """
    chosen: dict[bytes, Owned] = {}
    for tree, entries in trees:
        for entry in entries:
            before = chosen.get(entry.path)
            if before is None or _takes_over(before.entry, before.tree, entry, tree):
                chosen[entry.path] = Owned(entry, tree, entry.path)
    return _with_usrmerge(_under_links(chosen))


def _takes_over(old: Entry, old_tree: Tree | None, new: Entry, tree: Tree) -> bool:
    """Return whether the later package's path takes the place of the earlier one's."""
    if "d" in {old.type, new.type} and {old.type, new.type} <= {"d", "l"}:
        return new.type == "l" and old.type == "l"  # dpkg keeps what is there, a directory or a link to one
    if new.type == old.type == "l" and new.content == old.content:
        return False
    assert old_tree is not None
    if old_tree.name in tree.replaces:
        return True
    if tree.name in old_tree.replaces or (new.type, new.content) == (old.type, old.content):
        return False
    raise BuildError(
        f"{tree.name} and {old_tree.name} both have {os.fsdecode(new.path)}",
        hint=f"take one of the two out of [debian] packages: {tree.name} or {old_tree.name}",
    )


def _under_links(chosen: dict[bytes, Owned]) -> dict[bytes, Owned]:
    """Move what lies under a link of another package to where the link leads, inside the farm.

    Nothing is ever written through a link: it might lead out of the tree.
    """
    astray = [path for path in chosen if path != b"/" and not _in_directory(chosen, path)]
    if not astray:
        return chosen
    shown = {path: owned.entry for path, owned in chosen.items()}
    moved = dict(chosen)
    for path in sorted(astray):
        owned = moved.pop(path)
        parent, name = os.path.split(path)
        target = os.path.join(resolve(shown, parent), name)
        if not _in_directory(moved, target):
            raise BuildError(
                f"{os.fsdecode(path)} lies under a link that leads nowhere in the environment",
                hint=f"the package {owned.tree.name if owned.tree else '?'} cannot be used here",
            )
        moved.setdefault(target, evolve(owned, entry=evolve(owned.entry, path=target)))
    return moved


def _in_directory(chosen: Mapping[bytes, Owned], path: bytes) -> bool:
    parent = chosen.get(os.path.dirname(path))
    return parent is not None and parent.entry.type == "d"


def _with_usrmerge(chosen: dict[bytes, Owned]) -> dict[bytes, Owned]:
    """Add the links /bin -> usr/bin and so on for each /usr/X, where no package brings them (trixie's do)."""
    for name in names.MERGED:
        path = b"/" + name
        if path not in chosen and b"/usr/" + name in chosen:
            chosen[path] = Owned(Entry(path, "l", 0o777, content=b"usr/" + name), None, path)
    return chosen


def make_farm(chosen: Mapping[bytes, Owned], target: str, *, chown: bool) -> list[Entry]:
    """Make the farm in the empty directory `target`; return its entries.

    `chown` gives directories their owners (files share the inodes of their trees).
    """
    root = os.fsencode(target)
    directories = sorted(path for path, owned in chosen.items() if owned.entry.type == "d")
    for path in directories:
        _make_directory(root + path, chosen[path].entry, chown=chown)
    for path, owned in chosen.items():
        if owned.entry.type == "w":
            os.mknod(root + path, stat.S_IFCHR, 0)
        elif owned.entry.type == "d":
            continue
        elif owned.tree is None:
            os.symlink(owned.entry.content, root + path)
            os.utime(root + path, (DIRECTORY_MTIME, DIRECTORY_MTIME), follow_symlinks=False)
        else:
            _link(owned.tree.root + owned.source, root + path)
            _check(root + path, owned.entry)
    for path in reversed(directories):
        os.utime(root + path, (DIRECTORY_MTIME, DIRECTORY_MTIME))
        os.chmod(root + path, chosen[path].entry.mode)
    return with_first_links([owned.entry for owned in chosen.values()])


def _make_directory(path: bytes, entry: Entry, *, chown: bool) -> None:
    if entry.path != b"/":
        os.mkdir(path, 0o755)
    if chown and (entry.uid, entry.gid) != (0, 0):
        os.chown(path, entry.uid, entry.gid)
    for name, value in entry.xattrs:
        os.setxattr(path, name, value)


def _link(source: bytes, target: bytes) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno != errno.EMLINK:
            raise
        _copy(source, target)


def _check(path: bytes, entry: Entry) -> None:
    """Raise DamagedError if a tree's file was altered since it was unpacked, as far as `lstat` tells.

    Mode, size and mtime take 2 us a file; hashing every byte would cost as much as all the rest.
    """
    status = os.lstat(path)
    kind = stat.S_IFLNK if entry.type == "l" else stat.S_IFREG
    size = len(entry.content) if entry.type == "l" else entry.size
    found = (status.st_mode, status.st_size, int(status.st_mtime))
    if found != (kind | entry.mode, size, entry.mtime):
        raise DamagedError(
            f"{os.fsdecode(entry.path)} was altered in the store after it was unpacked",
            hint="envforge fsck --repair",
        )


def _copy(source: bytes, target: bytes) -> None:
    """Copy a file whose inode has all the hard links that the file system allows."""
    status = os.lstat(source)
    shutil.copy2(source, target, follow_symlinks=False)
    os.chown(target, status.st_uid, status.st_gid, follow_symlinks=False)
    os.chmod(target, status.st_mode & 0o7777)


def with_first_links(entries: Iterable[Entry]) -> list[Entry]:
    """Return the entries; a group of hard links whose first path is gone is named by its new first one."""
    present = {entry.path: entry for entry in entries}
    heads: dict[bytes, bytes] = {}
    for path in sorted(present):
        entry = present[path]
        if entry.link and entry.link not in present:
            head = heads.setdefault(entry.link, path)
            present[path] = evolve(entry, link=b"" if head == path else head)
    return list(present.values())


def load_tree(tree: Tree) -> list[Entry]:
    """Return the entries of a package's own listing."""
    with open(f"{tree.path}/listing", "rb") as file:
        return listing.load(file.read())
