"""Which packages a suite has, and random groups of them: a pure function of seed and Packages files."""

import glob
import random
import re
from collections.abc import Iterator, Mapping, Sequence

from attrs import frozen

LEFT_OUT = {
    "kernel": "kernels and their modules: nothing boots in here",
    "debug": "symbols of other packages",
}
"""Sections that no group is taken from, with the reason."""
MAX_MEBIBYTES = 1500
"""Installed size of what a package pulls in; larger ones (desktops, whole TeX) are left out and said."""


@frozen
class Candidate:
    """One package of the archive."""

    name: str
    section: str
    installed_kibibytes: int
    depends: tuple[tuple[str, ...], ...]
    """Groups of alternatives."""
    provides: tuple[str, ...]
    present: bool
    """In every system: essential, or of priority required."""


@frozen
class Draw:
    """Groups, and what was drawn and put back."""

    groups: tuple[tuple[str, ...], ...]
    too_large: tuple[str, ...]


def read(base: str) -> dict[str, Candidate]:
    """Return name -> package from the indexes that apt keeps in the tree `base`; the newest suite wins."""
    found: dict[str, Candidate] = {}
    for path in sorted(glob.glob(f"{base}/var/lib/apt/lists/*_Packages")):
        with open(path, encoding="utf-8") as file:
            found |= {one.name: one for one in _parse(file.read())}
    return found


def draw(
    known: Mapping[str, Candidate], seed: int, count: int, size: int, sections: Sequence[str] = ()
) -> Draw:
    """Return `count` groups of `size` packages each, of some sections or all. No package comes twice."""
    asked = {one.section for one in known.values() if not sections or one.section in sections} - {*LEFT_OUT}
    names = sorted(one.name for one in known.values() if not one.present and one.section in asked)
    random.Random(seed).shuffle(names)
    providers = _providers(known)
    groups: list[tuple[str, ...]] = []
    group: list[str] = []
    large: list[str] = []
    for name in names:
        if len(groups) == count:
            break
        if closure_mebibytes(known, providers, name) > MAX_MEBIBYTES:
            large.append(name)
            continue
        group.append(name)
        if len(group) == size:
            groups.append(tuple(group))
            group = []
    return Draw(tuple(groups), tuple(large))


def closure_mebibytes(
    known: Mapping[str, Candidate], providers: Mapping[str, Sequence[str]], name: str
) -> int:
    """Return the installed size of a package with all that it depends on, first alternatives taken."""
    pending, seen = [name], {name}
    while pending:
        for alternatives in known[pending.pop()].depends:
            choices = [*alternatives, *(real for one in alternatives for real in providers.get(one, ()))]
            chosen = next((choice for choice in choices if choice in known), None)
            if chosen is not None and chosen not in seen:
                seen.add(chosen)
                pending.append(chosen)
    return sum(known[one].installed_kibibytes for one in seen) >> 10


def names_of(known: Mapping[str, Candidate]) -> set[str]:
    """Return every name that apt installs something for, provided ones too."""
    return {*known, *_providers(known)}


def _providers(known: Mapping[str, Candidate]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in sorted(known):
        for virtual in known[name].provides:
            found.setdefault(virtual, []).append(name)
    return found


def _parse(text: str) -> Iterator[Candidate]:
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): *(.*)$", paragraph, re.MULTILINE))
        if "Package" in fields:
            relations = ", ".join(filter(None, (fields.get("Pre-Depends"), fields.get("Depends"))))
            yield Candidate(
                fields["Package"],
                fields.get("Section", "").rpartition("/")[2],
                int(fields.get("Installed-Size", "0")),
                _alternatives(relations),
                tuple(name for group in _alternatives(fields.get("Provides", "")) for name in group),
                fields.get("Priority") == "required" or fields.get("Essential") == "yes",
            )


def _alternatives(relations: str) -> tuple[tuple[str, ...], ...]:
    groups = (group.split("|") for group in relations.split(",") if group.strip())
    return tuple(
        tuple(re.split(r"[\s(:\[]", one.strip(), maxsplit=1)[0] for one in group) for group in groups
    )
