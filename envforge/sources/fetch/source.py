"""`[[fetch]]` as a source: files and archives from any address."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from envforge.sources.fetch import tables
from envforge.sources.fetch.model import Fetched, Request, name_of
from envforge.sources.interface import Before, Package, Place, Session, Source, Table
from envforge.values import frozen

if TYPE_CHECKING:
    from envforge.build.site import Site
    from envforge.build.task import Work
    from envforge.digest import Canonical
    from envforge.progress import Progress
    from envforge.spec.model import Spec

_VERSION_DIGITS = 12


@frozen
class FetchSource(Source):
    """`[[fetch]]`, an `interface.Source`: its layers lie over Debian's."""

    name: str = "fetch"

    def request(self, spec: "Spec") -> "Request | None":
        """Return the spec's entries, in its order."""
        return spec.fetch or None

    def differences(self, then: Request, now: Request) -> tuple[str, ...]:
        """Return the addresses that are new, gone or asked for otherwise."""
        old, new = {one.url for one in then}, {one.url for one in now}
        parts = [*(f"+ {name_of(url)}" for url in new - old), *(f"- {name_of(url)}" for url in old - new)]
        changed = [name_of(one.url) for one in now if one.url in old and one not in then]
        words = ", ".join([*sorted(parts), *changed]) or "their order"
        return (f"fetch ({words})",)

    def resolve(
        self,
        session: Session,
        request: Request,
        architecture: str,  # noqa: ARG002 - the same for all
        before: Before | None,
    ) -> tuple[Fetched, ...]:
        """Return the entries with their pins."""
        from envforge.sources.fetch.pin import pin  # noqa: PLC0415 - not where nothing is resolved

        return pin(session, request, before)

    def addresses(self, asked: Request) -> Iterator[str]:
        """Yield the spec's addresses."""
        return (one.url for one in asked)

    def request_table(self, request: Request) -> list[dict[str, Any]]:
        """Return a request as a list of tables for the lock."""
        return tables.request_table(request)

    def request_of_table(self, table: Any) -> Request:
        """Return the request that `request_table` wrote."""
        return tables.request_of(table)

    def pins_table(self, pins: Mapping[Place, Sequence[Fetched]]) -> Table:
        """Return all pins as tables of the lock."""
        return tables.pins_table(pins)

    def pins_of_table(self, table: Table) -> Mapping[Place, tuple[Fetched, ...]]:
        """Return the pins that `pins_table` wrote."""
        return tables.pins_of(table)

    def key(self, pinned: Sequence[Fetched]) -> "Canonical":
        """Return each file's SHA-256, target and treatment; its address does not change the layer."""
        return [[one.pin.sha256, one.target, one.unpack, one.strip, f"{one.mode:04o}"] for one in pinned]

    def inputs(self, pinned: Sequence[Fetched]) -> Iterator[str]:
        """Yield the SHA-256 of every file."""
        return (one.pin.sha256 for one in pinned)

    def origins(self, pinned: Sequence[Fetched]) -> Iterator[str]:
        """Yield the pinned addresses."""
        return (one.url for one in pinned)

    def packages(self, pinned: Sequence[Fetched]) -> tuple[Package, ...]:
        """Return the files, named by the last part of their address; their version is a short SHA-256."""
        found = [
            Package(
                self.name,
                one.name,
                one.pin.sha256[:_VERSION_DIGITS],
                "all",
                one.pin.sha256,
                one.pin.size,
                asked=True,
            )
            for one in pinned
        ]
        return tuple(sorted(found, key=lambda package: (package.name, package.version)))

    def work(self, site: "Site", pinned: Sequence[Fetched], progress: "Progress") -> "Work":
        """Return the `Work` that plans the tasks of making the layers."""
        from envforge.sources.fetch.work import FetchWork  # noqa: PLC0415 - only where something is fetched

        return FetchWork(site, tuple(pinned), progress)
