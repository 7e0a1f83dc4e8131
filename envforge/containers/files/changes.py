"""What a container has changed of its environment's files: its upper directory beside the layers below."""

import os
import stat

from envforge.containers.records import Container
from envforge.errors import SandboxError
from envforge.kernel.reading import ReadTree
from envforge.sandbox.compiled import Plan
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.uppers import KEPT

_OPAQUE = "user.overlay.opaque"


def changes(container: Container, plan: Plan, identity: Identity) -> list[tuple[str, str]]:
    """Return `A` (added), `C` (changed) or `D` (deleted) and the path of each file, sorted by path.

    Directories are there only where they are new or gone. Raises SandboxError where layers are missing.
    """
    upper = f"{plan['uppers']}/{KEPT}{container.id}/upper"
    if not os.path.isdir(upper):
        return []  # it was never started
    layers = [f"{plan['layers_directory']}/{layer}" for layer in plan["layers"]]
    for layer in layers:
        if not os.path.isdir(layer):
            raise SandboxError(f"{layer} is not there any more", hint="envforge fsck")
    view = View.of(readable=[upper, *layers], every_id=True)
    found = call_confined(identity, view, _changes, upper, layers)
    return sorted(((kind, path) for kind, path in found), key=lambda one: one[1])


def _changes(upper: str, layers: list[str]) -> list[tuple[str, str]]:
    """Compare. Runs in the confined child."""
    below = [ReadTree(layer) for layer in layers]
    found = []
    with ReadTree(upper) as tree:
        for path, status, handle in tree.walk():
            if path == b"/":
                continue
            before = _below(below, path)
            if _is_whiteout(status):
                found += [("D", os.fsdecode(path))] if before is not None else []
            elif not stat.S_ISDIR(status.st_mode) or before is None or not stat.S_ISDIR(before.st_mode):
                found.append(("A" if before is None else "C", os.fsdecode(path)))
            elif _is_opaque(handle):
                there = set(tree.names(path))
                names = sorted({name for one in below for name in one.names(path)} - there)
                gone = (path + b"/" + name for name in names)
                found += [("D", os.fsdecode(one)) for one in gone if _below(below, one) is not None]
    return found


def _below(layers: list[ReadTree], path: bytes) -> os.stat_result | None:
    """Return the status of what a path was before: the topmost layer that has it decides."""
    for layer in layers:
        status = layer.stat(path, follow=False)
        if status is not None:
            return None if _is_whiteout(status) else status
    return None


def _is_whiteout(status: os.stat_result) -> bool:
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def _is_opaque(handle: str) -> bool:
    try:
        return os.getxattr(handle, _OPAQUE) == b"y"
    except OSError:
        return False
