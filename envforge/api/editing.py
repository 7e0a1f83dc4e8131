"""`init`, `add` and `remove`: edit a spec, and lock again."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from attrs import evolve, frozen

from envforge.environment.projects import spec_file
from envforge.environment.projects.project import Project
from envforge.errors import SpecError, UsageError
from envforge.progress import Listener, ignore
from envforge.spec import parse
from envforge.spec.editing import packages as edit
from envforge.spec.editing import tables as append

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.api.locking import LockResult


@frozen
class EditResult:
    """The result of an edit."""

    project: Project
    """The project with its edited spec."""
    locked: "LockResult | None"
    """None with `lock=False`."""


def propose(directory: str) -> str:
    """Return the text of a spec that is proposed from a directory's files. Writes nothing."""
    from envforge.spec.detect import propose  # noqa: PLC0415 - knows many names

    return propose(directory)


def init(path: str | None = None, *, replace: bool = False) -> str:
    """Write a proposed spec to `path`, by default `envforge.toml` here; return its absolute path.

    Raises UsageError where the file exists, unless `replace`; SpecError where it cannot be written.
    """
    target = os.path.abspath(path or parse.SPEC_NAME)
    if os.path.lexists(target) and not replace:
        raise UsageError(
            f"{target} is there already", hint="edit it, or `envforge init --force` to replace it"
        )
    spec_file.write(target, propose(os.path.dirname(target)).encode())
    return target


def add(
    project: Project, packages: Sequence[str], *, lock: bool = True, listener: Listener = ignore
) -> EditResult:
    """Add packages to the spec, keeping its comments, and lock: both files are written, or neither.

    They go into the project's chosen environment. Raises SpecError, and whatever `locking.lock` raises.
    """
    return _edit(
        project,
        lambda text: edit.add_packages(text, packages, project.environment),
        lock=lock,
        listener=listener,
    )


def remove(
    project: Project, packages: Sequence[str], *, lock: bool = True, listener: Listener = ignore
) -> EditResult:
    """Remove packages from the project's chosen environment, and lock, otherwise like `add`.

    Raises NotFoundError for a package that its own tables do not list.
    """
    return _edit(
        project,
        lambda text: edit.remove_packages(text, packages, project.environment),
        lock=lock,
        listener=listener,
    )


def capture(
    project: Project,
    packages: Sequence[str],
    files: Sequence[append.NewFile],
    service: append.NewService | None,
    *,
    lock: bool = True,
    listener: Listener = ignore,
) -> EditResult:
    """Add packages, `[[files]]` and a service to the project's chosen environment, and lock, like `add`."""

    def change(text: str) -> str:
        added = edit.add_packages(text, packages, project.environment)
        return append.append(added, files, service, project.environment)

    return _edit(project, change, lock=lock, listener=listener)


def own_packages(project: Project) -> tuple[str, ...]:
    """Return the names of the packages that `remove` can remove: those in the environment's own tables."""
    return edit.own_packages(_read(project.spec_path), project.environment)


def _edit(project: Project, change: Callable[[str], str], *, lock: bool, listener: Listener) -> EditResult:
    old = _read(project.spec_path)
    new = change(old)
    edited = evolve(project, specs=parse.parse_all(new.encode(), project.spec_path))
    locked = None
    with _undone_where_it_fails(project.spec_path, old, new) as change_spec:
        if lock:
            from envforge.api import locking  # noqa: PLC0415 - 100 ms that editing alone saves

            locked = locking.lock(edited, before_writing=change_spec, listener=listener)
        change_spec()
    return EditResult(edited, locked)


@contextmanager
def _undone_where_it_fails(path: str, old: str, new: str) -> Iterator[Callable[[], None]]:
    """Yield a function that writes the new text, at most once; a failure after it restores the old text."""
    written = old

    def change() -> None:
        nonlocal written
        if written != new:
            spec_file.write(path, new.encode())
            written = new

    try:
        yield change
    except BaseException:
        if written != old:
            spec_file.write(path, old.encode())
        raise


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except OSError as error:
        raise SpecError(f"{path} cannot be read: {error.strerror}") from error
