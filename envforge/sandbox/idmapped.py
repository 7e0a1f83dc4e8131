"""Sandboxes run by root: a subordinate range inside, root's own files on disk, by idmapped mounts.

The ids of a range cannot walk through root's 0700 store, so P opens layers and sources as detached mounts,
gives them the id map of C's own namespace, and passes the descriptors to C. The upper directory belongs to
the range and is not idmapped: overlay would be read-only on one. Loaded only if the plan asks for it.
"""

import marshal
import os
from _socket import AF_UNIX, SOCK_STREAM, socket, socketpair
from errno import ECONNRESET

from envforge.kernel import processes, syscalls
from envforge.kernel.processes import clone
from envforge.sandbox import binds, masks, mounts, uppers
from envforge.sandbox.first_process import Channel
from envforge.sandbox.payload import RefusedError, map_ids
from envforge.sandbox.streams import give_pipes, receive, send

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    from envforge.sandbox.compiled import Plan
    from envforge.sandbox.streams import Streams

_SIGKILL = 9


class MappedChannel(Channel):
    """P sends C the mounts: layers, the upper directory, then the sources that exist."""

    def __init__(self, given: "Streams") -> None:
        self.given = given
        self.parent, self.child = socketpair(AF_UNIX, SOCK_STREAM)
        self.layers: list[int] = []
        self.relay = _relay_if_needed(given)

    def let_in(self, plan: "Plan", upper: uppers.Upper, child: int) -> None:
        """In P: map the child's ids, open all mounts with that map, send them to C."""
        self.child.close()
        opened: list[int] = []
        try:
            map_ids(str(child), plan["uid_map"], plan["gid_map"])
            opened.append(namespace := os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC))
            layers = _open_layers(plan, upper, namespace, opened)
            theirs = _owners_namespace(plan)
            if theirs >= 0:
                opened.append(theirs)
            present, paths, sources = _open_sources(plan, namespace, theirs, opened)
            hidden = masks.find(paths, plan["private"])
            give_pipes(self.given, plan["payload_owner"])
            send(self.parent, present, [*layers, *sources])
            _send_values(self.parent, (paths, hidden))
        except OSError as error:
            raise RefusedError("idmapped mounts", error) from None
        finally:
            for descriptor in opened:
                os.close(descriptor)

    def close(self) -> None:
        """In P: close both ends, however it went."""
        self.parent.close()
        self.child.close()

    def wait(self, plan: "Plan") -> "list[binds.Source] | None":
        """In C: receive the mounts and become uid 0 of the range."""
        self.parent.close()
        received = receive(self.child, len(plan["mounts"]))
        if received is None:
            return None
        present, trees = received
        paths, self.masks = _receive_values(self.child)
        count = len(plan["layers"]) + 1
        self.layers, sources = trees[:count], iter(trees[count:])
        os.setresgid(0, 0, 0)
        os.setgroups([])
        os.setresuid(0, 0, 0)
        processes.set_parent_death_signal(_SIGKILL)  # the change of ids has cleared it
        return [
            binds.Source(tree, target, path)
            for tree, target, path in zip(
                sources,
                [bind[1] for bind, there in zip(plan["mounts"], present, strict=True) if there],
                paths,
                strict=True,
            )
        ]

    def make_console(self, plan: "Plan") -> "Callable[[], None] | None":
        """In C: make a terminal inside, if the caller has one, and send P the other end."""
        relay = self.relay
        if relay is None:
            return None
        master, name = relay.make_inside(plan["credentials"] or (0, 0))
        mounts.attach_console(syscalls.open_tree(name, syscalls.OPEN_TREE_CLONE))
        send(self.child, b"", [master])
        os.close(master)
        return lambda: relay.adopt(name)

    def connect(self) -> int:
        """In P: start the relay of a terminal inside to the caller's; return its pid, 0 for no terminal."""
        received = receive(self.parent, 0) if self.relay is not None else None
        if self.relay is None or received is None:
            return 0
        master = received[1][0]
        carrier: int = self.relay.start(master, self.given)
        os.close(master)
        return carrier

    def mount_overlay(self, plan: "Plan", upper: uppers.Upper, sources: "list[binds.Source]") -> None:
        """In C: put the layers on the scratch file system and mount the overlay from there."""
        mounts.make_scratch(plan["skeleton"])
        binds.make_points(sources)
        os.chdir(mounts.SCRATCH)
        names = [f"lower{number}" for number in range(len(plan["layers"]))]
        for tree, name in zip(self.layers, [*names, "changes"], strict=True):
            os.mkdir(name)
            syscalls.move_mount(tree, name)
            os.close(tree)
        options = mounts.overlay_options(names, "changes/upper", "changes/work", volatile=not upper.kept)
        mounts.mount_overlay(options, no_set_id=plan["no_new_privileges"])


def _relay_if_needed(given: "Streams") -> "ModuleType | None":
    """Import the terminal's relay, if the caller has a terminal: once the root has changed it is too late."""
    if not given.terminal():
        return None
    from envforge.sandbox.relays import terminal as relay  # noqa: PLC0415  # only with a terminal

    return relay


def _open_layers(plan: "Plan", upper: uppers.Upper, namespace: int, opened: "list[int]") -> "list[int]":
    """Return the mounts of the layers and of the upper directory, each added to `opened` at once."""
    trees = []
    for name in plan["layers"]:
        path = f"{plan['layers_directory']}/{name}"
        trees.append(syscalls.open_tree(path, syscalls.OPEN_TREE_CLONE))
        opened.append(trees[-1])
        syscalls.mount_setattr(
            trees[-1], syscalls.MOUNT_ATTR_IDMAP, user_namespace=namespace, recursive=False, path=path
        )
    trees.append(syscalls.open_tree(f"{plan['uppers']}/{upper.name}", syscalls.OPEN_TREE_CLONE))
    opened.append(trees[-1])
    return trees


def _owners_namespace(plan: "Plan") -> int:
    """Return a user namespace that maps just the owner of a foreign project; -1 if the project is root's.

    Files made through it are the owner's on disk, and cannot be given to anybody else.
    """
    if plan["foreign"] is None:
        return -1
    _, uid_map, gid_map = plan["foreign"]
    end, held = os.pipe()
    try:
        child = clone(processes.CLONE_NEWUSER)
    except OSError:
        os.close(end)
        os.close(held)
        raise
    if child == 0:
        os.close(held)
        os.read(end, 1)
        os._exit(0)
    os.close(end)
    try:
        map_ids(str(child), uid_map, gid_map)
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(held)
        os.waitpid(child, 0)


def _open_sources(
    plan: "Plan", namespace: int, theirs: int, opened: "list[int]"
) -> "tuple[bytes, list[str | None], list[int]]":
    """Return which sources exist (a byte each), and the real paths and mounts of those that do.

    Each mount is added to `opened` at once.
    """
    trees = []
    paths: list[str | None] = []
    present = bytearray()
    for number, (source, _, read_only, optional) in enumerate(plan["mounts"]):
        try:
            tree, path = binds.open_tree_of(plan, number, source)
        except FileNotFoundError:
            if not optional:
                raise
            present.append(0)
            continue
        opened.append(tree)
        ids = theirs if theirs >= 0 and _is_foreign(plan, path) else namespace
        binds.guard(tree, source, read_only=read_only, ids=ids)
        trees.append(tree)
        paths.append(path)
        present.append(1)
    return bytes(present), paths, trees


def _is_foreign(plan: "Plan", path: "str | None") -> bool:
    return path is not None and plan["foreign"] is not None and masks.is_inside(path, plan["foreign"][0])


def _send_values(channel: socket, values: "Any") -> None:
    data = marshal.dumps(values)
    channel.sendall(len(data).to_bytes(4, "little") + data)


def _receive_values(channel: socket) -> "Any":
    """Return plain values that P sent; marshal is safe, as P is not inside."""
    length = int.from_bytes(_exactly(channel, 4), "little")
    return marshal.loads(_exactly(channel, length))  # noqa: S302


def _exactly(channel: socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        piece = channel.recv(count - len(data))
        if not piece:
            raise OSError(ECONNRESET, "the parent is gone")
        data += piece
    return data
