"""Faster programs in place of slow ones of packages; they write the same bytes.

They lie over the real ones while packages are configured, and only if the real one has a SHA-256 that the
faster one was written for.
"""

import hashlib
import os
from typing import Final

from attrs import frozen

from envforge.kernel.tree import Tree
from envforge.sources.debian.quirks.standins import lay_program


@frozen
class Quicker:
    """A slow program, for which `perl/` has a faster one of the same name."""

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
    """Lay the faster programs into the directory `scaffold`, a layer over `farm`'s root.

    They pass unusual cases on to the real ones.
    """
    with Tree(scaffold) as above, Tree(farm) as below:
        for quicker in TABLE:
            if below.is_file(quicker.path) and _sha256(below, quicker.path) in quicker.real_sha256s:
                lay_program(above, below, quicker.path, os.path.basename(quicker.path))


def _sha256(tree: Tree, path: str) -> str:
    return hashlib.sha256(tree.read(path)).hexdigest()
