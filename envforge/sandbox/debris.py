"""Deleting what the own uid may not: uppers and layers that hold files of a subordinate range."""

from envforge.sandbox.identity import detect
from envforge.sandbox.uppers import remove_tree
from envforge.sandbox.worker import call_in_namespace


def delete(path: str) -> None:
    """Delete a directory inside namespace A, where every id of the range is ours to delete."""
    call_in_namespace(detect(), remove_tree, path)
