"""Lies over Python's `py_compile` while packages are configured, and works by the real one.

Three things differ (bytecode.py says why): bytecode is checked by time, a call of the command compiles in the
background unless as many do as there are processors, and the bytecode of this module is that of the real one.

    python3 py_compile.py --settle    waits for all in the background, fails where one did

A failure is told then, with the package whose script asked and what the compiler printed. A call that ended
early for what an earlier one did would break the pipe that names its files, and blame the wrong package.
"""

import contextlib
import fcntl
import importlib.util
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_REAL = f"/usr/libexec/envforge/real{__file__}"
_SLOTS = "/run/envforge-bytecode"
"""A file each for as many as may be in the background, locked by them, empty once they came to a good end.

Else it says which package asked, and what was printed.
"""

_real: "dict[str, Any]" = {"__name__": "py_compile", "__file__": __file__}
with open(_REAL, encoding="utf-8") as _file:
    exec(compile(_file.read(), __file__, "exec"), _real)  # noqa: S102 - the real module
globals().update({name: value for name, value in _real.items() if not name.startswith("__")})
_real_compile = _real["compile"]


def _compile(file: str, *arguments: "Any", **named: "Any") -> "Any":
    if file == __file__ and not arguments:
        named = {"cfile": importlib.util.cache_from_source(file), "dfile": file, **named}
        file = _REAL
    return _real_compile(file, *arguments, **named)


_real["_get_default_invalidation_mode"] = lambda: _real["PycInvalidationMode"].TIMESTAMP
_real["compile"] = globals()["compile"] = _compile


def _slots() -> "list[int]":
    os.makedirs(_SLOTS, exist_ok=True)
    numbers = range(os.cpu_count() or 1)
    return [os.open(f"{_SLOTS}/{number}", os.O_RDWR | os.O_CREAT) for number in numbers]


def _is_free(slot: int) -> bool:
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _has_failed(slot: int) -> bool:
    return os.fstat(slot).st_size > 0


def _explain(slot: int) -> None:
    """Say as dpkg would which package could not be configured, after what the compiler printed."""
    package, _, said = os.pread(slot, 1 << 20, 0).decode(errors="replace").partition("\n")
    sys.stderr.write(
        f"envforge: bytecode of {package} ...\n{said.rstrip() or 'the compiler was ended'}\n"
        f"dpkg: error processing package {package} (bytecode):\n its modules could not be compiled\n"
    )


def _leave_processor() -> None:
    """Go to another processor, if there is one: a supervisor of owners keeps what it serves on its own."""
    elsewhere = set(range(os.cpu_count() or 1)) - os.sched_getaffinity(0)
    with contextlib.suppress(OSError):  # a container may have none of them
        if elsewhere:
            os.sched_setaffinity(0, elsewhere)


def _settle() -> None:
    slots = _slots()
    for slot in slots:
        fcntl.flock(slot, fcntl.LOCK_EX)
    failed = list(filter(_has_failed, slots))
    for slot in failed:
        _explain(slot)
    if failed:
        sys.exit(1)
    if os.path.exists(importlib.util.cache_from_source(__file__)):
        _compile(__file__, doraise=True)


def _main() -> None:
    slot = next((slot for slot in filter(_is_free, _slots()) if not _has_failed(slot)), None)
    if slot is None:
        sys.exit(_real["main"]())
    package = os.environ.get("DPKG_MAINTSCRIPT_PACKAGE", "a package").encode()
    os.write(slot, package + b"\n")
    if os.fork():
        os._exit(0)
    _leave_processor()
    said = os.dup(2)
    os.dup2(slot, 1)
    os.dup2(slot, 2)
    if code := _real["main"]():
        sys.exit(code)
    sys.stdout.flush()
    os.write(said, os.pread(slot, 1 << 20, len(package) + 1))  # warnings
    os.ftruncate(slot, 0)


if __name__ == "__main__":
    if sys.argv[1:] == ["--settle"]:
        _settle()
    else:
        _main()
