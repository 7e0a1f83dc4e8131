"""A program of ours over a package's while packages are configured, the real one beside for ours to call."""

import os
import shutil
from typing import Final

_REAL_PROGRAMS: Final = "/usr/libexec/envforge"
_OURS: Final = f"{os.path.dirname(__file__)}/perl"


def lay_program(scaffold: str, farm: str, path: str, ours: str) -> None:
    """Lay `ours` of `perl/` at `path` into the directory `scaffold`, an overlay above `farm`'s root."""
    real = f"{scaffold}{_REAL_PROGRAMS}/{os.path.basename(path)}"
    for source, target in ((farm + path, real), (f"{_OURS}/{ours}", scaffold + path)):
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
        os.chmod(target, 0o755)  # noqa: S103 - programs that any user inside may run
