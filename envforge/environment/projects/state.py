"""Small JSON documents in the user's state directory: consent, and directories that the user trusts.

Private to the user (0600 in 0700), replaced atomically, never shown to a sandbox.
"""

import json
import os
from typing import Any, Final

from envforge import config, whole_file
from envforge.errors import StoreError

_FORMAT: Final = 1


def read(name: str) -> dict[str, Any]:
    """Return the document of that name below the state directory, empty where there is none.

    Raises StoreError where it is damaged, or was written by another release or another user.
    """
    path = os.path.join(config.state_directory(), name)
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            owner = os.fstat(file.fileno()).st_uid
            document = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StoreError(f"{path} cannot be read: {error}", hint=f"rm {path}") from error
    if owner != os.geteuid() or not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise StoreError(f"{path} is not your own of format {_FORMAT}", hint=f"rm {path}")
    return document


def write(name: str, document: dict[str, Any]) -> None:
    """Write the document of that name, atomically. Raises StoreError."""
    path = os.path.join(config.state_directory(), name)
    directory = os.path.dirname(path)
    try:
        os.makedirs(directory, 0o700, exist_ok=True)
        text = json.dumps({"format": _FORMAT, **document}, indent=1, ensure_ascii=False)
        whole_file.write(path, text.encode("utf-8", "surrogateescape"))
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}", hint="envforge doctor") from error


def remove(name: str) -> bool:
    """Remove the document of that name; say whether there was one."""
    try:
        os.unlink(os.path.join(config.state_directory(), name))
    except FileNotFoundError:
        return False
    return True
