"""Pins `[[fetch]]`: an entry that is pinned keeps its pin, the others are fetched and hashed."""

from collections.abc import Mapping, Sequence

from envforge.errors import IntegrityError
from envforge.sources.fetch.bring import Bringer
from envforge.sources.fetch.model import Fetched, Pin, Request, name_of
from envforge.sources.interface import Before, Session
from envforge.spec.from_outside import Fetch
from envforge.transfer.host import open_fetcher

_Wish = tuple[str, str]
"""An address, and the SHA-256 that the spec has for it, if any."""


def pin(session: Session, request: Request, before: Before | None) -> tuple[Fetched, ...]:
    """Return the entries of a request with their pins; addresses whose pin stays are not asked again.

    Raises NetworkError, SpecError; IntegrityError if a file does not have the SHA-256 in the spec.
    """
    kept = _kept(before)
    brought: dict[_Wish, Pin] = session.once("fetched", dict)
    """Shared by all environments and architectures: one address gives them the same bytes."""
    pins = {wish: _kept_pin(wish, kept) or brought.get(wish) for wish in map(_wish, request)}
    if missing := [wish for wish, found in pins.items() if found is None]:
        brought.update(_bring_all(session, missing))
    return tuple(_fetched(one, pins[_wish(one)] or brought[_wish(one)]) for one in request)


def _wish(one: Fetch) -> _Wish:
    return one.url, one.sha256


def _kept(before: Before | None) -> Mapping[str, Pin]:
    if before is None or before.pinned is None or before.upgrade:
        return {}
    return {one.url: one.pin for one in before.pinned if one.name not in before.free}


def _kept_pin(wish: _Wish, kept: Mapping[str, Pin]) -> Pin | None:
    url, sha256 = wish
    return kept[url] if url in kept and sha256 in ("", kept[url].sha256) else None


def _bring_all(session: Session, wishes: Sequence[_Wish]) -> dict[_Wish, Pin]:
    fetcher = session.once("fetcher", lambda: session.stack.enter_context(open_fetcher(session.config)))
    bringer = Bringer(session.store, fetcher, session.project)
    session.progress.stage("fetching", total_items=len(wishes), unit="files")

    def brought(wish: _Wish) -> Pin:
        url, sha256 = wish
        name = name_of(url)
        found = bringer.bring(url, sha256, lambda count: session.progress.bytes(count, name))
        session.progress.item(name)
        return found

    try:
        return dict(zip(wishes, fetcher.all_at_once(brought, wishes), strict=True))
    except IntegrityError as error:
        raise IntegrityError(
            error.message, hint="if the new file is right, write its SHA-256 into the spec's [[fetch]]"
        ) from error


def _fetched(one: Fetch, found: Pin) -> Fetched:
    mode = 0o644 if one.unpack or not one.mode else int(one.mode, 8)
    return Fetched(one.url, found, one.target, one.unpack, one.strip, mode)
