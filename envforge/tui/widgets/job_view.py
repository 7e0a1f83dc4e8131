"""A job while it runs: its stage with a bar, and the lines that it prints."""

from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Log, Static

from envforge.tui.core.jobs import Job, State
from envforge.tui.core.words import bar, printable
from envforge.tui.widgets.key_bar import KeyBar
from envforge.tui.widgets.styles import CELL_CLASSES, Styled, titled
from envforge.units import duration_text

_INTERVAL_S = 0.1


class Gauge(Styled):
    """The stage's bar and how far it is."""

    COMPONENT_CLASSES: ClassVar[set[str]] = set(CELL_CLASSES)

    def __init__(self, job: Job) -> None:
        super().__init__(id="gauge")
        self._job = job

    def render(self) -> RenderableType:
        """Draw the bar where a share is known."""
        job, width = self._job, max(self.size.width, 10)
        style = {State.DONE: "good", State.FAILED: "bad", State.CANCELLED: "warn"}.get(job.state, "accent")
        line = Text(no_wrap=True, end="", overflow="ellipsis")
        share = job.share() if job.state is State.RUNNING else 1.0
        room = min(30, width // 4)
        line.append(bar(share or 0.0, room).rstrip(), self.cell_style(style))
        line.append("·" * (room - line.cell_len), self.cell_style("dim"))
        line.append("  ")
        line.append(printable(job.line(width - room - 4 - len(job.title))), self.cell_style("strong"))
        line.append(f"  {duration_text(job.seconds)}" if job.state is State.RUNNING else "")
        return line


class JobView(ModalScreen[None]):
    """Looks at a job; leaving it does not end it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter", "close", "Close (goes on)", id="job.close"),
        Binding("x", "cancel", "Cancel the job", id="job.cancel"),
        Binding("y", "copy", "Copy the log", id="job.copy"),
    ]

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.job = job
        self._shown = 0

    def compose(self) -> ComposeResult:
        """Compose the gauge, the log, and the keys."""
        with Vertical(id="dialog", classes="-large") as box:
            box.border_title = titled(self.job.title)
            yield Static(Text(f"$ {printable(self.job.command)}"), id="dialog-command")
            yield Gauge(self.job)
            yield Log(id="job-log", max_lines=2000)
        yield KeyBar()

    def on_mount(self) -> None:
        """Draw what there is, and look again while it runs."""
        self.set_interval(_INTERVAL_S, self.look)
        self.look()

    def look(self) -> None:
        """Draw what is new."""
        if not self.query(Log):
            return  # it was closed before it was drawn
        self.query_one(Gauge).refresh()
        new = self.job.said - self._shown
        if new > 0:
            lines = list(self.job.lines)[-new:]
            self.query_one(Log).write_lines([printable(line) for line in lines])
            self._shown = self.job.said

    def action_close(self) -> None:
        """Go back to the screen; the job goes on."""
        self.dismiss(None)

    def action_cancel(self) -> None:
        """End the job at its next step."""
        if self.job.state is State.RUNNING:
            self.job.cancel()

    def action_copy(self) -> None:
        """Copy what it has printed."""
        self.app.copy_to_clipboard("\n".join(self.job.lines))
        self.app.notify("copied", timeout=2)
