"""Layers: published once by rename, looked up by ownership mode (`held`) and digest, never changed."""

import errno
import os
from collections.abc import Callable

from envforge.errors import DamagedError, StoreError
from envforge.kernel.tree import Tree
from envforge.store import listing, sealing
from envforge.store.layout import Store
from envforge.store.staging import move_out
from envforge.values import frozen


@frozen
class Layer:
    """A layer in the store."""

    digest: str
    path: str
    """Directory with `root/` and `listing`."""
    size_bytes: int
    """Of its files, each path counted."""
    files: int
    """Number of paths that are no directories."""

    @property
    def root(self) -> str:
        """The tree that is mounted."""
        return f"{self.path}/root"


def exists(store: Store, held: str, digest: str) -> bool:
    """Return whether the store has the layer in the ownership mode `held`."""
    return os.path.isdir(store.layer(held, digest) + "/root")


def read_listing(store: Store, held: str, digest: str) -> bytes:
    """Return a layer's listing. Raises StoreError if it is missing, DamagedError if it was altered."""
    try:
        with open(f"{store.layer(held, digest)}/listing", "rb") as file:
            text = file.read()
    except FileNotFoundError as error:
        raise StoreError(
            f"layer {digest[:12]} is not in the store {store.path}", hint="envforge build"
        ) from error
    if listing.digest(text) != digest:
        raise DamagedError(f"the listing of layer {digest[:12]} was altered", hint="envforge fsck --repair")
    return text


def listing_of(store: Store, digest: str) -> bytes:
    """Return a layer's listing from whichever ownership mode it is held in: it is the same in all of them.

    Raises as `read_listing` does.
    """
    return read_listing(store, held_of(store, digest) or "flat", digest)


def held_of(store: Store, digest: str) -> str | None:
    """Return an ownership mode in which the store has the layer, None if it lacks the layer."""
    modes = sorted(os.listdir(f"{store.path}/layers"))
    return next((held for held in modes if exists(store, held, digest)), None)


def tree_listing(store: Store, sha256: str) -> bytes | None:
    """Return the listing of an unpacked archive, None if the store has no tree of it."""
    for held in sorted(os.listdir(f"{store.path}/trees")):
        try:
            with open(f"{store.tree(held, sha256)}/listing", "rb") as file:
                return file.read()
        except FileNotFoundError:
            continue
    return None


def stage(
    staged: str, entries: list[listing.Entry], text: bytes | None = None, *, linked: bool = False
) -> dict[str, int]:
    """Write the listing of the tree `staged/root` to `staged/listing`; return `size_bytes` and `files`.

    Its files are sealed. `text` is the finished listing, if the caller has it already; `linked`: all files
    are links to those of trees, which are sealed.
    """
    with open(f"{staged}/listing", "wb") as file:
        file.write(listing.dump(entries) if text is None else text)
    own = (entry.path for entry in entries if entry.type == "f" and not (entry.link or linked))
    sealing.seal(staged, (b"/listing", *(b"/root" + path for path in own)))
    return {
        "size_bytes": sum(entry.size or 0 for entry in entries),
        "files": sum(entry.type not in {"d", "o"} for entry in entries),
    }


def staged_digest(directory: str, inside: str) -> str:
    """Return the digest of the layer that a confined process staged. Raises StoreError if it is none."""
    with Tree(directory) as tree:
        text = tree.read(f"{inside}/listing", limit=listing.MAX_BYTES, follow=False)
        if not text.startswith(listing.HEADER) or not tree.is_plain_directory(f"{inside}/root"):
            raise StoreError("a worker has staged no layer", hint="please report it")
    return listing.digest(text)


def publish(
    store: Store,
    held: str,
    directory: str,
    inside: str,
    *,
    size_bytes: int,
    files: int,
    hold: Callable[[str], None] = lambda _digest: None,
    is_altered: Callable[[str], bool] | None = None,
) -> Layer:
    """Move the layer that a confined process staged at `directory/inside` into the store; return it.

    The digest is computed here, not by that process, and given to `hold` before the layer can be found. If
    the store has the layer already, that one stays and the staged one is left behind, unless `is_altered`
    finds the stored one altered: then it is replaced. Raises StoreError if no layer was staged.
    """
    digest = staged_digest(directory, inside)
    hold(digest)
    final = store.layer(held, digest)
    os.makedirs(os.path.dirname(final), exist_ok=True)
    try:
        move_out(directory, inside, final)
    except OSError as error:
        if error.errno not in {errno.ENOTEMPTY, errno.EEXIST}:
            raise
        if is_altered is not None and is_altered(digest):
            os.rename(final, store.new_trash())
            move_out(directory, inside, final)
    return Layer(digest, final, size_bytes, files)
