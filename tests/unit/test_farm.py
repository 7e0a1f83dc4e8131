import os

import pytest

from envforge.errors import BuildError, IntegrityError
from envforge.sources.debian.layers import farm
from envforge.store import listing
from envforge.store.listing import DIRECTORY_MTIME, Entry
from envforge.store.scan import scan

SHA = b"0" * 64


def tree(tmp_path, name, files, links=(), replaces=()):
    """Make an unpacked package: files by path with their text, links by path with their target."""
    root = tmp_path / name / "root"
    root.mkdir(parents=True)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    for path, target in dict(links).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(target, root / path)
    (tmp_path / name / "listing").write_bytes(listing.dump(scan(str(root))))
    one = farm.Tree(name, str(tmp_path / name), frozenset(replaces))
    return one, farm.load_tree(one)


def make(tmp_path, *trees):
    target = tmp_path / "farm"
    target.mkdir()
    entries = farm.make_farm(farm.plan_farm(trees), str(target), chown=False)
    return target, {entry.path: entry for entry in entries}


def test_a_farm_is_hard_links_and_its_entries_are_what_is_on_disk(tmp_path):
    one = tree(tmp_path, "one", {"usr/bin/a": "a", "etc/x/y": "y"}, {"usr/bin/b": "a"})
    two = tree(tmp_path, "two", {"usr/bin/c": "c", "usr/lib/d": "d"})
    target, entries = make(tmp_path, one, two)
    assert os.stat(target / "usr/bin/a").st_ino == os.stat(tmp_path / "one/root/usr/bin/a").st_ino
    assert os.readlink(target / "bin") == "usr/bin"
    assert os.readlink(target / "lib") == "usr/lib"
    assert not os.path.lexists(target / "lib64")
    assert os.stat(target / "etc/x").st_mtime == DIRECTORY_MTIME
    on_disk = {entry.path: entry for entry in scan(str(target))}
    assert on_disk.keys() == entries.keys()
    for path, entry in entries.items():
        assert (entry.type, entry.mode, entry.content) == (
            on_disk[path].type,
            on_disk[path].mode,
            on_disk[path].content,
        )


def test_two_packages_with_one_file_are_refused_unless_one_replaces_the_other(tmp_path):
    one = tree(tmp_path, "one", {"etc/x": "1"})
    two = tree(tmp_path, "two", {"etc/x": "2"})
    with pytest.raises(BuildError, match="two and one both have /etc/x"):
        farm.plan_farm([one, two])
    taking = (farm.Tree("two", two[0].path, frozenset({"one"})), two[1])
    for order in ([one, taking], [taking, one]):
        assert farm.plan_farm(order)[b"/etc/x"].tree.name == "two"


def test_the_same_content_twice_is_no_conflict(tmp_path):
    same = [tree(tmp_path, name, {"etc/x": "1"}) for name in ("one", "two")]
    assert farm.plan_farm(same)[b"/etc/x"].tree.name == "one"


def test_nothing_is_written_through_another_packages_link(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    link = tree(tmp_path, "link", {"usr/real/keep": ""}, {"usr/alias": "real", "usr/evil": str(outside)})
    below = tree(tmp_path, "below", {"usr/alias/file": "f"})
    target, entries = make(tmp_path, link, below)
    assert (target / "usr/real/file").read_text() == "f"
    assert entries[b"/usr/real/file"].content
    evil = tree(tmp_path, "evil", {"usr/evil/file": "f"})
    with pytest.raises(BuildError, match="leads nowhere"):
        farm.plan_farm([link, evil])
    assert os.listdir(outside) == []


def test_links_whose_first_path_went_are_named_anew():
    entries = [
        Entry(b"/c", "f", content=SHA, size=0, link=b"/a"),
        Entry(b"/b", "f", content=SHA, size=0, link=b"/a"),
    ]
    assert [entry.link for entry in sorted(farm.with_first_links(entries), key=lambda one: one.path)] == [
        b"",
        b"/b",
    ]


@pytest.mark.parametrize(
    "alter",
    [
        lambda path: path.write_text("longer"),
        lambda path: path.write_text(""),
        lambda path: path.chmod(0o4755),
        lambda path: os.utime(path, (1, 1)),
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    ],
)
def test_what_was_altered_in_a_tree_gets_into_no_farm(tmp_path, alter):
    one = tree(tmp_path, "one", {"usr/bin/a": "a", "etc/x": "y"})
    alter(tmp_path / "one/root/usr/bin/a")
    with pytest.raises(IntegrityError, match="/usr/bin/a was altered") as caught:
        make(tmp_path, one)
    assert "envforge fsck --repair" in caught.value.hint
