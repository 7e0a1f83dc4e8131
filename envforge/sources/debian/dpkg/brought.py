"""Tells what apt and dpkg have done in an upper directory: its database beside that of the layers below.

Both may be forged: names are checked by Policy's grammar, sizes and numbers are bounded, and what comes of it
is only a proposal.
"""

import os
import re
from collections.abc import Iterable, Sequence
from typing import Final

from envforge.kernel.reading import NotRegularError, ReadTree
from envforge.sources.debian.dpkg import installed, policy
from envforge.sources.interface import Brought, Package
from envforge.usrmerge import LINKS

_MARKS: Final = "/var/lib/apt/extended_states"
_INFO: Final = "/var/lib/dpkg/info"
_STATE: Final = (b"/var/lib/dpkg/", b"/var/lib/apt/", b"/var/cache/apt/", b"/var/cache/debconf/")
_MARKED: Final = re.compile(r"^(Package|Architecture|Auto-Installed): (.*)$", re.MULTILINE)
_LIST_MAX_BYTES: Final = 16 << 20
_PATHS_MAX: Final = 1 << 20
_CONFFILES: Final = re.compile(r"^Conffiles:\n((?: .*\n?)+)", re.MULTILINE)
_CONFFILES_MAX: Final = 1000
_CONFFILE_MAX_BYTES: Final = 1 << 20

_Key = tuple[str, str]
"""Name and architecture."""


def is_state(path: bytes) -> bool:
    """Return whether a path is in apt's or dpkg's own directories."""
    return path.startswith(_STATE)


def read(layers: Sequence[ReadTree], upper: ReadTree) -> Brought:
    """Return what is new, changed or gone; nothing where the database is none. Raises OSError."""
    try:
        return _read(layers, upper)
    except NotRegularError:
        return Brought()  # one that is too large, or is being replaced


def _read(layers: Sequence[ReadTree], upper: ReadTree) -> Brought:
    if not upper.is_file(installed.STATUS):
        return Brought()
    below = next((one for one in layers if one.is_file(installed.STATUS)), None)
    before = {} if below is None else _versions(below)
    now = _versions(upper)
    pulled_in = _pulled_in([upper, *layers])
    new = sorted(key for key in now if key not in before)
    changed = sorted(key for key in now if key in before and now[key] != before[key])
    return Brought(
        tuple(
            Package(
                "debian",
                name,
                now[name, architecture],
                architecture,
                "",
                0,
                (name, architecture) not in pulled_in,
            )
            for name, architecture in new
        ),
        tuple((key[0], before[key], now[key]) for key in changed),
        tuple(sorted(key[0] for key in before if key not in now)),
        frozenset(_paths(upper, [*new, *changed])) - frozenset(_edited(upper)),
    )


def _versions(tree: ReadTree) -> dict[_Key, str]:
    return {(name, architecture): version for name, version, architecture in installed.read(tree)}


def _pulled_in(trees: Iterable[ReadTree]) -> set[_Key]:
    """Return the packages that apt has marked as installed for others' sake (apt-mark(8))."""
    tree = next((one for one in trees if one.is_file(_MARKS)), None)
    if tree is None:
        return set()
    found = set()
    for paragraph in tree.read_text(_MARKS).split("\n\n"):
        fields = dict(_MARKED.findall(paragraph))
        if fields.get("Auto-Installed") == "1":
            name, architecture = fields.get("Package", ""), fields.get("Architecture", "")
            found |= {(name, architecture), (name, "all")}
    return found


def _paths(upper: ReadTree, packages: Iterable[_Key]) -> Iterable[bytes]:
    """Yield the paths of packages, also as they are once the links of merged /usr are followed."""
    left = _PATHS_MAX
    for name, architecture in packages:
        if not policy.PACKAGE.allows(name):
            continue
        for path in _list(upper, name, architecture):
            left -= 1
            if left < 0:
                return
            yield path
            if path.split(b"/", 2)[1:2] and os.fsdecode(path.split(b"/", 2)[1]) in LINKS:
                yield b"/usr" + path


def _edited(upper: ReadTree) -> Iterable[bytes]:
    """Yield the conffiles that are not as their packages brought them, by the MD5 that dpkg keeps of each."""
    for text in _CONFFILES.findall(upper.read_text(installed.STATUS)):
        for line in text.splitlines()[:_CONFFILES_MAX]:
            path, _, digest = line.strip().partition(" ")
            digest = digest.partition(" ")[0]
            if path.startswith("/") and _is_other(upper, path, digest):
                yield os.fsencode(path)


def _is_other(upper: ReadTree, path: str, digest: str) -> bool:
    try:
        content = upper.read(path, limit=_CONFFILE_MAX_BYTES, follow=False)
    except OSError:
        return False  # it is not there, is a link, or is too large
    import hashlib  # noqa: PLC0415 - it loads OpenSSL; confined processes have it

    return hashlib.md5(content, usedforsecurity=False).hexdigest() != digest


def _list(upper: ReadTree, name: str, architecture: str) -> list[bytes]:
    for member in (f"{name}.list", f"{name}:{architecture}.list"):
        try:
            return upper.read(f"{_INFO}/{member}", limit=_LIST_MAX_BYTES, follow=False).splitlines()
        except (FileNotFoundError, NotADirectoryError, NotRegularError):
            continue
    return []
