"""Fetches the indexes that packages are chosen from: in parallel, each verified by its chain of hashes.

InRelease (signed) -> SHA-256 of Packages.xz -> Packages, whose own SHA-256 InRelease has, too
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Final

from attrs import field, frozen

from envforge.archives.streams import open_part
from envforge.errors import ArchiveError, IntegrityError
from envforge.sources.debian.indexes import release as releases
from envforge.sources.debian.indexes.mirrors import Mirrors
from envforge.sources.debian.indexes.packages import Package, PackageIndex, open_index
from envforge.sources.debian.indexes.release import Access, Release, Source
from envforge.store import blobs
from envforge.store.layout import Store

_FORMS: Final = (".xz", ".gz", "")
_INDEX_MAX_BYTES: Final = 512 << 20
"""Ten times Debian's largest, packed or not."""
_RATIO_MAX: Final = 32
"""An index may unpack to this many times its packed size; xz packs Debian's to a sixth."""
_SMALL_BYTES: Final = 16 << 20
_CHUNK_BYTES: Final = 1 << 20


@frozen
class PackagesFile:
    """One Packages file of a suite."""

    component: str
    architecture: str
    """Architecture of its directory: the one asked for, or `all`."""
    index: PackageIndex


@frozen
class SuiteIndex:
    """One verified suite."""

    release: Release = field(repr=False)
    files: tuple[PackagesFile, ...]

    @property
    def source(self) -> Source:
        """The suite and archive that were asked for."""
        return self.release.source

    def find(self, name: str) -> Iterator[Package]:
        """Yield all versions of a package."""
        for file in self.files:
            yield from file.index.find(name)


def refresh(
    access: Access,
    sources: Sequence[Source],
    *,
    architecture: str,
    now: datetime | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[SuiteIndex, ...]:
    """Return the current index of each suite; only files that the store lacks are fetched.

    Raises NetworkError, SignatureError, IntegrityError.
    """
    moment = now or datetime.now(UTC)

    def one(source: Source) -> SuiteIndex:
        release = releases.fetch(access, source, now=moment)
        files = tuple(_packages_files(access, release, architecture, progress))
        return SuiteIndex(release, files)

    return tuple(access.fetcher.all_at_once(one, sources))


def _packages_files(
    access: Access, release: Release, architecture: str, progress: Callable[[int], None] | None
) -> Iterator[PackagesFile]:
    for component in release.source.components:
        found = False
        for kind in _architectures(release, architecture):
            sha256 = _fetch_packages(access, release, f"{component}/binary-{kind}/", progress)
            if sha256:
                found = True
                yield PackagesFile(component, kind, open_index(access.store, sha256))
        if not found:
            raise IntegrityError(
                f"{release.base}: the suite {release.source.suite} has no packages of {component} "
                f"for {architecture}",
                hint="check `components` in the spec",
            )


def _architectures(release: Release, architecture: str) -> list[str]:
    """Return the architectures whose Packages files to look for: some archives have one for `all`."""
    apart = release.fields.get("No-Support-for-Architecture-all", "") != "Packages"
    named = "all" in release.fields.get("Architectures", "").split()
    return [architecture, "all"] if apart and named else [architecture]


def _fetch_packages(
    access: Access,
    release: Release,
    directory: str,
    progress: Callable[[int], None] | None,
) -> str:
    """Bring an unpacked Packages file into the store; return its SHA-256, "" if the suite has none."""
    plain = release.file(f"{directory}Packages")
    if plain and blobs.has(access.store, plain[0]):
        return plain[0]
    for ending in _FORMS:
        listed = release.file(f"{directory}Packages{ending}")
        if listed is None:
            continue
        sha256, size = listed
        _check_size(release, f"{directory}Packages{ending}", max(size, plain[1] if plain else 0))
        urls = _urls(access.mirrors, release, f"{directory}Packages{ending}", sha256)
        access.fetcher.fetch_blob(access.store, urls, sha256=sha256, size=size, progress=progress)
        if not ending:
            return sha256
        return _keep_unpacked(access.store, ending, listed, plain, urls[0])
    return ""


def _check_size(release: Release, path: str, size: int) -> None:
    if size > _INDEX_MAX_BYTES:
        raise IntegrityError(
            f"{release.base}/{release.source.directory}/{path}: Release gives it {size >> 20} MiB, more than "
            f"the {_INDEX_MAX_BYTES >> 20} that any index has",
            hint="ask who runs the archive",
        )


def _urls(mirrors: Mirrors, release: Release, path: str, sha256: str) -> list[str]:
    """Return the addresses of an index, best first: from the mirror that its Release came from, by hash."""
    bases = dict.fromkeys((release.base, *mirrors.of(release.source.archive)))
    names = [path]
    if release.by_hash:
        names.insert(0, f"{path.rpartition('/')[0]}/by-hash/SHA256/{sha256}")
    return [f"{base}/{release.source.directory}/{name}" for base in bases for name in names]


def _keep_unpacked(
    store: Store, ending: str, packed: tuple[str, int], plain: tuple[str, int] | None, name: str
) -> str:
    """Unpack an index into the store in small steps, never past the size in Release; return its SHA-256."""
    sha256, size = plain or ("", None)
    limit = min(_INDEX_MAX_BYTES, max(_SMALL_BYTES, packed[1] * _RATIO_MAX))
    try:
        with (
            blobs.opened(store, packed[0]) as descriptor,
            blobs.writing(store, sha256, size=size, name=f"{name}, unpacked", limit=limit) as sink,
            closing(open_part(descriptor, ending)) as reader,
        ):
            buffer = memoryview(bytearray(_CHUNK_BYTES))
            while count := reader.readinto(buffer):
                sink.write(buffer[:count])
    except ArchiveError as error:
        raise IntegrityError(f"{name}: cannot be unpacked: {error.message}") from error
    return sink.sha256
