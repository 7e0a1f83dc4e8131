"""Whatever the store has: nothing that a kept root reaches is ever in a plan, and the sums add up."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from envforge.upkeep.documents import Names
from envforge.upkeep.freeing.plan import plan
from envforge.upkeep.mark import mark
from envforge.upkeep.model import Cause, Kind, Policy, Root, Size, Thing, union
from envforge.upkeep.usage import by_environment, by_root, exclusive

_NAMES = [hashlib.sha256(bytes([at])).hexdigest() for at in range(14)]
_NOW = 1_000_000
names = st.sampled_from(_NAMES)


@st.composite
def stores(draw):
    """Return things, roots and what documents name: environments, records, layers and plain ones."""
    kinds = {name: draw(st.sampled_from(Kind)) for name in _NAMES if draw(st.booleans())}
    things = [
        Thing(kind, name, f"{kind}/{name}", Size(draw(st.integers(0, 1000)), 1))
        for name, kind in kinds.items()
    ]
    documents = {}
    for one in things:
        if one.kind in (Kind.ENVIRONMENT, Kind.RECORD):
            documents[one.kind, one.name] = Names(
                draw(st.frozensets(names, max_size=4)), draw(st.frozensets(names, max_size=3))
            )
    roots = []
    for at in range(draw(st.integers(0, 6))):
        cause = draw(st.sampled_from(Cause))
        is_generation = cause == Cause.GENERATION
        roots.append(
            Root(
                cause,
                f"p@{at}" if is_generation else f"root {at}",
                keeps=tuple(draw(st.lists(names, max_size=3))),
                spec=f"/p{draw(st.integers(0, 1))}" if is_generation else "",
                number=at if is_generation else 0,
                is_current=is_generation and draw(st.booleans()),
                is_gone=is_generation and draw(st.booleans()),
                used=draw(st.integers(0, _NOW)),
            )
        )
    return tuple(things), tuple(roots), documents


policies = st.builds(
    Policy,
    keep=st.none() | st.integers(1, 3),
    unused_for_s=st.none() | st.integers(0, _NOW),
    gone=st.booleans(),
)


def reached_plainly(root, things, documents):
    """Return the paths that a root reaches, as one would say it."""
    found, waiting = set(), [(name, True) for name in root.keeps]
    seen = set()
    while waiting:
        name, with_layers = waiting.pop()
        if (name, with_layers) in seen:
            continue
        seen.add((name, with_layers))
        for one in things:
            if one.name == name and (one.kind != Kind.LAYER or with_layers):
                found.add(one.path)
                said = documents.get((one.kind, one.name))
                if said is not None:
                    waiting += [(further, False) for further in said.names]
                    layers = {
                        layer.path
                        for layer in things
                        if layer.name in said.layers and layer.kind == Kind.LAYER
                    }
                    found |= layers
    return found


def read_from(documents):
    return lambda folder, name: documents.get((folder, name), Names())


@given(stores())
def test_a_root_reaches_what_is_named_from_it_on(made):
    things, roots, documents = made
    marked = mark(things, roots, read_from(documents))
    for root, reached in zip(marked.roots, marked.reached, strict=True):
        assert {one.path for one in marked.chosen(reached)} == reached_plainly(root, things, documents)


@given(stores(), policies, st.integers(0, 5000))
def test_nothing_that_a_kept_root_reaches_goes(made, policy, excess):
    things, roots, documents = made
    marked = mark(things, roots, read_from(documents))
    decided = plan(marked, policy, now=_NOW, excess_bytes=excess)
    kept = set().union(*(reached_plainly(root, things, documents) for root in decided.kept), set())
    going = {one.path for one in marked.chosen(decided.garbage)}
    assert not kept & going
    assert kept | going == {one.path for one in things}
    assert all(root.can_be_dropped for root in decided.dropped)
    assert not any(
        (root.is_current and not root.is_gone)
        or root.cause in (Cause.PIN, Cause.BUILD, Cause.SANDBOX, Cause.UPPER)
        for root in decided.dropped
    )


@given(stores(), policies, st.integers(0, 5000))
def test_what_goes_is_told_root_by_root_and_kind_by_kind(made, policy, excess):
    things, roots, documents = made
    marked = mark(things, roots, read_from(documents))
    decided = plan(marked, policy, now=_NOW, excess_bytes=excess)
    by_kind = sum((one.size for one in decided.by_kind.values()), Size())
    anyway = marked.weigh(marked.freed())
    assert decided.size == by_kind == sum(decided.by_root, anyway)
    assert marked.freed(decided.dropped) == decided.garbage


@given(stores(), policies, st.integers(1, 5000))
def test_space_is_freed_as_asked_for_and_no_root_more_is_dropped(made, policy, excess):
    things, roots, documents = made
    marked = mark(things, roots, read_from(documents))
    decided = plan(marked, policy, now=_NOW, excess_bytes=excess)
    least = plan(marked, policy, now=_NOW)
    assert decided.dropped[: len(least.dropped)] == least.dropped
    if decided.size.size_bytes < excess:
        assert all(not root.can_be_dropped for root in decided.kept)
    elif len(decided.dropped) > len(least.dropped):
        assert marked.weigh(marked.freed(decided.dropped[:-1])).size_bytes < excess


@given(stores(), st.integers(1, 3))
def test_as_many_generations_stay_as_were_asked_for(made, keep):
    things, roots, documents = made
    decided = plan(mark(things, roots, read_from(documents)), Policy(keep=keep), now=_NOW)
    for spec in {root.spec for root in roots if root.spec}:
        before = [root.number for root in roots if root.spec == spec]
        after = [root.number for root in decided.kept if root.spec == spec]
        assert sorted(before)[-keep:] == sorted(after)[-len(sorted(before)[-keep:]) :]


@given(stores())
def test_shares_add_up(made):
    things, roots, documents = made
    marked = mark(things, roots, read_from(documents))
    for shares in (by_root(marked), by_environment(marked)):
        for share in shares:
            assert share.size == share.shared + share.exclusive
            others = [root for root in roots if root not in share.roots]
            alone = marked.reached_by(share.roots) & ~marked.reached_by(others)
            if len(set(roots)) == len(roots):
                assert share.exclusive == marked.weigh(alone)
    assert union(exclusive(marked.reached)) & marked.freed() == 0
