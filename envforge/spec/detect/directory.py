"""What a project's files hold, as the detectors see it. Files are read, never run, and may hold anything."""

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
"""For whatever downloads its own packages."""


@frozen
class Finding:
    """What one file says."""

    source: str
    packages: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    """Packages that it names and that nobody has checked."""
    notes: tuple[str, ...] = ()
    suites: tuple[str, ...] = ALL_SUITES
    """Those that have what it asks for."""
    asks: str = ""
    """What it asks for, where that decides between suites."""


@frozen
class Directory:
    """The files that a project has at its top, and those one below that are sources of a program."""

    path: str
    names: tuple[str, ...]

    def has(self, *names: str) -> bool:
        """Return whether any of the names is there."""
        return any(name in self.names for name in names)

    def ending(self, *endings: str) -> bool:
        """Return whether any file, here or in `src`, has one of the endings."""
        return any(name.lower().endswith(endings) for name in self.names)

    def text(self, name: str) -> str:
        """Return what a file holds, as far as it is text; nothing where it cannot be read."""
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
    """Return the object of a JSON text; an empty one where it is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def toml_of(text: str) -> dict[str, Any]:
    """Return what a TOML text says; nothing where it is none."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return {}


def at(value: Any, *path: str) -> Any:
    """Return what lies at a path of tables, or None."""
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
