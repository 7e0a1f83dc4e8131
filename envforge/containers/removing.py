"""Removes a container: its upper directory, its records, its name, in this order.

Killed in between, it leaves a container that can be removed again, or a name that leads nowhere and is free.
"""

import os

from envforge.containers import names, records
from envforge.errors import EnvforgeError
from envforge.kernel.removal import remove_tree
from envforge.sandbox import uppers
from envforge.sandbox.uppers import KEPT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.containers.records import Container


def remove_locked(container: "Container") -> None:
    """Remove a container whose lock the caller holds, and that does not run."""
    trash = f"{container.store}/trash"
    try:
        name = records.read(container.store, container.id).name  # it may have been renamed while it ran
    except EnvforgeError:
        name = container.name
    kept = f"{container.store}/uppers/{KEPT}{container.id}"
    uppers.throw_away(kept, f"{trash}/upper-{KEPT}{container.id}-{os.urandom(6).hex()}", _delete)
    trashed = f"{trash}/container-{container.id}-{os.urandom(6).hex()}"
    try:
        os.rename(container.directory, trashed)
        remove_tree(trashed)
    except FileNotFoundError:
        pass
    names.release(container.store, name, container.id)


def _delete(path: str) -> None:
    from envforge.sandbox.confined.deleting import delete  # noqa: PLC0415  # only for files of other ids

    delete(path)
