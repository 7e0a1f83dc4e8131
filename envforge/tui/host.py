"""What screens get from the app: the chosen environment, work in threads, the log of commands, questions."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from textual.app import App
from textual.worker import get_current_worker

from envforge.errors import ConsentError, DamagedError, EnvforgeError
from envforge.tui.core.commands import Commands, Subject
from envforge.tui.core.grid import Cell, Column, Grid
from envforge.tui.core.jobs import CancelledError, Done, Job, Loads, State
from envforge.tui.core.memory import Memory
from envforge.tui.core.words import printable
from envforge.tui.widgets.bars import INTERVAL_S, Status
from envforge.tui.widgets.dialogs import Confirm, Reading
from envforge.tui.widgets.job_view import JobView

if TYPE_CHECKING:
    from textual.timer import Timer

    from envforge.api.proof import Report
    from envforge.progress import Listener
    from envforge.tui.looking import Ahead, Found

T = TypeVar("T")
_LOG_MAX: Final = 200


class Host(App[int]):
    """The part of the app that screens know."""

    def __init__(
        self,
        store: str,
        commands: Commands,
        memory: Memory,
        *,
        here: Subject | None = None,
        read_only: bool = False,
        ahead: "Ahead | None" = None,
    ) -> None:
        super().__init__()
        self.ahead = ahead
        """What reads the environments already, where somebody does."""
        self.store, self.commands, self.memory, self.here = store, commands, memory, here
        self.read_only = read_only
        self.found: Found | None = None
        self.subject: Subject | None = here
        self.compared: tuple[str | None, str | None] | None = None
        """What the Diff screen is asked to compare when it comes to the front."""
        self._begin = memory.screen
        self.unsaved = ""
        """The spec with edits that are not saved; empty for none."""
        self.done: deque[Done] = deque(maxlen=_LOG_MAX)
        self.job: Job | None = None
        self.grids: dict[str, Grid] = {}
        self._loads = Loads()
        self._resting: dict[str, Timer] = {}
        self._ticker: Timer | None = None

    # The chosen environment, and tables that are kept

    def choose(self, subject: Subject) -> None:
        """Make the other screens be about this environment."""
        self.subject = subject
        self.memory.subject = subject.key

    def go_on(self) -> None:
        """Go to the screen of the last time, now that it is known which environment it is about."""
        if self._begin in self.MODES and self._begin != self.current_mode and self.subject is not None:
            self.switch_mode(self._begin)

    def grid(self, name: str, columns: tuple[Column, ...], kind: type[Grid] = Grid) -> Grid:
        """Return a table's state, as its user left it the last time."""
        if name not in self.grids:
            kept = self.memory.table(name)
            known = {column.name for column in columns}
            self.grids[name] = kind(
                columns,
                sort=kept.sort if kept.sort in known else "",
                descending=kept.descending,
                filter=kept.filter,
                cursor=kept.cursor,
            )
        return self.grids[name]

    def remember(self) -> Memory:
        """Return what is kept until the next start."""
        for name, grid in self.grids.items():
            kept = self.memory.table(name)
            kept.sort, kept.descending = grid.sort, grid.descending
            kept.filter, kept.cursor = grid.filter, grid.cursor
        return self.memory

    # Work in threads

    def load(self, name: str, title: str, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """Call `work` in a thread, then `then` with its result. A later call of the same name replaces it."""

        def run() -> None:
            worker = get_current_worker()
            try:
                result = work()
            except (EnvforgeError, OSError) as error:
                if not worker.is_cancelled:
                    self.call_from_thread(self._loaded, name, partial(self.complain, error))
                return
            if not worker.is_cancelled:
                self.call_from_thread(self._loaded, name, partial(then, result))

        self._loads.begin(name, title, time.monotonic())
        self._tick_on()
        self.run_worker(run, thread=True, group=name, exclusive=True)

    def at_rest(self, name: str, seconds: float, then: Callable[[], None]) -> None:
        """Call `then` once so long has passed without another call of the same name, which replaces it."""
        if name in self._resting:
            self._resting.pop(name).stop()
        timer: Timer = self.set_timer(seconds, lambda: self._rested(name, timer, then))
        self._resting[name] = timer

    def _rested(self, name: str, timer: "Timer", then: Callable[[], None]) -> None:
        if self._resting.get(name) is timer:  # one that was stopped may have been on its way already
            del self._resting[name]
            then()

    def _loaded(self, name: str, then: Callable[[], None]) -> None:
        self._loads.end(name)
        then()

    def start(
        self,
        title: str,
        command: str,
        work: Callable[[Job], T],
        then: Callable[[T], None],
        *,
        watch: bool = True,
        subject: Subject | None = None,
    ) -> None:
        """Start a job that changes something: one at a time. `watch` shows what it prints."""
        if self.job is not None and self.is_working:
            self.notify(f"{self.job.title} is still going on: w shows it, x cancels it", severity="warning")
            return
        job = self.job = Job(title, command, work)
        self.done.append(Done(command, job=job))
        self._tick_on()
        self.run_worker(partial(self._run, job, then, subject), thread=True, group="job", exit_on_error=True)
        if watch:
            self.push_screen(JobView(job))

    def _run(self, job: Job, then: Callable[[Any], None], subject: Subject | None) -> None:
        try:
            result = job.work(job)
        except CancelledError:
            job.end(State.CANCELLED)
            self.call_from_thread(self._ended, job, None)
        except (EnvforgeError, OSError) as error:
            cancelled = job.is_stopping
            hint = error.hint if isinstance(error, EnvforgeError) else ""
            job.end(State.CANCELLED if cancelled else State.FAILED, str(error), hint)
            again = None
            if isinstance(error, ConsentError) and subject is not None:
                again = partial(self.ask_consent, error, job, then, subject)
            elif isinstance(error, DamagedError) and not self.read_only:
                again = partial(self.ask_repair, error, job, then, subject)
            self.call_from_thread(self._ended, job, again)
        else:
            job.end(State.DONE)
            self.call_from_thread(self._ended, job, partial(then, result))

    def _ended(self, job: Job, then: Callable[[], None] | None) -> None:
        view = self.screen if isinstance(self.screen, JobView) and self.screen.job is job else None
        if view is not None:
            view.look()
        if view is not None and (job.state is State.DONE or then is not None):
            view.dismiss(None)
        elif job.state is State.FAILED and view is None and then is None:  # else a question tells it
            self.tell_failure(job.failure, job.hint)
        if job.state is State.CANCELLED:
            self.notify(f"{job.title}: cancelled", severity="warning")
        self.tick()
        if then is not None:
            then()

    def ask_consent(
        self, error: ConsentError, job: Job, then: Callable[[Any], None], subject: Subject
    ) -> None:
        """Show what the spec wants beyond its directory; start the job again where that is allowed."""
        from envforge.api import consent  # noqa: PLC0415 - only where something is wanted
        from envforge.tui import looking  # noqa: PLC0415 - as above

        project = looking.project_of(subject, self.store)
        lines = [Cell(error.message, "warn"), Cell("")]
        lines += [Cell(f"  {want}") for want in consent.missing(project)]

        def answered(yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it)
            if yes:
                consent.allow(project)
                self.log_command(self.commands.of(subject, "allow"))
                self.start(job.title, job.command, job.work, then, subject=subject)

        question = Confirm("Allow it?", lines, yes="Allow", command=self.commands.of(subject, "allow"))
        self.push_screen(question, answered)

    def ask_repair(
        self, error: DamagedError, job: Job, then: Callable[[Any], None], subject: Subject | None
    ) -> None:
        """Name what is damaged, and offer to repair the store; start the job again where that is done."""
        command = self.commands.store_wide("fsck", "--repair")
        lines = [
            Cell(error.message, "bad"),
            Cell(""),
            Cell("What is damaged is moved aside and made again; then this goes on:"),
            Cell(f"  {job.title}"),
        ]

        def work(listener: "Listener") -> "Report":
            from envforge.api import proof  # noqa: PLC0415 - only where something is damaged

            return proof.fsck(self.store, repair=True, listener=listener)

        def repaired(report: "Report") -> None:
            if report.damage:
                self.tell_failure(f"{len(report.damage)} places could not be repaired", "envforge fsck")
            else:
                self.start(job.title, job.command, job.work, then, subject=subject)

        def answered(yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it)
            if yes:
                self.start("repair the store", command, work, repaired)

        self.push_screen(Confirm("Repair the store?", lines, yes="Repair", command=command), answered)

    def log_command(self, command: str) -> None:
        """Note what was done, as a command."""
        self.done.append(Done(command))

    def tick(self) -> None:
        """Show what is going on; nothing more to show ends the ticking."""
        if self.job is not None and self.is_working:
            going = f"{self.job.line()}  (w shows, x cancels)"
        else:
            going = self._loads.told(time.monotonic())
        for screen in self.screen_stack:  # a question may lie over what waits
            for status in screen.query(Status):
                status.going(going)
        if not going and not self._loads and self._ticker is not None:
            self._ticker.pause()

    def _tick_on(self) -> None:
        if self._ticker is None:
            self._ticker = self.set_interval(INTERVAL_S, self.tick)
        self._ticker.resume()

    @property
    def is_idle(self) -> bool:
        """Return whether nothing is being loaded or done, or will be as soon as the cursor rests."""
        return not (self._loads or self._resting or self.is_working)

    @property
    def is_working(self) -> bool:
        """Return whether a job is going on."""
        return self.job is not None and self.job.state is State.RUNNING

    # Telling

    def complain(self, error: Exception) -> None:
        """Tell a failure."""
        self.tell_failure(str(error), getattr(error, "hint", ""))

    def tell_failure(self, message: str, hint: str = "") -> None:
        """Tell a failure: briefly beside the screen, over it where it is long."""
        if len(message) > 300 or message.count("\n") > 3:
            lines = [Cell(line, "bad") for line in message.splitlines()]
            self.push_screen(Reading("It failed", [*lines, Cell(""), Cell(f"hint: {hint}" if hint else "")]))
            return
        self.clear_notifications()  # one failure at a time: several would hide the screen
        text = f"{message}\nhint: {hint}" if hint else message
        text = "\n".join(map(printable, text.splitlines()))
        self.notify(text, title="It failed", severity="error", timeout=12, markup=False)

    def say(self, text: str) -> None:
        """Say that something is done."""
        self.notify(printable(text), timeout=4, markup=False)

    def read(self, title: str, lines: Sequence[Cell]) -> None:
        """Show a text over the screen."""
        self.push_screen(Reading(title, lines))

    def copy(self, text: str, what: str) -> None:
        """Copy to the terminal's clipboard (OSC 52)."""
        self.copy_to_clipboard(text)
        self.say(f"copied {what}")
