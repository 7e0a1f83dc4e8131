"""The plan of a sandbox, as a value that a test can read.

`environment/entering/plan.py` makes a SandboxPlan from an environment, `compile.py` compiles it.
"""

from typing import Literal

from attrs import field, frozen

from envforge.sandbox.ids.identity import Identity
from envforge.sandbox.limits.model import Limits


@frozen
class Mount:
    """A bind mount of something of the host. Mounts are attached in their order: parents first."""

    source: str
    """Absolute path on the host."""
    target: str
    """Absolute path inside; links in it are followed inside."""
    read_only: bool = False
    optional: bool = False
    """A missing source is no error."""
    own: bool = False
    """Chosen by envforge itself: links are followed, and it may be in a private directory."""
    within: str = ""
    """The directory that links in the source may not leave; without one no link is followed at all."""


@frozen
class Account:
    """The user inside that a payload runs as, unless it is the caller's own."""

    name: str
    uid: int
    gid: int
    groups: tuple[int, ...] = ()
    """Supplementary groups."""


@frozen
class SandboxPlan:
    """Everything that entering one environment needs."""

    identity: Identity
    store: str
    """The store's top directory, in which layers, uppers and trash are as in store/layout.py."""
    layers: tuple[str, ...]
    """Layer digests, topmost first."""
    lock_file: str
    """The environment's: flocked shared while the sandbox lives, exclusively to remove the environment."""
    hostname: str
    command: tuple[str, ...]
    """What runs if the caller names no command."""
    cwd: str
    """The directory in which it runs."""
    project: str = ""
    """The real path of the spec, by which running sandboxes are found."""
    environment: str = "default"
    """Which of the spec's environments; likewise."""
    label: str = ""
    """Its name in lists; by default the host name."""
    follow: bool = True
    """Start in the caller's directory instead of `cwd`, if it is mounted at the same path."""
    user: Literal["self"] | Account = "self"
    """`self`: the caller's own uid; else an account of the environment, `root` among them."""
    mounts: tuple[Mount, ...] = ()
    forward: tuple[str, ...] = ()
    """Sockets of the host that are let in, by the names that `relays/forwarding.py` knows."""
    runtime: str = ""
    """The payload's own directory for sockets (XDG_RUNTIME_DIR), below /run; empty for none."""
    foreign: tuple[str, int, int] | None = None
    """Directory, uid and gid of another user's project that root enters; new files in it are that owner's."""
    read_only: tuple[str, ...] = ()
    """Real paths on the host that can only be read inside, under whatever mount."""
    private: tuple[str, ...] = ()
    """Directories of the host that no mount may show: store, state, configuration, plan cache."""
    variables: tuple[tuple[str, str], ...] = ()
    """The payload's variables; they override those passed through."""
    passed: tuple[str, ...] = ()
    """Names of host variables to pass through; `*` stands for any characters, `?` for one."""
    locales: tuple[str, ...] | None = None
    """The environment's locales besides C and C.UTF-8, which replaces missing ones; None: not known."""
    network: Literal["host", "none", "private"] = "host"
    """Both others have a network of their own; only a private one can be reached from outside."""
    outbound: bool = False
    """A private network has a way out to other machines, where one can be had."""
    privileges: bool = False
    """Set-id programs and file capabilities work inside."""
    nested_namespaces: bool = False
    """The payload may make namespaces of its own, and mount proc in them."""
    limits: Limits = field(factory=Limits)
    every_cgroup: bool = False
    """Make a cgroup for every controller, so that all can be limited and seen later."""
    idmapped: bool = True
    """Run by root: idmapped mounts work on the layers and the mounts. Else the full range is mapped."""
    notes: tuple[str, ...] = field(default=())
    """What is weaker here than it should be; shown on entry from a terminal."""
