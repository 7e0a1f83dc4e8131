"""Removes machine state from what configuring wrote: files, records of them, dates."""

import os
import re
import stat
from collections.abc import Callable, Collection
from functools import partial
from typing import Final

from envforge.kernel.tree import Tree
from envforge.sources.debian.configure.cleaning import normalize
from envforge.sources.debian.quirks import answers
from envforge.sources.debian.quirks import table as quirks

_DBCONFIG: Final = "/etc/dbconfig-common/*.conf"
_DB_PASSWORD: Final = re.compile(rb"^dbc_dbpass='([^'\n]{8,})'$", re.MULTILINE)
"""A password of a database as dbconfig-common writes it down; those that it makes have 12 characters."""
_TEXT_MAX_BYTES: Final = 1 << 20


def remove_machine_state(root: str, packages: Collection[str]) -> None:
    """Remove paths, their records, dates and answers listed in `quirks/table.py` from the tree at `root`."""
    questions = quirks.questions(packages)
    with Tree(root) as tree:
        gone = _remove_database_passwords(tree)
    gone += normalize.remove_paths(root, quirks.removed(packages))
    with Tree(root) as tree:
        for path, pattern in quirks.dated(packages):
            _edit(tree, path, partial(re.compile(pattern, re.MULTILINE).sub, ""))
        _edit(tree, answers.QUESTIONS, lambda text: answers.without_questions(text, questions))
        _edit(
            tree,
            answers.PASSWORDS,
            lambda text: answers.without_passwords(answers.without_questions(text, questions)),
        )
        for path in gone:
            tree.remove(answers.cached_copy(path))
        _edit(tree, answers.CHECKSUMS, lambda text: answers.without_checksums(text, gone))


def _remove_database_passwords(tree: Tree) -> list[str]:
    """Remove every file with a password that dbconfig-common made up; return the paths.

    It writes them into any file that its package's template asks for: settings of programs, mostly.
    """
    settings = (path for path in tree.matching(_DBCONFIG) if _is_text(tree.stat(path, follow=False)))
    made = {one for path in settings for one in _DB_PASSWORD.findall(tree.head(path, _TEXT_MAX_BYTES))}
    if not made:
        return []
    found = []
    for inside, status, _ in tree.walk():
        content = tree.head(inside, _TEXT_MAX_BYTES) if _is_text(status) else b""
        if any(password in content for password in made):
            found.append(os.fsdecode(inside))
    for path in found:
        tree.remove(path)
    return found


def _is_text(status: os.stat_result | None) -> bool:
    return status is not None and stat.S_ISREG(status.st_mode) and status.st_size <= _TEXT_MAX_BYTES


def _edit(tree: Tree, path: str, change: Callable[[str], str]) -> None:
    status = tree.stat(path, follow=False)
    if status is None or not stat.S_ISREG(status.st_mode):
        return
    before = tree.read_text(path)
    after = change(before)
    if after != before:
        tree.overwrite(path, after.encode("utf-8", "surrogateescape"))
