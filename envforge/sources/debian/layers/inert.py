"""Plans the inert farm: all that the farm of all packages has beyond the farm that was configured. Pure.

Configuration runs over a farm of the packages that it sees, which has most files of an environment. The other
packages, which nothing configures, get a farm of their own over it: adding one more of them links a few
hundred files anew, not all.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from itertools import chain

from envforge.build.whiteouts import whiteout
from envforge.sources.debian.dpkg import names
from envforge.sources.debian.layers.farm import Owned, Tree, plan_farm
from envforge.store import listing
from envforge.store.listing import Entry

Trees = Sequence[tuple[Tree, Sequence[Entry]]]


def over(trees: Trees, beneath: Collection[str]) -> dict[bytes, Owned]:
    """Return the farm that, laid over the farm of the trees named in `beneath`, shows the farm of all.

    `trees` are all of them, in the farm's order. Raises BuildError like `plan_farm`.
    """
    both = plan_farm(trees)
    lower = plan_farm([one for one in trees if one[0].name in beneath])
    chosen = {
        path: owned for path, owned in both.items() if path not in lower or lower[path].entry != owned.entry
    }
    gone = [path for path in lower if path not in both and _is_directory(both, os.path.dirname(path))]
    chosen |= {path: Owned(whiteout(path), None, path) for path in gone}
    return _with_parents(chosen, {path: owned.entry for path, owned in both.items()})


def quickly(lines: Mapping[bytes, bytes], trees: Trees) -> dict[bytes, Owned] | None:
    """Return the same from the lower farm's listing, its lines by path, and the trees of the others alone.

    None if they share more than directories: then `over` has to look at all trees.
    """
    chosen: dict[bytes, Owned] = {}
    shared: dict[bytes, Entry] = {}
    for tree, entries in trees:
        for entry in entries:
            path, line = entry.path, lines.get(entry.path)
            if entry.type == "d" and (path in shared or line == listing.format_entry(entry).rstrip(b"\n")):
                if shared.setdefault(path, entry) != entry:
                    return None
            elif line is not None or path in chosen or path in shared:
                return None
            elif entry.type == "d":
                shared[path] = entry
                chosen[path] = Owned(entry, tree, path)
            else:
                chosen[path] = Owned(entry, tree, path)
    new = {path[len(b"/usr") :] for path in chosen if path.count(b"/") == 2 and path.startswith(b"/usr/")}
    in_place = all(os.path.dirname(path) in shared for path in chain(chosen, shared, (b"/",)))
    return (
        _with_parents(chosen, shared)
        if in_place and new.isdisjoint({b"/" + name for name in names.MERGED})
        else None
    )


def _with_parents(chosen: Mapping[bytes, Owned], shown: Mapping[bytes, Entry]) -> dict[bytes, Owned]:
    """Add the directories above each path, as both farms together show them."""
    found = dict(chosen)
    for path in chosen:
        above = os.path.dirname(path)
        while above not in found:
            found[above] = Owned(shown[above], None, above)
            above = os.path.dirname(above)
    found.setdefault(b"/", Owned(shown[b"/"], None, b"/"))
    return found


def _is_directory(both: Mapping[bytes, Owned], path: bytes) -> bool:
    return path in both and both[path].entry.type == "d"
