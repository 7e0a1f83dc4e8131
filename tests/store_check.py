"""Is a store whole? Everything that is published must be complete and be what its name says.

For stores of root, where the disk holds the true owners.
"""

import hashlib
import json
import os
from collections.abc import Iterator

from envforge.store import listing, scan


def problems(store: str) -> list[str]:
    """Return what is wrong with the published things of a store, one line each."""
    return [*_blobs(store), *_trees(store), *_layers(store), *_documents(store), *_outside(store)]


def _blobs(store: str) -> Iterator[str]:
    for directory, _, names in os.walk(f"{store}/blobs"):
        for name in names:
            with open(f"{directory}/{name}", "rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != name:
                    yield f"{directory}/{name} has other bytes than its name says"


def _trees(store: str) -> Iterator[str]:
    for path in _entries(f"{store}/trees/true"):
        yield from _against_listing(path)
        if not os.path.isdir(f"{path}/control"):
            yield f"{path} has no control files"


def _layers(store: str) -> Iterator[str]:
    for path in _entries(f"{store}/layers/true"):
        with open(f"{path}/listing", "rb") as file:
            if listing.digest(file.read()) != os.path.basename(path):
                yield f"{path} has a listing of another digest"
        yield from _against_listing(path)


def _against_listing(path: str) -> Iterator[str]:
    try:
        with open(f"{path}/listing", "rb") as file:
            told = {entry.path: entry for entry in listing.load(file.read())}
    except FileNotFoundError:
        yield f"{path} has no listing"
        return
    found = {entry.path: entry for entry in scan.scan(f"{path}/root")}
    for name in sorted(told.keys() ^ found.keys()):
        yield f"{path}: {name!r} is only {'in the listing' if name in told else 'on disk'}"
    for name in sorted(told.keys() & found.keys()):
        if told[name] != found[name]:
            yield f"{path}: {found[name]} instead of {told[name]}"


def _documents(store: str) -> Iterator[str]:
    for kind in ("records", "environments", "facts"):
        for path in _entries(f"{store}/{kind}"):
            if not path.endswith(".json"):
                continue
            try:
                with open(path, "rb") as file:
                    document = json.load(file)
            except ValueError:
                yield f"{path} is no JSON"
                continue
            digest = document.get("digest") if kind == "records" else None
            if digest and not os.path.isdir(f"{store}/layers/true/{digest.removeprefix('sha256:')}/root"):
                yield f"{path} names a layer that is not there"


def _outside(store: str) -> Iterator[str]:
    """Name what a finished command leaves where only half-made things lie."""
    for kind in ("staging", "trash"):
        for path in _entries(f"{store}/{kind}"):
            if not os.path.basename(path).startswith("gc-"):  # kept for some hours, for `gc --undo`
                yield f"{path} was left behind"


def _entries(directory: str) -> list[str]:
    if not os.path.isdir(directory):
        return []
    return sorted(entry.path for entry in os.scandir(directory))
