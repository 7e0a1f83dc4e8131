"""Removes secrets from the databases of debconf and ucf: no layer may hold them. Pure. debconf(7), ucf(1).

var/cache/debconf/{config,passwords}.dat   a stanza a question, its answer as `Value:`
var/lib/ucf/hashfile                       checksum and path of each file that ucf placed
var/lib/ucf/cache/:etc:x:y                 copy of the file that it placed at /etc/x/y
"""

from collections.abc import Collection
from typing import Final

QUESTIONS: Final = "/var/cache/debconf/config.dat"
PASSWORDS: Final = "/var/cache/debconf/passwords.dat"
CHECKSUMS: Final = "/var/lib/ucf/hashfile"


def without_questions(text: str, questions: Collection[str]) -> str:
    """Return one of debconf's databases without `questions`."""
    if not questions:
        return text
    return "".join(f"{stanza}\n\n" for stanza in _stanzas(text) if _name(stanza) not in questions)


def without_passwords(text: str) -> str:
    """Return debconf's password database without answers: a script made them up, as nobody was asked."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("Value:"))


def _stanzas(text: str) -> list[str]:
    return [stanza.strip("\n") for stanza in text.split("\n\n") if stanza.strip("\n")]


def _name(stanza: str) -> str:
    return next((line[5:].strip() for line in stanza.split("\n") if line.startswith("Name:")), "")


def without_checksums(text: str, paths: Collection[str]) -> str:
    """Return ucf's list of checksums without the lines of `paths`."""
    lines = text.splitlines(keepends=True)
    return "".join(line for line in lines if line.strip().rpartition("  ")[2] not in paths)


def cached_copy(path: str) -> str:
    """Return the path of ucf's copy of the file that it placed at `path`."""
    return f"/var/lib/ucf/cache/{path.replace('/', ':')}"
