"""The quick decoder is published once, whichever build is first."""

from pathlib import Path

from envforge.sources.debian.layers import decoder
from envforge.store.layout import open_store


def test_the_first_of_two_builds_wins(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    for number in (1, 2):
        made = tmp_path / f"worker{number}" / "1" / "tree"
        made.mkdir(parents=True)
        (made / "liblzma.so.5").write_text(f"of build {number}")
        decoder.publish(store, str(tmp_path / f"worker{number}"), "/1/tree", "ab" * 32)
    (kept,) = (tmp_path / "store" / "tools").iterdir()
    assert (kept / "liblzma.so.5").read_text() == "of build 1"


def test_nothing_is_published_where_it_was_broken(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store"))
    decoder.publish(store, str(tmp_path), "/1/tree", "")
    assert list((tmp_path / "store" / "tools").iterdir()) == []
