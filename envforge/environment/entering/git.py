"""A Git working tree whose repository lies elsewhere, as its file `.git` says: a worktree, a submodule.

    worktree    .git: "gitdir: COMMON/worktrees/NAME"; COMMON/worktrees/NAME/gitdir leads back to .git
    submodule   .git: "gitdir: COMMON";                COMMON/config has core.worktree, which leads back

The repository has to be mounted then, but `.git` could name any directory. So a repository counts only where
it points back and belongs to the caller: whoever can write only the project, as code in a sandbox can, cannot
make another directory point back to it. gitrepository-layout(5), git-worktree(1).
"""

import os
import re
import stat
from typing import Final

from attrs import frozen

_READ_MAX: Final = 1 << 16
_POINTER: Final = re.compile(r"gitdir: (.+?)\n*", re.DOTALL)
_WORKTREE: Final = re.compile(r"^\s*worktree\s*=\s*(\S.*?)\s*$", re.MULTILINE)
_HAS: Final = ("HEAD", "objects", "refs")


@frozen
class Repository:
    """The repository of a project whose `.git` is a file."""

    directory: str = ""
    """The directory to mount too; empty where none is needed, or the repository is not believed."""
    files: tuple[str, ...] = ()
    """The files that this follows from."""
    doubt: str = ""
    """Why Git will not work inside."""


def repository_of(project: str) -> Repository:
    """Return the repository of a project's directory; an empty one unless it lies outside."""
    pointer = _POINTER.fullmatch(_read(os.path.join(project, ".git")))
    if pointer is None:
        return Repository()
    directory = os.path.realpath(os.path.join(project, pointer[1]))
    above = os.path.dirname(directory)
    is_worktree = os.path.basename(above) == "worktrees"
    common = os.path.dirname(above) if is_worktree else directory
    if f"{common}/".startswith(f"{project.rstrip('/')}/"):
        return Repository()
    doubt = _doubt(common) or (
        _back_from_worktree(directory, project) if is_worktree else _back_from_submodule(directory, project)
    )
    files = tuple(filter(os.path.isfile, (f"{project}/.git", f"{directory}/gitdir", f"{directory}/config")))
    if doubt:
        return Repository(files=files, doubt=f"{project}/.git names {directory}, {doubt}")
    return Repository(common, files)


def _doubt(common: str) -> str:
    try:
        status = os.stat(common)
    except OSError as error:
        return f"which cannot be used ({error.strerror})"
    if not stat.S_ISDIR(status.st_mode) or not all(os.path.lexists(f"{common}/{name}") for name in _HAS):
        return "which is no Git repository"
    return "" if status.st_uid == os.geteuid() else "which belongs to somebody else"


def _back_from_worktree(directory: str, project: str) -> str:
    back = _read(f"{directory}/gitdir").rstrip("\n")
    if os.path.realpath(os.path.join(directory, back)) == os.path.join(project, ".git"):
        return ""
    return "whose gitdir does not lead back (`git worktree repair` mends that)"


def _back_from_submodule(directory: str, project: str) -> str:
    for back in _WORKTREE.findall(_read(f"{directory}/config")):
        if os.path.realpath(os.path.join(directory, back.strip('"'))) == project:
            return ""
    return "whose core.worktree does not lead back (`git submodule absorbgitdirs` mends that)"


def _read(path: str) -> str:
    """Return the beginning of a regular file; nothing where there is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        is_file = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, _READ_MAX).decode("utf-8", "surrogateescape") if is_file else ""
    finally:
        os.close(descriptor)
