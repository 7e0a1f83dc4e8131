"""Any lock comes back from its file as it was."""

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from locks import lock_of

from envforge.lock.file import dumps, loads
from envforge.lock.model import Lock, LockedEnvironment, Outputs, Part
from envforge.sources.debian.model import (
    Closure,
    LockedArchive,
    LockedPackage,
    Request,
    RequestedArchive,
    package_id,
)

TEXT = some.text(some.characters(exclude_categories=("Cs", "Cc")), max_size=12)
NAMES = some.from_regex(r"[a-z][a-z0-9+.-]{1,8}", fullmatch=True)
WORDS = some.from_regex(r"[a-z][a-z0-9-]{1,8}", fullmatch=True)
VERSIONS = some.from_regex(r"([0-9]{1,2}:)?[0-9][a-z0-9.+~-]{0,8}", fullmatch=True)
DATES = some.datetimes().map(lambda date: f"{date:%Y-%m-%dT%H:%M:%SZ}".rjust(20, "0"))
HASHES = some.from_regex(r"[0-9a-f]{64}", fullmatch=True)
PACKAGES = some.builds(
    LockedPackage,
    name=NAMES,
    version=VERSIONS,
    architecture=some.sampled_from(["all", "amd64"]),
    archive=some.just("a"),
    path=some.from_regex(r"(pool/)?[a-z0-9~%+]{1,12}\.deb", fullmatch=True),
    size=some.integers(1, (1 << 40) - 1),
    sha256=HASHES,
    asked=some.booleans(),
    base=some.booleans(),
    required=some.booleans(),
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
    Outputs, environment=HASHES, runtime=HASHES, layers=some.lists(some.tuples(WORDS, HASHES)).map(tuple)
)
PACKAGE_SETS = some.lists(PACKAGES, max_size=2, unique_by=lambda package: package.name).map(
    lambda found: tuple(sorted(found, key=lambda package: package.name))
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


@some.composite
def closures(draw, architecture):
    """Draw a closure whose packages need some of each other."""
    packages = draw(PACKAGE_SETS)
    ids = [package_id(package, architecture) for package in packages]
    needs = some.lists(some.sampled_from(ids), unique=True) if ids else some.just([])
    packages = tuple(evolve(one, needs=tuple(sorted(draw(needs)))) for one in packages)
    return Closure(architecture, (draw(ARCHIVE),), packages)


@some.composite
def environments(draw):
    """Draw an environment for one or two architectures."""
    parts = {
        name: Part({"debian": draw(closures(name))}, draw(OUTPUTS))
        for name in draw(some.sampled_from([["amd64"], ["arm64"], ["amd64", "arm64"]]))
    }
    return LockedEnvironment({"debian": draw(REQUESTS)}, parts)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(some.dictionaries(some.sampled_from(["default", "db"]), environments(), min_size=1))
def test_a_lock_round_trips(found):
    lock = Lock(found)
    data = dumps(lock)
    assert loads(data, "x") == lock
    assert dumps(loads(data, "x")) == data


@given(PACKAGES)
def test_a_package_changes_its_own_line_only(package):
    archive = LockedArchive("a", "s", "2026-01-01T00:00:00Z", "f" * 40)

    def lines(one):
        return dumps(lock_of(Request("s", (), (), ()), Closure("amd64", (archive,), (one,)))).splitlines()

    before, after = lines(package), lines(evolve(package, size=package.size + 1))
    assert sum(old != new for old, new in zip(before, after, strict=True)) == 1
