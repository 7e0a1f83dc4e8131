"""A farm over a farm shows what one farm of all packages would."""

from hypothesis import given
from hypothesis import strategies as st

from envforge.errors import BuildError
from envforge.sources.debian.layers import inert
from envforge.sources.debian.layers.farm import Tree, plan_farm
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.merge import merged

NAMES = ("base-files", "alpha", "beta", "gamma", "omega")
OTHERS = frozenset(NAMES)
LEAVES = (b"/usr/bin/x", b"/usr/share/a", b"/usr/share/a/b", b"/etc/x", b"/usr/share/own", b"/usr/lib32/z")


@st.composite
def trees(draw):
    """Packages in the farm's order, and the names of those beneath."""
    made = []
    for name in NAMES:
        entries = {b"/": Entry(b"/", "d")}
        for leaf in draw(
            st.lists(st.sampled_from((*LEAVES, b"/own/" + name.encode())), unique=True, max_size=3)
        ):
            put(entries, leaf, draw)
        tree = Tree(name, f"/{name}", draw(st.sampled_from((OTHERS, frozenset()))) - {name})
        made.append((tree, sorted(entries.values(), key=lambda entry: entry.path)))
    return made, draw(st.sets(st.sampled_from(NAMES), min_size=1, max_size=4))


def put(entries, leaf, draw):
    """Add a file, a link or a directory, with the directories above that are not there yet."""
    parts = leaf.strip(b"/").split(b"/")
    for depth in range(1, len(parts)):
        above = b"/" + b"/".join(parts[:depth])
        if (
            entries.setdefault(above, Entry(above, "d", draw(st.sampled_from((0o755, 0o755, 0o700))))).type
            != "d"
        ):
            return
    kind = draw(st.sampled_from("fffld"))
    content = b"" if kind == "d" else draw(st.sampled_from((b"one", b"two", b"b")))
    mode = {"f": 0o644, "l": 0o777, "d": 0o755}[kind]
    entries.setdefault(leaf, Entry(leaf, kind, mode, size=3 if kind == "f" else None, content=content))


@given(trees())
def test_both_show_what_one_would(drawn):
    packages, beneath = drawn
    lower_trees = [one for one in packages if one[0].name in beneath]
    try:
        whole, lower = plan_farm(packages), plan_farm(lower_trees)
    except BuildError:
        return
    lower_entries = [owned.entry for owned in lower.values()]
    expected = {path: owned.entry for path, owned in whole.items()}
    upper = inert.over(packages, beneath)
    assert merged([[owned.entry for owned in upper.values()], lower_entries]) == expected
    lines = listing.index(listing.dump(lower_entries))
    quick = inert.quickly(lines, [one for one in packages if one[0].name not in beneath])
    if quick is not None:
        assert {path: owned.entry for path, owned in quick.items()} == {
            path: owned.entry for path, owned in upper.items()
        }
    assert all(owned.tree for owned in (quick or {}).values() if owned.entry.type not in {"d", "w", "l"})
