"""A command in the foreground whose ports are published. Loaded on the warm path, where there are any."""

import os
from _thread import get_native_id

from envforge.containers.network.listening import Listening
from envforge.containers.network.proxy import attach
from envforge.kernel import init
from envforge.sandbox import perform
from envforge.sandbox.payload import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.sandbox.compiled import Plan

_SIGKILL = 9


def enter(
    plan: "Plan", listening: Listening, command: "list[str]", environment: "dict[str, str]", cwd: str
) -> int:
    """Run `command` as `perform.enter` does, with the ports of `listening` published for as long as it runs.

    Tells which free ports were chosen. Closes `listening`.
    """
    plan = plan | {"published": listening.ports}
    is_main = get_native_id() == os.getpid()
    mask = init.block() if is_main else None
    try:
        started = perform.start(plan, perform.Payload(command, environment, cwd, mask))
        try:
            attached = attach(
                listening, started.network or (-1, -1), as_root=plan["idmapped"], keeps_errors=True
            )
        except BaseException:
            os.kill(started.pid, _SIGKILL)
            perform.wait(started)
            raise
        listening.close()
        for address, host, container, protocol in listening.free:
            say(f"note: port {container}/{protocol} is published as {address} port {host}")
        try:
            return perform.attend(started) if is_main else perform.wait(started)
        finally:
            attached.close()
    finally:
        listening.close()
        if mask is not None:
            init.unblock(mask)
