"""A stand-in that a script gave another mode or owner got into the layer: the real file replaces it."""

import filecmp
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from typing import Final

from envforge.errors import BuildError

_OWN_LAYER: Final = ("/var/lib/dpkg", "/var/lib/apt")
"""The database, which scripts do change and which is read from the upper directory."""


def uncover(upper: str, scaffold: str, lowers: Sequence[str]) -> None:
    """Give what is in `upper` instead of a file of `scaffold` the content that the file has in `lowers`.

    Mode and owner stay as the script set them. Raises BuildError where a script changed the content.
    """
    for inside in _files(scaffold):
        path = upper + inside
        if not os.path.lexists(path) or not stat.S_ISREG(os.lstat(path).st_mode):
            continue
        if not filecmp.cmp(path, scaffold + inside, shallow=False):
            raise BuildError(
                f"configuring changed {inside}, for which something else stood in meanwhile",
                hint="please report it: the package needs a quirk of its own",
            )
        real = next((lower + inside for lower in lowers if os.path.isfile(lower + inside)), None)
        if real is None:
            os.unlink(path)
        else:
            _take_content(path, real)


def _files(scaffold: str) -> Iterator[str]:
    """Yield the paths, absolute inside, of the scaffold's files outside the database."""
    for directory, _, files in os.walk(scaffold):
        inside = directory.removeprefix(scaffold)
        if not inside.startswith(_OWN_LAYER):
            yield from (f"{inside}/{name}" for name in files)


def _take_content(path: str, real: str) -> None:
    mode = stat.S_IMODE(os.lstat(path).st_mode)
    moment = os.stat(real).st_mtime_ns
    shutil.copyfile(real, path)
    os.chmod(path, mode)  # writing clears set-id bits
    os.utime(path, ns=(moment, moment))
