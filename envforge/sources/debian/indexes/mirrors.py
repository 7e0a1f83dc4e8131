"""Mirrors of archives: those that the user configured, else those of the host's apt and the public ones.

These are addresses only: the spec alone says which suites are used.
"""

import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from attrs import frozen

from envforge.config import Config
from envforge.sources.debian.indexes import hostapt
from envforge.transfer import host
from envforge.transfer.http import Fetcher

MAIN: Final = "debian"
SECURITY: Final = "debian-security"
DEFAULTS: Final[Mapping[str, tuple[str, ...]]] = {
    MAIN: (
        "http://ftp.debian.org/debian",
        "https://mirrors.kernel.org/debian",
        "https://mirrors.ocf.berkeley.edu/debian",
        "https://ftp.halifax.rwth-aachen.de/debian",
    ),
    SECURITY: (
        "https://ftp.halifax.rwth-aachen.de/debian-security",
        "https://mirrors.ocf.berkeley.edu/debian-security",
        "https://mirror.csclub.uwaterloo.ca/debian-security",
    ),
}
"""Tried in turn after the mirrors of the host's apt, unless the user has configured some. They belong to
several owners, so that one may be down; whoever serves the files, Debian has signed them."""
_DEBIAN_PATH: Final = re.compile(r"/debian(?:/\d{8}T\d{6}Z)?")
_SECURITY_PATH: Final = re.compile(r"/debian-security(?:/\d{8}T\d{6}Z)?|//security\.[^/]*")
_OFFICIAL_KEYS: Final = "debian-archive-"
_SNAPSHOT_LAG: Final = timedelta(hours=12)
"""A file is in the snapshots only some time after the index that first names it."""


class Pinned(Protocol):
    """The lock's entry of the index that a file was chosen from."""

    @property
    def suite(self) -> str:
        """Name of the suite below `dists`."""

    @property
    def uri(self) -> str:
        """Address of the archive, empty for Debian's own."""

    @property
    def date(self) -> str:
        """Date of the index, RFC 3339."""


@frozen
class Mirrors:
    """Addresses of each archive, and settings of fetching from them."""

    addresses: Mapping[str, tuple[str, ...]]
    """For `debian`, `debian-security`, and the URIs of further archives that the user has mirrors for."""
    snapshot: str = ""
    """Address of the snapshot service, empty for none."""
    check_valid_until: bool = True
    """Whether an index past its `Valid-Until` is refused."""
    host_checks: bool = True
    """Whether the host's apt refuses it, too: an error mentions it, nothing else follows it."""

    def of(self, archive: str) -> tuple[str, ...]:
        """Return the addresses of an archive: `debian`, `debian-security` or its URI."""
        return self.addresses.get(archive) or DEFAULTS.get(archive) or (archive,)


def discover(config: Config, apt_directory: str = hostapt.APT_DIRECTORY) -> Mirrors:
    """Return the mirrors to use on this host."""
    host = _official(hostapt.read_sources(apt_directory))
    addresses = {name: (*host.get(name, ()), *DEFAULTS[name]) for name in DEFAULTS}
    return Mirrors(
        {**addresses, **config.mirrors},
        config.snapshot,
        config.check_valid_until,
        host_checks=hostapt.checks_dates(apt_directory),
    )


def open_fetcher(config: Config, apt_directory: str = hostapt.APT_DIRECTORY) -> Fetcher:
    """Return a fetcher with this host's proxies, apt's among them, and CA settings."""
    return host.open_fetcher(config, hostapt.read_proxies(apt_directory))


def archive_of(suite: str, uri: str) -> str:
    """Return the archive of a suite: `debian`, `debian-security`, or the URI that the spec gives."""
    if uri:
        return uri
    return SECURITY if suite.endswith(("-security", "/updates")) else MAIN


def urls(mirrors: Mirrors, archive: Pinned, path: str) -> tuple[str, ...]:
    """Return the addresses of a pinned file, best first; the snapshots of its index's date come last."""
    name = archive_of(archive.suite, archive.uri)
    found = [f"{address}/{path}" for address in mirrors.of(name)]
    if mirrors.snapshot and name in DEFAULTS:
        date = datetime.fromisoformat(archive.date).astimezone(UTC)
        found += [
            f"{mirrors.snapshot}/{name}/{moment:%Y%m%dT%H%M%SZ}/{path}"
            for moment in (date + _SNAPSHOT_LAG, date)
        ]
    return tuple(found)


def _official(entries: Iterable[hostapt.Entry]) -> dict[str, tuple[str, ...]]:
    """Return the host's mirrors of Debian's own two archives, without archives of third parties.

    A wrong guess does no harm: an index from such an address would lack Debian's signature.
    """
    found: dict[str, dict[str, None]] = {}
    for entry in entries:
        if not entry.uri.startswith(("http://", "https://", "file:/")):
            continue
        name = _archive_name(entry)
        if name:
            found.setdefault(name, {})[_file_address(entry.uri)] = None
    return {name: tuple(addresses) for name, addresses in found.items()}


def _archive_name(entry: hostapt.Entry) -> str:
    official = os.path.basename(entry.signed_by).startswith(_OFFICIAL_KEYS)
    if _SECURITY_PATH.search(entry.uri) or (official and entry.suite.endswith("-security")):
        return SECURITY
    if "main" in entry.components and (official or _DEBIAN_PATH.search(entry.uri)):
        path = _DEBIAN_PATH.search(entry.uri)
        return MAIN if official or (path and path.end() == len(entry.uri)) else ""
    return ""


def _file_address(uri: str) -> str:
    return re.sub(r"^file:/*", "file:///", uri)
