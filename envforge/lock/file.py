"""The lock file: TOML, one entry a line, sorted, so that diffs and merges are small. Frozen format 2.

    format = 2
    recipe-format = 3

    [environments.default.debian]            the request to a source, so that staleness names what differs
    [environments.default.outputs.amd64]     what building gave

    [debian.…]                               what a source pins, for all environments and architectures

Each source defines its own tables (Debian's: `sources/debian/pins.py`).
"""

import os
import re
from collections.abc import Mapping
from typing import Any, Final

from envforge import whole_file
from envforge.build.recipe import is_layer_name
from envforge.digest import is_sha256
from envforge.errors import LockError
from envforge.lock import toml
from envforge.lock.model import FORMAT, RECIPE_FORMAT, Lock, LockedEnvironment, Outputs, Part
from envforge.sources import registry, tables
from envforge.spec.grammar import NAME

_HEADER: Final = "# Made by `envforge lock` and `envforge build`. Commit it; do not edit it.\n"
_MARKERS: Final = rb"^(?:<{7}|={7}|>{7}|\|{7})(?: .*)?$"
_SIGNS: Final = (b"<" * 7, b"=" * 7, b">" * 7, b"|" * 7)
_MEND: Final = "restore it from version control, or remove it and run: envforge lock"


def read(path: str) -> Lock:
    """Return the lock in a file. Raises FileNotFoundError, and LockError for one that cannot be used."""
    return loads(read_bytes(path), path)


def read_if_there(path: str) -> Lock | None:
    """Return the lock in a file, None where there is none. Raises LockError, for a dangling link too."""
    try:
        return read(path)
    except FileNotFoundError:
        return None


def read_bytes(path: str) -> bytes:
    """Return the bytes of a lock's file. Raises FileNotFoundError, and LockError where it cannot be read."""
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
    """Return the lock's real path. Code in a sandbox can make it a link: none may leave its directory."""
    real = os.path.realpath(path)
    if os.path.dirname(real) != os.path.realpath(os.path.dirname(path)):
        raise LockError(f"{path} is a link that leads to {real}, away from its spec", hint=f"rm {path}")
    return real


def write(path: str, lock: Lock) -> None:
    """Write the lock atomically and durably. Raises LockError."""
    write_bytes(path, dumps(lock))


def write_bytes(path: str, data: bytes) -> None:
    """Write the bytes of a lock's file, atomically and durably. Raises LockError."""
    try:
        whole_file.write(_place(path), data, mode=None)
    except OSError as error:
        raise LockError(f"{path} cannot be written: {error.strerror}") from error


def dumps(lock: Lock) -> bytes:
    """Return the bytes of a lock's file."""
    document: dict[str, Any] = {
        "format": lock.format,
        "recipe-format": lock.recipe_format,
        "environments": {
            name: _environment_table(environment) for name, environment in sorted(lock.environments.items())
        },
    }
    for source in registry.LOCKED:
        pins = {
            (name, architecture): part.pinned[source.name]
            for name, environment in lock.environments.items()
            for architecture, part in environment.parts.items()
            if source.name in part.pinned
        }
        if pins:
            document[source.name] = source.pins_table(pins)
    import tomli_w  # noqa: PLC0415 - most commands write no lock

    return (_HEADER + tomli_w.dumps(document)).encode()


def loads(data: bytes, name: str) -> Lock:
    """Parse the bytes of a lock's file, which messages call `name`. Raises LockError."""
    marker = any(sign in data for sign in _SIGNS) and re.search(_MARKERS, data, re.MULTILINE)
    if marker:
        line = data.count(b"\n", 0, marker.start()) + 1
        raise LockError(
            f"{name}:{line}: has merge markers",
            hint=f"git checkout --theirs {os.path.basename(name)} && envforge lock",
        )
    try:
        document = toml.loads(data)
    except ValueError as error:
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
        if key == "format" and number < known:
            raise LockError(
                f"{name}: has the format {number}, of before", hint="rm the lock and run: envforge lock"
            )
        if number > known:
            raise LockError(
                f"{name}: has the {key} {number}, this release knows {known}",
                hint="upgrade envforge: a newer release wrote this lock",
            )


def _environment_table(environment: LockedEnvironment) -> dict[str, Any]:
    outputs = {
        architecture: _outputs_table(part.outputs)
        for architecture, part in sorted(environment.parts.items())
        if part.outputs is not None
    }
    requests = {
        source.name: source.request_table(environment.requests[source.name])
        for source in registry.LOCKED
        if source.name in environment.requests
    }
    return {**requests, **({"outputs": outputs} if outputs else {})}


def _outputs_table(outputs: Outputs) -> dict[str, Any]:
    return {
        "environment": outputs.environment,
        "runtime": outputs.runtime,
        "layers": [f"{name} {digest}" for name, digest in outputs.layers],
    }


def _lock(document: Mapping[str, Any]) -> Lock:
    sources = {source.name: source for source in registry.LOCKED}
    tables.only(document, ("format", "recipe-format", "environments", *sources))
    texts = tables.as_table(document["environments"])
    requests: dict[str, dict[str, Any]] = {}
    outputs: dict[tuple[str, str], Outputs] = {}
    for name, table in texts.items():
        if not re.fullmatch(NAME.pattern, name):
            raise ValueError(f"{name[:200]!r} is no name of an environment")
        tables.only(table, (*sources, "outputs"))
        requests[name] = {
            source.name: source.request_of_table(table[source.name])
            for source in registry.LOCKED
            if source.name in table
        }
        for architecture, item in tables.as_table(table.get("outputs", {})).items():
            outputs[name, architecture] = _outputs(item)
    parts: dict[tuple[str, str], dict[str, Any]] = {}
    for source in registry.LOCKED:
        if source.name in document:
            for place, pinned in source.pins_of_table(document[source.name]).items():
                if source.name not in requests.get(place[0], {}):
                    raise ValueError(f"{place[0]} has no request of {source.name}")
                parts.setdefault(place, {})[source.name] = pinned
    return Lock(
        environments={
            name: LockedEnvironment(
                requests[name],
                {
                    architecture: Part(pinned, outputs.get((name, architecture)))
                    for (environment, architecture), pinned in parts.items()
                    if environment == name
                },
            )
            for name in requests
        },
        format=document["format"],
        recipe_format=document["recipe-format"],
    )


def _outputs(table: Any) -> Outputs:
    tables.only(table, ("environment", "runtime", "layers"))
    layers = []
    for line in tables.texts("layers", table["layers"]):
        name, _, digest = line.rpartition(" ")
        layers.append((name, digest))
    for name, digest in (("environment", table["environment"]), ("runtime", table["runtime"]), *layers):
        if not is_layer_name(name):
            raise ValueError(f"outputs: {name[:200]!r} is no name of a layer")
        if not isinstance(digest, str) or not is_sha256(digest):
            raise ValueError(f"the output {name} has no SHA-256 but {digest!r}")
    return Outputs(table["environment"], table["runtime"], tuple(layers))
