"""Debian as a source: packages of its archives, chosen by apt, configured by dpkg."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from envforge import machine
from envforge.errors import StoreError
from envforge.sources.debian import pins, request
from envforge.sources.debian.dpkg import brought, installed
from envforge.sources.debian.model import Closure, Request, package_id
from envforge.sources.interface import Before, Brought, Laid, Package, Place, Session, Source, Table
from envforge.values import frozen

if TYPE_CHECKING:
    from envforge.build.site import Site
    from envforge.build.task import Work
    from envforge.config import Config
    from envforge.digest import Canonical
    from envforge.kernel.reading import Readable, ReadTree
    from envforge.progress import Progress
    from envforge.spec.model import Spec

_APT: Final = "/usr/bin/apt-get"
_RELEASE_MAX_BYTES: Final = 10_000_000


@frozen
class Debian(Source):
    """`[debian]`, an `interface.Source`: its layers are the lowest."""

    name: str = "debian"

    def request(self, spec: "Spec") -> Request:
        """Return the spec's request."""
        return request.request_of(spec)

    def differences(self, then: Request, now: Request) -> tuple[str, ...]:
        """Return the differences, each with its spec key."""
        return request.differences(then, now)

    def resolve(self, session: Session, wanted: Request, architecture: str, before: Before | None) -> Closure:
        """Return the closure that apt chooses."""
        from envforge.sources.debian.resolve.pin import pin  # noqa: PLC0415 - not where nothing is resolved

        return pin(session, wanted, architecture, before)

    def addresses(self, wanted: Request) -> Iterator[str]:
        """Yield the addresses of further archives."""
        return (archive.uri for archive in wanted.archives)

    def origins(self, pinned: Closure) -> Iterator[str]:
        """Yield the addresses of further archives."""
        return (archive.uri.rstrip("/") for archive in pinned.archives if archive.uri)

    def request_table(self, wanted: Request) -> Table:
        """Return a request as its table in the lock."""
        return request.to_table(wanted)

    def request_of_table(self, table: Table) -> Request:
        """Return the request that `request_table` wrote."""
        return request.from_table(table)

    def pins_table(self, pinned: Mapping[Place, Closure]) -> Table:
        """Return all closures as tables of the lock."""
        return pins.to_table(pinned)

    def pins_of_table(self, table: Table) -> Mapping[Place, Closure]:
        """Return the closures that `pins_table` wrote."""
        return pins.from_table(table)

    def key(self, pinned: Closure) -> "Canonical":
        """Return the architecture, and each package's SHA-256 with its marks."""
        marks = ("asked", "base", "required")
        return {
            "architecture": pinned.architecture,
            "packages": [
                [package.sha256, *(mark for mark in marks if getattr(package, mark))]
                for package in pinned.packages
            ],
        }

    def inputs(self, pinned: Closure) -> Iterator[str]:
        """Yield the SHA-256 of every package's archive."""
        return (package.sha256 for package in pinned.packages)

    def packages(self, pinned: Closure) -> tuple[Package, ...]:
        """Return the packages by id."""
        return tuple(
            Package(
                self.name,
                package_id(package, pinned.architecture),
                package.version,
                package.architecture,
                package.sha256,
                package.size,
                package.asked,
                package.needs,
            )
            for package in pinned.packages
        )

    def installed(self, tree: "Readable") -> Iterator[Package]:
        """Yield what dpkg's status file says; the native architecture is that of the package dpkg."""
        found = list(installed.read(tree))
        native = next((architecture for name, _, architecture in found if name == "dpkg"), machine.native())
        for name, version, architecture in found:
            shown = name if architecture in {native, "all"} else f"{name}:{architecture}"
            yield Package(self.name, shown, version, architecture, sha256="", size=0, asked=False)

    def brought(self, layers: "Sequence[ReadTree]", upper: "ReadTree") -> Brought:
        """Return what apt and dpkg have done, by the database that they left in the upper directory."""
        return brought.read(layers, upper)

    def is_state(self, path: bytes) -> bool:
        """Return whether a path is in the directories of apt and dpkg."""
        return brought.is_state(path)

    @property
    def tools(self) -> tuple[str, ...]:
        """Return apt's path."""
        return (_APT,)

    def reads(self, facts: bytes) -> bool:
        """Return whether these are facts of a .deb; those of another format are made again, so they pass."""
        from envforge.sources.debian.dpkg import facts as facts_of_archive  # noqa: PLC0415 - for checks only

        try:
            facts_of_archive.from_json(facts)
        except StoreError:
            return facts_of_archive.is_of_another_format(facts)
        return True

    def about(self, path: bytes) -> str:
        """Return the package of a file in dpkg's info/, with its architecture if dpkg names that."""
        return installed.package_of(path)

    def laid(
        self, spec: "Spec", config: "Config", *, tools: Collection[str], is_root: bool
    ) -> Iterator[Laid]:
        """Return the wrappers of apt and, for root, its list of sources; nothing where there is no apt."""
        from envforge.sources.debian import inside  # noqa: PLC0415 - only where a plan is made

        return inside.files(spec.debian, config, is_root=is_root) if _APT in tools else iter(())

    def answer(self, config: "Config", spec: "Spec | None") -> str:
        """Fetch the suite's InRelease; return the address of the mirror that served it."""
        from envforge.sources.debian.indexes import mirrors  # noqa: PLC0415 (loads OpenSSL)

        suite = spec.debian.suite if spec else "stable"
        urls = [f"{address}/dists/{suite}/InRelease" for address in mirrors.discover(config).of(mirrors.MAIN)]
        with mirrors.open_fetcher(config) as fetcher:
            return fetcher.fetch_small(urls, limit=_RELEASE_MAX_BYTES).url.partition("/dists/")[0]

    def work(self, site: "Site", pinned: Closure, progress: "Progress") -> "Work":
        """Return the `Work` that plans the tasks of making the layers."""
        from envforge.sources.debian.work import DebianWork  # noqa: PLC0415 - 60 ms that a warm build saves

        return DebianWork(site, pinned, progress)
