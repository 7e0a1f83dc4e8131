"""The request: from the spec, to and from its table in the lock, and how two requests differ. Pure."""

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Final

from envforge.sources import tables
from envforge.sources.debian import grammar
from envforge.sources.debian.model import Request, RequestedArchive
from envforge.values import by_field, fields

if TYPE_CHECKING:
    from envforge.spec.model import Archive, Spec

_SHOWN_MAX: Final = 4


def request_of(spec: "Spec") -> Request:
    """Return the request of a spec, normalised: two specs that ask for the same give equal requests."""
    debian = spec.debian
    return Request(
        suite=debian.suite,
        pockets=_sorted(debian.pockets),
        components=_sorted(debian.components),
        packages=_sorted(debian.packages),
        recommends=debian.recommends,
        archives=tuple(sorted(map(_archive, debian.archives), key=lambda archive: archive.name)),
    )


def differences(then: Request, now: Request) -> tuple[str, ...]:
    """Return the spec keys that differ, each with what was added, removed or replaced."""
    parts = []
    for attribute in fields(Request):
        old, new = getattr(then, attribute.name), getattr(now, attribute.name)
        if old != new:
            name = "archive" if attribute.name == "archives" else attribute.name
            parts.append(f"debian.{name} ({_difference(old, new)})")
    return tuple(parts)


def _archive(archive: "Archive") -> RequestedArchive:
    uri = archive.uri.rstrip("/")
    from urllib.parse import urlsplit  # noqa: PLC0415 - only further archives have addresses

    parts = urlsplit(uri)
    return RequestedArchive(
        name=f"{parts.netloc.rpartition('@')[2]}{parts.path}/{archive.suite}",
        suite=archive.suite,
        components=_sorted(archive.components),
        uri=uri,
        key=f"{archive.key} {archive.key_source}".strip(),
    )


def _sorted(values: Collection[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _difference(old: object, new: object) -> str:
    if not isinstance(old, tuple) or not isinstance(new, tuple):
        return f"{_text(old)} -> {_text(new)}"
    added = [f"+ {_text(item)}" for item in new if item not in old]
    removed = [f"- {_text(item)}" for item in old if item not in new]
    return _shortened([*added, *removed])


def _shortened(items: Sequence[str]) -> str:
    more = len(items) - _SHOWN_MAX
    return ", ".join(items[:_SHOWN_MAX]) + (f" and {more} more" if more > 0 else "")


def _text(value: object) -> str:
    if isinstance(value, RequestedArchive):
        return value.name
    return str(value).lower() if isinstance(value, bool) else str(value)


def to_table(request: Request) -> dict[str, Any]:
    """Return a request as its table in the lock."""
    return {
        "suite": request.suite,
        "pockets": list(request.pockets),
        "components": list(request.components),
        "recommends": request.recommends,
        "packages": list(request.packages),
        **(
            {"archive": [_archive_table(archive) for archive in request.archives]} if request.archives else {}
        ),
    }


def from_table(table: Any) -> Request:
    """Return the request that `to_table` wrote. Raises KeyError, TypeError, ValueError if broken."""
    tables.only(table, ("suite", "pockets", "components", "recommends", "packages", "archive"))
    request = Request(
        suite=tables.text("suite", table["suite"]),
        pockets=tables.texts("pockets", table["pockets"]),
        components=tables.texts("components", table["components"]),
        packages=tables.texts("packages", table["packages"]),
        recommends=tables.flag("recommends", table["recommends"]),
        archives=tuple(map(_archive_of_table, table.get("archive", ()))),
    )
    grammar.check(request)
    for archive in request.archives:
        grammar.check(archive)
    return request


def _archive_table(archive: RequestedArchive) -> dict[str, Any]:
    values = by_field(archive) | {"components": list(archive.components)}
    return {key: value for key, value in values.items() if value or key in {"name", "suite", "components"}}


def _archive_of_table(table: Any) -> RequestedArchive:
    tables.only(table, ("name", "suite", "components", "uri", "key"))
    words = {key: tables.text(key, value) for key, value in table.items() if key != "components"}
    return RequestedArchive(**words, components=tables.texts("components", table["components"]))
