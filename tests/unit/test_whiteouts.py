"""What a configuration removed is said path by path, so that a layer hides nothing of a larger farm."""

import os

from attrs import evolve

from envforge.build.whiteouts import Changes, applied, apply, explicit, whiteout
from envforge.store.listing import Entry
from envforge.store.merge import merged
from envforge.store.scan import OPAQUE, scan


def directory(path):
    return Entry(path.encode(), "d")


def file(path, content="a"):
    return Entry(path.encode(), "f", 0o644, size=1, content=content.encode())


FARM = [
    directory("/"),
    directory("/lib"),
    directory("/lib/Pod"),
    file("/lib/Pod/Old.pm"),
    directory("/lib/Pod/Deep"),
    file("/lib/Pod/Deep/x"),
    directory("/lib/Pod/Gone"),
    file("/lib/Pod/Gone/x"),
]
LAYER = [
    directory("/"),
    directory("/lib"),
    evolve(directory("/lib/Pod"), type="o"),
    file("/lib/Pod/New.pm"),
    directory("/lib/Pod/Deep"),
    evolve(directory("/lib/Fresh"), type="o"),
    whiteout(b"/lib/never"),
]
MORE = [
    file("/lib/Pod/Other.pm"),
    file("/lib/Pod/Deep/other"),
    directory("/lib/Fresh"),
    file("/lib/Fresh/other"),
]


def settled(layer, farm):
    shown = merged([farm])
    changes = explicit(layer, shown.__contains__, lambda: shown)
    return changes, applied(layer, changes)


def test_the_same_is_shown_over_the_farm_that_the_configuration_saw():
    _, after = settled(LAYER, FARM)
    before = merged([LAYER, FARM])
    assert merged([after, FARM]) == {
        path: evolve(entry, type="d") if entry.type == "o" else entry for path, entry in before.items()
    }
    assert {entry.type for entry in after} == {"d", "f", "w"}


def test_nothing_of_another_package_is_hidden_over_a_larger_farm():
    _, after = settled(LAYER, FARM)
    shown = merged([after, [*FARM, *MORE, file("/lib/never")]])
    assert {entry.path for entry in MORE} <= shown.keys()
    assert b"/lib/never" in shown
    assert shown.keys().isdisjoint({b"/lib/Pod/Old.pm", b"/lib/Pod/Deep/x", b"/lib/Pod/Gone"})


def test_whiteouts_are_as_few_as_can_be():
    changes, _ = settled(LAYER, FARM)
    assert changes == Changes(
        (b"/lib/Fresh", b"/lib/Pod"),
        (b"/lib/Pod/Deep/x", b"/lib/Pod/Gone", b"/lib/Pod/Old.pm"),
        (b"/lib/never",),
    )


def test_a_tree_changes_like_its_entries(tmp_path):
    (tmp_path / "lib/Pod/Deep").mkdir(parents=True)
    os.setxattr(tmp_path / "lib/Pod", OPAQUE, b"y")
    os.mknod(tmp_path / "lib/never", 0o20000, 0)
    entries = scan(str(tmp_path))
    shown = merged([FARM])
    changes = explicit(entries, shown.__contains__, lambda: shown)
    apply(str(tmp_path), changes)
    assert sorted(scan(str(tmp_path)), key=lambda one: one.path) == sorted(
        applied(entries, changes), key=lambda one: one.path
    )
