"""A tree that is not trusted: reads stay inside, writes never leave it, only regular files are opened."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from envforge.kernel.tree import NotRegularError, Tree

REFUSALS = (errno.ELOOP, errno.EXDEV, errno.ENOENT, errno.ENOTDIR)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    path = tmp_path / "outside"
    path.mkdir()
    (path / "secret").write_text("secret of the host")
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    (path / "etc").mkdir(parents=True)
    return path


@pytest.fixture
def tree(root: Path) -> Iterator[Tree]:
    with Tree(str(root)) as tree:
        yield tree


@contextmanager
def refused() -> Iterator[None]:
    """Expect the kernel's word for a way out: that it leaves the tree, or is a link, or leads nowhere."""
    with pytest.raises(OSError) as caught:  # noqa: PT011
        yield
    assert caught.value.errno in REFUSALS


def links(outside: Path) -> dict[str, str]:
    """Return ways out of a tree, by name."""
    return {
        "absolute": str(outside),
        "relative": "../../outside",
        "up": "../../../../../../../../.." + str(outside),
        "magic": f"/proc/self/cwd/{outside}",
        "root": f"/proc/self/root{outside}",
    }


def test_a_link_leads_to_the_trees_own_file(tree: Tree, root: Path) -> None:
    (root / "etc/real").write_text("inside")
    (root / "etc/link").symlink_to("/etc/real")
    (root / "etc/up").symlink_to("../../../../../etc/real")
    assert tree.read("/etc/link") == tree.read("/etc/up") == b"inside"
    assert tree.is_file("/etc/link")
    assert tree.link_target("/etc/link") == b"/etc/real"
    assert tree.link_target("/etc/real") is None


def test_no_read_leaves_the_tree(tree: Tree, root: Path, outside: Path) -> None:
    for name, target in links(outside).items():
        (root / "etc" / name).symlink_to(target)
        with refused():
            tree.read(f"/etc/{name}/secret")
        assert tree.names(f"/etc/{name}") == []
        assert tree.stat(f"/etc/{name}/secret") is None
        assert tree.holds(f"/etc/{name}")
        assert tree.matching(f"/etc/{name}/*") == []


def test_no_write_and_no_removal_leaves_the_tree(tree: Tree, root: Path, outside: Path) -> None:
    for name, target in links(outside).items():
        (root / "etc" / name).symlink_to(target)
        with refused():
            tree.write(f"/etc/{name}/secret", b"overwritten")
        with refused():
            tree.make_directories(f"/etc/{name}/new")
        tree.remove(f"/etc/{name}/secret")
    assert sorted(os.listdir(outside)) == ["secret"]
    assert (outside / "secret").read_text() == "secret of the host"


def test_a_link_at_the_last_place_is_replaced_by_the_file(tree: Tree, root: Path, outside: Path) -> None:
    (root / "etc/out").symlink_to(outside / "secret")
    tree.write("/etc/out", b"new", mode=0o600)
    assert not (root / "etc/out").is_symlink()
    assert stat.S_IMODE((root / "etc/out").stat().st_mode) == 0o600
    assert (outside / "secret").read_text() == "secret of the host"


def test_directories_are_made_for_all_to_read_whatever_the_umask(tree: Tree, root: Path) -> None:
    before = os.umask(0o077)
    try:
        tree.write("/a/b/c", b"x")
    finally:
        os.umask(before)
    assert [stat.S_IMODE(os.stat(root / path).st_mode) for path in ("a", "a/b", "a/b/c")] == [
        0o755,
        0o755,
        0o644,
    ]


@pytest.mark.parametrize("kind", ["fifo", "socket", "directory", "device"])
def test_nothing_but_regular_files_is_opened(tree: Tree, root: Path, kind: str) -> None:
    path = root / "etc/odd"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK | 0o600)
    else:
        try:
            os.mknod(path, stat.S_IFCHR | 0o600, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("needs mknod")
    with pytest.raises(NotRegularError):
        tree.read("/etc/odd")
    assert not tree.is_file("/etc/odd")


def test_sizes_are_bounded(tree: Tree, root: Path) -> None:
    with open(root / "etc/large", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(NotRegularError, match="larger than 100 bytes"):
        tree.read("/etc/large", limit=100)
    assert tree.head("/etc/large", 3) == b"\0\0\0"


def test_whole_directories_are_removed_and_links_in_them_not_followed(
    tree: Tree, root: Path, outside: Path
) -> None:
    (root / "etc/deep/er").mkdir(parents=True)
    (root / "etc/deep/er/out").symlink_to(outside)
    tree.remove("/etc/deep")
    tree.remove("/etc/nothing/there")
    assert os.listdir(root / "etc") == []
    assert (outside / "secret").exists()


def test_walking_comes_to_everything_and_follows_nothing(tree: Tree, root: Path, outside: Path) -> None:
    (root / "etc/out").symlink_to(outside)
    (root / "etc/file").write_text("x")
    found = [path for path, _, _ in tree.walk()]
    assert sorted(found) == [b"/", b"/etc", b"/etc/file", b"/etc/out"]
    assert found[-1] == b"/"
    for path, status, place in tree.walk():
        os.utime(place, (7, 7))
        assert os.lstat(root / os.fsdecode(path).lstrip("/")).st_mtime == 7, (path, status)
    assert os.stat(outside).st_mtime != 7


def test_a_very_deep_tree_is_walked(tree: Tree, root: Path) -> None:
    here = os.open(root, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    assert sum(1 for _ in tree.walk()) == 1502
    tree.remove("/d")


def test_patterns_match_names_beneath_real_directories(tree: Tree) -> None:
    for name in ("var/log/a.log", "var/log/b.log", "var/log/c"):
        tree.write(f"/{name}", b"")
    assert tree.matching("/var/log/*.log") == ["/var/log/a.log", "/var/log/b.log"]
    assert tree.matching("/var/log/c") == ["/var/log/c"]
    assert tree.matching("/var/none") == []
