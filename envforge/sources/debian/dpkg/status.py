"""Formats a paragraph of the status file, byte for byte as dpkg does (its lib/dpkg/dump.c). Pure."""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from envforge.sources.debian.dpkg import relations
from envforge.sources.debian.dpkg.facts import Conffile, Facts, parse_paragraph

Status = Literal["installed", "unpacked"]

_BEFORE_CONFFILES: Final = (
    "Package", "Essential", "Protected", "Status", "Priority", "Section", "Installed-Size", "Origin",
    "Maintainer", "Bugs", "Architecture", "Multi-Arch", "Source", "Version", "Replaces", "Provides",
    "Depends", "Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances",
)  # fmt: skip
_AFTER_CONFFILES: Final = ("Description",)
_KNOWN: Final = {name.lower(): name for name in (*_BEFORE_CONFFILES, *_AFTER_CONFFILES)}
_RELATIONS: Final = frozenset(_BEFORE_CONFFILES[_BEFORE_CONFFILES.index("Replaces") :])
_LOWER: Final = frozenset(("Priority", "Multi-Arch", "Essential", "Protected"))
_LEFT_OUT_IF_NO: Final = frozenset(("Multi-Arch", "Essential", "Protected"))
_OPERATORS: Final = {"<": "<=", ">": ">="}
"""The obsolete forms, as dpkg has always read them."""
_NO_MD5: Final = "newconffile"
"""dpkg's word in place of the MD5 for a conffile that it never placed."""


def status_paragraph(facts: Facts, status: Status, awaited: Sequence[str] = ()) -> str:
    """Return a package's paragraph, ending in a newline; it depends on `awaited` ones, too."""
    known: dict[str, str] = {"Status": f"install ok {status}"}
    others: list[str] = []
    for field, value in parse_paragraph(facts.control).items():
        name = _KNOWN.get(field.lower())
        if name is None:
            others.append(f"{field}: {value}\n")
        else:
            known[name] = _value(name, value)
    if awaited:
        known["Depends"] = ", ".join(filter(None, (known.get("Depends"), *awaited)))
    lines = [*_lines(_BEFORE_CONFFILES, known), _conffiles(facts.conffiles), *_lines(_AFTER_CONFFILES, known)]
    return "".join(lines + others)


def _lines(names: tuple[str, ...], values: Mapping[str, str]) -> list[str]:
    return [f"{name}: {values[name]}\n" for name in names if values.get(name)]


def _value(name: str, value: str) -> str:
    if name in _RELATIONS:
        return format_relations(value)
    if name in _LOWER:
        value = value.lower()
        return "" if name in _LEFT_OUT_IF_NO and value == "no" else value
    return _version(value) if name == "Version" else value


def format_relations(text: str) -> str:
    """Return a relation field in dpkg's spelling: `a (>= 1), b | c:any`. Raises ArchiveError."""
    return ", ".join(" | ".join(map(_alternative, group)) for group in relations.parse(text))


def _alternative(alternative: relations.Alternative) -> str:
    text = alternative.name.lower()
    if alternative.qualifier:
        text += f":{alternative.qualifier}"
    if alternative.operator:
        operator = _OPERATORS.get(alternative.operator, alternative.operator)
        text += f" ({operator} {_version(alternative.version)})"
    return text


def _version(version: str) -> str:
    """Return a version without an epoch of 0, unless a colon in the rest requires one."""
    epoch, colon, rest = version.partition(":")
    return rest if colon and epoch.strip("0") == "" and ":" not in rest else version


def _conffiles(conffiles: tuple[Conffile, ...]) -> str:
    if not conffiles:
        return ""
    lines = (" ".join((f" {one.path}", one.md5 or _NO_MD5, *one.flags)) for one in conffiles)
    return "Conffiles:\n" + "\n".join(lines) + "\n"
