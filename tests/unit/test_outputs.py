"""Recorded digests change where the user changed something, and else on request only."""

import pytest
from attrs import evolve
from locks import lock_of

from envforge import machine
from envforge.environment.made import outputs
from envforge.environment.made.model import Environment, LayerReference
from envforge.errors import LockStaleError, OutputError
from envforge.lock.model import DEFAULT, RECIPE_FORMAT, Outputs, part_of, with_outputs
from envforge.sources.debian.model import Closure, Request


def environment(runtime="", **layers):
    references = tuple(LayerReference(name, "k", digest * 64) for name, digest in layers.items())
    return Environment(references, {"runtime": 1, "variables": runtime}, "c")


BUILT = environment(files="1", database="2", base="3", farm="4")


HERE = machine.native()
EMPTY = lock_of(Request("bookworm", (), (), ()), Closure(HERE, (), ()), Closure("other", (), ()))


def recorded(lock, built, where=HERE):
    return with_outputs(lock, DEFAULT, where, outputs.outputs_of(built))


RECORDED = recorded(EMPTY, BUILT)


def test_the_same_digests():
    outputs.check_unchanged(RECORDED, DEFAULT, BUILT)
    outputs.check_all(RECORDED, DEFAULT, BUILT)
    assert isinstance(part_of(RECORDED, DEFAULT, HERE).outputs, Outputs)
    outputs.check_unchanged(EMPTY, DEFAULT, BUILT)
    outputs.check_all(EMPTY, DEFAULT, BUILT)


@pytest.mark.parametrize(
    "built",
    [
        environment(files="1", database="2", base="f", farm="4"),
        environment(files="1", database="2", base="3", farm="f"),
        environment(files="1", database="2", farm="4"),
        environment(files="1", database="2", rest="5", base="3", farm="4"),
    ],
)
def test_other_layers_for_the_same_packages(built):
    with pytest.raises(OutputError) as caught:
        outputs.check_unchanged(RECORDED, DEFAULT, built)
    assert "envforge build --accept" in caught.value.hint
    with pytest.raises(OutputError):
        outputs.check_all(RECORDED, DEFAULT, built)


@pytest.mark.parametrize(
    "built",
    [
        evolve(BUILT, runtime={"runtime": 1, "variables": "edited"}),
        environment(files="9", database="2", base="3", farm="4"),
        environment(database="2", base="3", farm="4"),
    ],
)
def test_the_users_own_edits_nag_nobody_but_ci(built):
    outputs.check_unchanged(RECORDED, DEFAULT, built)
    with pytest.raises(LockStaleError) as caught:
        outputs.check_all(RECORDED, DEFAULT, built)
    assert "`envforge build` takes" in caught.value.hint


def test_other_recipes_give_other_digests():
    other = environment(files="1", database="f", base="f", farm="f")
    old = evolve(recorded(RECORDED, BUILT, "other"), recipe_format=1)
    outputs.check_unchanged(old, DEFAULT, other)
    with pytest.raises(OutputError, match="recipe format 1") as caught:
        outputs.check_all(old, DEFAULT, other)
    assert "`envforge build`" in caught.value.hint
    new = recorded(old, other)
    assert part_of(new, DEFAULT, HERE).outputs == outputs.outputs_of(other)
    assert part_of(new, DEFAULT, "other").outputs is None
    assert new.recipe_format == RECIPE_FORMAT


def test_an_altered_digest_of_the_whole_is_no_edit():
    altered = evolve(outputs.outputs_of(BUILT), environment="f" * 64)
    lock = with_outputs(EMPTY, DEFAULT, HERE, altered)
    with pytest.raises(OutputError, match="environment came out"):
        outputs.check_all(lock, DEFAULT, BUILT)
