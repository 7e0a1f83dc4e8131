"""Programs of packages that take long, and quicker ones that write the same bytes in their place.

They lie over the real ones while packages are configured, and only where the real one is known, by its
SHA-256, to be what the quicker one was written after.
"""

import hashlib
import os
import shutil
from typing import Final

from attrs import frozen

_REAL_PROGRAMS: Final = "/usr/libexec/envforge"


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

    The real one lies beside under /usr/libexec/envforge, for what the quicker one leaves to it.
    """
    for quicker in TABLE:
        real = farm + quicker.path
        if not os.path.isfile(real) or _sha256(real) not in quicker.real_sha256s:
            continue
        name = os.path.basename(quicker.path)
        for source, target in (
            (f"{os.path.dirname(__file__)}/perl/{name}", quicker.path),
            (real, f"{_REAL_PROGRAMS}/{name}"),
        ):
            os.makedirs(os.path.dirname(scaffold + target), exist_ok=True)
            shutil.copyfile(source, scaffold + target)
            os.chmod(scaffold + target, 0o755)  # noqa: S103 - programs that any user inside may run


def _sha256(path: str) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
