"""Private homes: one for each project, kept between runs in the user's state directory."""

import os
import shutil
import stat
from collections.abc import Iterable
from typing import Final

from envforge import config
from envforge.environment.made.own_files import HomeFile
from envforge.kernel.tree import Tree

_NOT_A_NAME: Final = frozenset({"", ".", ".."})


def private_home(project_id: str, files: Iterable[HomeFile]) -> str:
    """Return the project's home on the host. A new one is filled with these files, as useradd(8) does."""
    path = f"{config.state_directory()}/homes/{project_id}"
    if os.path.isdir(path):
        return path
    new = f"{path}.{os.getpid()}"
    os.makedirs(new, 0o700)
    try:
        fill(new, files)
        os.rename(new, path)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        if not os.path.isdir(path):  # else another run created it meanwhile
            raise
    return path


def fill(home: str, files: Iterable[HomeFile]) -> None:
    """Write these files into a new home. Packages chose their paths, so none may lead out of the home."""
    chosen = [file for file in files if _NOT_A_NAME.isdisjoint(file.path.split("/"))]
    with Tree(home) as tree:
        for file in chosen:
            if stat.S_ISREG(file.mode):
                tree.write(file.path, file.content, mode=stat.S_IMODE(file.mode) & 0o777)
        for file in chosen:  # last, so that nothing is written through them
            if stat.S_ISLNK(file.mode):
                tree.make_directories(os.path.dirname(file.path))
                os.symlink(file.content, os.fsencode(f"{home}/{file.path}"))
