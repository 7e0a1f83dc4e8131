"""Layers: published once by rename, found by digest under the way that owners are held, never changed."""

import errno
import os

from attrs import frozen

from envforge.errors import StoreError
from envforge.store import listing
from envforge.store.layout import Store


@frozen
class Layer:
    """A layer as it lies in the store."""

    digest: str
    path: str
    """Directory with `root/` and `listing`."""
    size_bytes: int
    """Of its files, each path counted."""
    files: int
    """Paths that are no directories."""

    @property
    def root(self) -> str:
        """The tree that is mounted."""
        return f"{self.path}/root"


def exists(store: Store, held: str, digest: str) -> bool:
    """Return whether the layer is in the store, with its owners held that way."""
    return os.path.isdir(store.layer(held, digest) + "/root")


def read_listing(store: Store, held: str, digest: str) -> bytes:
    """Return a layer's listing. Raises StoreError where the layer is not there."""
    try:
        with open(f"{store.layer(held, digest)}/listing", "rb") as file:
            return file.read()
    except FileNotFoundError as error:
        raise StoreError(
            f"layer {digest[:12]} is not in the store {store.path}", hint="envforge build"
        ) from error


def publish(store: Store, held: str, staged: str, entries: list[listing.Entry]) -> Layer:
    """Move the directory `staged`, which has the tree in `root/`, into the store; return the layer.

    `entries` describe the tree. Where the same layer is there already, it stays and `staged` goes nowhere.
    """
    text = listing.dump(entries)
    digest = listing.digest(text)
    final = store.layer(held, digest)
    with open(f"{staged}/listing", "wb") as file:
        file.write(text)
    os.makedirs(os.path.dirname(final), exist_ok=True)
    try:
        os.rename(staged, final)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
    return describe(digest, final, entries)


def describe(digest: str, path: str, entries: list[listing.Entry]) -> Layer:
    """Return the layer at `path` with its size and number of files counted from the entries."""
    size_bytes = sum(entry.size or 0 for entry in entries)
    files = sum(entry.type not in {"d", "o"} for entry in entries)
    return Layer(digest, path, size_bytes, files)
