"""Debian's pins as tables of the lock: one line a package, lines that environments share written once.

    [debian.archives.bookworm]                  an index that packages were chosen from
    suite = "bookworm"
    date = "2026-11-07T10:12:43Z"

    [debian.packages.amd64]         version, architecture, archive, path, size, SHA-256, marks, needs
    git = "1:2.39.5-0+deb12u3 amd64 bookworm pool/main/g/git/ 7256144 9d2f… | libc6 libcurl3-gnutls"

    [debian.environments.default.amd64]
    asked = ["git"]                             packages that the spec names
    packages = ["adduser", "git", "…"]          its closure, and the indexes it was chosen from: only
    indexes = ["bookworm", "…"]                 written where the lock has several environments
    [debian.environments.db.amd64.own]          its packages that differ from [debian.packages]
    [debian.environments.db.amd64.archives]     its indexes that differ from [debian.archives]

A path that ends in `/` is completed with Debian's usual file name: `git_2.39.5-0+deb12u3_amd64.deb`.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, Final

from envforge.sources import tables
from envforge.sources.debian import grammar
from envforge.sources.debian.model import Closure, LockedArchive, LockedPackage, package_id
from envforge.sources.interface import Place, Table
from envforge.values import by_field, evolve

_FIELDS: Final = 6
_NEEDS: Final = "|"
_MARKS: Final = ("base", "required")
_KEPT_LINES: Final = 4096


def to_table(pins: Mapping[Place, Closure]) -> dict[str, Any]:
    """Return the tables of all closures; the first to use a name, `default` before all, sets its line."""
    archives: dict[str, LockedArchive] = {}
    lines: dict[str, dict[str, str]] = {}
    environments: dict[str, dict[str, dict[str, Any]]] = {}
    several = len({environment for environment, _ in pins}) > 1
    for environment, architecture in sorted(pins, key=_default_first):
        closure = pins[environment, architecture]
        own_archives = {
            archive.name: _archive_table(archive)
            for archive in closure.archives
            if archives.setdefault(archive.name, archive) != archive
        }
        written = {package_id(package, architecture): _line(package) for package in closure.packages}
        shared = lines.setdefault(architecture, {})
        own = {name: line for name, line in written.items() if shared.setdefault(name, line) != line}
        asked = [package_id(package, architecture) for package in closure.packages if package.asked]
        environments.setdefault(environment, {})[architecture] = {
            "asked": asked,
            **(_sets(closure, written) if several else {}),
            **({"own": own} if own else {}),
            **({"archives": own_archives} if own_archives else {}),
        }
    return {
        "archives": {name: _archive_table(archive) for name, archive in sorted(archives.items())},
        "packages": {name: dict(sorted(table.items())) for name, table in sorted(lines.items())},
        "environments": environments,
    }


def _sets(closure: Closure, written: Iterable[str]) -> dict[str, list[str]]:
    return {"packages": list(written), "indexes": [archive.name for archive in closure.archives]}


def from_table(table: Table) -> dict[Place, Closure]:
    """Return the closures that `to_table` wrote. Raises KeyError, TypeError, ValueError if broken."""
    tables.only(table, ("archives", "packages", "environments"))
    archives = _archives(table["archives"])
    found = {}
    for environment, parts in tables.as_table(table["environments"]).items():
        for architecture, part in tables.as_table(parts).items():
            grammar.check_architecture(architecture)
            lines = tables.as_table(tables.as_table(table["packages"])[architecture])
            found[environment, architecture] = _closure(architecture, part, lines, archives)
    return found


def _closure(architecture: str, part: Any, lines: Table, archives: Mapping[str, LockedArchive]) -> Closure:
    tables.only(part, ("asked", "packages", "indexes", "own", "archives"))
    everywhere = {**archives, **_archives(part.get("archives", {}))}
    indexes = tables.texts("indexes", part["indexes"]) if "indexes" in part else sorted(everywhere)
    here = {name: everywhere[name] for name in indexes}
    own = tables.as_table(part.get("own", {}))
    names = tables.texts("packages", part["packages"]) if "packages" in part else tuple(lines)
    asked = frozenset(tables.texts("asked", part["asked"]))
    packages = []
    for id_ in names:
        line = tables.text(id_, own[id_] if id_ in own else lines[id_])
        package = _package(id_, architecture, line, asked=id_ in asked)
        if package.archive not in here:
            raise ValueError(f"{id_} is of the archive {package.archive}, which is not listed")
        packages.append(package)
    known = {package_id(package, architecture) for package in packages}
    for package in packages:
        tables.known(f"what {package.name} needs", package.needs, known)
    tables.known("asked", asked, known)
    return Closure(
        architecture,
        tuple(here.values()),
        tuple(sorted(packages, key=lambda package: (package.name, package.architecture))),
    )


def _default_first(place: Place) -> tuple[bool, str, str]:
    environment, architecture = place
    return (environment != "default", environment, architecture)


def _archives(table: Any) -> dict[str, LockedArchive]:
    found = {}
    for name, fields in tables.as_table(table).items():
        tables.only(fields, ("suite", "date", "fingerprint", "uri"))
        found[name] = LockedArchive(name, **fields)
        grammar.check(found[name])
    return found


def _archive_table(archive: LockedArchive) -> dict[str, str]:
    return {key: value for key, value in by_field(archive).items() if key != "name" and value}


def _line(package: LockedPackage) -> str:
    directory, _, file = package.path.rpartition("/")
    path = f"{directory}/" if directory and file == _file_name(package) else package.path
    marks = (mark for mark in _MARKS if getattr(package, mark))
    words = [package.version, package.architecture, package.archive, path, str(package.size), package.sha256]
    return " ".join([*words, *marks, *((_NEEDS, *package.needs) if package.needs else ())])


@lru_cache(maxsize=_KEPT_LINES)
def _package(id_: str, architecture: str, line: str, *, asked: bool) -> LockedPackage:
    """Return the package of a line, every field checked by its grammar.

    Two locks that are compared have most lines in common, as have environments of one lock.
    """
    before, bar, needs = line.partition(f" {_NEEDS} ")
    words = before.split(" ")
    if len(words) < _FIELDS or not words[4].isascii() or not words[4].isdigit():
        raise ValueError(f"{id_}: {line[:200]!r} is no locked package")
    marks = words[_FIELDS:]
    tables.known(f"{id_}'s marks", marks, _MARKS)
    package = LockedPackage(
        id_.partition(":")[0],
        words[0],
        words[1],
        words[2],
        words[3],
        int(words[4]),
        words[5],
        asked=asked,
        base="base" in marks,
        required="required" in marks,
        needs=tuple(needs.split(" ")) if bar else (),
    )
    if package.path.endswith("/"):
        package = evolve(package, path=package.path + _file_name(package))
    grammar.check(package)
    if package_id(package, architecture) != id_:
        raise ValueError(f"{id_} is of the architecture {package.architecture}")
    return package


def _file_name(package: LockedPackage) -> str:
    """Return Debian's name of the archive's file: NAME_VERSION_ARCHITECTURE.deb, without the epoch."""
    version = package.version.partition(":")[2] or package.version
    return f"{package.name}_{version}_{package.architecture}.deb"
