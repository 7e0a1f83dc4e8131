"""The process that holds a project's network: a namespace with a bridge, for as long as anybody is in it.

A plain user's network lies in a user namespace, in which the sandboxes of the project are cloned: only so may
one process connect two of them. The holder waits for the lock that every member has shared, so it ends with
the last one, however that ends, and the kernel takes bridge and namespaces apart.
"""

import os
from fcntl import LOCK_EX, flock

from envforge.containers.network import rtnetlink
from envforge.kernel import init, processes, syscalls
from envforge.kernel.removal import remove_tree
from envforge.sandbox.first_process import map_by_tools
from envforge.sandbox.payload import map_ids

TYPE_CHECKING = False
if TYPE_CHECKING:
    from signal import SIG_SETMASK, pthread_sigmask
    from typing import NoReturn

    from envforge.sandbox.compiled import Plan
else:
    from _signal import SIG_SETMASK, pthread_sigmask

BRIDGE = "project"
PREFIX = 22


def outer_maps(plan: "Plan") -> "tuple[str, str]":
    """Return the id maps of the user namespace around a plain user's sandboxes."""
    if plan["mapping"] == "tools":
        return plan["uid_map"], plan["gid_map"]
    return f"0 {os.geteuid()} 1\n", f"0 {os.getegid()} 1\n"


def start(plan: "Plan", directory: str, gateway: str) -> int:
    """Start the holder of the network whose files lie in `directory`; return its pid. Raises OSError."""
    told, tell = os.pipe()
    wait, go = os.pipe()
    between = processes.clone(0)
    if between == 0:
        _be_between(plan, directory, gateway, (tell, wait))
    os.close(tell)
    os.close(wait)
    init.wait(between)
    try:
        pid = int(os.read(told, 16) or b"0")
        if pid and plan["mapping"] == "tools":
            map_by_tools(plan, pid)
        os.write(go, b"go")
        with open(told, "rb", closefd=False) as file:
            problem = file.read()
        if problem != b"ready":
            number = int(problem or b"3")
            raise OSError(number, os.strerror(number), "the project's network")
    finally:
        os.close(told)
        os.close(go)
    return pid


def _be_between(plan: "Plan", directory: str, gateway: str, pipes: "tuple[int, int]") -> "NoReturn":
    """Fork the holder and end, so that it is nobody's child and nobody has to wait for it."""
    try:
        os.setsid()
        if os.fork() == 0:
            _be_holder(plan, directory, gateway, *pipes)
    finally:
        os._exit(0)


def _be_holder(plan: "Plan", directory: str, gateway: str, tell: int, wait: int) -> "NoReturn":
    try:
        pthread_sigmask(SIG_SETMASK, ())
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        os.chdir("/")
        syscalls.close_others((tell, wait))
        processes.set_name("envforge-net")
        _make_network(plan, gateway, tell, wait)
        os.close(tell)
        os.close(wait)
        users = os.open(f"{directory}/users", os.O_RDWR | os.O_CLOEXEC)
        flock(users, LOCK_EX)  # nobody has it any more
        remove_tree(directory)
    finally:
        os._exit(0)


def _make_network(plan: "Plan", gateway: str, tell: int, wait: int) -> None:
    try:
        is_plain = plan["mapping"] in ("tools", "self")
        maps = outer_maps(plan)  # while the own ids still have their numbers
        processes.unshare(processes.CLONE_NEWNET | (processes.CLONE_NEWUSER if is_plain else 0))
        os.write(tell, str(os.getpid()).encode())
        if os.read(wait, 2) != b"go":
            os._exit(0)  # the starter has died
        if plan["mapping"] == "self":
            map_ids("self", *maps, deny_groups=True)
        syscalls.bring_up_loopback()
        links = rtnetlink.Links()
        links.add_bridge(BRIDGE)
        links.add_address(BRIDGE, gateway, PREFIX)
        links.close()
        os.write(tell, b"ready")
    except OSError as error:
        os.write(tell, str(error.errno).encode())
        os._exit(0)
