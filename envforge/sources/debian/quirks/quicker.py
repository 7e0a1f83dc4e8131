"""Programs of packages that take long, and quicker ones that write the same bytes in their place.

They lie over the real ones while packages are configured, and only where the real one is known, by its
SHA-256, to be what the quicker one was written after.
"""

import hashlib
import os
from typing import Final

from attrs import frozen

from envforge.kernel.tree import Tree
from envforge.sources.debian.quirks.standins import lay_program


@frozen
class Quicker:
    """A program with a quicker one of the same name in `perl/`."""

    path: str
    real_sha256s: frozenset[str]


TABLE: Final = (
    Quicker(
        "/usr/sbin/update-ca-certificates",
        frozenset({"2cb06c85b5f01c4f6b72c3983d9f66d44aac0a7ac997ee55e7e429aedbc3934d"}),
    ),
)
"""As Debian 12 and 13 have them."""


def lay_quicker(scaffold: str, farm: str) -> None:
    """Lay the quicker programs into the directory `scaffold`, an overlay above `farm`'s root.

    What is out of the ordinary they leave to the real ones.
    """
    with Tree(scaffold) as above, Tree(farm) as below:
        for quicker in TABLE:
            if below.is_file(quicker.path) and _sha256(below, quicker.path) in quicker.real_sha256s:
                lay_program(above, below, quicker.path, os.path.basename(quicker.path))


def _sha256(tree: Tree, path: str) -> str:
    return hashlib.sha256(tree.read(path)).hexdigest()
