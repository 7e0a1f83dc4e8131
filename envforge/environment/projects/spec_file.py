"""Writes a project's spec."""

import os

from envforge import whole_file
from envforge.errors import SpecError


def write(path: str, data: bytes) -> None:
    """Replace the spec atomically, keeping its mode; a symbolic link is followed, not replaced.

    Raises SpecError.
    """
    try:
        whole_file.write(os.path.realpath(path), data, mode=None)
    except OSError as error:
        raise SpecError(
            f"{path} cannot be written: {error.strerror}", hint="it is left as it was; check who owns it"
        ) from error
