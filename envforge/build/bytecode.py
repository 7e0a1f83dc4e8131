"""Python bytecode stays checked by time, not by hash, although SOURCE_DATE_EPOCH is set while building.

`py_compile` turns to hashes where that variable is set, and then every import reads its source again. It has
no switch, and Debian's scripts call it in several ways, so a copy that looks at a variable which nobody sets
lies over it while packages are configured. The names are equally long: size and time of the source, which
bytecode records, stay true, and the constant in its own bytecode is put right afterwards.
"""

import glob
import os
import shutil
from typing import Final

_ASKED: Final = b"SOURCE_DATE_EPOCH"
_NEVER_SET: Final = b"SOURCE_DATE_NEVER"
_MODULES: Final = "/usr/lib/python3*/py_compile.py"
_BYTECODE: Final = "/usr/lib/python3*/__pycache__/py_compile.*.pyc"


def lay_compiler(scaffold: str, farm: str) -> None:
    """Put the copy of each Python's `py_compile` into the scaffold."""
    for source in glob.glob(farm + _MODULES):
        target = scaffold + source[len(farm) :]
        os.makedirs(os.path.dirname(target), 0o755, exist_ok=True)
        with open(source, "rb") as file:
            text = file.read()
        with open(target, "wb") as file:
            file.write(text.replace(_ASKED, _NEVER_SET))
        shutil.copystat(source, target)


def mend(upper: str) -> None:
    """Give `py_compile`'s own bytecode the name that its real source has."""
    for path in glob.glob(upper + _BYTECODE):
        with open(path, "r+b") as file:
            data = file.read()
            file.seek(0)
            file.write(data.replace(_NEVER_SET, _ASKED))
