"""The grammar of single values of a spec: one rule per kind of value. No rule looks at another value.

The patterns are in the JSON schema too, so they keep to syntax that Python and ECMA-262 read alike.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable
from typing import Final

from envforge.values import frozen


def _no_advice(_value: str) -> str:
    return ""


@frozen
class Rule:
    """The pattern of a text, and the message for one that does not match."""

    pattern: str
    """It must match the whole value."""
    expects: str
    """Ends the sentence `… is not …`."""
    advice: Callable[[str], str] = _no_advice
    """Returns a guess at what a wrong value was meant to be, or an empty text."""
    known: tuple[str, ...] = ()
    """The usual values. Others are accepted too, unless they look like a misspelling of one."""

    def problem(self, value: str) -> str:
        """Return what is wrong with `value`, or an empty text."""
        if re.fullmatch(self.pattern, value):
            meant = nearest(value, self.known) if self.known and value not in self.known else ""
            return f"{quoted(value)} is not {self.expects}; did you mean {quoted(meant)}?" if meant else ""
        advice = self.advice(value)
        return f"{quoted(value)} is not {self.expects}" + (f"; {advice}" if advice else "")


def quoted(value: str) -> str:
    """Return `value` as a TOML string, shortened where it is long, for use in messages."""
    return string(value if len(value) <= 60 else f"{value[:57]}…")


def string(value: str) -> str:
    """Return `value` as a TOML string, whole."""
    escaped = "".join(_escaped(character) for character in value)
    return f'"{escaped}"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return f"\\{character}"
    if character.isprintable():
        return character
    return f"\\u{ord(character):04x}" if ord(character) < 1 << 16 else f"\\U{ord(character):08x}"


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the one of `known` that `word` is most likely a misspelling of, or an empty text."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong spec needs it

    return next(iter(get_close_matches(word.lower(), list(known), 1, 0.7)), "")


def slug(text: str, *, otherwise: str = "project") -> str:
    """Return a valid project name that reads like `text`, or `otherwise` where nothing of it is left."""
    unaccented = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", "-", unaccented.lower()).strip("-")
    return plain[:63].rstrip("-") or otherwise


def split_request(request: str) -> tuple[str, str]:
    """Return name and version pattern of a package request; the pattern is empty where none is written."""
    name, _, version = request.partition("=")
    return name, version


def name_advice(value: str) -> str:
    """Return a name that would do in place of a wrong one."""
    name = slug(value, otherwise="")
    return f"{quoted(name)} would do" if name else ""


def _suite_advice(value: str) -> str:
    base, _, pocket = value.partition("-")
    if pocket in ("updates", "security", "proposed-updates", "backports"):
        return f"write suite = {quoted(base)}, and pockets = [{quoted(pocket)}, …] where you need to"
    if (number := value.partition(".")[0]) in _NUMBERED_SUITES:
        return f"Debian {number} is {quoted(_NUMBERED_SUITES[number])}"
    if value.lower() in UBUNTU_SUITES:
        return 'it is Ubuntu\'s; Debian\'s are "trixie" (13), "bookworm" (12) and others'
    if value in MOVING_SUITES:
        return (
            f"{quoted(value)} moves from release to release; name one, such as {quoted(MOVING_SUITES[value])}"
        )
    return _lower_advice(value)


def _pocket_advice(value: str) -> str:
    return (
        f"leave the suite away: {quoted(value.rpartition('-')[2])}" if "-" in value else _lower_advice(value)
    )


def _lower_advice(value: str) -> str:
    return f"write it in lower case: {quoted(value.lower())}" if value != value.lower() else ""


def _package_advice(value: str) -> str:
    if len(value.split()) > 1:
        return "one package a string: " + ", ".join(quoted(part) for part in value.split())
    if value != value.strip():
        return "without spaces around it"
    if found := re.match(r"([^<>=~!]+)(==|>=|<=|~=|!=|>>|<<|>|<|~|@)(.*)", value):
        pin = found[3].rstrip(".*") or "1"
        return f"a version is pinned by = and may end in *: {quoted(f'{found[1]}={pin}.*')}"
    if ":" in value.partition("=")[0]:
        return "packages of another architecture are not taken; leave the part from the colon on away"
    if "/" in value:
        return "which archive it comes from follows from its version; leave the part from the slash on away"
    return _lower_advice(value) if "=" not in value else ""


def _absolute_advice(value: str) -> str:
    if ".." in value.split("/"):
        return "write it without .."
    if value.startswith("~"):
        return "~ means nothing here"
    if not value.startswith("/"):
        return f"did you mean {quoted('/' + value)}?" if value else ""
    return "write it without a slash at its end" if value.rstrip("/") else ""


def _relative_advice(value: str) -> str:
    if value.startswith(("/", "~")):
        return "what lies outside would not be there on another machine; copy it beside the spec"
    return ""


def _inside_advice(value: str) -> str:
    if value.startswith("~/"):
        return _absolute_advice(value[1:])
    return _home_advice(value) or _absolute_advice(value)


def _home_advice(value: str) -> str:
    return "only your own home can be named, as ~/…" if value.startswith("~") else ""


def _mode_advice(value: str) -> str:
    return f"write {quoted(f'0{value[2:]}')}" if re.fullmatch("0o[0-7]{3,4}", value) else ""


def _pass_advice(value: str) -> str:
    if "=" in value:
        return "only names are passed; a value of your own belongs in [variables]"
    if value and not value.strip("*?"):
        return "it would let the whole of the host's environment in; name what you need"
    return ""


def _uri_advice(value: str) -> str:
    if re.match(r"https?://[^/]*@", value):
        return "whom the archive lets in stands in your own configuration, not in a file that is shared"
    return ""


def _fetched_advice(value: str) -> str:
    if value.startswith("git+") or value.endswith(".git"):
        return "git repositories are not taken yet; most hosts give a revision as an archive too"
    if "#" in value and value.startswith("http"):
        return "write it without # and what follows; a hash belongs in sha256"
    if value and "://" not in value and not value.startswith("file:"):
        return f"a file of the project is {quoted(f'file:{value}')}"
    return _uri_advice(value)


def _sha256_advice(value: str) -> str:
    plain = value.removeprefix("sha256").lstrip(":-").lower()
    return f"write {quoted(plain)}" if re.fullmatch("[0-9a-f]{64}", plain) and plain != value else ""


def _key_advice(value: str) -> str:
    plain = value.replace(" ", "").replace(":", "").upper().removeprefix("0X")
    if re.fullmatch("[0-9A-F]{40}|[0-9A-F]{64}", plain):
        return f"write the fingerprint as {quoted(plain)}"
    if re.fullmatch("[0-9A-F]{8,39}", plain):
        return "a short key id can be forged; write the whole fingerprint"
    return _relative_advice(value)


MOVING_SUITES: Final = {
    "stable": "trixie",
    "testing": "forky",
    "unstable": "sid",
    "oldstable": "bookworm",
    "oldoldstable": "bullseye",
}
_NUMBERED_SUITES: Final = {"11": "bullseye", "12": "bookworm", "13": "trixie", "14": "forky"}
UBUNTU_SUITES: Final = ("bionic", "focal", "jammy", "noble", "oracular", "plucky", "questing")
KNOWN_SUITES: Final = ("bullseye", "bookworm", "trixie", "forky", "sid")
"""To recognise misspelt ones; others are accepted too."""
KNOWN_POCKETS: Final = ("updates", "security", "backports", "proposed-updates")
KNOWN_COMPONENTS: Final = ("main", "contrib", "non-free", "non-free-firmware")
FORWARDED: Final = ("ssh-agent", "gpg-agent", "wayland", "x11")
"""Sockets that `sandbox/relays/forwarding.py` knows how to find."""
FINGERPRINT: Final = r"[0-9A-F]{40}|[0-9A-F]{64}"

SEGMENT: Final = r"(?!\.{1,2}(?:/|$))[^/\u0000-\u001f\u007f]+"
"""One part of a path that is neither . nor .., for longer patterns."""
_MOVING = "|".join((*MOVING_SUITES, *UBUNTU_SUITES))

NAME: Final = Rule(
    r"[a-z0-9][a-z0-9-]{0,62}",
    "a name: up to 63 lower-case letters, digits and hyphens, the first no hyphen",
    name_advice,
)
LINE: Final = Rule(r"[^\u0000-\u001f\u007f]*", "one line of text")
SUITE: Final = Rule(
    rf"(?!(?:{_MOVING})$)(?!.*-(?:updates|security|backports|proposed-updates)$)[a-z][a-z0-9.-]*",
    "a suite's name",
    _suite_advice,
    KNOWN_SUITES,
)
FOREIGN_SUITE: Final = Rule(
    rf"(?:{SEGMENT}/)*{SEGMENT}",
    "a suite of an archive that has dists/SUITE/InRelease; archives without one are not taken",
)
POCKET: Final = Rule(
    r"(?!(?!proposed-updates$).*-(?:updates|security|backports)$)[a-z][a-z-]*",
    'a pocket, such as "updates", "security" or "backports"',
    _pocket_advice,
    KNOWN_POCKETS,
)
COMPONENT: Final = Rule(r"[A-Za-z0-9][A-Za-z0-9+._/-]*", "a component's name")
PACKAGE: Final = Rule(
    r"[a-z0-9][a-z0-9+.-]+(?:=[A-Za-z0-9.+:~*?-]+)?", "a package's name, or name=version", _package_advice
)
URI: Final = Rule(
    r"https?://[^\s/?#@]+(?:/[^\s?#]*)?", "an address that begins with http:// or https://", _uri_advice
)
FETCHED: Final = Rule(
    r"https?://[^\s/?#@]+(?:/[^\s#]*)?|file:(?://(?=/))?(?!//)[^\s\u0000-\u001f\u007f]+",
    "an address that begins with http:// or https://, or file: with a path",
    _fetched_advice,
)
SHA256: Final = Rule(r"[0-9a-f]{64}", "a SHA-256: 64 hexadecimal digits in lower case", _sha256_advice)
FETCH_TARGET: Final = Rule(rf"/|(?:/{SEGMENT})+", "an absolute path inside the environment", _absolute_advice)
KEY: Final = Rule(
    rf"(?:{FINGERPRINT})|(?![/~]|[0-9A-Fa-f: ]+$)[^\u0000-\u001f\u007f]+",
    "a key: a file relative to the spec, or a fingerprint of 40 or 64 hexadecimal digits",
    _key_advice,
)
RELATIVE_PATH: Final = Rule(
    r"(?![/~])[^\u0000-\u001f\u007f]+", "a path relative to the spec", _relative_advice
)
PROJECT_PATH: Final = Rule(
    rf"(?![/~])(?:{SEGMENT}/)*{SEGMENT}", "a path below the project directory, written without .."
)
ABSOLUTE_PATH: Final = Rule(rf"(?:/{SEGMENT})+", "an absolute path inside the environment", _absolute_advice)
HOST_PATH: Final = Rule(
    r"(?:~(?:/[^\u0000-\u001f\u007f]*)?|(?!~)[^\u0000-\u001f\u007f]+)",
    "a path on the host",
    _home_advice,
)
INSIDE_PATH: Final = Rule(
    rf"~?(?:/{SEGMENT})+",
    "an absolute path inside the environment, or one that begins with ~/",
    _inside_advice,
)
MODE: Final = Rule(r"[0-7]{3,4}", 'a mode of three or four octal digits, such as "0644"', _mode_advice)
VARIABLE: Final = Rule(
    r"[A-Za-z_][A-Za-z0-9_]*", "a variable's name: letters, digits and underscores, the first no digit"
)
VALUE: Final = Rule(r"[^\u0000]*", "a value: a variable cannot hold a NUL character")
ARGUMENT: Final = Rule(r"[^\u0000]*", "an argument: it cannot hold a NUL character")
PASSED: Final = Rule(
    r"[*?]*[A-Za-z_][A-Za-z0-9_*?]*", "a variable's name, in which * and ? may stand", _pass_advice
)
USER: Final = Rule(r"[a-z_][a-z0-9_-]{0,31}", '"self", "root" or a user\'s name', _lower_advice)


def local_path(url: str) -> str:
    """Return the path that a `file:` address names, absolute or relative to the spec; empty for others."""
    if not url.startswith("file:"):
        return ""
    from urllib.parse import unquote  # noqa: PLC0415 - few specs have such an address

    path = url.removeprefix("file:")
    return unquote(path.removeprefix("//") if path.startswith("///") else path)
