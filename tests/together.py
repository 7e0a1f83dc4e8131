"""Which tests one worker runs, where several do (`pytest -n 2 --dist loadfile`)."""

import re

_OF_AN_ACCOUNT = re.compile(r"(?:.*/)?attack/.*\[(root|ranges|single)\b")


def group_of(nodeid: str) -> str:
    """Return the name of the group that a test belongs to: its file, as that has fixtures of its own.

    Attacks on one account share its store, whatever file they are in.
    """
    account = _OF_AN_ACCOUNT.match(nodeid)
    return f"attacks on {account[1]}" if account else nodeid.partition("::")[0]
