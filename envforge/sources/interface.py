"""What the rest of envforge knows of a source of content; `registry.py` names them all.

A source turns a part of the spec into a request, the request into what is pinned, and that into layers over
those of the sources before it. One whose inputs are the project's own files pins nothing: it reads them when
the environment is built. Lock, builder, store and environment handle these values and look into none.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import ExitStack
from typing import Any, Protocol, TypeVar, cast

from attrs import field, frozen

from envforge.build.site import ProjectFiles, Site
from envforge.build.task import Work
from envforge.config import Config
from envforge.digest import Canonical
from envforge.progress import Progress
from envforge.spec.model import Spec
from envforge.store.layout import Store

Request = Any
"""A source's own frozen model of what a spec asks it for, normalised: equal wishes give equal requests."""
Pinned = Any
"""A source's own frozen model of what was chosen: every input by its SHA-256."""
Place = tuple[str, str]
"""Which part of a lock: the environment's name, the architecture."""
Kept = TypeVar("Kept")
Content = Any
"""A source's own frozen model of what it read of the project."""
Table = Mapping[str, Any]
"""A TOML table as plain values."""


@frozen
class Package:
    """What has a name and a version in an environment: for people, comparisons and bills of materials."""

    source: str
    """The source's name: `debian`."""
    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    """Bytes of the input that it comes from."""
    asked: bool
    """The spec names it; the others came along."""
    needs: tuple[str, ...] = ()
    """Names of other packages of the source that it needs, sorted."""


@frozen
class Laid:
    """A file that lies inside on entering, and is in no layer."""

    path: str
    content: bytes = field(repr=False)
    mode: int = 0o644


@frozen
class Session:
    """What resolving may use."""

    store: Store
    config: Config
    project: ProjectFiles
    """What a request names is relative to its directory."""
    progress: Progress
    stack: ExitStack = field(factory=ExitStack)
    """Closes what a source opens for all environments and architectures."""
    kept: dict[Hashable, Any] = field(factory=dict, eq=False)
    """What a source keeps between them: connections, indexes."""

    def once(self, key: Hashable, make: Callable[[], Kept]) -> Kept:
        """Return what was made before under that key, else make it."""
        if key not in self.kept:
            self.kept[key] = make()
        return cast("Kept", self.kept[key])


@frozen
class Before:
    """What a lock pins already, and what of it may change."""

    request: Request
    pinned: Pinned | None
    """None where this architecture was not locked for."""
    upgrade: bool = False
    """Everything may."""
    free: frozenset[str] = frozenset()
    """Packages that may, by name."""


class Source(Protocol):
    """One source whose choices stand in the lock. `resolve`, `answer` and a `Work` act; all else is pure."""

    @property
    def name(self) -> str:
        """Return the name of its table, in the spec and in the lock."""

    def request(self, spec: Spec) -> Request | None:
        """Return what the spec asks of it, None where that is nothing."""

    def differences(self, then: Request, now: Request) -> tuple[str, ...]:
        """Return what differs between two requests, by spec keys, for people."""

    def resolve(self, session: Session, request: Request, architecture: str, before: Before | None) -> Pinned:
        """Pin what a request means, as little changed as can be. Raises ResolveError, NetworkError."""

    def addresses(self, request: Request) -> Iterable[str]:
        """Yield the addresses that the spec names, without those that everybody knows."""

    def origins(self, pinned: Pinned) -> Iterable[str]:
        """Yield which of them inputs are fetched from: a lock may name no other."""

    def request_table(self, request: Request) -> Any:
        """Return a request as it stands in the lock: a table, or a list of tables."""

    def request_of_table(self, table: Any) -> Request:
        """Return what `request_table` wrote. Raises KeyError, TypeError, ValueError where it is broken."""

    def pins_table(self, pins: Mapping[Place, Pinned]) -> Table:
        """Return all that is pinned as it stands in the lock, what places share written once."""

    def pins_of_table(self, table: Table) -> Mapping[Place, Pinned]:
        """Return what `pins_table` wrote. Raises as above."""

    def key(self, pinned: Pinned) -> Canonical:
        """Return all that recipes read of what is pinned: the layers' key follows from it."""

    def inputs(self, pinned: Pinned) -> Iterable[str]:
        """Yield the SHA-256 of everything that a build may need, to be kept while it goes on."""

    def packages(self, pinned: Pinned) -> tuple[Package, ...]:
        """Return the packages, by name."""

    def work(self, site: Site, pinned: Pinned, progress: Progress) -> Work:
        """Return what making the layers needs done."""

    def laid(self, spec: Spec, config: Config, *, is_root: bool) -> Iterable[Laid]:  # noqa: ARG002
        """Return what its own tools find inside of this machine and this entering, where they are there."""
        return ()

    def answer(self, config: Config, spec: Spec | None) -> str:  # noqa: ARG002
        """Ask where its inputs usually come from; return that address, nothing where there is no such place.

        Raises NetworkError.
        """
        return ""


class Local(Protocol):
    """One source whose inputs are the project's own files, read and hashed at each build."""

    @property
    def name(self) -> str:
        """Return the name of its table in the spec, and of its layer."""

    def watched(self, spec: Spec, directory: str) -> tuple[str, ...]:
        """Return every path that `read` looks at: where none has changed, neither has what it gives."""

    def read(self, spec: Spec, project: ProjectFiles) -> Content | None:
        """Return what the spec names, None where that is nothing. Raises SpecError."""

    def work(self, site: Site, content: Content, progress: Progress) -> Work:
        """Return what making the layers needs done."""
