"""The signed Release file of one suite: fetched, verified, and only then parsed.

Either InRelease, or Release with Release.gpg beside it. The last InRelease is kept with its HTTP validators,
so that asking again costs a 304 where the mirror can; its signature is verified each time all the same.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import field, frozen
from pysequoia import Cert

from envforge.errors import EnvforgeError, IntegrityError, NetworkError, SignatureError, StoreError
from envforge.sources.debian.indexes import mirrors as addresses
from envforge.sources.debian.indexes.mirrors import Mirrors
from envforge.sources.debian.indexes.signature import (
    Signed,
    check_fresh,
    parse_date,
    verify_detached,
    verify_inline,
)
from envforge.store import blobs, records
from envforge.store.layout import Store
from envforge.transfer.http import Fetcher, FileMissingError

_SIZE_MAX_BYTES: Final = 32 << 20
_HOST_DOES_NOT: Final = (
    "this host's apt takes expired indexes, envforge only where you say so: "
    "check-valid-until = false in config.toml; what was mended since would be missing without a word"
)
_FIELD: Final = re.compile(rb"^([A-Za-z0-9-]+):[ \t]*(.*)$", re.MULTILINE)


@frozen
class Source:
    """One suite of one archive, and the keys that may sign it."""

    name: str
    """Its name in the lock."""
    suite: str
    components: tuple[str, ...]
    uri: str = ""
    """Empty for Debian's own archives, whose mirrors are configuration."""
    certs: tuple[Cert, ...] = field(default=(), repr=False)
    not_before: str = ""
    """Date of the index that was seen last, RFC 3339: an older one is refused."""

    @property
    def archive(self) -> str:
        """The archive that the suite lies in, as `Mirrors` names it."""
        return addresses.archive_of(self.suite, self.uri)

    @property
    def directory(self) -> str:
        """Directory of the suite's indexes, relative to the archive."""
        return f"dists/{self.suite}"


@frozen
class Release:
    """A verified Release file."""

    source: Source
    text: bytes = field(repr=False)
    fingerprints: tuple[str, ...]
    base: str
    """Address of the archive that it came from."""
    fields: Mapping[str, str]

    @property
    def date(self) -> datetime:
        """Moment at which the index was made."""
        return parse_date(self.fields.get("Date", ""), f"{self.base}/{self.source.directory}")

    @property
    def by_hash(self) -> bool:
        """Whether indexes can be fetched by hash, too: an update of the mirror meanwhile does no harm."""
        return self.fields.get("Acquire-By-Hash", "") == "yes"

    def file(self, path: str) -> tuple[str, int] | None:
        """Return SHA-256 and size of an index, by its path relative to the Release file, if it is listed."""
        section = re.search(rb"^SHA256:[ \t]*\n((?: .*\n?)*)", self.text, re.MULTILINE)
        line = section and re.search(
            rb"^ ([0-9a-f]{64})\s+(\d+)\s+(?:\./)?%s$" % re.escape(path.encode()), section[1], re.MULTILINE
        )
        return (line[1].decode(), int(line[2])) if line else None


@frozen
class Access:
    """What fetching needs: the store, the HTTP client, the mirrors."""

    store: Store
    fetcher: Fetcher
    mirrors: Mirrors


def fetch(access: Access, source: Source, *, now: datetime) -> Release:
    """Return the verified Release of a suite, from the first mirror that has a good one.

    Raises SignatureError for one that is unsigned, badly signed, expired, another suite's or older than
    `source.not_before`; NetworkError where there is none.
    """
    failures: list[EnvforgeError] = []
    for base in access.mirrors.of(source.archive):
        try:
            release = _fetch_from(access, base, source)
            _check(release, now if access.mirrors.check_valid_until else None, access.mirrors)
        except (NetworkError, SignatureError) as error:
            failures.append(error)
        else:
            return release
    raise _worst(failures, source)


def parse(signed: Signed, source: Source, base: str) -> Release:
    """Return the Release of verified text."""
    head = signed.text.partition(b"\nSHA256:")[0]
    fields = {name.decode(): value.decode("utf-8", "replace").strip() for name, value in _FIELD.findall(head)}
    return Release(source, signed.text, signed.fingerprints, base, fields)


def _fetch_from(access: Access, base: str, source: Source) -> Release:
    url = f"{base}/{source.directory}/InRelease"
    try:
        data = fetch_remembered(access, url)
    except FileMissingError:
        return _fetch_detached(access.fetcher, base, source)
    return parse(verify_inline(data, source.certs, url), source, base)


def _fetch_detached(fetcher: Fetcher, base: str, source: Source) -> Release:
    url = f"{base}/{source.directory}/Release"
    data = fetcher.fetch_small([url], limit=_SIZE_MAX_BYTES).data
    try:
        signature = fetcher.fetch_small([f"{url}.gpg"], limit=_SIZE_MAX_BYTES).data
    except FileMissingError as error:
        raise SignatureError(
            f"{url}: is not signed: there is neither InRelease nor Release.gpg",
            hint="an archive without signatures is not used; ask who runs it to sign it",
        ) from error
    return parse(verify_detached(data, signature, source.certs, url), source, base)


def fetch_remembered(access: Access, url: str) -> bytes:
    """Return a small file; the store's copy if the mirror says that it has not changed (304).

    Raises NetworkError, IntegrityError.
    """
    path = f"{access.store.path}/tools/release-{hashlib.sha256(url.encode()).hexdigest()}.json"
    data, validators = _remembered(access.store, path)
    answer = access.fetcher.fetch_small([url], limit=_SIZE_MAX_BYTES, validators=validators)
    if answer.unchanged:
        return data
    if answer.validators:
        sha256 = blobs.put(access.store, answer.data)
        records.write(access.store, path, {"validators": dict(answer.validators), "sha256": sha256})
    return answer.data


def _remembered(store: Store, path: str) -> tuple[bytes, Mapping[str, str]]:
    """Return the last answer and its validators; both empty if the store lost it or it was altered."""
    known = records.read(path) or {}
    try:
        return blobs.read(store, known["sha256"]), {**known["validators"]}
    except (KeyError, TypeError, FileNotFoundError, IntegrityError, StoreError):
        return b"", {}


def _check(release: Release, now: datetime | None, mirrors: Mirrors) -> None:
    name = f"{release.base}/{release.source.directory}"
    if now is not None:
        hint = "" if mirrors.host_checks else _HOST_DOES_NOT
        check_fresh(release.fields.get("Valid-Until", ""), name, now, hint)
    _check_suite(release, name)
    date, not_before = release.date, release.source.not_before
    if not_before and date < datetime.fromisoformat(not_before).astimezone(UTC):
        raise SignatureError(
            f"{name}: the index is of {date:%Y-%m-%d %H:%M} UTC, the lock saw one of {not_before}",
            hint="the mirror is behind or goes back on purpose; try again later, or set another mirror",
        )


def _check_suite(release: Release, name: str) -> None:
    """Refuse another suite's index in this one's place: Debian signs many with one key."""
    given = {release.fields.get(field) for field in ("Codename", "Suite")} - {None}
    wanted = release.source.suite
    if release.source.uri or not given or wanted in given or wanted.partition("/")[0] in given:
        return
    raise SignatureError(
        f"{name}: is the index of {' or '.join(sorted(filter(None, given)))}, not of {wanted}"
    )


def _worst(failures: Sequence[EnvforgeError], source: Source) -> EnvforgeError:
    """Return the error that says most: a bad signature, then no network, then no such suite."""
    for kind in (SignatureError, NetworkError):
        found = [failure for failure in failures if type(failure) is kind]
        if found:
            message = "\n".join(dict.fromkeys(failure.message for failure in found))
            return kind(message, hint=found[0].hint)
    asked = ", ".join(dict.fromkeys(failure.message for failure in failures))
    return FileMissingError(
        f"no mirror has the suite {source.suite}: {asked}", hint="check `suite` and `pockets` in the spec"
    )
