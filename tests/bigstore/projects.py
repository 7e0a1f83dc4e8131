"""Projects of a generated store: specs, locks, generations, environments with layers of their own."""

import hashlib
import os
import time
from typing import Final

from attrs import asdict, frozen

from envforge.build.built import Built
from envforge.build.recipe import recipe
from envforge.environment.made import model, outputs
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.lock import file as lock_file
from envforge.lock.model import Lock, LockedEnvironment, Part, with_outputs
from envforge.sources import registry
from envforge.sources.fetch.model import Fetched, Pin
from envforge.spec import parse
from envforge.spec.model import Spec
from envforge.store import blobs, records
from envforge.store.layout import Store
from envforge.store.listing import DIRECTORY_MTIME
from tests.bigstore.closures import Shared, made, write_document

GENERATIONS: Final = 5
"""How many environments one project has had."""
_GONE: Final = 10
"""Of every tenth project the spec is gone."""
_APART_S: Final = 3600
_EPOCH: Final = 1_700_000_000
_ARCHITECTURE: Final = "amd64"


@frozen
class Place:
    """Where the projects lie, and what they build with."""

    store: Store
    held: str
    directory: str
    own_layers: int


def make_generation(place: Place, number: int, shared: Shared, total: int) -> None:
    """Write one environment as the next generation of its project, and its spec and lock beside it."""
    project = number // GENERATIONS
    directory = f"{place.directory}/p{project:03}"
    os.makedirs(directory, exist_ok=True)
    path = f"{directory}/envforge.toml"
    names = [f"tool-{number}-{at}" for at in range(place.own_layers - 1)]
    text = _spec(project, number, shared, names).encode()
    spec = parse.parse_all(text, path)["default"]
    pinned = {"debian": shared.closure, **({"fetch": _fetched(place.store, names)} if names else {})}
    part = Part(pinned)
    locked = (*_fetched_layers(place, part), *shared.layers)
    conf = f"of environment {number}\n".encode()
    _write(f"{directory}/own.conf", conf)
    top = _files_layer(place, conf, locked)
    closure = model.closure_key(part)
    write_document(
        place.store.record(closure), {"layers": [_document(one) for one in locked], "cached": False}
    )
    environment = Environment(
        tuple(LayerReference(one.name, one.key, one.digest) for one in (top, *locked)),
        model.runtime_part(spec),
        closure,
    )
    model.save(place.store, environment)
    used = _EPOCH + 86400 * (100 * number // total)
    os.utime(place.store.environment_lock(environment.digest), (used, used))
    lock = lock_file.dumps(_lock(spec, part, environment))
    _write(path, text)
    _write(f"{directory}/envforge.lock", lock)
    generations.note(place.store, path, f"p{project:03}", environment.digest, spec=text, lock=lock)


def settle(place: Place) -> None:
    """Spread the generations over time, and take the specs of some projects away."""
    now = int(time.time())
    for name, document in records.read_all(f"{place.store.path}/roots"):
        listed = document["generations"]
        for back, one in enumerate(reversed(listed)):
            one["created"] = now - _APART_S * back
        del document["format"]
        write_document(f"{place.store.path}/roots/{name}.json", document)
    for name in sorted(os.listdir(place.directory))[_GONE - 1 :: _GONE]:
        os.unlink(f"{place.directory}/{name}/envforge.toml")


def make_unreached(place: Place, number: int) -> None:
    """Write a layer that no environment has, with its record."""
    sha256 = blobs.put(place.store, f"unreached {number}\n".encode())
    how = recipe("fetch-1", "fetch", file=sha256, target="/opt/gone", below=sha256, mode="0644")
    made(place.store, place.held, how, {"/opt/gone": f"unreached {number}\n".encode()}, _EPOCH)


def _spec(project: int, number: int, shared: Shared, names: list[str]) -> str:
    asked = ", ".join(f'"{one.name}"' for one in shared.closure.packages if one.asked)
    lines = [
        f'name = "p{project:03}"',
        f'[debian]\nsuite = "bookworm"\npockets = []\npackages = [{asked}]',
        *(f'[[fetch]]\nurl = "https://example.org/{name}"\ntarget = "/opt/{name}"' for name in names),
        '[[files]]\nsource = "own.conf"\ntarget = "/etc/own.conf"',
        f'[variables]\nGENERATION = "{number}"',
    ]
    return "\n".join(lines) + "\n"


def _content(name: str) -> bytes:
    return f"#!/bin/sh\necho {name}\n".encode()


def _fetched(store: Store, names: list[str]) -> tuple[Fetched, ...]:
    return tuple(
        Fetched(
            f"https://example.org/{name}",
            Pin(blobs.put(store, _content(name)), len(_content(name))),
            f"/opt/{name}",
        )
        for name in names
    )


def _fetched_layers(place: Place, part: Part) -> tuple[Built, ...]:
    """Write a layer for each file that was fetched; top to bottom."""
    layers = []
    for at, one in enumerate(part.pinned.get("fetch", ()), 1):
        below = hashlib.sha256(one.target.encode()).hexdigest()
        how = recipe(f"fetch-{at}", "fetch", file=one.pin.sha256, target=one.target, below=below, mode="0644")
        layers.append(made(place.store, place.held, how, {one.target: _content(one.name)}, _EPOCH))
    return tuple(reversed(layers))


def _files_layer(place: Place, conf: bytes, below: tuple[Built, ...]) -> Built:
    content = ["/etc/own.conf", "f", "0644", hashlib.sha256(conf).hexdigest()]
    how = recipe("files", "files", files=[content], lower=[one.key for one in below])
    return made(place.store, place.held, how, {"/etc/own.conf": conf}, DIRECTORY_MTIME)


def _document(one: Built) -> dict[str, object]:
    return {name: value for name, value in asdict(one).items() if name != "reused"}


def _lock(spec: Spec, part: Part, environment: Environment) -> Lock:
    requests = {
        source.name: source.request(spec) for source in registry.LOCKED if source.request(spec) is not None
    }
    lock = Lock({"default": LockedEnvironment(requests, {_ARCHITECTURE: part})})
    return with_outputs(lock, "default", _ARCHITECTURE, outputs.outputs_of(environment))


def _write(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)
