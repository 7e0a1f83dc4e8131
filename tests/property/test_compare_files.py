"""A comparison of listings, equal layers left out, is the naive comparison of what is shown."""

from hypothesis import given
from hypothesis import strategies as st

from envforge.compare import files
from envforge.compare.files import Stack
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import Shown, merged

NAMES = (b"/a", b"/a/x", b"/a/x/1", b"/a/y", b"/b", b"/b/x", b"/c d", b"/c d/\xff\n")


@st.composite
def layers(draw):
    """One layer: directories stand above what is in them, as in any listing."""
    entries = {b"/": Entry(b"/", "d")}
    for name in draw(st.lists(st.sampled_from(NAMES), unique=True, max_size=5)):
        above = name.rpartition(b"/")[0] or b"/"
        if above not in entries or entries[above].type not in "do":
            continue
        kind = draw(st.sampled_from("ffdolw"))
        content = draw(st.sampled_from((b"one", b"two"))) if kind in "fl" else b""
        entries[name] = Entry(
            name,
            kind,
            0 if kind == "w" else draw(st.sampled_from((0o755, 0o644))),
            mtime=draw(st.sampled_from((1, 2))) if kind in "fl" else 315532800,
            size=3 if kind == "f" else None,
            content=content,
        )
    return listing.dump(entries.values())


stacks = st.lists(layers(), min_size=1, max_size=4)


@st.composite
def pairs(draw):
    """Two stacks, with layers in common at the bottom and on top."""
    bottom, top = draw(st.lists(layers(), max_size=2)), draw(st.lists(layers(), max_size=2))
    return tuple([*top, *draw(st.lists(layers(), max_size=2)), *bottom] or [draw(layers())] for _ in "ab")


def stack(texts):
    return Stack([f"l{number}" for number in range(len(texts))], texts)


def shown(texts):
    """What is visible, opaque directories as what they are to somebody inside."""
    entries = merged([listing.load(text) for text in texts])
    return {
        path: (("d" if one.type == "o" else one.type), one.mode, one.mtime, one.content)
        for path, one in entries.items()
    }


@given(stacks)
def test_lines_are_merged_as_entries_are(texts):
    assert dict(Shown(texts)) == merged([listing.load(text) for text in texts])


@given(pairs())
def test_the_same_as_comparing_all(both):
    a, b = both
    old, new = shown(a), shown(b)
    expected = {path for path in old.keys() | new.keys() if old.get(path) != new.get(path)}
    found = list(files.changes(stack(a), stack(b)))
    assert [one.path for one in found] == sorted(expected)
    for one in found:
        assert (one.old_line is None) == (one.path not in old)
        assert (one.new_line is None) == (one.path not in new)
        assert bool(one.causes) == (one.kind == "changed")


@given(stacks)
def test_a_stack_does_not_differ_from_itself(texts):
    assert not list(files.changes(stack(texts), stack(list(texts))))


@given(pairs())
def test_both_ways_are_the_same(both):
    forth = {
        one.path: (one.old_line, one.new_line, one.causes)
        for one in files.changes(stack(both[0]), stack(both[1]))
    }
    back = {
        one.path: (one.new_line, one.old_line, one.causes)
        for one in files.changes(stack(both[1]), stack(both[0]))
    }
    assert forth == back


@given(stacks)
def test_the_layer_of_a_path_is_the_topmost_one_that_has_it(texts):
    made = stack(texts)
    for path, entry in made.shown.items():
        number = int(made.layer_of(path)[1:])
        assert listing.find(texts[number], path) == entry
