"""Facts of a .deb that recipes need and no index has; stored as JSON under the archive's SHA-256.

Paths are text with surrogate escapes, since names in packages are not always UTF-8.
"""

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

import cattrs
from attrs import Attribute, field, frozen

from envforge.digest import is_sha256
from envforge.errors import ArchiveError, StoreError
from envforge.sources.debian.dpkg import policy

FORMAT: Final = 2
SCRIPTS: Final = ("config", "postinst", "postrm", "preinst", "prerm")
"""Control members that dpkg or debconf run."""

_MEND: Final = "`envforge build` unpacks the archive again"
_DIVERT: Final = re.compile(rb"\bdpkg-divert\b(?P<rest>[^\n;&|]*)")
_DIVERT_HARMLESS: Final = re.compile(
    rb"--(remove|list|listpackage|truename|help|version)\b|\.usr-is-merged\b"
)
"""Trixie's protective diversions, to `NAME.usr-is-merged`, are of names outside usr/ that no package ships
any more: they divert nobody's file."""
_BLOCK: Final = re.compile(rb"(?ms)^if (?P<condition>[^\n]*)\n.*?^fi\b")
_UPGRADE: Final = re.compile(rb'"?\$1"? = "?upgrade\b')
_Check = Callable[[Any, "Attribute[Any]", Any], None]


def _must_be(check: Callable[[str], object]) -> _Check:
    """Return an attrs validator: facts are checked wherever they come from, archive, file or process."""

    def validate(_facts: Any, _attribute: "Attribute[Any]", value: str) -> None:
        check(value)

    return validate


def _check_members(_facts: Any, _attribute: "Attribute[Any]", value: Mapping[str, str]) -> None:
    for name, sha256 in value.items():
        policy.MEMBER.check(name)
        if not is_sha256(sha256):
            raise ArchiveError(f"the control member {name} has no SHA-256 but {sha256!r}")


def _check_sha256(_facts: Any, _attribute: "Attribute[Any]", value: str) -> None:
    if value and not is_sha256(value):
        raise ArchiveError(f"{value!r} is no SHA-256")


@frozen
class Conffile:
    """A configuration file as its package ships it."""

    path: str = field(validator=_must_be(policy.PATH.check))
    md5: str
    """Of the shipped content; empty where the archive does not contain it."""
    flags: tuple[str, ...] = ()
    """`remove-on-upgrade` and the like (deb-conffiles(5))."""


@frozen
class Interest:
    """A trigger that a package is interested in or activates: a name, or a path that stands for all below."""

    trigger: str = field(validator=_must_be(policy.trigger))
    waits: bool
    """Activating packages stay triggers-awaited until it is processed (`interest`, `interest-await`)."""


@frozen
class Facts:
    """Facts of one .deb."""

    sha256: str = field(validator=_check_sha256)
    """SHA-256 of the .deb."""
    name: str = field(validator=_must_be(policy.PACKAGE.check))
    version: str = field(validator=_must_be(policy.VERSION.check))
    architecture: str = field(validator=_must_be(policy.ARCHITECTURE.check))
    multi_arch: str = field(validator=_must_be(policy.MULTI_ARCH.check))
    control: str
    """The control paragraph as the archive has it."""
    members: Mapping[str, str] = field(validator=_check_members)
    """Control members other than `control`, with their SHA-256."""
    conffiles: tuple[Conffile, ...]
    interests: tuple[Interest, ...]
    activates: tuple[Interest, ...]
    newest_mtime: int
    files: tuple[str, ...]
    """Every path as shipped, absolute, directories too: these fire file triggers."""
    private_keys: tuple[str, ...]
    """Files in the archive that hold a PEM private key: public ones, for tests and examples."""
    diverts: bool
    """The preinst adds a diversion: dpkg itself must unpack the package."""

    @property
    def scripts(self) -> tuple[str, ...]:
        """Return the names of the package's scripts, in the order of `SCRIPTS`."""
        return tuple(name for name in SCRIPTS if name in self.members)

    @property
    def qualified_name(self) -> str:
        """Return how dpkg names the package's files in info/: with the architecture iff Multi-Arch: same."""
        return f"{self.name}:{self.architecture}" if self.multi_arch == "same" else self.name


def to_json(facts: Facts) -> bytes:
    """Return the facts as JSON, byte for byte the same each time, with the format's number."""
    value = {"format": FORMAT, **_converter().unstructure(facts)}
    return json.dumps(value, sort_keys=True, indent=1).encode() + b"\n"


def from_json(data: bytes) -> Facts:
    """Return the facts that `to_json` was given. Raises StoreError for another format or broken text."""
    try:
        value = json.loads(data)
        number = value.pop("format")
        if number == FORMAT:
            return _converter().structure(value, Facts)
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise StoreError("facts of an archive are broken", hint=_MEND) from error
    except (ArchiveError, cattrs.BaseValidationError) as error:
        raise StoreError("facts of an archive are broken", hint=_MEND) from error
    raise StoreError(f"facts have the format {number}, this release reads {FORMAT}", hint=_MEND)


def is_of_another_format(data: bytes) -> bool:
    """Return whether these may be facts that another release wrote."""
    try:
        number = json.loads(data)["format"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(number, int) and number != FORMAT


@cache
def _converter() -> cattrs.Converter:
    """Return the converter, made once: that costs more than reading the facts of a hundred archives."""
    return cattrs.Converter(forbid_extra_keys=True)


def parse_paragraph(text: str) -> dict[str, str]:
    """Return the fields of the one paragraph in `text` (deb822(5)), in their order.

    Values have no outer spaces; continuation lines keep line ends and leading spaces. Raises ArchiveError.
    """
    fields: dict[str, str] = {}
    name = ""
    for line in text.rstrip().split("\n"):
        if line.startswith((" ", "\t")) and name:
            fields[name] += "\n" + line
            continue
        name, colon, value = line.partition(":")
        twice = any(name.lower() == known.lower() for known in fields)
        if not colon or twice or not policy.FIELD.allows(name):
            raise ArchiveError(f"a control paragraph has a broken line: {line!r}")
        fields[name] = value.lstrip()
    return {name: value.rstrip() for name, value in fields.items()}


def parse_conffiles(data: bytes) -> list[tuple[str, tuple[str, ...]]]:
    """Return path and flags of each line of a `conffiles` member (deb-conffiles(5)). Raises ArchiveError."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        text = line.rstrip()
        if not text:
            continue
        flags: tuple[str, ...] = ()
        if not text.startswith("/"):
            flag, _, text = text.partition(" ")
            flags = (flag,)
        if not text.startswith("/") or flags not in ((), ("remove-on-upgrade",)):
            raise ArchiveError(f"its conffiles have a broken line: {line!r}")
        found.append((policy.PATH.check(text.strip()), flags))
    return found


def parse_triggers(data: bytes) -> tuple[tuple[Interest, ...], tuple[Interest, ...]]:
    """Return interests and activations of a `triggers` member (deb-triggers(5)). Raises ArchiveError."""
    interests: list[Interest] = []
    activates: list[Interest] = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        words = line.partition("#")[0].split()
        if not words:
            continue
        directive, _, suffix = words[0].partition("-")
        if (
            len(words) != 2
            or directive not in ("interest", "activate")
            or suffix not in ("", "await", "noawait")
        ):
            raise ArchiveError(f"its triggers have a broken line: {line!r}")
        trigger = Interest(words[1], suffix != "noawait")
        (interests if directive == "interest" else activates).append(trigger)
    return tuple(interests), tuple(activates)


def adds_diversion(preinst: bytes) -> bool:
    """Return whether the preinst diverts files that another package may have when it is first installed."""
    code = re.sub(rb"(?m)^\s*#.*$", b"", preinst).replace(b"\\\n", b" ")
    code = _BLOCK.sub(lambda block: b"" if _is_for_upgrades(block["condition"]) else block[0], code)
    return any(not _DIVERT_HARMLESS.search(call["rest"]) for call in _DIVERT.finditer(code))


def _is_for_upgrades(condition: bytes) -> bool:
    return _UPGRADE.search(condition) is not None and b"install" not in condition


def make(
    sha256: str,
    control: Mapping[str, bytes],
    member_digests: Mapping[str, str],
    **data: Any,
) -> Facts:
    """Return the facts of an archive, from its control members and, in `data`, what unpacking found.

    Raises ArchiveError if the control paragraph lacks a mandatory field, or a value breaks its grammar.
    """
    text = control["control"].decode("utf-8", "surrogateescape")
    fields = {name.lower(): value for name, value in parse_paragraph(text).items()}
    missing = [name for name in ("package", "version", "architecture") if not fields.get(name)]
    if missing:
        raise ArchiveError(f"its control file has no {missing[0].capitalize()}")
    interests, activates = parse_triggers(control.get("triggers", b""))
    return Facts(
        sha256=sha256,
        name=fields["package"],
        version=fields["version"],
        architecture=fields["architecture"],
        multi_arch=fields.get("multi-arch", "no").lower(),
        control=text,
        members=dict(sorted(member_digests.items())),
        interests=interests,
        activates=activates,
        diverts=adds_diversion(control.get("preinst", b"")),
        **data,
    )
