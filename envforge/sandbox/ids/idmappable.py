"""Probes which file systems can be idmapped here (mount_setattr(2), MOUNT_ATTR_IDMAP)."""

import os

from envforge.kernel import syscalls
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.ids.worker import namespace_descriptor


def not_idmappable(identity: Identity, places: list[str]) -> list[str]:
    """Return the places whose file system cannot be idmapped to root's subordinate range."""
    with namespace_descriptor(identity.run_uid_map, identity.run_gid_map) as namespace:
        return [place for place in places if not _is_idmappable(place, namespace)]


def _is_idmappable(place: str, namespace: int) -> bool:
    try:
        tree = syscalls.open_tree(place, syscalls.OPEN_TREE_CLONE)
    except OSError:
        return True  # missing: entering reports that
    try:
        syscalls.mount_setattr(
            tree, syscalls.MOUNT_ATTR_IDMAP, user_namespace=namespace, recursive=False, path=place
        )
    except OSError:
        return False
    finally:
        os.close(tree)
    return True
