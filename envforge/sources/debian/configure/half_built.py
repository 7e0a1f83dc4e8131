"""The shell of `--shell-on-failure`: in the half-built tree, confined like the scripts that failed there."""

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import Final

from envforge.errors import EnvforgeError
from envforge.sandbox.confined.in_tree import Bind, run_in_tree
from envforge.sandbox.owners.model import Owner
from envforge.sandbox.owners.run import run_supervised

TERMINAL: Final = 2
"""Standard error, which confined workers keep. A terminal is usually open for reading there, too."""
_ABOUT: Final = """
You are root in the half-built tree. `dpkg --configure --pending` tries again; `exit` leaves the tree,
and what you changed is gone then.
"""


def enter(
    error: EnvforgeError,
    *,
    directory: str,
    upper: str,
    lowers: Sequence[str],
    binds: Sequence[Bind],
    environment: Mapping[str, str],
    owners: Mapping[bytes, Owner] | None,
) -> None:
    """Show the error, then run a shell on the terminal until it ends.

    `owners` are the true owners of the tree's files if the disk cannot hold them, None if it does.
    """
    sys.stderr.write(f"error: {error.message}\n{_ABOUT}")
    sys.stderr.flush()
    work = tempfile.mkdtemp(prefix="work", dir=directory)  # a volatile overlay refuses one that was used
    variables = {**environment, "TERM": os.environ.get("TERM", "dumb"), "PS1": "half-built:$PWD# "}
    command = ["/bin/sh", "-i"]
    if owners is None:
        run_in_tree(
            lowers=lowers,
            upper=upper,
            work=work,
            command=command,
            environment=variables,
            stdin=TERMINAL,
            output=TERMINAL,
            binds=binds,
        )
        return
    run_supervised(
        lowers=lowers,
        upper=upper,
        work=work,
        command=command,
        environment=variables,
        stdin=TERMINAL,
        output=TERMINAL,
        owners=owners,
        binds=binds,
    )
