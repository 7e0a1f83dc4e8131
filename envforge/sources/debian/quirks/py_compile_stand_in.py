"""Wrapper that lies over Python's `py_compile` while packages are configured; it runs the real module's code.

Three things differ (bytecode.py says why): bytecode is validated by mtime; a call from the command line
compiles in the background, up to one call a processor; the bytecode of this module is that of the real one.

    python3 py_compile.py --settle    waits for all background calls, fails if one did

A failure in the background is reported there, with the package whose script asked and the compiler's output.
Reported by a later call, it would break the pipe that feeds that one names of files, and blame its package.
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
"""A file for each background call that may run at once: locked while it runs, empty after it succeeded.

After a failure the file holds the package that asked, and the compiler's output.
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
    """Print the compiler's output and, in dpkg's words, the package that could not be configured."""
    package, _, said = os.pread(slot, 1 << 20, 0).decode(errors="replace").partition("\n")
    sys.stderr.write(
        f"envforge: bytecode of {package} ...\n{said.rstrip() or 'the compiler was ended'}\n"
        f"dpkg: error processing package {package} (bytecode):\n its modules could not be compiled\n"
    )


def _leave_processor() -> None:
    """Move to another processor, if there is one: a supervisor of owners binds what it serves to its own."""
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
