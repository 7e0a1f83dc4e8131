"""Python bytecode: validated by mtime although SOURCE_DATE_EPOCH is set, and compiled in the background.

With that variable `py_compile` writes hash-based bytecode, for which every import reads the source again. It
has no switch, and Debian's scripts call it in several ways, so a wrapper around the real module lies over it
while packages are configured (`py_compile_stand_in.py`). Compiling takes long and no script reads its output,
so calls go to the background, one a processor, and the script waits for them at its end. A call is not split:
one process compiles its files in order, since what an interpreter compiled before shows in the bytes.
"""

import os
from typing import Final

from envforge.kernel.tree import Tree

_REAL: Final = "/usr/libexec/envforge/real"
_MODULES: Final = "/usr/lib/python3*/py_compile.py"
with open(f"{os.path.dirname(__file__)}/py_compile_stand_in.py", "rb") as _file:
    _STAND_IN: Final = _file.read()  # on import: a confined worker has no path to the host's files


def lay_compiler(scaffold: str, farm: str) -> tuple[str, ...]:
    """Lay the wrapper over each Python's `py_compile`; return commands that wait for background calls."""
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
            # The interpreter is hidden until its package's preinst has run.
            commands.append(f"[ ! -x {interpreter} ] || {interpreter} -E -S {inside} --settle")
    return tuple(commands)
