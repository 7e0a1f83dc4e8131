"""A program of ours over a package's while packages are configured, the real one beside for ours to call."""

import os
from typing import Final

from envforge.kernel.tree import Tree

_REAL_PROGRAMS: Final = "/usr/libexec/envforge"
_PERL: Final = f"{os.path.dirname(__file__)}/perl"


def _read(name: str) -> bytes:
    with open(f"{_PERL}/{name}", "rb") as file:
        return file.read()


OURS: Final = {name: _read(name) for name in sorted(os.listdir(_PERL))}
"""Our programs by name. Read at once: where packages are configured there is nothing of the host."""


def lay_program(scaffold: Tree, farm: Tree, path: str, ours: str) -> None:
    """Lay `ours` of `OURS` at `path` into `scaffold`, an overlay above `farm`."""
    scaffold.write(f"{_REAL_PROGRAMS}/{os.path.basename(path)}", farm.read(path), mode=0o755)
    scaffold.write(path, OURS[ours], mode=0o755)
