"""What the store's documents name: environments their layers and records, records all they were made of.

Every SHA-256 that stands in a record counts as a name of an archive, a file or another record. Layers are
named by environments, and by the record of a closure, only: one that served a build alone is made again from
trees.
"""

import json
import re
from typing import Any, Final

from attrs import frozen

from envforge.errors import StoreError
from envforge.store import records
from envforge.store.layout import Store

_SHA256: Final = re.compile(rb'"([0-9a-f]{64})"')
_FORMAT: Final = re.compile(rb'^ "format": ([0-9]+),?$', re.MULTILINE)
_LAYERS: Final = b'\n "layers": '


@frozen
class Names:
    """What one document names."""

    names: frozenset[str] = frozenset()
    """Of anything but layers."""
    layers: frozenset[str] = frozenset()
    """Digests of layers."""


def read(store: Store, folder: str, name: str) -> Names:
    """Return what a document of `environments/` or `records/` names; nothing where it does not exist.

    Raises StoreError where it is damaged: what it kept cannot be told from garbage. Most records are long
    lists of archives, and these are not parsed as JSON: names stand in their text, and its end shows that
    all is there.
    """
    path = f"{store.path}/{folder}/{name}.json"
    try:
        with open(path, "rb") as file:
            text = file.read()
    except FileNotFoundError:
        return Names()
    number = _FORMAT.search(text)
    if number is None or not text.startswith(b"{\n") or not text.endswith(b"\n}\n"):
        raise _damaged(path)
    if int(number[1]) != records.FORMAT:
        raise StoreError(
            f"{path} is not of format {records.FORMAT}",
            hint="use the release that wrote it, or another --store",
        )
    layers = _layers(path, text) if _LAYERS in text else frozenset()
    return Names(frozenset(one.decode() for one in _SHA256.findall(text)), layers)


def _layers(path: str, text: bytes) -> frozenset[str]:
    try:
        return frozenset(_digest(one) for one in json.loads(text)["layers"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path) from error


def _digest(layer: Any) -> str:
    digest = layer["digest"]
    if not isinstance(digest, str):
        raise TypeError(digest)
    return digest


def _damaged(path: str) -> StoreError:
    return StoreError(f"{path} is damaged, so nobody knows what it keeps", hint=f"rm {path}; envforge build")
