"""`python -m tests.compare.page`: writes specs/packages.md, what differs from `apt-get install`, and why."""

from pathlib import Path

from tests.compare.allowed import ALLOWED
from tests.sweep.left import LEFT

PAGE = Path(__file__).parents[2] / "specs" / "packages.md"
_WORDS = {"missing": "not there", "extra": "only here", "content": "other content", "mtime": "other time"}

_HEAD = """# Packages: what is not as `apt-get install` leaves it

An environment holds the files that dpkg would have unpacked and what the packages' own scripts wrote, byte
for byte, with the same modes, owners and capabilities. `python -m tests.compare` and `python -m tests.sweep`
compare both; nothing else than this may differ. Most of it is the state of one machine, which has no place in
what many share, or holds the time at which it was made.

<!-- Made by `python -m tests.compare.page` from allowed.py and tests/sweep/left.py. Edit there. -->

| path (a regular expression) | how it differs | why |
|---|---|---|"""


def page() -> str:
    """Return the page."""
    lines = [_HEAD]
    for entry in ALLOWED:
        pattern = entry.pattern.replace("|", "\\|")
        aspects = ", ".join(_WORDS.get(aspect, f"other {aspect}") for aspect in entry.aspects)
        lines.append(f"| `{pattern}` | {aspects} | {entry.reason} |")
    lines += ["", "## Packages that are left", ""]
    if not LEFT:
        lines.append("None is known.")
    else:
        lines += ["| packages | suites | what | why |", "|---|---|---|---|"]
    for left in LEFT:
        names = ", ".join(f"`{name}`" for name in left.packages)
        lines.append(f"| {names} | {', '.join(left.suites)} | {left.kind} | {left.reason} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
