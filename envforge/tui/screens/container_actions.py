"""What can be done with containers: start, stop, restart, remove, enter, open a published port."""

import os
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from textual.app import SuspendNotSupported
from textual.binding import Binding, BindingType

from envforge.errors import EnvforgeError
from envforge.progress import terminal
from envforge.tui.core.containers import facts, ports
from envforge.tui.screens.face import Face
from envforge.tui.widgets.dialogs import Confirm
from envforge.tui.widgets.picker import Picker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envforge.api.containers import Container

_STDIN: Final = 0
_NOT_STARTED: Final = (126, 127)
_SHELL: Final = ("sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh")


class ContainerFace(Face):
    """A screen on which containers are chosen, with the actions on them."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("e", "exec", "Exec", id="containers.exec"),
        Binding("a", "start", "Start", id="containers.start"),
        Binding("t", "stop", "Stop", id="containers.stop"),
        Binding("r", "restart", "Restart", id="containers.restart"),
        Binding("D", "remove", "Remove", id="containers.remove"),
        Binding("p", "port", "Port", id="containers.port"),
    ]

    def chosen(self) -> "tuple[Container, ...]":
        """Return what actions are about, in the order in which services start."""
        raise NotImplementedError

    def _of(self, *wanted: bool, none: str) -> "tuple[Container, ...]":
        """Return the chosen ones that run, or do not run; say so where there are none."""
        found = tuple(one for one in self.chosen() if one.is_live in wanted)
        if not found:
            self.host.say(none if self.chosen() else "no container is chosen")
        return found

    def action_start(self) -> None:
        """Start those that do not run."""
        found = self._of(False, none="it runs already")
        if found:
            self._do("start", found, _start)

    def action_stop(self) -> None:
        """Stop those that run, the last one first: others may need those before it."""
        self._end("stop", self._of(True, none="it does not run"), _stop)

    def action_restart(self) -> None:
        """Stop them and start them again."""
        self._end("restart", self._of(True, False, none=""), _restart)

    def _end(
        self, verb: str, found: "Sequence[Container]", act: "Callable[[Sequence[Container]], None]"
    ) -> None:
        if len(found) == 1 and not (found[0].config["remove"] and found[0].is_live):
            self._do(verb, found, act)
        elif found:
            what = found[0].name if len(found) == 1 else f"{len(found)} containers"
            self._confirm(f"{verb.capitalize()} {what}?", verb, found, act)

    def action_remove(self) -> None:
        """Ask whether they are to go, with all that they hold; remove them."""
        found = self._of(True, False, none="")
        if found:
            what = found[0].name if len(found) == 1 else f"{len(found)} containers"
            self._confirm(f"Remove {what}?", "rm", found, _remove)

    def _confirm(
        self,
        title: str,
        verb: str,
        found: "Sequence[Container]",
        act: "Callable[[Sequence[Container]], None]",
    ) -> None:
        lines = facts.removal(found) if verb == "rm" else facts.stopping(found)
        yes = "Remove" if verb == "rm" else verb.capitalize()
        question = Confirm(title, lines, yes=yes, command=self._command(verb, found))
        self.app.push_screen(question, lambda sure: self._do(verb, found, act) if sure else None)

    def _command(self, verb: str, found: "Sequence[Container]") -> str:
        force = ["-f"] if verb == "rm" and any(one.is_live for one in found) else []
        return self.host.commands.store_wide(verb, *force, *(one.name for one in found))

    def _do(
        self, verb: str, found: "Sequence[Container]", act: "Callable[[Sequence[Container]], None]"
    ) -> None:
        what = found[0].name if len(found) == 1 else f"{len(found)} containers"
        title = f"{'remove' if verb == 'rm' else verb} {what}"
        command = self._command(verb, found)
        self.host.start(title, command, lambda _job: act(found), lambda _none: self._done(title), watch=False)

    def _done(self, title: str) -> None:
        self.host.say(f"{title}: done")
        self.action_reload()

    # Entering

    def action_exec(self) -> None:
        """Run a shell inside: the screen steps aside, and comes back where it was."""
        found = self._of(True, none="it does not run: a starts it")
        if not found:
            return
        one = found[0]
        command = self.host.commands.store_wide("exec", one.name, "--", "sh")
        try:
            with self.app.suspend(), terminal.lent(_STDIN):
                code = _enter(one)
        except SuspendNotSupported:
            self.host.tell_failure("there is no terminal to step aside from", f"in a terminal: {command}")
            return
        except (EnvforgeError, OSError) as error:
            self.app.refresh(layout=True)
            self.host.complain(error)
            return
        self.app.refresh(layout=True)
        self.host.log_command(command)
        if code in _NOT_STARTED:
            self.host.tell_failure(f"{one.name} has no shell that can be started: exit code {code}")
        else:
            self.host.say(f"back from {one.name}, whose shell gave {code}")
        self.action_reload()

    # Published ports

    def action_port(self) -> None:
        """Open the address of a published port: the one that there is, else ask which."""
        found = [port for one in self.chosen() for port in one.state["ports"]]
        if not found:
            self.host.say("no port is published: `run -p 8080:80` publishes one")
        elif len(found) == 1:
            self._open(ports.address(found[0]))
        else:
            picker = Picker("Open a port", ports.COLUMNS, ports.rows(found))
            self.app.push_screen(picker, lambda address: self._open(address) if address else None)

    def _open(self, address: str) -> None:
        """Show an address in a browser where there is a display; copy it otherwise."""
        if not address.startswith("http"):
            self.host.copy(address, address)
        elif self.app.is_web:
            self.app.open_url(address)
            self.host.say(f"opened {address}")
        elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
            self.host.load("open", "opening", partial(_open, address), partial(self._opened, address))
        else:
            self.host.copy(address, address)

    def _opened(self, address: str, is_open: bool) -> None:  # noqa: FBT001 (its loader passes it)
        if is_open:
            self.host.say(f"opened {address}")
        else:
            self.host.copy(address, f"{address}: no browser could be started")


def _start(found: "Sequence[Container]") -> None:
    from envforge.api import containers  # noqa: PLC0415 - only where something is done

    _each(found, containers.start)


def _stop(found: "Sequence[Container]") -> None:
    from envforge.api import containers  # noqa: PLC0415 - as above

    _each(found[::-1], containers.stop)


def _restart(found: "Sequence[Container]") -> None:
    from envforge.api import containers  # noqa: PLC0415 - as above

    _each(found[::-1], containers.stop)
    _each(found, lambda one: containers.start(containers.find(one.store, one.id)))


def _remove(found: "Sequence[Container]") -> None:
    from envforge.api import containers  # noqa: PLC0415 - as above

    _each(found[::-1], lambda one: containers.remove(one, force=True))


def _each(found: "Sequence[Container]", act: "Callable[[Container], object]") -> None:
    """Do something with each, go on after a failure, and raise all that failed at the end."""
    from envforge.api import containers  # noqa: PLC0415 - as above

    failures = []
    hint = ""
    for one in found:
        try:
            act(one)
        except EnvforgeError as error:
            failures.append(error.message)
            hint = hint or error.hint or ""
        except containers.CommandError as error:
            failures.append(f"{one.name}: {error.said}")
    if failures:
        raise EnvforgeError("\n".join(failures), hint=hint)


def _enter(one: "Container") -> int:
    from envforge.api import containers  # noqa: PLC0415 - as above

    return containers.enter(one, _SHELL)


def _open(address: str) -> bool:
    from envforge.api import containers  # noqa: PLC0415 - as above

    return containers.open_address(address)
