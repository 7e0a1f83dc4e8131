"""Starts the app in this terminal, or says what to use instead."""

import gc
import os
import sys
from typing import TYPE_CHECKING

from envforge.errors import EnvforgeError, TerminalError
from envforge.tui import looking
from envforge.tui.core import memory
from envforge.tui.core.commands import Commands
from envforge.tui.core.memory import Memory

if TYPE_CHECKING:
    from envforge.tui.app import EnvforgeApp

_NAME = "tui"
_WEB_DRIVER = "TEXTUAL_DRIVER"
_ALLOCATED = 20_000
"""So many new objects are made before garbage is looked for: modules make many, and next to none of it."""


def run(
    store: str,
    *,
    store_option: str | None = None,
    file: str | None = None,
    environment: str | None = None,
    read_only: bool = False,
) -> int:
    """Run the app until its user leaves; return its exit code. Raises TerminalError, EnvforgeError."""
    if not os.environ.get(_WEB_DRIVER):
        _require_terminal()
    no_colour = os.environ.get("NO_COLOR")
    here = looking.here(file, store, environment)
    ahead = looking.Ahead(store)
    gc.set_threshold(_ALLOCATED)
    kept = _kept()
    app_class = _app_class()
    commands = Commands(store_option or "", here=here.spec if here is not None and file is None else "")
    app = app_class(store, commands, kept, here=here, read_only=read_only, ahead=ahead)
    if no_colour is not None:
        os.environ["NO_COLOR"] = no_colour  # Textual takes it away, and what is entered shall know it
    gc.freeze()  # what was loaded stays: looking through all of it holds up a key for a tenth of a second
    try:
        code = app.run()
    finally:
        _keep(app.remember())
    return code if code is not None else app.return_code or 0


def _require_terminal() -> None:
    """Raise TerminalError where nothing can be drawn, or no key be read."""
    hint = "`envforge tui --plain` prints the same as text; `envforge tui --web` shows it in a browser"
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise TerminalError("the TUI needs a terminal", hint=hint)
    if os.environ.get("TERM", "dumb") in ("dumb", ""):
        raise TerminalError("this terminal cannot be drawn on: TERM is dumb", hint=hint)


def _app_class() -> "type[EnvforgeApp]":
    try:
        from envforge.tui.app import EnvforgeApp  # noqa: PLC0415 - 0.2 s that errors need not wait for
    except ImportError as error:
        raise TerminalError(
            f"the TUI cannot be loaded: {error}",
            hint="pip install --upgrade textual; `envforge tui --plain` works without it",
        ) from error
    return EnvforgeApp


def _kept() -> Memory:
    from envforge.api import remembered  # noqa: PLC0415 - errors need none of it

    document = remembered.load(_NAME)
    return memory.from_document(document if isinstance(document, dict) else None)


def _keep(kept: Memory) -> None:
    from envforge.api import remembered  # noqa: PLC0415 - as above

    try:
        remembered.save(_NAME, memory.to_document(kept))
    except EnvforgeError:
        return
