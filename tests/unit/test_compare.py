"""The comparison of two trees: everything that differs is seen, and nothing that may differ."""

import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from tests.compare.allowed import Allowed
from tests.compare.differences import compare, split
from tests.compare.page import PAGE, page
from tests.compare.tree import read_tree


@pytest.fixture
def trees(tmp_path):
    return [str(_tree(tmp_path / name)) for name in ("ours", "theirs")]


def _tree(root: Path) -> Path:
    for name in ("etc", "usr/bin", "var/lib/dpkg/info"):
        (root / name).mkdir(parents=True)
    (root / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "bin").symlink_to("usr/bin")
    (root / "usr/bin/tool").write_text("tool\n")
    os.utime(root / "usr/bin/tool", (1, 1))
    (root / "var/lib/dpkg/info/tool.list").write_text("/.\n/bin\n/bin/tool\n")
    return root


def _differences(trees: list[str]) -> list[tuple[str, str]]:
    return [(found.path, found.aspect) for found in compare(*map(read_tree, trees))]


def test_equal_trees(trees):
    assert _differences(trees) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda root: (root / "usr/bin/more").touch(), ("/usr/bin/more", "missing")),
        (lambda root: (root / "usr/bin/tool").unlink(), ("/usr/bin/tool", "extra")),
        (lambda root: (root / "usr/bin/tool").chmod(0o4755), ("/usr/bin/tool", "mode")),
        (lambda root: (root / "usr/bin/tool").write_text("other"), ("/usr/bin/tool", "content")),
        (lambda root: os.utime(root / "usr/bin/tool", (2, 2)), ("/usr/bin/tool", "mtime")),
        (lambda root: os.setxattr(root / "usr/bin/tool", "user.x", b"1"), ("/usr/bin/tool", "xattrs")),
        (lambda root: (root / "etc/group").write_text("root:x:0:me\n"), ("/etc/group", "content")),
    ],
)
def test_each_kind_of_difference_is_seen(trees, change, expected):
    change(Path(trees[1]))
    assert _differences(trees) == [expected]


def test_link_target_and_type(trees):
    theirs = Path(trees[1])
    (theirs / "link").symlink_to("a")
    (Path(trees[0]) / "link").symlink_to("b")
    (theirs / "thing").mkdir()
    (Path(trees[0]) / "thing").touch()
    assert _differences(trees) == [("/link", "content"), ("/thing", "type")]


def test_directories_times_are_not_compared(trees):
    os.utime(f"{trees[0]}/usr/bin", (5, 5))
    assert _differences(trees) == []


@pytest.mark.root
def test_owners_are_compared_by_name(trees):
    for root, uid in zip(trees, (100, 101), strict=True):
        passwd = Path(root) / "etc/passwd"
        passwd.write_text(f"root:x:0:0::/root:/bin/sh\nmail:x:{uid}:8::/:/bin/sh\n")
        os.chown(f"{root}/usr/bin/tool", uid, 0)
    assert _differences(trees) == []
    os.chown(f"{trees[1]}/usr/bin/tool", 0, 0)
    assert _differences(trees) == [("/usr/bin/tool", "owner")]


def test_order_of_paragraphs_and_fields_means_nothing(trees):
    texts = ("Package: a\nVersion: 1\n x\n\nPackage: b\n", "Package: b\n\nVersion: 1\n x\nPackage: a\n")
    for root, text in zip(trees, texts, strict=True):
        (Path(root) / "var/lib/dpkg/status").write_text(text)
    assert _differences(trees) == []


def test_only_the_named_aspect_is_allowed(trees):
    (Path(trees[1]) / "usr/bin/tool").write_text("other")
    (Path(trees[1]) / "usr/bin/tool").chmod(0o700)
    allowed = [Allowed(r"/usr/.*", ("content",), "a test")]
    unexplained, explained = split(compare(*map(read_tree, trees)), allowed)
    assert [found.aspect for found in unexplained] == ["mode"]
    assert [found.aspect for found in explained[allowed[0]]] == ["content"]


def test_the_page_for_users_is_current():
    assert PAGE.read_text() == page(), "run `python -m tests.compare.page`"
