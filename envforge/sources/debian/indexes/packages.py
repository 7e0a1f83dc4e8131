"""A Packages file with a table of offsets, so that only the stanzas asked for are parsed.

Bookworm's has 63,000 stanzas in 49 MB. Its table is made once, in a fraction of a second, and kept in the
store (tools/table-<SHA-256 of the Packages file>):

    envforge-table 1
    !base 1042,871 5211,640
    =apt 88123,1410 91002,1396
    ~awk 120911,803 301229,790

`!base`: essential and required packages; `=NAME`: packages of that name; `~NAME`: packages that provide it.
Then offset and length in bytes of each stanza.
"""

import bisect
import mmap
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Final

from attrs import field, frozen

from envforge import whole_file
from envforge.digest import is_sha256
from envforge.errors import ArchiveError, IntegrityError
from envforge.sources.debian.dpkg import policy, relations
from envforge.store import blobs
from envforge.store.layout import Store
from envforge.store.staging import staging

_HEADER: Final = b"envforge-table 1\n"
_SIZE_MAX_DIGITS: Final = 12
_STANZAS_MAX: Final = 1 << 20
"""Fifteen times as many as Debian's largest index has."""
_NAMES_MAX: Final = 1 << 22
_STANZA_MAX_BYTES: Final = 4 << 20
_NAME: Final = re.compile(rb"^Package:[ \t]*(\S+)", re.MULTILINE)
_PROVIDES: Final = re.compile(rb"^Provides:[ \t]*(.+)", re.MULTILINE)
_BASE: Final = re.compile(rb"^(?:Essential:[ \t]*yes|Priority:[ \t]*required)[ \t]*$", re.MULTILINE)
_FIELD: Final = re.compile(r"^([A-Za-z0-9-]+):[ \t]*(.*(?:\n[ \t].*)*)", re.MULTILINE)

_Place = tuple[int, int]
_Buffer = bytes | mmap.mmap


@frozen
class Package:
    """One parsed stanza."""

    name: str
    version: str
    architecture: str
    path: str
    """Relative to the archive's address."""
    size: int
    sha256: str
    essential: bool
    priority: str
    multi_arch: str
    source: str
    """Name of the source package that it was built from."""
    relations: Mapping[str, str] = field(repr=False)
    """Those of `relations.FIELDS` that it has."""


@frozen
class PackageIndex:
    """One verified Packages file with its table. `open_index` makes it."""

    sha256: str
    path: str
    """The Packages file, unpacked."""
    _data: _Buffer = field(repr=False)
    _table: bytes = field(repr=False)

    def find(self, name: str) -> tuple[Package, ...]:
        """Return all versions of a package. Raises IntegrityError for a broken stanza."""
        return tuple(self._read(place) for place in self._places(b"=%s " % name.encode()))

    def providers(self, name: str) -> tuple[Package, ...]:
        """Return the packages that provide a name, in the order of the file."""
        return tuple(self._read(place) for place in self._places(b"~%s " % name.encode()))

    def base(self) -> tuple[Package, ...]:
        """Return the packages that are essential or of priority `required` (Debian Policy, 2.5 and 3.8)."""
        return tuple(self._read(place) for place in self._places(b"!base "))

    def names(self) -> Iterator[str]:
        """Yield the names of all packages, and of all that they provide."""
        for match in re.finditer(rb"^[=~](\S+) ", self._table, re.MULTILINE):
            yield match[1].decode()

    def _places(self, prefix: bytes) -> list[_Place]:
        """Return the places on the line that starts with `prefix`, by binary search: lines are sorted."""
        table = self._table
        low, high = len(_HEADER), len(table)
        while low < high:
            start = table.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = table.index(b"\n", start) + 1
            if table[start:end] < prefix:
                low = end
            else:
                high = start
        if not table.startswith(prefix, low):
            return []
        line = table[low + len(prefix) : table.index(b"\n", low)]
        return [(int(offset), int(length)) for offset, length in (item.split(b",") for item in line.split())]

    def _read(self, place: _Place) -> Package:
        offset, length = place
        return parse_stanza(self._data[offset : offset + length].decode("utf-8", "replace"))


def open_index(store: Store, sha256: str) -> PackageIndex:
    """Return the index of a Packages file in the store; its table is made if the store does not have it.

    Raises IntegrityError if the file was altered in the store.
    """
    data: _Buffer = b""
    with blobs.opened(store, sha256) as descriptor:
        if os.fstat(descriptor).st_size:
            data = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
    table_path = f"{store.path}/tools/table-{sha256}"
    table = _read_table(table_path)
    if not table:
        table = make_table(data)
        _write_table(store, table_path, table)
    return PackageIndex(sha256, store.blob(sha256), data, table)


@lru_cache(maxsize=1 << 12)
def parse_stanza(text: str) -> Package:
    """Return the package of a stanza. Raises IntegrityError if a field is missing or breaks its grammar."""
    fields = {name: value.strip() for name, value in _FIELD.findall(text)}
    try:
        return Package(
            name=policy.PACKAGE.check(fields["Package"]),
            version=policy.VERSION.check(fields["Version"]),
            architecture=policy.ARCHITECTURE.check(fields["Architecture"]),
            path=policy.ARCHIVE_PATH.check(os.path.normpath(fields["Filename"])),
            size=_size(fields["Size"]),
            sha256=_sha256(fields["SHA256"]),
            essential=fields.get("Essential", "no") == "yes",
            priority=policy.PRIORITY.check(fields.get("Priority", "optional").lower()),
            multi_arch=policy.MULTI_ARCH.check(fields.get("Multi-Arch", "no").lower()),
            source=policy.LINE.check(fields.get("Source", fields["Package"]).partition(" ")[0]),
            relations={name: policy.LINE.check(text) for name, text in relations.fields_of(fields).items()},
        )
    except KeyError as error:
        raise IntegrityError(f"the index has a stanza without {error}: {text[:80]!r}") from error
    except ArchiveError as error:
        raise IntegrityError(f"the index has a broken stanza: {error.message}: {text[:80]!r}") from error


def _size(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _SIZE_MAX_DIGITS):
        raise ArchiveError(f"{text[:80]!r} is no size")
    return int(text)


def _sha256(text: str) -> str:
    if not is_sha256(text.lower()):
        raise ArchiveError(f"{text[:80]!r} is no SHA-256")
    return text.lower()


def make_table(data: _Buffer) -> bytes:
    """Return the table of a Packages file. Raises IntegrityError for a file beyond all reasonable sizes."""
    starts = _starts(data)
    ends = [*starts[1:], len(data)]
    _check_bounds(starts, ends)

    def place(position: int) -> bytes:
        number = bisect.bisect_right(starts, position) - 1
        return b"%d,%d" % (starts[number], ends[number] - starts[number])

    named: dict[bytes, list[bytes]] = {}
    for match in _NAME.finditer(data):
        named.setdefault(b"=" + match[1], []).append(place(match.start()))
    for match in _PROVIDES.finditer(data):
        if len(named) > _NAMES_MAX:
            raise IntegrityError(f"the index names more than {_NAMES_MAX} packages")
        where = place(match.start())
        for name in {item.split()[0].partition(b":")[0] for item in match[1].split(b",") if item.strip()}:
            named.setdefault(b"~" + name, []).append(where)
    base = dict.fromkeys(place(match.start()) for match in _BASE.finditer(data))
    lines = [b"!base %s\n" % b" ".join(base)]
    lines += [b"%s %s\n" % (name, b" ".join(named[name])) for name in sorted(named)]
    return _HEADER + b"".join(lines)


def _check_bounds(starts: Sequence[int], ends: Sequence[int]) -> None:
    longest = max((end - start for start, end in zip(starts, ends, strict=False)), default=0)
    if longest > _STANZA_MAX_BYTES:
        raise IntegrityError(f"the index has a stanza of {longest >> 20} MiB")


def _starts(data: _Buffer) -> list[int]:
    """Return the offsets at which stanzas begin; empty lines divide them."""
    starts = [0] if len(data) else []
    position = data.find(b"\n\n")
    while position >= 0:
        following = position + 2
        while data[following : following + 1] == b"\n":
            following += 1
        if following < len(data):
            starts.append(following)
            if len(starts) > _STANZAS_MAX:
                raise IntegrityError(f"the index has more than {_STANZAS_MAX} stanzas")
        position = data.find(b"\n\n", following)
    return starts


def _read_table(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            table = file.read()
    except FileNotFoundError:
        return b""
    return table if table.startswith(_HEADER) and table.endswith(b"\n") else b""


def _write_table(store: Store, path: str, table: bytes) -> None:
    with staging(store, "table") as directory:
        whole_file.write(path, table, mode=0o644, temporary=f"{directory}/table")
