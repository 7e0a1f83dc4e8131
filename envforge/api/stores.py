"""Where the store is, and how to remove it."""

import os

from envforge import config
from envforge.errors import StoreError


def path(named: str | None = None) -> str:
    """Return the store's path: `named`, else the user's configuration's, else the default one."""
    return config.store_path(named, config.load())


def destroy(store_path: str) -> None:
    """Remove a whole store, files of subordinate ids included. Raises StoreError, CapabilityError."""
    if not os.path.exists(f"{store_path}/format"):
        raise StoreError(f"{store_path} is not a store", hint="name it with --store DIR")
    from envforge.sandbox.confined.confine import View, call_confined  # noqa: PLC0415 - `path` needs none
    from envforge.sandbox.ids import identity as identities  # noqa: PLC0415 - likewise
    from envforge.store import locks  # noqa: PLC0415 - likewise
    from envforge.store.layout import LOCK_NAME, open_store  # noqa: PLC0415 - likewise
    from envforge.store.staging import empty_tree  # noqa: PLC0415 - likewise

    store = open_store(store_path)
    view = View.of(writable=[store.path], every_id=True)
    with locks.alone(store):
        call_confined(identities.detect(), view, empty_tree, store.path, LOCK_NAME)
        locks.remove_own(store)
