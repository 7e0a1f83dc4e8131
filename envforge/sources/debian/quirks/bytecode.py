"""Python bytecode: checked by time although SOURCE_DATE_EPOCH is set, and compiled beside what else is done.

`py_compile` turns to hashes where that variable is set, and then every import reads its source again. It has
no switch, and Debian's scripts call it in several ways, so a module that works by the real one lies over it
while packages are configured (`py_compile_stand_in.py`). Compiling takes long and nothing waits for what it
writes, so calls go to the background, one a processor, and the script waits for them in the end. A call stays
whole: one process compiles its files in their order, since what an interpreter saw before shows in the bytes.
"""

import os
from typing import Final

from envforge.kernel.tree import Tree

_REAL: Final = "/usr/libexec/envforge/real"
_MODULES: Final = "/usr/lib/python3*/py_compile.py"
with open(f"{os.path.dirname(__file__)}/py_compile_stand_in.py", "rb") as _file:
    _STAND_IN: Final = _file.read()  # now: where packages are configured there is nothing of the host


def lay_compiler(scaffold: str, farm: str) -> tuple[str, ...]:
    """Lay the module over each Python's `py_compile`; return the commands that wait for what they began."""
    commands = []
    with Tree(farm) as below, Tree(scaffold) as above:
        for inside in below.matching(_MODULES):
            interpreter = f"/usr/bin/{os.path.basename(os.path.dirname(inside))}"
            status = below.stat(inside)
            if status is None or not below.is_file(interpreter):
                continue
            above.write(_REAL + inside, below.read(inside))
            above.write(inside, _STAND_IN)
            above.set_time(_REAL + inside, status.st_mtime_ns)  # bytecode records the real one's time
            # Nothing of its package is there before its preinst has run.
            commands.append(f"[ ! -x {interpreter} ] || {interpreter} -E -S {inside} --settle")
    return tuple(commands)
