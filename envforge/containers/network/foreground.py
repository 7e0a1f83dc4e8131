"""A command in the foreground whose ports are published. Loaded on the warm path, where there are any."""

import os
from _thread import get_native_id

from envforge.containers.network.listening import Listening
from envforge.containers.network.proxy import Attached, attach
from envforge.kernel import init
from envforge.sandbox import perform
from envforge.sandbox.payload import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.sandbox.compiled import Plan


def enter(
    plan: "Plan", listening: Listening, command: "list[str]", environment: "dict[str, str]", cwd: str
) -> int:
    """Run `command` as `perform.enter` does, with the ports of `listening` published for as long as it runs.

    Tells which free ports were chosen. Closes `listening`.
    """
    plan = plan | {"published": listening.ports}
    is_main = get_native_id() == os.getpid()
    mask = init.block() if is_main else None
    attached: Attached | None = None

    def publish(started: perform.Started) -> None:
        nonlocal attached
        namespaces = started.network or (-1, -1)
        attached = attach(listening, namespaces, as_root=plan["idmapped"], keeps_errors=True)

    try:
        payload = perform.Payload(command, environment, cwd, mask)
        started = perform.start(plan, payload, meanwhile=publish)
        listening.close()
        for address, host, container, protocol in listening.free:
            say(f"note: port {container}/{protocol} is published as {address} port {host}")
        return perform.attend(started) if is_main else perform.wait(started)
    finally:
        if attached is not None:
            attached.close()
        listening.close()
        if mask is not None:
            init.unblock(mask)
