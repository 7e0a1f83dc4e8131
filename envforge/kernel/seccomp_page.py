"""Documents the filter: what happens to each system call here and under Docker's default profile.

`python -m envforge.kernel.seccomp_page` writes it anew into specs/sandbox.md; a test fails while it is not
current.
"""

import os
from collections.abc import Callable, Iterable
from typing import Final

from envforge import whole_file
from envforge.kernel.seccomp import SystemCall, system_calls

START: Final = "<!-- system calls: made by `python -m envforge.kernel.seccomp_page` -->\n"
END: Final = "<!-- end of system calls -->\n"
_PAGE: Final = "specs/sandbox.md"

_Test = Callable[[SystemCall], bool]
_KINDS: Final[tuple[tuple[str, _Test], ...]] = (
    ("Allowed, here and there", lambda call: (call.ours, call.docker) == ("allow", "allow")),
    (
        "Allowed with some arguments only, here and there",
        lambda call: (call.ours, call.docker) == ("check",) * 2,
    ),
    ("Refused with EPERM, here and there", lambda call: (call.ours, call.docker) == ("refuse", "refuse")),
)
_HERE: Final = {
    "allow": "allowed",
    "check": "some arguments only",
    "refuse": "EPERM",
    "absent": "ENOSYS",
    "namespaces": "EPERM, allowed with `nested = true`",
}
_THERE: Final = {"allow": "allowed", "check": "some arguments only", "refuse": "EPERM", "absent": "ENOSYS"}


def listing() -> str:
    """Return the part of the page between its marks."""
    calls = system_calls()
    parts = ["Different:\n", "| | here | Docker |", "|---|---|---|"]
    parts += _differences(call for call in calls if not any(test(call) for _, test in _KINDS))
    for title, test in _KINDS:
        found = [call.name for call in calls if test(call)]
        parts.append(f"\n{title} ({len(found)}): {', '.join(f'`{name}`' for name in found)}.")
    return "\n".join(parts) + "\n"


def _differences(calls: Iterable[SystemCall]) -> list[str]:
    """Return a table's rows, one for each pair of verdicts."""
    rows: dict[tuple[str, str], list[str]] = {}
    for call in calls:
        here = "ENOSYS, allowed with `nested = true`" if call.name == "clone3" else _HERE[call.ours]
        rows.setdefault((here, _THERE[call.docker]), []).append(f"`{call.name}`")
    return [f"| {' '.join(names)} | {here} | {there} |" for (here, there), names in rows.items()]


def updated(page: str) -> str:
    """Return the page with that part made anew."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}{listing()}{END}{after}"


def _main() -> None:
    top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    path = os.path.join(top, _PAGE)
    with open(path, encoding="utf-8") as file:
        page = file.read()
    whole_file.write(path, updated(page).encode(), mode=None)


if __name__ == "__main__":
    _main()
