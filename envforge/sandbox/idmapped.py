"""Sandboxes run by root: a subordinate range inside, root's own files on disk, by idmapped mounts.

The ids of a range cannot walk through root's 0700 store, so P opens layers and sources as detached mounts,
gives them the id map of C's own namespace, and passes the descriptors to C. The upper directory belongs to
the range and is not idmapped: overlay would be read-only on one. Loaded only where the plan asks for it.
"""

import os
from _socket import AF_UNIX, SCM_RIGHTS, SOCK_STREAM, SOL_SOCKET, socket, socketpair

from envforge.sandbox import init, mounts, syscalls, uppers
from envforge.sandbox.payload import map_ids
from envforge.sandbox.perform import Channel, RefusedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

    Plan = dict[str, Any]

_FEW = 200  # descriptors a message; the kernel takes 253 (unix(7))
_SIGKILL = 9


class MappedChannel(Channel):
    """P sends C the mounts: layers, the upper directory, then those sources that are there."""

    def __init__(self) -> None:
        self.parent, self.child = socketpair(AF_UNIX, SOCK_STREAM)
        self.layers: list[int] = []
        self.relay = _relay_if_needed()

    def let_in(self, plan: "Plan", upper: uppers.Upper, child: int) -> None:
        """In P: map the child's ids, open everything under that map, send it over."""
        self.child.close()
        try:
            map_ids(str(child), plan["uid_map"], plan["gid_map"])
            namespace = os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
            trees = _open_layers(plan, upper, namespace)
            present, sources = _open_sources(plan, namespace)
            _give_pipes(plan["payload_owner"])
            _send(self.parent, present, [*trees, *sources])
        except OSError as error:
            raise RefusedError("idmapped mounts", error) from None
        for descriptor in (*trees, *sources, namespace):
            os.close(descriptor)

    def wait(self, plan: "Plan") -> "list[mounts.Source] | None":
        """In C: receive the mounts and become uid 0 of the range."""
        self.parent.close()
        received = _receive(self.child, len(plan["mounts"]))
        if received is None:
            return None
        present, trees = received
        count = len(plan["layers"]) + 1
        self.layers, sources = trees[:count], iter(trees[count:])
        os.setresgid(0, 0, 0)
        os.setgroups([])
        os.setresuid(0, 0, 0)
        syscalls.set_parent_death_signal(_SIGKILL)  # the change of ids has cleared it
        return [
            mounts.Source(next(sources), bind[1])
            for bind, there in zip(plan["mounts"], present, strict=True)
            if there
        ]

    def make_console(self, plan: "Plan") -> "Callable[[], None] | None":
        """In C: make a terminal inside, if the caller has one, and send P the other end."""
        relay = self.relay
        if relay is None:
            return None
        master, name = relay.make_inside(plan["credentials"] or (0, 0))
        mounts.attach_console(syscalls.open_tree(name, syscalls.OPEN_TREE_CLONE))
        _send(self.child, b"", [master])
        os.close(master)
        return lambda: relay.adopt(name)

    def supervise(self, child: int) -> int:
        """In P: wait for the end, while the terminal inside is relayed to the caller's."""
        received = _receive(self.parent, 0) if self.relay is not None else None
        if self.relay is None or received is None:
            return init.supervise(child)
        carrier = self.relay.start(received[1][0])
        os.close(received[1][0])
        code = init.supervise(child, shares_terminal=False)
        init.wait(carrier)
        return code

    def mount_overlay(self, plan: "Plan", upper: uppers.Upper, sources: "list[mounts.Source]") -> None:  # noqa: ARG002
        """In C: put the layers on the scratch file system and mount the overlay from there."""
        mounts.make_scratch(plan["skeleton"])
        mounts.make_points(sources)
        os.chdir(mounts.SCRATCH)
        names = [f"lower{number}" for number in range(len(plan["layers"]))]
        for tree, name in zip(self.layers, [*names, "changes"], strict=True):
            os.mkdir(name)
            syscalls.move_mount(tree, name)
            os.close(tree)
        mounts.mount_overlay(mounts.overlay_options(names, "changes/upper", "changes/work", volatile=True))


def _relay_if_needed() -> "ModuleType | None":
    """Load what relays the caller's terminal, if there is one: once the root has changed it is too late."""
    if not any(os.isatty(descriptor) for descriptor in (0, 1, 2)):
        return None
    from envforge.sandbox import relay  # noqa: PLC0415  # only with a terminal

    return relay


def _open_layers(plan: "Plan", upper: uppers.Upper, namespace: int) -> "list[int]":
    directory = plan["layers_directory"]
    trees = [_open_mapped(f"{directory}/{name}", namespace, recursive=False) for name in plan["layers"]]
    trees.append(syscalls.open_tree(f"{plan['uppers']}/{upper.name}", syscalls.OPEN_TREE_CLONE))
    return trees


def _open_sources(plan: "Plan", namespace: int) -> "tuple[bytes, list[int]]":
    """Return which sources are there (a byte each), and those opened."""
    trees = []
    present = bytearray()
    for source, _, read_only, optional in plan["mounts"]:
        try:
            trees.append(_open_mapped(source, namespace, read_only=read_only, guarded=True))
            present.append(1)
        except FileNotFoundError:
            if not optional:
                raise
            present.append(0)
    return bytes(present), trees


def _open_mapped(
    path: str, namespace: int, *, read_only: bool = False, recursive: bool = True, guarded: bool = False
) -> int:
    """Return a detached mount of `path` whose ids are those of the namespace.

    Where a file system (or one mounted below) has no idmapped mounts it is passed as it is: the payload sees
    its files as nobody's.
    """
    below = syscalls.AT_RECURSIVE if recursive else 0
    tree = syscalls.open_tree(path, syscalls.OPEN_TREE_CLONE | below)
    if guarded:
        attributes = syscalls.MOUNT_ATTR_NOSUID | syscalls.MOUNT_ATTR_NODEV
        attributes |= syscalls.MOUNT_ATTR_RDONLY if read_only else 0
        syscalls.mount_setattr(tree, attributes, path=path)
    try:
        syscalls.mount_setattr(
            tree, syscalls.MOUNT_ATTR_IDMAP, user_namespace=namespace, recursive=recursive, path=path
        )
    except OSError:
        if not guarded:
            raise
    return tree


def _give_pipes(owner: "tuple[int, int]") -> None:
    """Make the payload the owner of the pipes it gets as standard streams, so that it can open /dev/stdout.

    As runc does, but for pipes only: they have no name, so nothing is left behind on disk.
    """
    for descriptor in (0, 1, 2):
        try:
            if os.readlink(f"/proc/self/fd/{descriptor}").startswith("pipe:"):
                os.fchown(descriptor, *owner)
        except FileNotFoundError:
            continue  # closed by the caller


def _send(channel: socket, flags: bytes, descriptors: "list[int]") -> None:
    for start in range(0, len(descriptors), _FEW):
        part = descriptors[start : start + _FEW]
        packed = b"".join(number.to_bytes(4, "little") for number in part)
        more = start + _FEW < len(descriptors)
        channel.sendmsg([b"+" if more else b"." + flags], [(SOL_SOCKET, SCM_RIGHTS, packed)])


def _receive(channel: socket, flags: int) -> "tuple[bytes, list[int]] | None":
    found: list[int] = []
    while True:
        data, messages, _, _ = channel.recvmsg(1, 16 + 4 * _FEW + 8, 0)
        if not data:
            return None
        for _, _, packed in messages:
            found += [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
        if data == b".":
            break
    present = b""
    while len(present) < flags:
        piece = channel.recv(flags - len(present))
        if not piece:
            return None
        present += piece
    return present, found
