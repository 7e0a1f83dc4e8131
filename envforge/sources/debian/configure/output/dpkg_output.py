"""Parses the output of dpkg and maintainer scripts: the current step, and the first failure. Pure.

dpkg goes on after a failure, so the end of its output is about packages that are fine. All lines between two
of these headings belong to the package that the first one names:

    Setting up NAME (VERSION) ...
    Processing triggers for NAME (VERSION) ...
    Unpacking NAME (VERSION) ...
    envforge: STEP of NAME ...          printed by our own script around dpkg (`configure/script.py`)
"""

import re
from collections import deque
from typing import Final

from attrs import define, field, frozen

LINES_KEPT: Final = 40
"""Number of lines kept of each step: the last ones, in which a script says what went wrong."""
_LINE_LENGTH: Final = 400
_OTHERS_MAX: Final = 20
_HEADING: Final = re.compile(
    r"(?P<what>Setting up|Processing triggers for|Unpacking) (?P<package>\S+) \(.*\) \.\.\.$"
    r"|envforge: (?P<own>[a-z ]+) of (?P<of>\S+) \.\.\.$"
)
_ARCHIVE: Final = re.compile(r"Preparing to unpack \S+ \.\.\.$")
_ERROR: Final = re.compile(r"dpkg: error processing (?:package|archive) (\S+) \((.+?)\):?$")
_SUBJECT: Final = re.compile(r"(?:installed|new|old) (\S+) package \S+ script")
_CONSEQUENCE: Final = "dependency problems - leaving"
_CONTROL: Final = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b.?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Control characters and escape sequences, which could move the cursor of a terminal."""
SETTING_UP: Final = "setting up"
_STEPS: Final = {
    "Setting up": SETTING_UP,
    "Processing triggers for": "processing triggers for",
    "Unpacking": "unpacking",
}


@frozen
class Step:
    """One step for one package, and its output."""

    doing: str
    """`setting up`, `processing triggers for`, `unpacking`, `preinst of`, …"""
    package: str
    lines: "deque[str]" = field(factory=lambda: deque(maxlen=LINES_KEPT))
    """The last lines printed in this step."""

    @property
    def label(self) -> str:
        """Return `setting up libc6`."""
        return f"{self.doing} {self.package}"


@frozen
class Failure:
    """The first package that failed."""

    package: str
    reason: str
    """dpkg's reason: `installed … post-installation script subprocess returned error …`."""
    doing: str
    lines: tuple[str, ...]
    """The last lines that its script printed."""


@define
class Output:
    """Parser of the output. Feed it pieces of any size; `step` is the current one, `failure` the first."""

    step: Step = field(factory=lambda: Step("", ""))
    failure: Failure | None = None
    others: list[str] = field(factory=list)
    """Packages that failed later, or were left alone because another one had failed."""
    _rest: bytes = b""
    _explained: "list[str] | None" = None
    """The lines of an error's reason while they arrive; None outside of one."""
    _failed: str = ""

    def feed(self, data: bytes) -> list[str]:
        """Take the next bytes; return the lines that they complete."""
        return [line for _, line in self.steps(data)]

    def steps(self, data: bytes) -> list[tuple[Step, str]]:
        """Take the next bytes; return the lines that they complete, each with the step that it belongs to."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 1 << 16:  # bounds memory: so long a line is cut
            whole, self._rest = [*whole, self._rest], b""
        found = []
        for line in map(_shown, whole):
            self._take(line)
            found.append((self.step, line))
        return found

    def end(self) -> list[str]:
        """Take the end of the output; return a last line that has no line end."""
        lines = self.feed(b"\n") if self._rest else []
        self._take_reason()
        return lines

    def _take(self, line: str) -> None:
        if self._explained is not None:
            if line.startswith(" "):
                self._explained.append(line.strip())
                return
            self._take_reason()
        if heading := _HEADING.match(line):
            what, package = heading["what"], heading["package"] or heading["of"]
            self.step = Step(_STEPS[what] if what else f"{heading['own']} of", package)
        elif _ARCHIVE.match(line):
            self.step = Step("unpacking", "")
        elif error := _ERROR.match(line):
            self._failed, self._explained = error[1], []
        else:
            self.step.lines.append(line)

    def _take_reason(self) -> None:
        """Record the error whose reason is now complete."""
        if self._explained is None:
            return
        reason, self._explained = " ".join(self._explained), None
        step = self.step
        subject = _SUBJECT.match(reason)
        package = subject[1] if subject else self._failed
        if self.failure is None and not reason.startswith(_CONSEQUENCE):
            own = step.package in {package, ""}
            self.failure = Failure(
                package, reason, step.doing if own else "", tuple(step.lines) if own else ()
            )
            step.lines.clear()
        elif package not in self.others and len(self.others) < _OTHERS_MAX:
            self.others.append(package)


def _shown(line: bytes) -> str:
    """Return a line as it may be shown: without control characters, and what carriage returns overwrote."""
    text = line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]
    return _CONTROL.sub("", text)[:_LINE_LENGTH]


def read(log: bytes) -> Output:
    """Return the parsed output of a whole log."""
    output = Output()
    output.feed(log)
    output.end()
    return output
