"""`envforge.values` beside attrs: the same classes behave the same."""

import pickle

import attrs
import pytest

from envforge import values


def _classes(maker):
    """Return two classes of values made by a module: attrs, or ours."""

    @maker.frozen
    class Layer:
        name: str
        size_bytes: int = 0
        _hidden: str = ""
        note: str = maker.field(default="", eq=False, repr=False)
        names: dict[str, str] = maker.field(factory=dict, hash=False, metadata={"key": "names"})
        twice: int = maker.field(default=maker.Factory(lambda self: self.size_bytes * 2, takes_self=True))

        @property
        def shown(self) -> str:
            return f"{self.name}{self._hidden}"

    @maker.define
    class Count:
        number: int = 0

    @maker.frozen
    class Nothing:
        pass

    return Layer, Count, Nothing


@pytest.fixture(params=[attrs, values], ids=["attrs", "ours"])
def maker(request):
    return request.param


def test_values_are_made_compared_and_shown(maker):
    layer, _, nothing = _classes(maker)
    one = layer("farm", 3, hidden="!", note="a")
    assert one == layer(name="farm", size_bytes=3, hidden="!", note="b") != layer("farm", 4, hidden="!")
    assert hash(one) == hash(layer("farm", 3, hidden="!", names={"a": "b"}))
    assert (one.shown, one.twice, one.names) == ("farm!", 6, {})
    assert one.names is not layer("farm").names
    assert repr(one).endswith("Layer(name='farm', size_bytes=3, _hidden='!', names={}, twice=6)")
    assert one != ("farm", 3)
    assert nothing() == nothing()
    assert hash(nothing()) == hash(nothing())
    match one:
        case layer(name, size):
            assert (name, size) == ("farm", 3)


def test_frozen_values_stay_and_others_change(maker):
    layer, count, _ = _classes(maker)
    with pytest.raises(AttributeError):
        layer("farm").name = "x"
    with pytest.raises(AttributeError):
        del layer("farm").name
    some = count()
    some.number += 1
    assert some == count(1)
    with pytest.raises(TypeError):
        hash(some)


def test_wrong_parameters_are_refused(maker):
    layer, _, nothing = _classes(maker)
    for given, named in ((), {}), (("farm",), {"unknown": 1}), (("farm",), {"name": "x"}), (("a",) * 7, {}):
        with pytest.raises(TypeError):
            layer(*given, **named)
    with pytest.raises(TypeError):
        nothing(1)


@pytest.mark.parametrize("by", [attrs, values], ids=["attrs", "ours"])
def test_either_evolves_and_lists_the_fields_of_both(maker, by):
    layer, _, _ = _classes(maker)
    one = layer("farm", 3, hidden="!")
    other = by.evolve(one, size_bytes=4, hidden="?")
    assert (other.name, other.size_bytes, other._hidden, one.size_bytes) == ("farm", 4, "?", 3)
    with pytest.raises(TypeError):
        by.evolve(one, unknown=1)
    found = by.fields(layer)
    assert [field.name for field in found] == ["name", "size_bytes", "_hidden", "note", "names", "twice"]
    assert [field.type for field in found][:2] == [str, int]
    assert found[0].default is maker.NOTHING
    assert found[1].default == 0
    assert found[4].metadata == {"key": "names"}
    assert by.has(layer)
    assert not by.has(str)


@values.frozen
class Sent:
    """A value that can be pickled: it has a place in a module."""

    name: str
    inner: "Sent | None" = None


def test_ours_go_to_other_processes_and_become_plain():
    one = Sent("a", Sent("b"))
    assert pickle.loads(pickle.dumps(one)) == one
    assert values.by_field(one) == {"name": "a", "inner": Sent("b")}
    assert attrs.asdict(one) == {"name": "a", "inner": {"name": "b", "inner": None}}
