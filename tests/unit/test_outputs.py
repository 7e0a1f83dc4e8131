"""Recorded digests change where the user changed something, and else on request only."""

import pytest
from attrs import evolve

from envforge import machine as architecture
from envforge.environment import outputs
from envforge.environment.model import Environment, LayerReference
from envforge.errors import LockStaleError, OutputError
from envforge.lock.model import RECIPE_FORMAT, Lock
from envforge.sources.debian.model import ArchitectureLock, Outputs, Request


def environment(runtime="", **layers):
    references = tuple(LayerReference(name, "k", digest * 64) for name, digest in layers.items())
    return Environment(references, {"runtime": 1, "variables": runtime}, "c")


BUILT = environment(files="1", database="2", base="3", farm="4")


EMPTY = Lock(Request("bookworm", (), (), ()), (ArchitectureLock(architecture.native(), (), ()),))
RECORDED = outputs.with_outputs(EMPTY, BUILT)


def test_the_same_digests():
    outputs.check_unchanged(RECORDED, BUILT)
    outputs.check_all(RECORDED, BUILT)
    assert isinstance(RECORDED.architectures[0].outputs, Outputs)
    outputs.check_unchanged(EMPTY, BUILT)
    outputs.check_all(EMPTY, BUILT)


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
        outputs.check_unchanged(RECORDED, built)
    assert "envforge build --accept" in caught.value.hint
    with pytest.raises(OutputError):
        outputs.check_all(RECORDED, built)


@pytest.mark.parametrize(
    "built",
    [
        evolve(BUILT, runtime={"runtime": 1, "variables": "edited"}),
        environment(files="9", database="2", base="3", farm="4"),
        environment(database="2", base="3", farm="4"),
    ],
)
def test_the_users_own_edits_nag_nobody_but_ci(built):
    outputs.check_unchanged(RECORDED, built)
    with pytest.raises(LockStaleError) as caught:
        outputs.check_all(RECORDED, built)
    assert "`envforge build` takes" in caught.value.hint


def test_other_recipes_give_other_digests():
    other = environment(files="1", database="f", base="f", farm="f")
    old = evolve(
        RECORDED,
        recipe_format=1,
        architectures=(*RECORDED.architectures, evolve(RECORDED.architectures[0], architecture="other")),
    )
    outputs.check_unchanged(old, other)
    with pytest.raises(OutputError, match="recipe format 1") as caught:
        outputs.check_all(old, other)
    assert "`envforge build`" in caught.value.hint
    here, elsewhere = outputs.with_outputs(old, other).architectures
    assert here.outputs != RECORDED.architectures[0].outputs
    assert elsewhere.outputs is None
    assert outputs.with_outputs(old, other).recipe_format == RECIPE_FORMAT
