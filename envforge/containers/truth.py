"""Puts right what a container's state says where its supervisor could not: killed, or the machine went down.

Loaded on the warm path. A supervisor is known by its pid and the time at which that started, so looking takes
no lock; writing the truth down does.
"""

import os
from time import monotonic, sleep, time_ns

from envforge.containers import records
from envforge.containers.records import Container
from envforge.errors import InUseError, NotFoundError

KILLED = 137
"""The exit code of a container that died with its supervisor."""
_PATIENCE_S, _PAUSE_S = 5.0, 0.005
"""Another command may look after the container just now, or its last supervisor is about to end."""


def is_true(container: Container, boot: str) -> bool:
    """Say whether the state is as its supervisor wants it; `boot` is the machine's current boot."""
    state = container.state
    if not container.is_live:
        return True
    if state["boot"] != boot:
        return False
    return _is_alive(state["supervisor"], state["supervisor_started"])


def _is_alive(pid: int, started: int) -> bool:
    """Say whether that process lives, and is no zombie (proc(5), fields 3 and 22 of stat)."""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return fields[0] not in (b"Z", b"X") and int(fields[19]) == started


def checked(container: Container, boot: str = "") -> Container:
    """Return the container with a state that is true, written down if it was not.

    Raises NotFoundError if it has been removed, or was to be removed once it ended.
    """
    boot = boot or records.boot_id()
    if is_true(container, boot):
        return container
    try:
        lock = records.lock(container.directory, patience_s=0.2)
    except InUseError:
        return records.read(container.store, container.id)  # it is being started, or put right
    try:
        container = records.read(container.store, container.id)
        if not is_true(container, boot):
            _write(container, boot)
    finally:
        os.close(lock)
    return container


def lock_to_run(store: str, identifier: str) -> int:
    """Lock a container for its supervisor; return the lock. Raises InUseError at once if it runs already."""
    directory = records.directory_of(store, identifier)
    end = monotonic() + _PATIENCE_S
    while True:
        try:
            return records.lock(directory, patience_s=0)
        except InUseError:
            other = records.read(store, identifier)
            if monotonic() > end or (other.is_live and is_true(other, records.boot_id())):
                raise
        sleep(_PAUSE_S)


def _write(container: Container, boot: str) -> None:
    was_down = container.state["boot"] != boot
    why = "the machine went down while it ran" if was_down else "its supervisor was killed"
    container.state.update(records.GONE, status="exited", exit_code=KILLED, finished=time_ns(), error=why)
    if container.config["network"]["mode"] == "private":
        _sweep_networks()
    if container.config["remove"]:
        from envforge.containers import removing  # noqa: PLC0415  # only after a kill

        removing.remove_locked(container)
        raise NotFoundError(f"no such container: {container.name}", hint="it was to be removed once it ended")
    records.write_state(container.directory, container.state)


def _sweep_networks() -> None:
    from envforge.containers.network import keeping  # noqa: PLC0415  # only after a kill
    from envforge.sandbox.outbound import pasta  # noqa: PLC0415  # likewise

    pasta.sweep()
    keeping.sweep()


def all_checked(store: str) -> "list[Container]":
    """Return all containers of a store with states that are true, the newest first."""
    boot = records.boot_id()
    found = []
    for container in records.read_all(store):
        try:
            found.append(checked(container, boot))
        except NotFoundError:
            continue
    return found
