"""Pins: environments that somebody wants kept, whatever becomes of their project.

pins/<name>.json    {"format", "name", "environment", "created"}
"""

import os
import re
import time
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from envforge.digest import is_sha256
from envforge.errors import NotFoundError, StoreError, UsageError
from envforge.store import holds, records
from envforge.store.layout import Store

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


@frozen
class Pin:
    """An environment that is kept under a name."""

    name: str
    environment: str
    """Digest."""
    created: int
    """Seconds since 1970."""


def pins(store: Store) -> Iterator[Pin]:
    """Yield all pins, by name. Raises StoreError where one is damaged."""
    for name, document in records.read_all(f"{store.path}/pins"):
        try:
            pin = Pin(name, document["environment"], int(document["created"]))
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(store, name) from error
        if not isinstance(pin.environment, str) or not is_sha256(pin.environment):
            raise _damaged(store, name)
        yield pin


def add(store: Store, name: str, environment: str) -> Pin:
    """Keep an environment under a name. Raises UsageError for a bad or taken name, NotFoundError."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a root", hint="use a to z, 0 to 9, '.', '_' and -")
    known = next((one for one in pins(store) if one.name == name), None)
    if known is not None and known.environment != environment:
        raise UsageError(f"{name} keeps {known.environment[:12]} already", hint=f"envforge root rm {name}")
    pin = Pin(name, environment, int(time.time()))
    with holds.holding(store, [environment]):  # so that it is not collected between the look and the pin
        if not os.path.exists(store.environment(environment)):
            raise NotFoundError(
                f"there is no environment {environment[:12]} in {store.path}", hint="envforge ls"
            )
        records.write(store, _path(store, name), {"environment": environment, "created": pin.created})
    return pin


def remove(store: Store, name: str) -> None:
    """Remove a pin. Raises NotFoundError."""
    try:
        os.unlink(_path(store, name) if _NAME.fullmatch(name) else "")
    except FileNotFoundError:
        raise NotFoundError(f"there is no root {name!r}", hint="`envforge root ls` lists them") from None


def _path(store: Store, name: str) -> str:
    return f"{store.path}/pins/{name}.json"


def _damaged(store: Store, name: str) -> StoreError:
    path = _path(store, name)
    return StoreError(f"{path} is damaged", hint=f"rm {path}")
