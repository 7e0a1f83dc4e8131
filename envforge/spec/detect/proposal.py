"""Proposes a spec from the files in a directory: what `envforge init` writes. Nothing there is run."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from typing import Final

from envforge.errors import SpecError
from envforge.spec.detect import builds, languages
from envforge.spec.detect.directory import Directory, Finding
from envforge.spec.editing.packages import DEFAULT_SUITE
from envforge.spec.grammar import slug

_ENTRIES_MAX: Final = 5000
"""Names that are looked at in a directory."""
_SOURCES: Final = ("src", "lib", "app", "source")
"""Directories that are looked into for sources of a program."""
_RELEASES: Final = {"bookworm": "Debian 12", "trixie": "Debian 13"}

_REST: Final = """
# What else a spec can say; take the # away from what you need. All of it: specs/README.md.

# [variables]                        # set inside
# APP_ENV = "development"

# [shell]
# command = ["bash", "-l"]           # what `envforge shell` starts
# pass = ["EDITOR", "AWS_*"]         # variables of the host to let through
# forward = ["ssh-agent"]            # ssh and git inside use the keys in your agent

# [[mounts]]                         # besides this directory, which is there at its own path
# source = "~/.gitconfig"
# target = "~/.gitconfig"
# read-only = true
# optional = true
"""


_DETECTORS: Final[tuple[Callable[[Directory], Iterator[Finding]], ...]] = (
    builds.version_control,
    languages.node,
    languages.python,
    languages.go,
    languages.rust,
    languages.ruby,
    languages.php,
    languages.java,
    builds.build_files,
    builds.cmake,
    builds.native,
    builds.compose,
    builds.dockerfile,
)


def propose(directory: str) -> str:
    """Return the text of a spec with the packages that the directory's files ask for, and comments on why.

    The text parses, whatever the files contain. Raises SpecError if the directory cannot be read.
    """
    seen = _look(directory)
    found = [finding for detector in _DETECTORS for finding in detector(seen)]
    suite, why = _suite(found)
    name = slug(os.path.basename(os.path.abspath(directory)))
    head = f'name = "{name}"\n\n[debian]\n'
    reason = f"# {why}\n" if why else ""
    chosen = f'suite = "{suite}"'
    return f"{head}{reason}{chosen:<36} # {_RELEASES[suite]}\n{_packages(found)}{_REST}"


def _look(directory: str) -> Directory:
    """Return the directory with the names in it, and in its source directories."""
    try:
        names = sorted(os.listdir(directory))[:_ENTRIES_MAX]
    except OSError as error:
        raise SpecError(f"{directory}: {error.strerror}", hint="name a directory that you may read") from None
    below = [
        f"{name}/{inner}" for name in names if name in _SOURCES for inner in _listed(f"{directory}/{name}")
    ]
    return Directory(directory, (*names, *below))


def _listed(path: str) -> list[str]:
    try:
        return sorted(os.listdir(path))[:_ENTRIES_MAX] if stat.S_ISDIR(os.lstat(path).st_mode) else []
    except OSError:
        return []


def _suite(found: Iterable[Finding]) -> tuple[str, str]:
    """Return the newest suite that satisfies all findings, and why it was chosen."""
    choosing = [finding for finding in found if finding.asks]
    candidates = [suite for suite in _by_newest() if all(suite in finding.suites for finding in choosing)]
    if not choosing:
        return DEFAULT_SUITE, ""
    if candidates:
        return candidates[0], ", ".join(_plain(f"{one.source} asks for {one.asks}") for one in choosing)
    missing = next(finding for finding in choosing if DEFAULT_SUITE not in finding.suites)
    return DEFAULT_SUITE, _plain(f"{missing.source} asks for {missing.asks}, which it does not have")


def _by_newest() -> tuple[str, ...]:
    return tuple(sorted(_RELEASES, key=lambda suite: _RELEASES[suite], reverse=True))


def _packages(found: list[Finding]) -> str:
    """Return the list of packages, each under the first file that asks for it."""
    lines: list[str] = []
    seen: set[str] = set()
    for finding in found:
        new = [name for name in dict.fromkeys(finding.packages) if name not in seen]
        seen.update(new)
        maybe = [f'  # "{name}",' for name in finding.maybe if name not in seen]
        notes = [f"  # ({_plain(note)})" for note in finding.notes]
        if new or maybe or notes:
            head = f"  # {_plain(finding.source)}" + (" installs these" if maybe else "")
            lines += [head, *(f'  "{name}",' for name in new), *maybe, *notes]
    if not lines:
        lines = [
            "  # nothing here says what it needs; `envforge add PACKAGE`, or write it here:",
            '  # "git",',
        ]
    return "\n".join(["packages = [", *lines, "]", ""])


def _plain(text: str) -> str:
    """Return text from a project's files fit for a comment: a line break in it must not add to the spec."""
    return "".join(character if character.isprintable() else " " for character in text)
