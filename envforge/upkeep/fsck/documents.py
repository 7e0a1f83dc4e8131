"""Checks the store's small documents: what they name must be there, and be what it says it is.

These are our own: no foreign content is parsed here, and nothing is followed but names that are SHA-256s.
"""

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from attrs import define, field

from envforge.digest import digest_of, is_sha256
from envforge.environment.made import model
from envforge.environment.made.model import Environment
from envforge.errors import StoreError
from envforge.spec.names import DEFAULT
from envforge.store import blobs, records
from envforge.store.layout import Store
from envforge.upkeep.fsck.model import Finding, Kind

_KNOWN = {
    "environments": (".json", ".lock"),
    "records": (".json",),
    "facts": (".json",),
    "roots": (".json",),
    "pins": (".json",),
}
_NAMED_BY_OTHERS = ("roots", "pins")
"""Their documents have no SHA-256 as a name."""


class _NotUsableError(Exception):
    """A document cannot be used; the text says why."""


@define
class Documents:
    """All documents of a store, as far as they can be read."""

    store: Store
    layers: frozenset[str]
    """Digests of the layers that the store has, in whichever ownership mode."""
    findings: list[Finding] = field(factory=list)
    environments: dict[str, Environment] = field(factory=dict)
    """By digest; those that can be read."""
    reached: set[str] = field(factory=set)
    """Environments that a generation or a pin is of."""
    _relied_on: dict[str, str] = field(factory=dict, init=False)
    """Keys of records that an environment names, with its digest: they keep what it is made again from."""

    def check(self) -> list[Finding]:
        """Return everything that is wrong."""
        self._environments()
        self._generations()
        self._pins()
        self._layers_of_environments()
        self._records()
        self._facts()
        return self.findings

    def _say(self, kind: Kind, name: str, problem: str, *, path: str = "", leftover: bool = False) -> None:
        self.findings.append(Finding(kind, name, path, problem, is_leftover=leftover))

    def _documents(self, folder: str, kind: Kind) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield name and content of each document that can be used; say what is wrong with the others."""
        for name in sorted(os.listdir(f"{self.store.path}/{folder}")):
            stem, ending = os.path.splitext(name)
            is_ours = ending in _KNOWN[folder] and (folder in _NAMED_BY_OTHERS or is_sha256(stem))
            if not is_ours:
                self._say(kind, name, "is nothing that belongs there", leftover=True)
            elif ending == ".json":
                try:
                    path = f"{self.store.path}/{folder}/{name}"
                    yield stem, _document(path, None if kind is Kind.FACTS else records.FORMAT)
                except FileNotFoundError:
                    continue  # removed meanwhile
                except _NotUsableError as error:
                    self._say(kind, stem, str(error))

    def _environments(self) -> None:
        for digest, document in self._documents("environments", Kind.ENVIRONMENT):
            try:
                found = model.from_document(document)
            except (StoreError, KeyError, TypeError):
                self._say(Kind.ENVIRONMENT, digest, "is not what its digest says")
                continue
            if found.digest != digest:
                self._say(Kind.ENVIRONMENT, digest, "is not what its digest says")
                continue
            self.environments[digest] = found
            if not os.path.exists(self.store.environment_lock(digest)):
                self._say(Kind.ENVIRONMENT, digest, "has no lock file, so nobody can enter it")

    def _generations(self) -> None:
        hashed: dict[str, str] = {}
        for name, document in self._documents("roots", Kind.GENERATION):
            try:
                label = _label(document)
                listed = [
                    (one["number"], one["environment"], one["spec"], one["lock"])
                    for one in document["generations"]
                ]
                usable = bool(listed) and all(map(is_sha256, (sha for one in listed for sha in one[1:])))
            except (KeyError, TypeError, AttributeError):
                usable = False
            if not usable:
                self._say(Kind.GENERATION, name, "is damaged: its generations cannot be read")
                continue
            for number, environment, spec, lock in listed:
                self.reached.add(environment)
                if not os.path.exists(self.store.environment(environment)):
                    self._say(
                        Kind.GENERATION, f"{label}@{number}", f"its environment {environment[:12]} is missing"
                    )
                for what, sha256 in (("spec", spec), ("lock", lock)):
                    if sha256 not in hashed:
                        hashed[sha256] = _blob_problem(self.store, sha256)
                    if hashed[sha256]:
                        self._say(
                            Kind.GENERATION, f"{label}@{number}", f"the blob of its {what} {hashed[sha256]}"
                        )

    def _pins(self) -> None:
        for name, document in self._documents("pins", Kind.PIN):
            environment = str(document.get("environment"))
            if not is_sha256(environment) or not isinstance(document.get("created"), int):
                self._say(Kind.PIN, name, f"is damaged: `envforge root rm {name}` removes it")
                continue
            self.reached.add(environment)
            if not os.path.exists(self.store.environment(environment)):
                problem = (
                    f"its environment {environment[:12]} is missing: `envforge root rm {name}` removes it"
                )
                self._say(Kind.PIN, name, problem)

    def _layers_of_environments(self) -> None:
        """Say which layers environments lack, and which records: gc learns from those what a layer needs."""
        known = {name.removesuffix(".json") for name in os.listdir(f"{self.store.path}/records")}
        for digest, environment in self.environments.items():
            unused = digest not in self.reached
            keys = (environment.closure, *(one.key for one in environment.layers))
            self._relied_on.update(dict.fromkeys(keys, digest))
            for one in environment.layers:
                if one.digest not in self.layers:
                    problem = f"its layer {one.name} {one.digest[:12]} is missing"
                    self._say(Kind.ENVIRONMENT, digest, problem, path=one.digest, leftover=unused)
                if one.key not in known:
                    problem = f"the record of its layer {one.name} is missing"
                    self._say(Kind.ENVIRONMENT, digest, problem, path=one.key, leftover=unused)

    def _records(self) -> None:
        for key, document in self._documents("records", Kind.RECORD):
            try:
                problem, leftover = _record_problem(key, document, self.layers)
            except (KeyError, TypeError, ValueError, RecursionError):
                problem, leftover = "is damaged", False
            if problem and not (leftover and key in self._relied_on):
                self._say(Kind.RECORD, key, problem, leftover=leftover)

    def _facts(self) -> None:
        for sha256, document in self._documents("facts", Kind.FACTS):
            if document.get("sha256") != sha256:
                self._say(Kind.FACTS, sha256, "are of another archive")


def _record_problem(key: str, document: Mapping[str, Any], layers: Collection[str]) -> tuple[str, bool]:
    """Return what is wrong with a record, and whether that is a mere leftover."""
    if "layers" in document:
        named = [one["digest"] for one in document["layers"]]
    elif document["key"] != key or digest_of(document["recipe"]) != key:
        return "is not what its key says", False
    else:
        named = [document["digest"]]
    if not all(map(is_sha256, named)):
        return "is damaged", False
    missing = next((digest for digest in named if digest not in layers), "")
    return (f"names the layer {missing[:12]}, which is not there", True) if missing else ("", False)


def _document(path: str, known: int | None) -> dict[str, Any]:
    """Return a document of the format `known`, of any where that is None: facts of another are made again.

    Raises FileNotFoundError, _NotUsableError.
    """
    try:
        with open(path, "rb") as file:
            document = json.loads(file.read())
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _NotUsableError(f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise _NotUsableError("is damaged: it is no JSON") from error
    number = document.get("format") if isinstance(document, dict) else None
    if known is not None and isinstance(number, int) and number > known:
        raise _NotUsableError(f"{NEWER} {number}: use the release that wrote it")
    if not isinstance(number, int) or known not in {None, number}:
        raise _NotUsableError("is damaged: it has no format")
    return document  # type: ignore[no-any-return]


NEWER = "is of the newer format"
"""How the problem of a document begins that a repair must not touch."""


def _label(document: Mapping[str, Any]) -> str:
    variant = document.get("variant", DEFAULT)
    name = document["name"]
    return name if variant == DEFAULT else f"{name}:{variant}"


def _blob_problem(store: Store, sha256: str) -> str:
    """Return what is wrong with the blob of a spec or a lock: they are small, so they are always read."""
    if not blobs.has(store, sha256):
        return "is missing"
    try:
        with open(store.blob(sha256), "rb") as file:
            right = hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if right else "has other bytes"
