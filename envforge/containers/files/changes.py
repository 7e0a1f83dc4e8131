"""What a container has changed of its environment's files: its upper directory beside the layers below."""

import os
import stat
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from envforge.containers.records import Container
from envforge.errors import SandboxError
from envforge.kernel.reading import ReadTree
from envforge.sandbox.compiled import Plan
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.confined.merged import Merged, is_opaque, is_whiteout
from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.uppers import KEPT

Result = TypeVar("Result")


def changes(container: Container, plan: Plan, identity: Identity) -> list[tuple[str, str]]:
    """Return `A` (added), `C` (changed) or `D` (deleted) and the path of each file, sorted by path.

    Directories are there only where they are new or gone. Raises SandboxError where layers are missing.
    """
    found = over_layers(container, plan, identity, changes_here)
    return sorted(((kind, path) for kind, path in found or ()), key=lambda one: one[1])


def over_layers(
    container: Container, plan: Plan, identity: Identity, function: Callable[[str, list[str]], Result]
) -> Result | None:
    """Return what a function makes of a container's upper directory and the layers below, topmost first.

    It runs in a confined child, which sees nothing else. None for a container that was never started. Raises
    SandboxError where layers are missing.
    """
    upper = f"{plan['uppers']}/{KEPT}{container.id}/upper"
    if not os.path.isdir(upper):
        return None
    layers = [f"{plan['layers_directory']}/{layer}" for layer in plan["layers"]]
    for layer in layers:
        if not os.path.isdir(layer):
            raise SandboxError(f"{layer} is not there any more", hint="envforge fsck")
    view = View.of(readable=[upper, *layers], every_id=True)
    try:
        return call_confined(identity, view, function, upper, layers)
    except OSError as error:
        raise SandboxError(f"what {container.name} has changed cannot be read: {error}") from error


def changes_here(upper: str, layers: list[str]) -> list[tuple[str, str]]:
    """Compare. Runs in the confined child."""
    found = []
    with ExitStack() as opened:
        trees = [opened.enter_context(ReadTree(layer)) for layer in layers]
        tree = opened.enter_context(ReadTree(upper))
        below = Merged(trees)
        for path, status, _ in tree.walk([]):
            if path == b"/":
                continue
            before = below.stat(path)
            if is_whiteout(status):
                found += [("D", os.fsdecode(path))] if before is not None else []
            elif not stat.S_ISDIR(status.st_mode) or before is None or not stat.S_ISDIR(before[1].st_mode):
                found.append(("A" if before is None else "C", os.fsdecode(path)))
            elif is_opaque(tree, path):
                there = set(tree.names(path))
                names = {name for one in below.having(path) for name in trees[one].names(path)} - there
                gone = (path + b"/" + name for name in sorted(names))
                found += [("D", os.fsdecode(one)) for one in gone if below.stat(one) is not None]
    return found
