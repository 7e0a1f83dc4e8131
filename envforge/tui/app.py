"""The app: which screens there are, and the keys that work on all of them."""

import asyncio
import signal
from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import Screen

from envforge.tui.core.grid import Cell
from envforge.tui.host import Host
from envforge.tui.screens.diff import DiffScreen
from envforge.tui.screens.environments import EnvironmentsScreen
from envforge.tui.screens.face import NAMES
from envforge.tui.screens.layers import LayersScreen
from envforge.tui.screens.packages import PackagesScreen
from envforge.tui.screens.store import StoreScreen
from envforge.tui.theme import DARK, LIGHT, THEMES
from envforge.tui.widgets.command_log import CommandLog
from envforge.tui.widgets.dialogs import Confirm, Help
from envforge.tui.widgets.job_view import JobView


def _containers() -> Screen[None]:
    """Make the screen of containers: what it needs is loaded only once it is shown."""
    from envforge.tui.screens.containers import ContainersScreen  # noqa: PLC0415

    return ContainersScreen()


def _spec() -> Screen[None]:
    """Make the screen of the spec: likewise, as an editor is large."""
    from envforge.tui.screens.spec import SpecScreen  # noqa: PLC0415

    return SpecScreen()


class EnvforgeApp(Host):
    """Screens for environments, layers, packages, differences, the store, the spec, and containers."""

    TITLE = "envforge"
    CSS_PATH = "envforge.tcss"
    ENABLE_COMMAND_PALETTE = True
    MODES: ClassVar[dict[str, Any]] = {
        "environments": EnvironmentsScreen,
        "layers": LayersScreen,
        "packages": PackagesScreen,
        "diff": DiffScreen,
        "store": StoreScreen,
        "spec": _spec,
        "containers": _containers,
    }
    DEFAULT_MODE = "environments"
    BINDINGS: ClassVar[list[BindingType]] = [
        *(
            Binding(str(number), f"go('{name}')", name.capitalize(), show=False, id=f"go.{name}")
            for number, name in enumerate(NAMES, 1)
        ),
        Binding("right_square_bracket", "turn(1)", "Next screen", show=False, id="go.next"),
        Binding("left_square_bracket", "turn(-1)", "Previous screen", show=False, id="go.previous"),
        Binding("question_mark,f1", "help", "Keys", id="app.help"),
        Binding("q,ctrl+q", "quit", "Quit", id="app.quit"),
        Binding("ctrl+p,colon", "command_palette", "Find a command", show=False, id="app.palette"),
        Binding("o", "log", "What was done", show=False, id="app.log"),
        Binding("w", "watch", "Watch the job", show=False, id="app.watch"),
        Binding("x", "cancel", "Cancel the job", show=False, id="app.cancel"),
        Binding("T", "other_theme", "Light / dark", show=False, id="app.theme"),
    ]

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for theme in THEMES:  # before the style sheet is read: it uses their variables
            self.register_theme(theme)
        self.theme = self.memory.theme if self.memory.theme in (DARK, LIGHT) else DARK

    def on_mount(self) -> None:
        """Leave in order when the process is ended from outside, so that the terminal is as it was before."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, partial(self.exit, return_code=128 + number))

    def action_go(self, name: str) -> None:
        """Go to a screen."""
        if name in self.MODES:
            self.switch_mode(name)

    def action_turn(self, by: int) -> None:
        """Go to the next screen, or the one before."""
        names: list[str] = [name for name in NAMES if name in self.MODES]
        self.switch_mode(names[(names.index(self.current_mode) + by) % len(names)])

    def action_help(self) -> None:
        """Show all keys that work here."""
        keys: dict[str, list[str]] = {}
        names: dict[str, str] = {}
        for active in self.screen.active_bindings.values():
            binding = active.binding
            if binding.id and active.enabled:
                names[binding.id] = binding.description
                keys.setdefault(binding.id, []).append(self.get_key_display(binding))
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, description in names.items():
            shown = ", ".join(dict.fromkeys(keys[name]))
            groups.setdefault(_group(name), []).append((shown, description))
        self.push_screen(Help(sorted(groups.items(), key=lambda pair: (pair[0] in _LAST, pair[0]))))

    def action_log(self) -> None:
        """Show what was done, as commands."""
        self.push_screen(CommandLog(tuple(self.done)))

    def action_watch(self) -> None:
        """Look at the job that is going on, or at the last one."""
        if self.job is None:
            self.say("nothing is going on")
        else:
            self.push_screen(JobView(self.job))

    def action_cancel(self) -> None:
        """End the job at its next step."""
        if self.job is not None and self.is_working:
            self.job.cancel()
            self.tick()

    def action_other_theme(self) -> None:
        """Go from dark to light, or back."""
        self.theme = LIGHT if self.theme == DARK else DARK
        self.memory.theme = self.theme

    async def action_quit(self) -> None:
        """Leave; where a job is going on, or a spec is not saved, ask first."""
        lines = []
        if self.job is not None and self.is_working:
            lines.append(Cell(f"{self.job.title} is still going on, and is ended."))
        if self.unsaved:
            lines.append(Cell(f"{self.unsaved} is not saved: what was typed there is lost.", "bad"))
        if not lines:
            self.exit(0)
            return
        self.push_screen(Confirm("Quit?", lines, yes="Quit"), self._quit)

    def _quit(self, yes: bool | None) -> None:  # noqa: FBT001 (Textual passes it)
        if yes:
            if self.job is not None:
                self.job.cancel()
            self.exit(0)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Yield all that can be done here, for the command palette."""
        seen = set()
        for active in screen.active_bindings.values():
            binding = active.binding
            if (
                binding.id
                and active.enabled
                and binding.id not in seen
                and not binding.id.startswith(("table.", "app.palette"))
            ):
                seen.add(binding.id)
                node, action = active.node, binding.action
                yield SystemCommand(
                    f"{_group(binding.id)}: {binding.description}  ({self.get_key_display(binding)})",
                    "",
                    lambda node=node, action=action: self.call_later(self.run_action, action, node),
                )


_LAST = ("Lists", "Screen", "Go to", "Everywhere")
_HEADINGS = {
    "app": "Everywhere",
    "environments": "Environment",
    "go": "Go to",
    "table": "Lists",
    "tree": "File tree",
    "screen": "Screen",
}


def _group(name: str) -> str:
    """Return the heading under which a binding stands in the help."""
    start = name.partition(".")[0]
    return _HEADINGS.get(start, start.capitalize())
