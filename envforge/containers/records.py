"""What is written down of each container, for any command of its user to read. Loaded on the warm path.

    STORE/containers/<id>/      12 hex digits; 0700
        container.json          what was asked for; only `rename` and `update` replace it
        plan                    the compiled sandbox plan, with this user's MAC (`sandbox/cache.py`)
        state.json              how it is: written by its supervisor; where none lives, by who holds `lock`
        lock                    flocked by the supervisor as long as it lives
        log, log.1, log.2       its output (`supervisor/log_file.py`)
        control                 the supervisor's socket (`control.py`)
    STORE/containers/names/     `names.py`
    STORE/containers/.<id>      one that is being made
    STORE/uppers/kept-<id>/     its upper directory, until it is removed

A state that says "running" while its supervisor is gone is put right by the next reader (`truth.py`).
"""

import os
from errno import EDQUOT, ENOSPC
from fcntl import LOCK_EX, LOCK_NB, flock
from time import monotonic, sleep

from envforge.containers import plain_json
from envforge.errors import AmbiguousError, InUseError, NotFoundError, StoreError
from envforge.kernel.removal import is_still_at

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Values = dict[str, Any]

FORMAT = 1
ID_DIGITS = 12
NAMES = "names"
LIVE = frozenset({"running", "paused", "restarting", "stopping"})
"""What a container is while it has a supervisor."""
GONE: "Values" = {"pid": 0, "pid_started": 0, "sandbox": "", "ports": [], "addresses": [], "cgroup": []}
"""What a state says of processes and ports that are not there any more."""
_PATIENCE_S = 5.0
"""Another command holds a lock for a few milliseconds, a supervisor that ends for a little longer."""
_HEX = frozenset("0123456789abcdef")
_LIST = "`envforge ps -a` lists all containers"


class Container:
    """A container's directory, and what its two records said when it was read."""

    __slots__ = ("config", "directory", "id", "state", "store")

    def __init__(self, store: str, identifier: str, config: "Values", state: "Values") -> None:
        self.store = store
        self.id = identifier
        self.directory = directory_of(store, identifier)
        self.config = config
        self.state = state

    @property
    def name(self) -> str:
        """Its name, as `--name` or `rename` gave it."""
        return str(self.config["name"])

    @property
    def status(self) -> str:
        """How it is: `created`, one of LIVE, `exited` or `dead`."""
        return str(self.state["status"])

    @property
    def is_live(self) -> bool:
        """Say whether it had a supervisor."""
        return self.status in LIVE


def top(store: str) -> str:
    """Return where a store's containers are."""
    return f"{store}/containers"


def directory_of(store: str, identifier: str) -> str:
    """Return a container's directory."""
    return f"{store}/containers/{identifier}"


def is_id(text: str) -> bool:
    """Say whether that is a whole id."""
    return len(text) == ID_DIGITS and _HEX.issuperset(text)


def fresh_state() -> "Values":
    """Return the state of a container that was never started."""
    return {
        "format": FORMAT,
        "status": "created",
        "pid": 0,
        "pid_started": 0,
        "sandbox": "",
        "supervisor": 0,
        "supervisor_started": 0,
        "boot": "",
        "exit_code": None,
        "started": 0,
        "finished": 0,
        "restarts": 0,
        "oom_killed": False,
        "health": None,
        "ports": [],
        "addresses": [],
        "way": [],
        "around": [],
        "cgroup": [],
        "not_enforced": [],
        "error": "",
    }


def identifiers(store: str) -> "list[str]":
    """Return the ids of all containers of a store."""
    try:
        return sorted(name for name in os.listdir(top(store)) if is_id(name))
    except FileNotFoundError:
        return []


def read(store: str, identifier: str) -> Container:
    """Return a container as its records say. Raises NotFoundError, StoreError for damaged ones."""
    place = directory_of(store, identifier)
    config = _values(f"{place}/container.json")
    try:
        state = _values(f"{place}/state.json")
    except StoreError:  # a power cut may have left it empty: nothing of it was true after that anyway
        state = {**fresh_state(), "status": "dead", "error": "its state could not be read"}
    except NotFoundError:
        if not os.path.isdir(place):
            raise
        state = {**fresh_state(), "status": "dead", "error": "its state is missing"}
    return Container(store, identifier, config, {**fresh_state(), **state})


def _values(path: str) -> "Values":
    try:
        with open(path, encoding="utf-8") as file:
            values = plain_json.loads(file.read())
    except FileNotFoundError:
        raise NotFoundError(f"there is no container in {os.path.dirname(path)}", hint=_LIST) from None
    except (ValueError, OSError) as error:
        identifier = os.path.basename(os.path.dirname(path))
        raise StoreError(f"{path} cannot be read: {error}", hint=f"envforge rm -f {identifier}") from None
    known = values.get("format") if isinstance(values, dict) else None
    if known != FORMAT:
        raise StoreError(
            f"{path} has the format {known!r}, this release reads {FORMAT}",
            hint="use the release that made it",
        )
    return values  # type: ignore[no-any-return]


def read_all(store: str) -> "list[Container]":
    """Return all containers of a store that can be read, the newest first."""
    found = []
    for identifier in identifiers(store):
        try:
            found.append(read(store, identifier))
        except (NotFoundError, StoreError):
            continue  # it was removed meanwhile, or `fsck` tells
    return sorted(found, key=lambda one: (one.config["created"], one.id), reverse=True)


def exact(store: str, named: str) -> str:
    """Return the id of the container with that whole id or name; empty where there is none."""
    if is_id(named) and os.path.isdir(directory_of(store, named)):
        return named
    if "/" not in named and named not in {"", ".", ".."}:
        try:
            identifier = os.readlink(f"{top(store)}/{NAMES}/{named}")
        except OSError:
            return ""
        if is_id(identifier) and os.path.isdir(directory_of(store, identifier)):
            return identifier
    return ""


def beginning(store: str, named: str) -> str:
    """Return the id that begins so. Raises NotFoundError, AmbiguousError."""
    found = [one for one in identifiers(store) if one.startswith(named)] if named else []
    if not found:
        raise NotFoundError(f"no such container: {named}", hint=_LIST)
    if len(found) > 1:
        raise AmbiguousError(f"{named} is the beginning of {', '.join(found)}", hint="write more of the id")
    return found[0]


def resolve(store: str, named: str) -> str:
    """Return the id of the container with that id or name, or whose id begins so, in Docker's order.

    Raises NotFoundError, AmbiguousError.
    """
    return exact(store, named) or beginning(store, named)


def find(store: str, named: str) -> Container:
    """Return the container with that name, id or beginning of an id. Raises as `resolve` and `read` do."""
    return read(store, resolve(store, named))


def write_config(directory: str, config: "Values") -> None:
    """Write what a container is, in place of what was there."""
    _replace(f"{directory}/container.json", config)


def write_state(directory: str, state: "Values") -> None:
    """Write how a container is. Only for who holds its lock.

    A full disk cannot keep it from being told: the oldest log goes then, or the record is written in place.
    """
    path = f"{directory}/state.json"
    try:
        _replace(path, state)
    except OSError as error:
        if error.errno not in (ENOSPC, EDQUOT):
            raise
        _overwrite(path, state)


def _replace(path: str, values: "Values") -> None:
    """Replace a file at once. It is not synced: what it says does not outlive a power cut anyway."""
    beside = f"{path}.new"
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(beside, flags, 0o600)
    try:
        data = f"{plain_json.dumps(values)}\n".encode()
        if os.write(descriptor, data) < len(data):
            raise OSError(ENOSPC, os.strerror(ENOSPC), beside)
    finally:
        os.close(descriptor)
    os.replace(beside, path)


def _overwrite(path: str, values: "Values") -> None:
    """Write into the blocks that the old record has: they hold far more than it."""
    data = f"{plain_json.dumps(values)}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, data, 0)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)


def lock(directory: str, *, patience_s: float = _PATIENCE_S) -> int:
    """Lock a container; return the lock's descriptor.

    Raises NotFoundError if it was removed, InUseError if others hold it as long as that: it runs, say.
    """
    path = f"{directory}/lock"
    end = monotonic() + patience_s
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise NotFoundError(f"there is no container in {directory}", hint=_LIST) from None
    while True:
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            break
        except BlockingIOError:
            if monotonic() >= end:
                os.close(descriptor)
                name = os.path.basename(directory)
                raise InUseError(
                    f"the container {name} is in use by another process", hint="try again in a moment"
                ) from None
        sleep(0.005)
    if is_still_at(descriptor, path):
        return descriptor
    os.close(descriptor)
    raise NotFoundError(f"the container in {directory} has just been removed", hint=_LIST)


def boot_id() -> str:
    """Return what tells this boot of the machine from all others (random(4))."""
    with open("/proc/sys/kernel/random/boot_id", "rb", buffering=0) as file:
        return file.read().decode().strip()
