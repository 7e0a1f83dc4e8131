"""The lock on disk: TOML, one thing a line, sorted, so that diffs and merges are small. Frozen format 1.

    format = 1
    recipe-format = 2

    [request]                            what the spec asked for, so that staleness names what differs
    [[request.archive]]                  further archives

    [[architecture.amd64.archive]]       the indexes that packages were chosen from
    [[architecture.amd64.package]]       the closure, by name
    [architecture.amd64.outputs]         what building gave

What has its default value is left out.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final, TypeVar

import tomli_w
from attrs import NOTHING, AttrsInstance, evolve, fields

from envforge import whole_file
from envforge.errors import LockError
from envforge.lock import grammar
from envforge.lock.model import FORMAT, RECIPE_FORMAT, Lock
from envforge.lock.request import stale_parts
from envforge.sources.debian.model import (
    ArchitectureLock,
    LockedArchive,
    LockedPackage,
    Outputs,
    Request,
    RequestedArchive,
)

__all__ = ["FILE_NAME", "dumps", "loads", "read", "stale_parts", "write"]

FILE_NAME: Final = "envforge.lock"
_HEADER: Final = "# Made by `envforge lock` and `envforge build`. Commit it; do not edit it.\n"
_MARKERS: Final = re.compile(rb"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$", re.MULTILINE)
_RELATIONS: Final = ("Breaks", "Conflicts", "Depends", "Pre-Depends", "Provides", "Recommends", "Replaces")
_Model = TypeVar("_Model", bound=AttrsInstance)
_MEND: Final = "restore it from version control, or remove it and run: envforge lock"


def read(path: str) -> Lock:
    """Return the lock in a file. Raises FileNotFoundError, and LockError for one that cannot be used."""
    return loads(read_bytes(path), path)


def read_bytes(path: str) -> bytes:
    """Return the bytes of a lock's file. Raises FileNotFoundError, and LockError where it is none."""
    try:
        with open(_place(path), "rb") as file:
            return file.read()
    except FileNotFoundError:
        if os.path.islink(path):
            raise LockError(f"{path} is a link that leads nowhere", hint=f"rm {path}") from None
        raise
    except OSError as error:
        raise LockError(f"{path}: {error.strerror}") from error


def _place(path: str) -> str:
    """Return where the lock really is. Code inside a sandbox can make a link of it: it may not lead away."""
    real = os.path.realpath(path)
    if os.path.dirname(real) != os.path.realpath(os.path.dirname(path)):
        raise LockError(f"{path} is a link that leads to {real}, away from its spec", hint=f"rm {path}")
    return real


def write(path: str, lock: Lock) -> None:
    """Write the lock as a whole: nobody sees half of it, and it is on the disk when this returns."""
    try:
        whole_file.write(_place(path), dumps(lock), mode=None)
    except OSError as error:
        raise LockError(f"{path} cannot be written: {error.strerror}") from error


def dumps(lock: Lock) -> bytes:
    """Return the bytes of a lock's file."""
    document = {
        "format": lock.format,
        "recipe-format": lock.recipe_format,
        "request": _request_table(lock.request),
        "architecture": {item.architecture: _architecture_table(item) for item in lock.architectures},
    }
    return (_HEADER + tomli_w.dumps(document)).encode()


def loads(data: bytes, name: str) -> Lock:
    """Return the lock of a file's bytes; messages call it `name`. Raises LockError."""
    marker = _MARKERS.search(data)
    if marker:
        line = data.count(b"\n", 0, marker.start()) + 1
        raise LockError(
            f"{name}:{line}: has merge markers",
            hint=f"git checkout --theirs {os.path.basename(name)} && envforge lock",
        )
    try:
        document = tomllib.loads(data.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise LockError(f"{name}: {error}", hint=_MEND) from error
    _check_formats(document, name)
    try:
        return _lock(document)
    except (KeyError, TypeError, ValueError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else str(error)
        raise LockError(f"{name}: is broken: {reason}", hint=_MEND) from error


def _check_formats(document: Mapping[str, Any], name: str) -> None:
    for key, known in (("format", FORMAT), ("recipe-format", RECIPE_FORMAT)):
        number = document.get(key)
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise LockError(f"{name}: is not a lock: it has no number as its `{key}`", hint=_MEND)
        if number > known:
            raise LockError(
                f"{name}: has the {key} {number}, this release knows {known}",
                hint="upgrade envforge: a newer release wrote this lock",
            )


def _request_table(request: Request) -> dict[str, Any]:
    return {
        "suite": request.suite,
        "pockets": list(request.pockets),
        "components": list(request.components),
        "recommends": request.recommends,
        "packages": list(request.packages),
        **({"archive": [_plain(archive) for archive in request.archives]} if request.archives else {}),
    }


def _architecture_table(item: ArchitectureLock) -> dict[str, Any]:
    table: dict[str, Any] = {
        "archive": [_plain(archive) for archive in item.archives],
        "package": [_package_table(package) for package in item.packages],
    }
    if item.outputs is not None:
        table["outputs"] = {
            "environment": item.outputs.environment,
            "layers": [f"{name} {digest}" for name, digest in item.outputs.layers],
        }
    return table


def _package_table(package: LockedPackage) -> dict[str, Any]:
    table = _plain(evolve(package, relations=()))
    for field, text in package.relations:
        table[field.lower()] = text.split(", ")
    return table


def _plain(value: Any) -> dict[str, Any]:
    """Return what a flat model's fields say, those with their default value left out."""
    return {
        attribute.name.replace("_", "-"): list(item) if isinstance(item, tuple) else item
        for attribute in fields(type(value))
        if (item := getattr(value, attribute.name)) != attribute.default
    }


def _lock(document: Mapping[str, Any]) -> Lock:
    _refuse_unknown(document, {"format", "recipe-format", "request", "architecture"})
    return Lock(
        request=_request(document["request"]),
        architectures=tuple(
            _architecture(name, table) for name, table in sorted(_table(document["architecture"]).items())
        ),
        format=document["format"],
        recipe_format=document["recipe-format"],
    )


def _request(table: Mapping[str, Any]) -> Request:
    values = dict(_table(table))
    archives = tuple(_model(RequestedArchive, item) for item in values.pop("archive", ()))
    request = evolve(_model(Request, values), archives=archives)
    grammar.check(request)
    for archive in archives:
        grammar.check(archive)
    return request


def _architecture(name: str, table: Mapping[str, Any]) -> ArchitectureLock:
    _refuse_unknown(_table(table), {"archive", "package", "outputs"})
    grammar.check_architecture(name)
    archives = tuple(_model(LockedArchive, item) for item in table["archive"])
    packages = tuple(_package(item) for item in table["package"])
    for archive in archives:
        grammar.check(archive)
    known = {archive.name for archive in archives}
    for package in packages:
        if package.archive not in known:
            raise ValueError(f"{package.name} is of the archive {package.archive}, which is not listed")
    return ArchitectureLock(name, archives, packages, _outputs(table.get("outputs")))


def _package(table: Mapping[str, Any]) -> LockedPackage:
    values = dict(_table(table))
    relations = tuple(
        (field, ", ".join(_texts(field, values.pop(field.lower()))))
        for field in _RELATIONS
        if field.lower() in values
    )
    package = evolve(_model(LockedPackage, values), relations=relations)
    grammar.check(package)
    return package


def _outputs(table: Any) -> Outputs | None:
    if table is None:
        return None
    _refuse_unknown(_table(table), {"environment", "layers"})
    layers = []
    for line in _texts("layers", table["layers"]):
        name, _, digest = line.rpartition(" ")
        layers.append((name, digest))
    outputs = Outputs(_checked("environment", table["environment"], str), tuple(layers))
    grammar.check_outputs(outputs)
    return outputs


def _model(kind: type[_Model], table: Any) -> _Model:
    """Return a flat model made from a table, each value checked against the type of its field."""
    known = {attribute.name.replace("_", "-"): attribute for attribute in fields(kind)}
    _refuse_unknown(_table(table), known)
    values: dict[str, Any] = {}
    for key, value in table.items():
        values[known[key].name] = _checked(key, value, known[key].type)
    for key, attribute in known.items():
        if key not in table and attribute.default is NOTHING:
            raise KeyError(key)
    return kind(**values)


def _checked(key: str, value: Any, kind: Any) -> Any:
    if kind in (str, int, bool):
        if type(value) is not kind:
            raise TypeError(f"{key} must be of type {kind.__name__}, not {value!r}")
        return value
    return _texts(key, value)


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{key} must be a list of texts, not {value!r}")
    return tuple(value)


def _table(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"a table is needed, not {value!r}")
    return value


def _refuse_unknown(table: Mapping[str, Any], known: Any) -> None:
    unknown = [key for key in table if key not in known]
    if unknown:
        raise ValueError(f"{unknown[0]} is not known")
