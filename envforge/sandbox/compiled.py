"""The type of a compiled plan: plain values, as the warm path finds them. For type checkers alone.

`plan/compile.py` makes them, `cache.py` keeps them, and whoever enters reads them. The warm path never loads
this.
"""

from typing import Any, TypedDict


class Ids(TypedDict):
    """Who is who: the maps of both namespaces, and whom the payload runs as."""

    mapping: str
    """Who maps the ids of namespace A: the first process itself, its `parent`, or `tools`."""
    tools: tuple[str, ...]
    """newuidmap and newgidmap."""
    uid_map: str
    gid_map: str
    nested: tuple[str, str] | None
    """The maps of namespace B; None where the payload stays in A."""
    idmapped: bool
    owner: tuple[int, int] | None
    """Who the upper directory belongs to on disk, unless to the caller."""
    payload_owner: tuple[int, int]
    """Who the payload is outside."""
    credentials: tuple[int, int, tuple[int, ...]] | None
    """Uid, gid and groups to take on; None to keep what the namespace gives."""
    ping_group: int
    tty_group: bool


class Privileges(TypedDict):
    """What the payload may do, and what is weaker here than it should be."""

    bounding: tuple[int, ...]
    capabilities: tuple[int, ...]
    no_new_privileges: bool
    seccomp: bytes
    last_filter: bytes
    namespaces: bool
    scopes: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]


class Plan(Ids, Privileges):
    """All that entering takes."""

    store: str
    lock: str
    """The environment's lock file, which gc asks for exclusively."""
    layers_directory: str
    layers: tuple[str, ...]
    """Relative to that, topmost first."""
    uppers: str
    uppers_relative: str
    """From the layers' directory."""
    trash: str
    flags: int
    """Of clone(2)."""
    network: str
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
    """For each mount the directory that its links may not leave; "" for no links, None for any."""
    forward: tuple[str, ...]
    runtime: str
    runtime_directories: tuple[str, ...]
    runtime_files: tuple[tuple[str, bytes], ...]
    links: tuple[tuple[str, str], ...]
    """Links to make inside: path and text."""
    relay: Any
    """What speaks for the payload to a socket of the host (SocketRelay), if anything has to."""
    private: tuple[str, ...]
    foreign: tuple[str, str, str] | None
    """Another user's project, and the maps that make its owner the payload's user."""
    read_only: tuple[str, ...]
    variables: tuple[tuple[str, str], ...]
    passed: tuple[str, ...]
    locales: tuple[str, ...] | None
    command: tuple[str, ...]
    cwd: str
    follow: bool
