"""The attacks that are known to succeed. In the end nothing stands here without a reason."""

from fnmatch import fnmatchcase

OPEN: dict[str, str] = {}
"""Pattern of a test's id, from its file's name on -> the point that it shows."""


def reason_of(test: str) -> str:
    """Return why that test fails today, nothing where it must not."""
    escaped = test.replace("[", "(").replace("]", ")")
    return next((reason for pattern, reason in OPEN.items() if fnmatchcase(escaped, pattern)), "")
