"""Lays programs of ours over packages' while those are configured; ours can still call the real ones."""

import os
from typing import Final

from envforge.kernel.tree import Tree

_REAL_PROGRAMS: Final = "/usr/libexec/envforge"
_PERL: Final = f"{os.path.dirname(__file__)}/perl"


def _read(name: str) -> bytes:
    with open(f"{_PERL}/{name}", "rb") as file:
        return file.read()


OURS: Final = {name: _read(name) for name in sorted(os.listdir(_PERL))}
"""Our programs by name. Read on import: a confined worker has no path to the host's files."""


def lay_program(scaffold: Tree, farm: Tree, path: str, ours: str) -> None:
    """Lay `ours` of `OURS` over the program at `path`, and a copy of the real one beside, into `scaffold`."""
    scaffold.write(f"{_REAL_PROGRAMS}/{os.path.basename(path)}", farm.read(path), mode=0o755)
    scaffold.write(path, OURS[ours], mode=0o755)
