"""What a sandbox shall be, as a value that a test can read.

`environment/entering/plan.py` makes a SandboxPlan from an environment, `compile.py` makes of that what is
entered.
"""

from typing import Literal

from attrs import field, frozen

from envforge.sandbox.ids.identity import Identity


@frozen
class Mount:
    """Something of the host at a place inside, in the order in which they are attached: parents first."""

    source: str
    """Absolute path on the host."""
    target: str
    """Absolute path inside; links in it are followed inside."""
    read_only: bool = False
    optional: bool = False
    """A missing source is no error."""
    own: bool = False
    """Chosen by envforge itself: links are followed, and it may lie in a private directory."""
    within: str = ""
    """The directory that links in the source may not lead out of; without one no link is followed at all."""


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
    """Everything that entering one environment takes."""

    identity: Identity
    store: str
    """The store's top directory; layers, uppers and trash lie where store/layout.py says."""
    layers: tuple[str, ...]
    """Layer digests, topmost first."""
    lock_file: str
    """Flocked (shared) while the sandbox lives: what gc asks for exclusively."""
    hostname: str
    command: tuple[str, ...]
    """What runs where the caller names nothing."""
    cwd: str
    """Where it runs."""
    project: str = ""
    """The real path of the spec, for those who look for what runs."""
    environment: str = "default"
    """Which of the spec's environments; likewise."""
    label: str = ""
    """What lists call it; the host name where nothing is said."""
    follow: bool = True
    """The caller's own directory goes before `cwd`, where it is the same inside."""
    user: Literal["self"] | Account = "self"
    """`self`: the caller's own uid; else an account of the environment, `root` among them."""
    mounts: tuple[Mount, ...] = ()
    forward: tuple[str, ...] = ()
    """Sockets of the host that are let in, by the names that `relays/forwarding.py` knows."""
    runtime: str = ""
    """The payload's own directory for sockets (XDG_RUNTIME_DIR), below /run; empty for none."""
    foreign: tuple[str, int, int] | None = None
    """The project of another user that root enters, and its owner, whose is what is made there."""
    read_only: tuple[str, ...] = ()
    """Real paths on the host that can only be read inside, under whatever mount."""
    private: tuple[str, ...] = ()
    """Directories of the host that no mount may show: store, state, configuration, plan cache."""
    variables: tuple[tuple[str, str], ...] = ()
    """The environment, before what is passed through."""
    passed: tuple[str, ...] = ()
    """Names of host variables to pass through; `*` stands for any characters."""
    locales: tuple[str, ...] | None = None
    """Those that the environment has besides C and C.UTF-8, which stands in for others; None: not known."""
    network: Literal["host", "none"] = "host"
    privileges: bool = False
    """Set-id programs and file capabilities work inside."""
    nested_namespaces: bool = False
    """The payload may make namespaces of its own, and mount proc in them."""
    idmapped: bool = True
    """Run by root: idmapped mounts work on the layers and the mounts. Else the full range is mapped."""
    notes: tuple[str, ...] = field(default=())
    """What is weaker here than it should be, for `inspect` and for the user's eyes."""
