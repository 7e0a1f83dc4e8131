"""The global options' values, and what follows from them for every command."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, NoReturn

import click

if TYPE_CHECKING:
    from envforge.api.containers import Container
    from envforge.api.locating import Location
    from envforge.api.projects import Project
    from envforge.progress import Listener


_UNWINDING_MAX_S: Final = 5
PROGRESS_WAYS: Final = ("auto", "plain", "json", "none")
"""What `--progress` takes. `progress.views.choose` makes them; few commands load that."""


@contextmanager
def _unwinding() -> Iterator[None]:
    """Make SIGTERM and SIGHUP unwind the stack, as Ctrl-C does: terminal and staging are then cleaned up."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = (
        number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) == signal.SIG_DFL
    )
    before = {number: signal.signal(number, _end) for number in asked}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(number: int, _frame: object) -> NoReturn:
    """Unwind, and exit hard after a few seconds: a thread may hang in a DNS lookup or a connection."""
    signal.signal(signal.SIGALRM, lambda _number, _frame: os._exit(128 + number))
    signal.setitimer(signal.ITIMER_REAL, _UNWINDING_MAX_S)
    raise SystemExit(128 + number)


class Settings:
    """The values of the global options, as click finds them one by one."""

    def __init__(self, *, command: str = "", json: bool = False) -> None:
        self.command = command
        """The command's name, once known."""
        self.json = json
        self.file: str | None = None
        self.store: str | None = None
        self.environment: str | None = None
        """The chosen one of the spec's environments."""
        self.instance = ""
        """The value of `--instance`: which of several of the project."""
        self.quiet = False
        self.verbose = False
        self.allow = False
        """Consent to what the spec wants, and remember it."""
        self.cache: str | None = None
        """The value of `--cache`."""
        self.progress_way: str | None = None
        """The value of `--progress`."""

    def project(self) -> "Project":
        """Return the project that `--file` or the current directory means."""
        from envforge.api import projects  # noqa: PLC0415 (help and completion need none of it)

        return projects.open(self.file, self.store, self.cache, self.environment)

    def location(self) -> "Location":
        """Return where that project is, without reading its spec."""
        from envforge.api import locating  # noqa: PLC0415 (as above)

        return locating.locate(self.file, self.store, self.environment)

    def store_path(self) -> str:
        """Return the store's path."""
        from envforge.api import stores  # noqa: PLC0415 (as above)

        return stores.path(self.store)

    def container(self, named: str) -> "Container":
        """Return the container of that name, id, service of the project here, or beginning of an id."""
        from envforge.api import containers  # noqa: PLC0415 (as above)

        return containers.find(self.store_path(), named, spec=self.file, instance=self.instance)

    @contextmanager
    def progress(self, *, live: bool = True) -> "Iterator[Listener]":
        """Yield a listener that shows events; on leaving it is cleared from the screen.

        Without `live` it prints plain lines even on a terminal.
        """
        from envforge.progress.events import End  # noqa: PLC0415 (many commands show none)

        view = self.view(live=live)
        with _unwinding():
            try:
                yield view
            finally:
                view(End())

    def view(self, *, live: bool = True) -> "Listener":
        """Return a listener that shows events on standard error."""
        from envforge.progress.views import choose  # noqa: PLC0415 (as above)

        way = self.progress_way or ("none" if self.quiet else "auto")
        return choose(sys.stderr, way, every_step=self.verbose, live=live)

    @property
    def may_ask(self) -> bool:
        """Return whether to prompt: on a terminal only, and not where a program reads the output."""
        is_read = self.json or self.progress_way == "json"
        return not is_read and sys.stdin.isatty() and sys.stderr.isatty()


pass_settings = click.make_pass_decorator(Settings)
