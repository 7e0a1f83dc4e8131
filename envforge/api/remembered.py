"""Small documents that a front end keeps for its user between two runs: sorting, filters, the last screen."""

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from envforge import places, whole_file
from envforge.errors import EnvforgeError

_MAX_BYTES: Final = 1 << 20


def load(name: str) -> Any:
    """Return the document of that name; None where there is none, or none that can be read."""
    try:
        with open(_path(name), "rb") as file:
            return json.loads(file.read(_MAX_BYTES))
    except (OSError, ValueError, EnvforgeError):
        return None


def save(name: str, document: Mapping[str, Any]) -> None:
    """Keep a document. What cannot be written is not kept: it is a convenience, no failure."""
    with suppress(OSError, EnvforgeError):
        path = _path(name)
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
        whole_file.write(path, json.dumps(document).encode(), mode=0o600)


def _path(name: str) -> str:
    return os.path.join(places.state_directory(), f"{name}.json")
