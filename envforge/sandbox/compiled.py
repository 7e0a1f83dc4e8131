"""The type of a compiled plan: plain values that marshal can write. For type checkers only.

`plan/compile.py` makes plans, `cache.py` keeps them, the modules that enter a sandbox read them. Never loaded
on the warm path.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypedDict


class Ids(TypedDict):
    """The id maps of both user namespaces, and the ids of the payload."""

    mapping: str
    """What maps the ids of namespace A: `self` (PID 1), its `parent`, or `tools`."""
    tools: tuple[str, ...]
    """newuidmap and newgidmap."""
    uid_map: str
    gid_map: str
    nested: tuple[str, str] | None
    """The maps of namespace B; None if the payload stays in A."""
    idmapped: bool
    owner: tuple[int, int] | None
    """Uid and gid of the upper directory on disk; None for the caller's."""
    payload_owner: tuple[int, int]
    """The payload's uid and gid outside."""
    credentials: tuple[int, int, tuple[int, ...]] | None
    """Uid, gid and groups to take on; None to keep those that the namespace gives."""
    ping_group: int
    tty_group: bool


class Privileges(TypedDict):
    """The payload's capabilities and filters, with notes on isolation that is weaker here than usual."""

    bounding: tuple[int, ...]
    capabilities: tuple[int, ...]
    no_new_privileges: bool
    seccomp: bytes
    last_filter: bytes
    namespaces: bool
    scopes: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


class Cgroup(TypedDict):
    """How limits are enforced: what `cgroup.py` makes and writes."""

    kind: str
    """`v1`, `v2`, `manager` (v2 by systemd's user manager); empty where no cgroup can be had."""
    bases: tuple[str, ...]
    """Directories in which the sandbox gets one of its own."""
    others: tuple[str, ...]
    """Those in which it may get one later."""
    writes: tuple[tuple[int, str, str], ...]
    """Number of the base, file, text."""
    disks: tuple[tuple[int, str, str], ...]
    """Likewise, once for every disk: `*` in the text stands for its number."""
    processes: int
    """RLIMIT_NPROC, where no cgroup counts the processes; else 0."""
    memory: int
    """The limit in bytes; 0 for none."""
    asked: tuple[str, ...]
    """The limits that somebody asked for."""
    not_enforced: tuple[tuple[str, str], ...]
    """Those that cannot be enforced here, each with the reason."""


class Plan(Ids, Privileges):
    """Everything that entering a sandbox needs."""

    store: str
    lock: str
    """The environment's lock file: flocked shared while in use, exclusively to remove the environment."""
    layers_directory: str
    layers: tuple[str, ...]
    """Relative to `layers_directory`, topmost first."""
    uppers: str
    uppers_relative: str
    """Relative to `layers_directory`."""
    trash: str
    flags: int
    """Of clone(2)."""
    network: str
    """`host`, `none` or `private`."""
    outbound: bool
    """Whether a private network has a way out."""
    published: tuple[tuple[str, int, int, str], ...]
    """Address and port of the host, port inside, protocol; set when it is started."""
    around: tuple[int, int] | None
    """Device and inode of the user namespace around namespace A: that of its project's network, if any."""
    hostname: str
    project: str
    """The real path of its spec; "" for none."""
    environment: str
    """Which of the spec's environments."""
    label: str
    """What lists call it: `shop`, or `shop:db`."""
    skeleton: tuple[str, ...]
    mounts: tuple[tuple[str, str, bool, bool], ...]
    """Source, target, read-only, optional."""
    ways: tuple[str | None, ...]
    """For each mount, the directory that its source's links may not leave; "": no links, None: any."""
    forward: tuple[str, ...]
    runtime: str
    runtime_directories: tuple[str, ...]
    runtime_files: tuple[tuple[str, bytes], ...]
    links: tuple[tuple[str, str], ...]
    """Symbolic links to make inside: path and target."""
    relay: Any
    """The SocketRelay that connects the payload to a socket of the host, or None."""
    private: tuple[str, ...]
    foreign: tuple[str, str, str] | None
    """Another user's project, and the maps that make its owner the payload's user."""
    read_only: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    passed: tuple[str, ...]
    locales: tuple[str, ...] | None
    limits: Cgroup
    command: tuple[str, ...]
    cwd: str
    follow: bool


class Member(Protocol):
    """A sandbox's place in a network.

    One that it shares with others (`containers/network/member.py`), or its own (`outbound/way.py`).
    """

    @property
    def way(self) -> tuple[str, str]:
        """Which way out there is, `nat`, `pasta` or "" for none; and what is missing, if anything is."""

    def within(self, plan: Plan) -> Plan:
        """Return the plan with its id maps as they are where the sandbox is cloned."""

    @property
    def move_in(self) -> Callable[[], None] | None:
        """What moves a process of its own to where C is cloned; None where that is here."""

    def connect(self, plan: Plan, pid: int, network: int) -> None:
        """Connect the network namespace of C, which still waits, and map C's ids where only this can."""

    def ended(self) -> None:
        """Note that the sandbox has ended, or has not started."""
