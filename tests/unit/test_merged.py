"""What an overlay of directories shows, looked up without mounting it."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from envforge.kernel.reading import NotRegularError, ReadTree
from envforge.sandbox.confined.merged import OPAQUE, Merged


@pytest.fixture
def merged(tmp_path: Path) -> Callable[..., Merged]:
    """Make a view of directories, topmost first: a path and its text, its link's target, or what it hides."""

    def made(*directories: dict[str, str]) -> Merged:
        trees = []
        for number, paths in enumerate(directories):
            root = tmp_path / str(number)
            root.mkdir()
            for path, what in paths.items():
                place = root / path
                place.parent.mkdir(parents=True, exist_ok=True)
                if what == "whiteout":
                    os.mknod(place, stat.S_IFCHR, 0)
                elif what == "opaque":
                    place.mkdir()
                    os.setxattr(place, OPAQUE, b"y")
                elif what.startswith("-> "):
                    place.symlink_to(what[3:])
                else:
                    place.write_text(what)
            trees.append(ReadTree(str(root)))
        return Merged(trees)

    return made


def where(view: Merged, path: str) -> int | None:
    """Return which directory shows a path."""
    found = view.stat(path.encode())
    return None if found is None else found[0]


def test_the_topmost_one_is_seen(merged) -> None:
    view = merged({"a/x": "new"}, {"a/x": "old", "a/y": "y"})
    assert (where(view, "/a/x"), where(view, "/a/y"), where(view, "/a/z"), where(view, "/b/c")) == (
        0,
        1,
        None,
        None,
    )
    assert view.having(b"/a") == (0, 1)
    assert view.read_text("/a/x") == "new"


def test_whiteouts_opaque_directories_and_files_hide_what_is_below(merged) -> None:
    view = merged(
        {"a/x": "whiteout"},
        {"b": "opaque", "c": "file", "d": "whiteout"},
        dict.fromkeys(("a/x", "b/x", "c/x", "d/x"), ""),
    )
    assert [where(view, f"/{one}/x") for one in "abcd"] == [None] * 4
    assert [where(view, f"/{one}") for one in "abcd"] == [0, 1, 1, None]


def test_a_directory_made_over_a_whiteout_shows_nothing_of_what_was_below(merged) -> None:
    view = merged({"a": "opaque"}, {"a": "whiteout"}, {"a/x": ""})
    assert where(view, "/a/x") is None


def test_links_lead_through_all_of_them_and_nowhere_else(merged, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary")
    view = merged(
        {"l": "-> a/b", "out": f"-> {tmp_path}/secret", "up": "-> ../../a/b/file", "loop": "-> loop"},
        {"a/b/file": "text"},
    )
    assert view.read_text("/l/file") == view.read_text("/up") == "text"
    assert view.is_file("/l/file")
    assert not view.is_file("/l")
    assert not view.is_file("/out")
    with pytest.raises(FileNotFoundError):
        view.read_text("/out")
    with pytest.raises(NotRegularError):
        view.is_file("/loop")


def test_a_fifo_is_no_file_and_is_not_opened(merged, tmp_path: Path) -> None:
    view = merged({})
    os.mkfifo(tmp_path / "0" / "pipe")
    assert not view.is_file("/pipe")
    with pytest.raises(NotRegularError):
        view.read_text("/pipe")


def test_however_deep_it_is_nothing_recurses(merged) -> None:
    view = merged({})
    assert where(view, "/d" * 1500) is None
