"""Recorded digests change where the user changed something, and else on request only."""

import pytest
from attrs import evolve

from envforge.environment import outputs
from envforge.environment.model import Environment, LayerReference
from envforge.errors import OutputError
from envforge.lock.model import ArchitectureLock, Lock, Outputs, Request
from envforge.sources.debian import architecture


def environment(runtime="", **layers):
    references = tuple(LayerReference(name, "k", digest * 64) for name, digest in layers.items())
    return Environment(references, {"runtime": 1, "variables": runtime}, "c")


BUILT = environment(files="1", database="2", base="3", farm="4")


def recorded(built=BUILT):
    lock = Lock(Request("bookworm", (), (), ()), (ArchitectureLock(architecture.native(), (), ()),))
    found = outputs.with_outputs(lock, built).architectures[0].outputs
    assert isinstance(found, Outputs)
    return found


def test_the_same_digests():
    outputs.check_unchanged(recorded(), BUILT)
    outputs.check_all(recorded(), BUILT)
    outputs.check_unchanged(None, BUILT)
    outputs.check_all(None, BUILT)


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
        outputs.check_unchanged(recorded(), built)
    assert "envforge build --accept" in caught.value.hint
    with pytest.raises(OutputError):
        outputs.check_all(recorded(), built)


@pytest.mark.parametrize(
    "built",
    [
        evolve(BUILT, runtime={"runtime": 1, "variables": "edited"}),
        environment(files="9", database="2", base="3", farm="4"),
        environment(database="2", base="3", farm="4"),
    ],
)
def test_the_users_own_edits_nag_nobody_but_ci(built):
    outputs.check_unchanged(recorded(), built)
    with pytest.raises(OutputError) as caught:
        outputs.check_all(recorded(), built)
    assert "edited" in caught.value.hint
    assert "--accept" not in caught.value.hint
