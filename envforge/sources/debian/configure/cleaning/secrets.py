"""Removes machine state from what configuring wrote: files, records of them, dates."""

import re
import stat
from collections.abc import Callable, Collection
from functools import partial

from envforge.kernel.tree import Tree
from envforge.sources.debian.configure.cleaning import normalize
from envforge.sources.debian.quirks import answers
from envforge.sources.debian.quirks import table as quirks


def remove_machine_state(root: str, packages: Collection[str]) -> None:
    """Remove paths, their records, dates and answers listed in `quirks/table.py` from the tree at `root`."""
    gone = normalize.remove_paths(root, quirks.removed(packages))
    questions = quirks.questions(packages)
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


def _edit(tree: Tree, path: str, change: Callable[[str], str]) -> None:
    status = tree.stat(path, follow=False)
    if status is None or not stat.S_ISREG(status.st_mode):
        return
    before = tree.read_text(path)
    after = change(before)
    if after != before:
        tree.overwrite(path, after.encode("utf-8", "surrogateescape"))
