"""The command line that does the same as an action on a screen: shown, logged, and there to be copied."""

import shlex
from collections.abc import Sequence

from attrs import field, frozen

from envforge.tui.core.words import place

DEFAULT = "default"


@frozen
class Subject:
    """The environment that actions are about."""

    spec: str
    """Real path of its spec."""
    environment: str = DEFAULT
    """Which of the spec's environments."""
    digest: str = ""
    """Empty where it was never built."""
    name: str = ""
    generation: int = 0

    @property
    def key(self) -> str:
        """Return what tells it from all others of a store."""
        return f"{self.spec}\0{self.environment}"


@frozen
class Commands:
    """Makes command lines for one store."""

    store: str = ""
    """The value of `--store`, where one was given."""
    here: str = field(default="", kw_only=True)
    """The spec that commands find by themselves, as the TUI was started in its directory."""

    def of(self, subject: Subject, command: str, *words: str) -> str:
        """Return a command about one environment."""
        start = ["envforge"]
        if subject.spec and subject.spec != self.here:
            start += ["-f", subject.spec]
        if subject.environment != DEFAULT:
            start += ["-E", subject.environment]
        return self._line(start, command, words)

    def store_wide(self, command: str, *words: str) -> str:
        """Return a command about the store."""
        return self._line(["envforge"], command, words)

    def _line(self, start: Sequence[str], command: str, words: Sequence[str]) -> str:
        where = ["--store", self.store] if self.store else []
        return shlex.join([*start, *where, *command.split(), *words])


def target(subject: Subject) -> str:
    """Return how `diff` and `root` name an environment."""
    return subject.digest[:12] if subject.digest else place(subject.spec)
