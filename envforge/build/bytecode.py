"""Python bytecode: checked by time although SOURCE_DATE_EPOCH is set, and compiled beside what else is done.

`py_compile` turns to hashes where that variable is set, and then every import reads its source again. It has
no switch, and Debian's scripts call it in several ways, so a module that works by the real one lies over it
while packages are configured (`py_compile_stand_in.py`). Compiling takes long and nothing waits for what it
writes, so calls go to the background, one a processor, and the script waits for them in the end. A call stays
whole: one process compiles its files in their order, since what an interpreter saw before shows in the bytes.
"""

import glob
import os
import shutil
from typing import Final

_REAL: Final = "/usr/libexec/envforge/real"
_MODULES: Final = "/usr/lib/python3*/py_compile.py"
_STAND_IN: Final = f"{os.path.dirname(__file__)}/py_compile_stand_in.py"


def lay_compiler(scaffold: str, farm: str) -> tuple[str, ...]:
    """Lay the module over each Python's `py_compile`; return the commands that wait for what they began."""
    commands = []
    for source in sorted(glob.glob(glob.escape(farm) + _MODULES)):
        inside = source[len(farm) :]
        interpreter = f"/usr/bin/{os.path.basename(os.path.dirname(inside))}"
        if not os.path.exists(farm + interpreter):
            continue
        for path, original in ((_REAL + inside, source), (inside, _STAND_IN)):
            os.makedirs(os.path.dirname(scaffold + path), 0o755, exist_ok=True)
            shutil.copy2(original, scaffold + path)  # bytecode records the real one's time
        commands.append(f"{interpreter} -E -S {inside} --settle")
    return tuple(commands)
