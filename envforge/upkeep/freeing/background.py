"""Collects garbage after a build, in a process of its own that nobody waits for, at the lowest priorities.

It is off unless the user's configuration says when to. The process has a session of its own and none of the
caller's descriptors, so no terminal, pipe or lock is kept open by it. It says nothing: `doctor`, `du` and
`gc` tell the rest.
"""

import os
import signal
import sys
from contextlib import suppress
from typing import Final

import envforge
from envforge.config import Gc
from envforge.errors import EnvforgeError
from envforge.kernel import priority
from envforge.progress import Progress
from envforge.sandbox.ids.identity import detect
from envforge.store import locks
from envforge.upkeep.freeing.collect import collect
from envforge.upkeep.model import Policy

_CODE: Final = (
    "import os, sys; os.fork() and os._exit(0); sys.path.insert(0, sys.argv[1]); "
    "from envforge.upkeep.freeing import background; background.main()"
)
"""The starter ends at once; its child belongs to nobody."""
_NONE: Final = "-"


def start(store_path: str, wanted: Gc) -> None:
    """Start a collection in the background."""
    above = os.path.dirname(os.path.dirname(os.path.abspath(envforge.__file__)))
    numbers = (_NONE if one is None else str(one) for one in (wanted.max_size_bytes, wanted.keep))
    nothing = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
    starter = os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-c", _CODE, above, store_path, *numbers],
        os.environ,
        file_actions=nothing,
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD),
    )
    os.waitpid(starter, 0)


def main() -> None:
    """Collect garbage, whenever nobody else wants processor or disk; failures are nobody's to see."""
    os.chdir("/")
    priority.be_idle()
    store_path, max_size, keep = sys.argv[2:]
    policy = Policy(
        keep=None if keep == _NONE else int(keep),
        max_size_bytes=None if max_size == _NONE else int(max_size),
    )
    with suppress(EnvforgeError, OSError), locks.reading(store_path) as store:
        if store is not None:
            collect(store, detect(), policy, Progress())
