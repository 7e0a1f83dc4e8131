"""Any lock comes back from its file as it was."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as some

from envforge.lock.file import dumps, loads
from envforge.lock.model import Lock
from envforge.sources.debian.model import (
    ArchitectureLock,
    LockedArchive,
    LockedPackage,
    Outputs,
    Request,
    RequestedArchive,
)

TEXT = some.text(some.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NAMES = some.from_regex(r"[a-z][a-z0-9+.-]{1,8}", fullmatch=True)
WORDS = some.from_regex(r"[a-z][a-z0-9-]{1,8}", fullmatch=True)
VERSIONS = some.from_regex(r"([0-9]{1,2}:)?[0-9][a-z0-9.+~-]{0,8}", fullmatch=True)
DATES = some.datetimes().map(lambda date: f"{date:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0"))
HASHES = some.from_regex(r"[0-9a-f]{64}", fullmatch=True)
RELATIONS = some.dictionaries(
    some.sampled_from(
        ["Breaks", "Conflicts", "Depends", "Pre-Depends", "Provides", "Recommends", "Replaces"]
    ),
    some.lists(
        some.from_regex(r"[a-z]{2,5}( \(>= [0-9.]{1,4}\))?( \| [a-z]{2,5})?", fullmatch=True), min_size=1
    ),
).map(lambda fields: tuple(sorted((name, ", ".join(items)) for name, items in fields.items())))
PACKAGES = some.builds(
    LockedPackage,
    name=NAMES,
    version=VERSIONS,
    architecture=WORDS,
    archive=some.just("a"),
    path=some.from_regex(r"pool/[a-z0-9~%+]{1,12}\.deb", fullmatch=True),
    size=some.integers(1, (1 << 40) - 1),
    sha256=HASHES,
    asked=some.booleans(),
    essential=some.booleans(),
    priority=some.sampled_from(["optional", "required", "extra"]),
    multi_arch=some.sampled_from(["no", "same", "foreign", "allowed"]),
    relations=RELATIONS,
)
ARCHIVE = some.builds(
    LockedArchive,
    name=some.just("a"),
    suite=some.from_regex(r"[a-z]{1,8}(/[a-z]{1,4})?", fullmatch=True),
    date=DATES,
    fingerprint=some.from_regex(r"[0-9a-f]{40}", fullmatch=True),
    uri=some.from_regex(r"(https://[a-z.]{1,8}/[a-z]{0,3})?", fullmatch=True),
)
OUTPUTS = some.none() | some.builds(
    Outputs, environment=HASHES, layers=some.lists(some.tuples(WORDS, HASHES)).map(tuple)
)
PARTS = some.builds(
    ArchitectureLock,
    architecture=WORDS,
    archives=some.tuples(ARCHIVE),
    packages=some.lists(PACKAGES, max_size=3).map(tuple),
    outputs=OUTPUTS,
)
TEXTS = some.lists(TEXT, max_size=3).map(tuple)
REQUESTS = some.builds(
    Request,
    suite=TEXT,
    pockets=TEXTS,
    components=TEXTS,
    packages=TEXTS,
    recommends=some.booleans(),
    archives=some.lists(
        some.builds(RequestedArchive, name=TEXT, suite=TEXT, components=TEXTS, uri=TEXT, key=TEXT), max_size=2
    ).map(tuple),
)


@given(REQUESTS, some.lists(PARTS, max_size=2, unique_by=lambda part: part.architecture))
def test_a_lock_round_trips(request_, parts):
    lock = Lock(request_, tuple(sorted(parts, key=lambda part: part.architecture)))
    data = dumps(lock)
    assert loads(data, "x") == lock
    assert dumps(loads(data, "x")) == data


@given(PACKAGES)
def test_a_package_changes_its_own_lines_only(package):
    lock = Lock(
        Request("s", (), (), ()),
        (ArchitectureLock("a", (LockedArchive("a", "s", "2026-01-01T00:00:00Z", "f" * 40),), (package,)),),
    )
    part = lock.architectures[0]
    moved = evolve(lock, architectures=(evolve(part, packages=(evolve(package, size=package.size + 1),)),))
    before, after = dumps(lock).splitlines(), dumps(moved).splitlines()
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
