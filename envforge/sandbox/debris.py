"""Deleting what the own uid may not: uppers and layers that hold files of a subordinate range."""

from envforge.errors import EnvforgeError
from envforge.sandbox.identity import detect
from envforge.sandbox.uppers import remove_tree
from envforge.sandbox.worker import call_in_namespace


def delete(path: str) -> None:
    """Delete a directory inside namespace A, where every id of the range is ours. Raises OSError."""
    try:
        call_in_namespace(detect(), remove_tree, path)
    except EnvforgeError as error:
        raise OSError(error.message) from error
