"""What is known to be unlike apt and stays so, with the reason: no fault of the run that meets it."""

from collections.abc import Sequence

from attrs import frozen


@frozen
class Left:
    """Packages that keep a fault of some kind."""

    kind: str
    """As in `trial.py`."""
    packages: tuple[str, ...]
    suites: tuple[str, ...]
    reason: str


LEFT: tuple[Left, ...] = ()


def reasons(suite: str, packages: Sequence[str], kinds: Sequence[str]) -> list[str]:
    """Return why each of those kinds is known of one of the packages; empty where one of them is not."""
    found = []
    for kind in kinds:
        entries = (entry for entry in LEFT if entry.kind == kind and suite in entry.suites)
        reason = next((entry.reason for entry in entries if {*entry.packages} & {*packages}), "")
        if not reason:
            return []
        found.append(reason)
    return found
