"""A project's files, as the detectors see them. They are read, never run, and may contain anything."""

import json
import os
import stat
import tomllib
from collections.abc import Iterable
from typing import Any, Final

from attrs import frozen

from envforge.spec.detect.releases import LANGUAGES

_READ_MAX: Final = 1 << 18
"""Bytes that are read of any file."""

ALL_SUITES: Final = tuple(LANGUAGES)
FETCHES: Final = "ca-certificates"
"""For tools that download packages of their own."""


@frozen
class Finding:
    """What one file of a project asks for."""

    source: str
    packages: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    """Packages that it names and that Debian may not have; proposed as comments."""
    notes: tuple[str, ...] = ()
    suites: tuple[str, ...] = ALL_SUITES
    """The suites that have what it asks for."""
    asks: str = ""
    """The request that decides between suites, if any."""


@frozen
class Directory:
    """The names in a project's top directory, and in source directories right below it (`src`, `lib`, …)."""

    path: str
    names: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Return whether any of the names is there."""
        return any(name in self.names for name in names)

    def ending(self, *endings: str) -> bool:
        """Return whether any name, here or in a source directory, has one of the endings."""
        return any(name.lower().endswith(endings) for name in self.names)

    def text(self, name: str) -> str:
        """Return the beginning of a file as text, bytes that are no text replaced; empty where unreadable."""
        try:
            descriptor = os.open(os.path.join(self.path, name), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            return ""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                return file.read(_READ_MAX).decode(errors="replace")
        finally:
            os.close(descriptor)


def json_of(text: str) -> dict[str, Any]:
    """Return the object in a JSON text; an empty one where there is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def toml_of(text: str) -> dict[str, Any]:
    """Return the tables of a TOML text; none where it is not TOML."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def at(value: Any, *path: str) -> Any:
    """Return the value at a path of tables, or None."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text_at(value: Any, *path: str) -> str:
    """Return the text at a path of tables, an empty one where there is none."""
    found = at(value, *path)
    return found.strip()[:60] if isinstance(found, str) else ""


def list_of(value: Any) -> Iterable[Any]:
    """Return a list as it is, and an empty one for anything else."""
    return value if isinstance(value, list) else ()
