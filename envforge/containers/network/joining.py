"""How the proxy moves into a sandbox's network: sockets that it makes from then on are the sandbox's.

The host's listening sockets stay the host's wherever the process is, so one process has both sides, and no
descriptor is ever passed. It keeps no capability, and nobody may trace it or open its files.
"""

import os

from envforge.kernel import processes


def join(user: int, network: int, *, as_root: bool) -> None:
    """Move this process, which has a single thread, into both namespaces, and give up every capability.

    `as_root`: take on uid 0 of the user namespace. The caller's own number is not mapped there where root
    runs a sandbox with a range of ids.
    """
    processes.set_dumpable(0)
    processes.setns(user, processes.CLONE_NEWUSER)
    if as_root:
        os.setresgid(0, 0, 0)
        os.setgroups([])
        os.setresuid(0, 0, 0)
    processes.setns(network, processes.CLONE_NEWNET)
    processes.set_capabilities(())
    processes.set_no_new_privileges()
    processes.set_dumpable(0)  # a change of ids may have set it back
    os.close(user)
    os.close(network)
