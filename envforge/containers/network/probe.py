"""Tries what a project's network takes: a bridge and a veth pair in namespaces of their own."""

import os

from envforge.containers.network import holder
from envforge.kernel import init, processes
from envforge.sandbox.outbound import rtnetlink


def network() -> OSError | None:
    """Return why the sandboxes of a project cannot be connected here, None where they can."""
    told, tell = os.pipe()
    child = processes.clone(0)
    if child == 0:
        _try(tell)
    os.close(tell)
    with open(told, "rb") as file:
        problem = file.read()
    init.wait(child)
    return OSError(int(problem), os.strerror(int(problem))) if problem else None


def _try(tell: int) -> None:
    """In a process of its own: make both, report an error's number, end."""
    try:
        own = 0 if os.geteuid() == 0 else processes.CLONE_NEWUSER
        processes.unshare(processes.CLONE_NEWNET | own)
        links = rtnetlink.Links()
        links.add_bridge(holder.BRIDGE)
        here = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        links.add_veth("m2", holder.BRIDGE, "eth0", here)
    except OSError as error:
        os.write(tell, str(error.errno).encode())
    finally:
        os._exit(0)
