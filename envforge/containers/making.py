"""Writes a new container down; nothing runs yet. Loaded on the warm path."""

import os
from time import time_ns

from envforge.containers import names, plans, records
from envforge.kernel.removal import remove_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from envforge.containers.network.published import Published
    from envforge.containers.records import Container, Values
    from envforge.sandbox.compiled import Plan

STOP = {"signal": 15, "seconds": 10}
"""As with Docker: SIGTERM, and ten seconds later SIGKILL."""


def config_of(
    plan: "Plan",
    command: "list[str]",
    environment: "dict[str, str]",
    cwd: str,
    ports: "Iterable[Published]" = (),
) -> "Values":
    """Return what a container of that plan is, but for its id and name, with nothing special about it."""
    return {
        "format": records.FORMAT,
        "id": "",
        "name": "",
        "created": 0,
        "project": plan["project"],
        "label": plan["label"],
        "environment_name": plan["environment"],
        "environment": os.path.basename(plan["lock"]).partition(".")[0],
        "service": "",
        "instance": "",
        "command": command,
        "variables": environment,
        "workdir": cwd,
        "user": "",
        "tty": False,
        "interactive": False,
        "network": {"mode": plan["network"], "published": [port_values(one) for one in ports]},
        "limits": {"asked": list(plan["limits"]["asked"]), "memory": plan["limits"]["memory"]},
        "restart": {"policy": "no", "retries": 0},
        "health": None,
        "stop": STOP,
        "remove": False,
        "labels": {},
    }


def port_values(published: "Published") -> "Values":
    """Return a published port as records have it."""
    address, host, container, protocol = published
    return {"address": address, "host": host, "container": container, "protocol": protocol}


def create(store: str, plan: "Plan", config: "Values", name: "str | None" = None) -> "Container":
    """Write a container down. It exists whole or not at all.

    Without `name` it gets one. Raises UsageError for what is no name, ConflictError for a taken one.
    """
    if name is not None:
        names.check(name)
    identifier = os.urandom(records.ID_DIGITS // 2).hex()
    given = name or names.usual(config["label"], identifier)
    config = {**config, "id": identifier, "name": given, "created": time_ns()}
    made = records.directory_of(store, f".{identifier}")
    try:
        os.mkdir(made, 0o700)
    except FileNotFoundError:
        os.makedirs(records.top(store), 0o700, exist_ok=True)
        os.mkdir(made, 0o700)
    container = records.Container(store, identifier, config, records.fresh_state())
    try:
        plans.keep(made, identifier, plan)
        records.write_config(made, config)
        records.write_state(made, container.state)
        os.rename(made, container.directory)
    except BaseException:
        remove_tree(made)
        raise
    try:
        names.take(store, given, identifier)
    except BaseException:
        remove_tree(container.directory)
        raise
    return container
