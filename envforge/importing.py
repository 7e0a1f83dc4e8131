"""Imports this package's modules from their bytecode, without the search that Python makes for each of them.

Python asks every directory of a package, keeps lists of their files, and takes several steps to the
bytecode; that is a third of what loading a module costs. Warm commands load two dozen modules, others up to
three hundred. Where the bytecode is missing or older than its source, or is none of the usual kind, the
module is found as ever: what is loaded is the same.
"""

import os
import sys
from _frozen_importlib import ModuleSpec
from _frozen_importlib_external import MAGIC_NUMBER, SourceFileLoader
from marshal import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import CodeType, ModuleType

_PREFIX = f"{__package__}."
_ENDING = f".{sys.implementation.cache_tag}.pyc"
_HEADER_BYTES = 16
_BY_TIME = MAGIC_NUMBER + bytes(4)
"""How bytecode begins that counts for a source of a certain time and size (PEP 552)."""
_MAX_BYTES = 1 << 16
"""No module has more: longer bytecode is read in the usual way."""


def install() -> None:
    """Find modules in this way from now on."""
    if sys.pycache_prefix is None and not sys.flags.optimize:
        sys.meta_path.insert(0, _Finder)


class _Loader(SourceFileLoader):
    """A module's usual loader, which knows the code already."""

    code: "CodeType"

    def get_code(self, fullname: str) -> "CodeType | None":  # noqa: ARG002  # importlib names it
        """Return the module's code."""
        return self.code


class _Finder:
    @staticmethod
    def find_spec(
        name: str,
        path: "Sequence[str] | None" = None,
        target: "ModuleType | None" = None,  # noqa: ARG004  # importlib names it
    ) -> "ModuleSpec | None":
        """Return the spec of one of the package's modules, None where the usual way has to find it."""
        if path is None or not name.startswith(_PREFIX):
            return None
        directory, own = path[0], name.rpartition(".")[2]
        return _spec(name, directory, own) or _spec(name, f"{directory}/{own}", "__init__", is_package=True)


def _spec(name: str, directory: str, stem: str, *, is_package: bool = False) -> "ModuleSpec | None":
    source, cached = f"{directory}/{stem}.py", f"{directory}/__pycache__/{stem}{_ENDING}"
    data = _read(cached)
    if data[:8] != _BY_TIME:
        return None
    try:
        status = os.stat(source)
    except OSError:
        return None
    stamp = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
    if (int.from_bytes(data[8:12], "little"), int.from_bytes(data[12:16], "little")) != stamp:
        return None
    loader = _Loader(name, source)
    try:
        loader.code = loads(memoryview(data)[_HEADER_BYTES:])  # noqa: S302  # as Python does
    except (EOFError, ValueError, TypeError):
        return None  # Python says so, too
    spec = ModuleSpec(name, loader, origin=source, is_package=is_package)
    spec.has_location = True
    spec.cached = cached
    if is_package:
        assert spec.submodule_search_locations is not None
        spec.submodule_search_locations.append(directory)
    return spec


def _read(path: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        data = os.read(descriptor, _MAX_BYTES)
        return data if len(data) < _MAX_BYTES else b""
    finally:
        os.close(descriptor)
