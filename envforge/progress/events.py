"""Events of long work, as values. As JSON they are lines of `--progress json`, and go over workers' pipes.

An event as JSON is an object with its kind under `event` and its fields beside it:

    {"event": "stage", "name": "configuring", "total_bytes": null, "total_items": 12, "unit": "packages"}
"""

from typing import Any, Final

from envforge.values import by_field, fields, frozen


@frozen
class Stage:
    """A stage of the work begins; the one before it is over."""

    name: str
    """`package index`, `resolving`, `fetching and unpacking`, `configuring`, `reading`, `checking layers`;
    others may come."""
    total_bytes: int | None = None
    """How many bytes will arrive, where that is known."""
    total_items: int | None = None
    """How many items will be done, where that is known."""
    unit: str = "packages"
    """What the items are: `packages`, `layers` or `blobs`."""


@frozen
class Bytes:
    """Bytes came over the network."""

    count: int
    """How many since the event before. Negative for bytes of a failed attempt, which will arrive again."""
    item: str = ""
    """The package that they belong to, if any."""


@frozen
class Doing:
    """What is being done to an item now; it replaces the stage's last `Doing`."""

    item: str
    """The package."""
    what: str
    """`setting up`, `processing triggers for`, `unpacking`, …"""


@frozen
class Item:
    """One of the stage's items is done."""

    name: str
    """The package, the layer, or the beginning of its digest."""


@frozen
class Log:
    """A line that a program printed: scripts of packages, for the most part. Without control characters."""

    line: str
    item: str = ""
    """The package whose script it was, where that is known."""


@frozen
class Message:
    """Something worth keeping on the screen."""

    text: str


@frozen
class Failure:
    """The command failed, and why: the last event. Only the command line sends it."""

    kind: str
    """The class of the error: `ResolveError`, …"""
    message: str
    hint: str
    exit_code: int


@frozen
class End:
    """The work is over, whether it succeeded or not."""


Event = Stage | Bytes | Doing | Item | Log | Message | Failure | End

KINDS: Final[dict[str, type[Any]]] = {
    "stage": Stage,
    "bytes": Bytes,
    "doing": Doing,
    "item": Item,
    "log": Log,
    "message": Message,
    "failure": Failure,
    "end": End,
}
_NAMES: Final = {kind: name for name, kind in KINDS.items()}


def to_json(event: Event) -> dict[str, Any]:
    """Return the event as a JSON value."""
    return {"event": _NAMES[type(event)], **by_field(event)}


def from_json(value: Any) -> Event:
    """Return the event in a JSON value. Raises ValueError for anything else: workers are not trusted."""
    kind = KINDS.get(str(value.get("event"))) if isinstance(value, dict) else None
    if kind is None:
        raise ValueError(f"no event: {value!r:.100}")
    given = {name: one for name, one in value.items() if name != "event"}
    types = {one.name: one.type or object for one in fields(kind)}
    fits = given.keys() <= types.keys() and all(
        isinstance(one, types[name]) and not isinstance(one, bool) for name, one in given.items()
    )
    try:
        event: Event | None = kind(**given) if fits else None
    except TypeError:  # a field is missing
        event = None
    if event is None:
        raise ValueError(f"no {value['event']} event: {value!r:.100}")
    return event
