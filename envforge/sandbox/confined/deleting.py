"""Deletes what this user alone may not: uppers and layers with files of a subordinate range."""

import os

from envforge.errors import EnvforgeError
from envforge.kernel.removal import remove_tree
from envforge.sandbox.confined.confine import View, call_confined
from envforge.sandbox.ids.identity import detect


def delete(path: str) -> None:
    """Delete a directory in a confined process that maps every id of the range. Raises OSError."""
    view = View.of(writable=[os.path.dirname(path)], every_id=True)
    try:
        call_confined(detect(), view, remove_tree, path)
    except EnvforgeError as error:
        raise OSError(error.message) from error
