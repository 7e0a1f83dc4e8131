"""Read a spec: find the file, check all of it, and say everything that is wrong with it at once.

Every command without a cached plan runs it, so it imports little; only a wrong spec is scanned for positions.
"""

import errno
import os
import stat
from collections.abc import Collection, Mapping
from typing import Any, Final

from envforge import __version__, trust
from envforge.errors import SpecError
from envforge.spec import environments, service_contradictions
from envforge.spec.contradictions import contradictions
from envforge.spec.model import Spec
from envforge.spec.names import DEFAULT
from envforge.spec.positions import scan
from envforge.spec.structure import Problem, Reader, dotted
from envforge.spec.syntax import SIZE_MAX, decode, load_values

SPEC_NAME: Final = trust.SPEC_NAME


def parse(data: bytes, filename: str) -> Spec:
    """Return the spec of the `default` environment in `data`. Raises SpecError as `parse_all` does."""
    return parse_all(data, filename)[DEFAULT]


def parse_all(data: bytes, filename: str) -> dict[str, Spec]:
    """Return the spec of each environment in `data`, by name, `default` first.

    Raises SpecError whose message holds every error, one a line, as `file:line:column: key.path: message`.
    """
    text = decode(data, filename)
    own, tables, problems = environments.tables_of(load_values(text, filename))
    found = {DEFAULT: _read(own, Reader(problems, (environments.TABLE,)))}
    problems.extend(_release_problems(found[DEFAULT]))
    problems.extend(_service_problems(found[DEFAULT], (DEFAULT, *tables), problems))
    for name, table in tables.items():
        values, wrong = environments.merged(name, own, tables)
        problems += (problem for problem in wrong if problem not in problems)
        inner: list[Problem] = []
        found[name] = _read(values, Reader(inner, (environments.EXTENDS,), environments.COMMON))
        for problem in inner:
            path = environments.own_path(table, problem.path, values)
            if path is not None and not wrong:
                problems.append(environments.placed(problem, name, path, table))
    if problems:
        raise SpecError(_located(problems, text, filename))
    return found


def _read(values: Mapping[str, Any], reader: Reader) -> Spec:
    spec = reader.model(Spec, values, ())
    reader.problems.extend(contradictions(spec, {problem.path for problem in reader.problems}))
    return spec


def _service_problems(spec: Spec, names: Collection[str], known: list[Problem]) -> list[Problem]:
    """Check services against each other and the environments, but for values that are wrong already."""
    wrong = {problem.path for problem in known}
    found = service_contradictions.contradictions(spec.services, spec.secrets, names)
    return [problem for problem in found if problem.path not in wrong]


def load(path: str) -> Spec:
    """Return the spec of a file's `default` environment. Raises SpecError as `parse` and `read` do."""
    return parse(read(path), path)


def read(path: str) -> bytes:
    """Return the bytes of a spec. Raises SpecError where it cannot be read."""
    try:
        # Without O_NONBLOCK, opening a FIFO of that name would block until somebody opened it to write.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if stat.S_ISDIR(mode):
            raise SpecError(f"{path}: is a directory", hint=f"envforge -f {path}/{SPEC_NAME} …")
        if not stat.S_ISREG(mode):
            raise SpecError(f"{path}: is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(SIZE_MAX + 1)
    finally:
        os.close(descriptor)


def _unreadable(path: str, error: OSError) -> SpecError:
    if error.errno == errno.ENOENT:
        return SpecError(f"{path}: no such file", hint="envforge init")
    if error.errno in (errno.EACCES, errno.EPERM):
        return SpecError(f"{path}: may not be read", hint=f"chmod u+r {path}, or ask its owner")
    return SpecError(f"{path}: {error.strerror}")


def _release_problems(spec: Spec) -> list[Problem]:
    """Check `requires-envforge`: a newer spec may have keys that this release calls unknown."""
    if not spec.requires_envforge:
        return []
    from packaging.specifiers import InvalidSpecifier, SpecifierSet  # noqa: PLC0415 - 20 ms, for few specs

    path = ("requires-envforge",)
    try:
        fits = SpecifierSet(spec.requires_envforge).contains(__version__, prereleases=True)
    except InvalidSpecifier:
        return [
            Problem(path, f'"{spec.requires_envforge}" is not a version specifier, such as ">={__version__}"')
        ]
    if fits:
        return []
    message = f"this is envforge {__version__}, and the spec is for {spec.requires_envforge}"
    return [Problem(path, f"{message}; pip install 'envforge{spec.requires_envforge}'")]


def _located(problems: list[Problem], text: str, filename: str) -> str:
    """Return one line a problem, in the order of the file."""
    places = scan(text)
    offsets = [
        places.of_key(problem.path) if problem.on_key else places.of_value(problem.path)
        for problem in problems
    ]
    lines = []
    for offset, problem in sorted(zip(offsets, problems, strict=True), key=lambda pair: pair[0]):
        line, column = places.line_and_column(offset)
        lines.append(f"{filename}:{line}:{column}: {dotted(problem.path)}: {problem.message}")
    return "\n".join(lines)
