"""The release of each language in the suites, and which suites satisfy a project's version range."""

import re
from typing import Final

LANGUAGES: Final = {
    "trixie": {
        "node": (20, 19, 2),
        "python": (3, 13, 5),
        "go": (1, 24, 4),
        "rust": (1, 85, 0),
        "php": (8, 4, 0),
        "ruby": (3, 3, 8),
        "java": (21, 0, 0),
    },
    "bookworm": {
        "node": (18, 20, 4),
        "python": (3, 11, 2),
        "go": (1, 19, 8),
        "rust": (1, 63, 0),
        "php": (8, 2, 0),
        "ruby": (3, 1, 2),
        "java": (17, 0, 0),
    },
}
"""By suite, the newest first."""

Version = tuple[int, ...]

_COMPARATOR: Final = re.compile(r"(\^|~=|~|>=|<=|==?|!=|>|<)?\s*v?(\d+|[*xX])((?:\.(?:\d+|[*xX]))*)")


def suites_for(language: str, asked: str) -> tuple[str, ...]:
    """Return the suites whose release of the language is in the range, newest first."""
    return tuple(suite for suite, has in LANGUAGES.items() if satisfies(has[language], asked))


def satisfies(version: Version, asked: str) -> bool:
    """Return whether `version` is in a range as npm, PyPI, Composer and Poetry write them."""
    alternatives = re.split(r"\|\|?", asked)
    return any(all(_in(version, part) for part in _parts(alternative)) for alternative in alternatives)


def _parts(alternative: str) -> list[str]:
    span = re.fullmatch(r"\s*(\S+)\s+-\s+(\S+)\s*", alternative)
    if span:
        return [f">={span[1]}", f"<={span[2]}"]
    return [found[0] for found in _COMPARATOR.finditer(alternative)]


def _in(version: Version, comparator: str) -> bool:
    found = _COMPARATOR.fullmatch(comparator)
    if found is None or not found[2].isdecimal():
        return True
    named = f"{found[2]}{found[3]}".split(".")
    bound = tuple(int(part) for part in named[: _first_wildcard(named)])
    head = version[: len(bound)]
    return {
        "^": head >= bound and version[0] == bound[0],
        "~=": head >= bound and version[: len(bound) - 1] == bound[:-1],
        "~": head >= bound and version[: min(2, len(bound))] == bound[:2],
        ">=": head >= bound,
        ">": head > bound or (len(bound) < len(version) and head == bound and len(named) > 1),
        "<=": head <= bound,
        "<": head < bound,
        "!=": True,
    }.get(found[1] or "=", head == bound)


def _first_wildcard(parts: list[str]) -> int:
    return next((index for index, part in enumerate(parts) if not part.isdecimal()), len(parts))
