"""Why there is a new generation, in words."""

import pytest

from envforge.environment.made.reasons import State, reason

_BASE = State({("debian", "dash", "amd64"): "1"}, frozenset(), {"files": "f", "farm": "a"}, {"runtime": 1})


def _state(versions: dict[str, str], asked: str = "", **others: object) -> State:
    keys = {name: ("debian", name, "amd64") for name in versions}
    return State(
        {keys[name]: version for name, version in versions.items()},
        frozenset(keys[name] for name in asked.split()),
        others.get("layers", _BASE.layers),
        others.get("runtime", _BASE.runtime),
    )


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (_state({"dash": "1", "jq": "2", "libjq1": "2"}, "jq"), "jq added"),
        (_state({"dash": "1", "libjq1": "2"}), "libjq1 added"),
        (_state({}), "dash removed"),
        (_state({"dash": "2"}), "dash 1 -> 2"),
        (_state({"dash": "1", "a": "1", "b": "1", "c": "1", "d": "1", "e": "1"}), "a, b, c and 2 more added"),
        (_state({"dash": "1", "a": "1", "b": "1", "c": "1", "d": "1"}), "a, b, c, d added"),
        (_state({"dash": "1"}, layers={"files": "g", "farm": "a"}), "files changed"),
        (_state({"dash": "1"}, runtime={"runtime": 1, "shell": {}, "mounts": []}), "mounts, shell changed"),
        (_state({"jq": "1"}, "jq", layers={"farm": "b"}), "jq added; dash removed; files changed"),
        (_state({"dash": "1"}, layers={"files": "f", "farm": "b"}), "the same inputs gave other bytes"),
    ],
)
def test_the_reason_names_what_a_person_did(now: State, words: str) -> None:
    assert reason(_BASE, now) == words


def test_several_versions_are_counted() -> None:
    before, now = _state({"a": "1", "b": "1"}), _state({"a": "2", "b": "2"})
    assert reason(before, now) == "a, b changed version"
    assert reason(None, now) == "first build"
