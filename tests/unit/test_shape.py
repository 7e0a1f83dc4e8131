"""What is read in a minute stays so: small modules, folders that can be overlooked.

import-linter sees to the directions of imports, and that there is no circle (`pyproject.toml`).
"""

from collections import Counter
from pathlib import Path

import envforge

TOP = Path(envforge.__file__).parent
LINES = 300
MODULES = 15
LISTS = {"": 17, "api": 25, "cli/commands": 25}
"""What all stands on, a module a topic, a module a group of commands: flat lists, whose names say all."""


def _modules() -> dict[str, int]:
    """Return every module's path with its number of lines."""
    return {str(path.relative_to(TOP)): len(path.read_bytes().splitlines()) for path in TOP.rglob("*.py")}


def test_modules_are_short():
    long = [path for path, lines in _modules().items() if lines > LINES]
    assert not long, "split it where it has a seam: each half has a name and a reason"


def test_folders_are_small():
    folders = Counter(path.rpartition("/")[0] for path in _modules())
    assert not {folder: count for folder, count in folders.items() if count > LISTS.get(folder, MODULES)}, (
        "group what is in it"
    )
