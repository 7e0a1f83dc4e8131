"""The interface of a source: all that the rest of envforge knows of one. `registry.py` lists the sources.

A source turns its table of the spec into a request, resolves the request to pins, and makes layers of the
pins, over the layers of the sources before it. A `Local` source pins nothing: it reads the project's own
files at each build. Lock, builder, store and environment pass requests and pins on without looking inside.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from envforge.values import field, frozen

if TYPE_CHECKING:  # commands that only read locks need none of what builds
    from envforge.build.site import ProjectFiles, Site
    from envforge.build.task import Work
    from envforge.config import Config
    from envforge.digest import Canonical
    from envforge.kernel.reading import Readable, ReadTree
    from envforge.progress import Progress
    from envforge.spec.model import Spec
    from envforge.store.layout import Store

Request = Any
"""A source's own frozen model of a request, normalised: specs that ask for the same give equal requests."""
Pinned = Any
"""A source's own frozen model of its pins: every input by its SHA-256."""
Place = tuple[str, str]
"""A part of the lock: the environment's name, the architecture."""
Kept = TypeVar("Kept")
Content = Any
"""A source's own frozen model of the content that it read from the project."""
Table = Mapping[str, Any]
"""A TOML table as plain values."""


@frozen
class Package:
    """A named, versioned part of an environment: shown to people, compared, listed in bills of materials."""

    source: str
    """The source's name: `debian`."""
    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    """Bytes of its input: the archive or file that it comes from."""
    asked: bool
    """The spec names it; the others come in as its base or as dependencies."""
    needs: tuple[str, ...] = ()
    """Names of the source's packages that it depends on, sorted."""


@frozen
class Laid:
    """A generated file that is mounted into the sandbox at entry; no layer holds it."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644


@frozen
class Brought:
    """What a source's own tools have done in a sandbox, as its own database tells."""

    packages: tuple[Package, ...] = ()
    """New ones; `asked` are those that somebody installed by hand."""
    changed: tuple[tuple[str, str, str], ...] = ()
    """Name, version before and after of others."""
    removed: tuple[str, ...] = ()
    files: frozenset[bytes] = frozenset()
    """Paths of all that belongs to new and changed ones."""


@frozen
class Session:
    """Context of one resolving run, shared by all environments, architectures and sources."""

    store: "Store"
    config: "Config"
    project: "ProjectFiles"
    """Relative paths in a request start at its directory."""
    progress: "Progress"
    stack: ExitStack = field(factory=ExitStack)
    """Closes connections that a source opens for the whole run."""
    kept: dict[Hashable, Any] = field(factory=dict, eq=False)
    """Values that a source keeps for the whole run: connections, indexes."""

    def once(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return the value kept under `key`; the first call makes it."""
        if key not in self.kept:
            self.kept[key] = make()
        return cast("Kept", self.kept[key])


@frozen
class Before:
    """The request and pins of the lock so far, and which pins may change."""

    request: Request
    pinned: Pinned | None
    """None if the lock has none for this architecture."""
    upgrade: bool = False
    """Every pin may change."""
    free: frozenset[str] = frozenset()
    """Names of packages whose pins may change."""


class Source(Protocol):
    """A source with pins in the lock. `resolve`, `laid`, `answer` and a `Work` do I/O; the rest is pure."""

    @property
    def name(self) -> str:
        """Return the name of its table, in the spec and in the lock."""

    def request(self, spec: "Spec") -> Request | None:
        """Return the spec's request to this source, None if there is none."""

    def differences(self, then: Request, now: Request) -> tuple[str, ...]:
        """Return the differences of two requests as text for people, each with its spec key."""

    def resolve(self, session: Session, request: Request, architecture: str, before: Before | None) -> Pinned:
        """Return pins for a request, as close to `before` as possible. Raises ResolveError, NetworkError."""

    def addresses(self, request: Request) -> Iterable[str]:
        """Yield the addresses to fetch from that the spec itself names: no well-known mirrors."""

    def origins(self, pinned: Pinned) -> Iterable[str]:
        """Yield the addresses that the lock fetches from; one that `addresses` does not yield is refused."""

    def request_table(self, request: Request) -> Any:
        """Return a request in the lock's form: a table, or a list of tables."""

    def request_of_table(self, table: Any) -> Request:
        """Return the request that `request_table` wrote. Raises KeyError, TypeError, ValueError if broken."""

    def pins_table(self, pins: Mapping[Place, Pinned]) -> Table:
        """Return all pins in the lock's form; pins that places share are written once."""

    def pins_of_table(self, table: Table) -> Mapping[Place, Pinned]:
        """Return the pins that `pins_table` wrote. Raises like `request_of_table`."""

    def key(self, pinned: Pinned) -> "Canonical":
        """Return everything in the pins that recipes read: the key of the locked layers is made from it."""

    def inputs(self, pinned: Pinned) -> Iterable[str]:
        """Yield the SHA-256 of every blob that a build may need: they are held while it runs."""

    def packages(self, pinned: Pinned) -> tuple[Package, ...]:
        """Return the packages, by name."""

    def work(self, site: "Site", pinned: Pinned, progress: "Progress") -> "Work":
        """Return the `Work` that plans the tasks of making the layers."""

    def installed(self, tree: "Readable") -> Iterable[Package]:  # noqa: ARG002
        """Yield the packages that a tree of unknown origin says to have, by the source's own database.

        Only source, name, version and architecture are known of them. Runs confined. Raises OSError.
        """
        return ()

    def brought(self, layers: "Sequence[ReadTree]", upper: "ReadTree") -> Brought:  # noqa: ARG002
        """Return what the source's own tools have done in an upper directory over layers, topmost first.

        None of them is trusted. Runs confined. Raises OSError.
        """
        return Brought()

    def is_state(self, path: bytes) -> bool:  # noqa: ARG002
        """Return whether a path is the source's own tools' record of what is installed."""
        return False

    @property
    def tools(self) -> tuple[str, ...]:
        """Return the paths of programs inside for which `laid` makes files."""
        return ()

    def reads(self, facts: bytes) -> bool:  # noqa: ARG002
        """Return whether these are facts of an archive as they lie in the store; most sources have none."""
        return False

    def about(self, path: bytes) -> str:  # noqa: ARG002
        """Return the name of the package whose entry in the source's own database a path is, "" for none."""
        return ""

    def laid(
        self,
        spec: "Spec",  # noqa: ARG002
        config: "Config",  # noqa: ARG002
        *,
        tools: Collection[str],  # noqa: ARG002
        is_root: bool,  # noqa: ARG002
    ) -> Iterable[Laid]:
        """Return files that the source's own tools find inside, made for this host and this entry.

        `tools` are those of `self.tools` that the environment has.
        """
        return ()

    def answer(self, config: "Config", spec: "Spec | None") -> str:  # noqa: ARG002
        """Probe the server that inputs usually come from; return its address, "" for a source without one.

        Raises NetworkError.
        """
        return ""


class Local(Protocol):
    """A source whose inputs are the project's own files, read and hashed at each build."""

    @property
    def name(self) -> str:
        """Return the name of its table in the spec, and of its layer."""

    def watched(self, spec: "Spec", directory: str) -> tuple[str, ...]:
        """Return every path that `read` looks at: while none of them changes, its result does not."""

    def read(self, spec: "Spec", project: "ProjectFiles") -> Content | None:
        """Return the content that the spec names, None if it names none. Raises SpecError."""

    def work(self, site: "Site", content: Content, progress: "Progress") -> "Work":
        """Return the `Work` that plans the tasks of making the layer."""
