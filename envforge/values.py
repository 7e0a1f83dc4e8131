"""Frozen classes of values, as attrs has them, for the modules that quick commands load.

attrs writes methods for each class and compiles them: half a millisecond a class, and as long as starting
Python for itself, which was a third of what `show` took. Here one set of methods looks at the fields, so a
class costs next to nothing, and a value a microsecond more. For a type checker these are attrs' own, and
attrs' `evolve`, `asdict` and `fields` take them: they have its `__attrs_attrs__`.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from attrs import NOTHING, AttrsInstance, Factory, define, evolve, field, fields, frozen, has
    from attrs import Attribute as Field

__all__ = [
    "NOTHING",
    "AttrsInstance",
    "Factory",
    "Field",
    "by_field",
    "define",
    "evolve",
    "field",
    "fields",
    "frozen",
    "has",
]

if not TYPE_CHECKING:
    NOTHING: Final = type(
        "Nothing", (), {"__repr__": lambda _self: "NOTHING", "__bool__": lambda _self: False}
    )()
    """The default of a field that must be given."""
    AttrsInstance: Final = object

    class Factory:
        """A default that is made for each value; with `takes_self` from the fields before it."""

        def __init__(self, factory: Callable[..., object], takes_self: bool = False) -> None:  # noqa: FBT001, FBT002 - as attrs has it
            self.factory = factory
            self.takes_self = takes_self

    class Field:
        """What is known of a field, by the names that attrs uses."""

        init = True

        def __init__(
            self,
            *,
            default: object = NOTHING,
            factory: Callable[[], object] | None = None,
            repr: bool = True,  # noqa: A002 - as attrs has it, like the next but one
            eq: bool = True,
            hash: bool | None = None,  # noqa: A002
            metadata: dict[str, Any] | None = None,
        ) -> None:
            self.default = default if factory is None else Factory(factory)
            self.repr = repr
            self.eq = eq
            self.hash = eq if hash is None else hash
            self.metadata = metadata or {}
            self.name = self.alias = ""
            self.type: Any = None

    field: Final = Field

    def frozen(cls: type) -> type:
        """Make a class one of values that never change, are equal by their fields, and have a hash."""
        cls.__setattr__ = cls.__delattr__ = _refuse
        return _made(cls, is_frozen=True)

    def define(cls: type) -> type:
        """Make a class one of values that may change, and so have no hash."""
        return _made(cls, is_frozen=False)

    def evolve(value: Any, **changes: object) -> Any:
        """Return a value with some fields, named as parameters, changed."""
        kept = {one.alias: getattr(value, one.name) for one in value.__attrs_attrs__}
        return type(value)(**kept | changes)

    def fields(cls: type) -> tuple[Field, ...]:
        """Return the fields of a class, in the order of its parameters."""
        return cls.__attrs_attrs__

    def has(cls: object) -> bool:
        """Return whether this is a class of values."""
        return hasattr(cls, "__attrs_attrs__")


def by_field(value: AttrsInstance) -> dict[str, Any]:
    """Return what each field of a value is, as it is: values in it stay values."""
    return {one.name: getattr(value, one.name) for one in fields(type(value))}


def _made(cls: Any, *, is_frozen: bool) -> Any:
    found = tuple(_fields(cls))
    compared = _values_of([one.name for one in found if one.eq])
    hashed = _values_of([one.name for one in found if one.hash])
    shown = [one.name for one in found if one.repr]

    def equal(self: Any, other: Any) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def represented(self: Any) -> str:
        said = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__name__}({said})"

    members = {
        "__attrs_attrs__": found,
        "__match_args__": tuple(one.name for one in found),
        "__init__": _initializer(cls.__name__, found),
        "__eq__": equal,
        "__hash__": (lambda self: hash(hashed(self))) if is_frozen else None,
        "__repr__": represented,
    }
    for name, member in members.items():
        setattr(cls, name, member)
    return cls


def _fields(cls: Any) -> "list[Field[Any]]":
    """Return the fields that a class's annotations name."""
    found = []
    for name, kind in cls.__annotations__.items():
        default = cls.__dict__.get(name, NOTHING)
        one: Any = default
        if isinstance(default, Field):
            delattr(cls, name)
        else:
            one = field(default=default)
        one.name, one.alias, one.type = name, name.lstrip("_"), kind
        found.append(one)
    return found


def _values_of(names: list[str]) -> Callable[[Any], object]:
    return attrgetter(*names) if names else lambda _value: ()


def _initializer(owner: str, found: "tuple[Field[Any], ...]") -> Callable[..., None]:
    names = [one.name for one in found]

    def init(self: Any, *given: object, **named: object) -> None:
        values = self.__dict__
        values.update(zip(names, given, strict=False))
        for one in found[len(given) :]:
            if one.alias in named:
                values[one.name] = named.pop(one.alias)
            else:
                values[one.name] = _default(self, one)
        if named or len(given) > len(found):
            raise TypeError(f"{owner}() takes no {', '.join(named) or f'{len(given)} values'}")

    return init


def _default(value: object, one: "Field[Any]") -> object:
    default: Any = one.default
    if default is NOTHING:
        raise TypeError(f"{type(value).__name__}() needs {one.alias}")
    if not hasattr(default, "takes_self"):
        return default
    return default.factory(value) if default.takes_self else default.factory()


def _refuse(self: object, name: str, *_value: object) -> None:
    raise AttributeError(f"{type(self).__name__}.{name} never changes")
