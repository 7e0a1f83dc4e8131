"""`attach`: a container's output as it comes, and its input, if it takes some."""

import os
import signal
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import click

from envforge.cli import completions
from envforge.cli.command import Command, instance_option
from envforge.cli.settings import Settings, pass_settings
from envforge.errors import EnvforgeError, UsageError

if TYPE_CHECKING:
    from envforge.api.containers import Container
    from envforge.api.containers_logs import Attachment, Keys

_PROXIED: Final = (
    signal.SIGINT,
    signal.SIGTERM,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
)


@click.command(
    cls=Command,
    examples="""
        envforge attach web
        envforge attach --no-stdin web
        envforge attach --detach-keys ctrl-a,d web
    """,
)
@click.option(
    "--detach-keys", "keys_text", default="ctrl-p,ctrl-q", metavar="KEYS", help="Default: ctrl-p,ctrl-q."
)
@click.option("--no-stdin", is_flag=True, help="Only look.")
@instance_option
@click.argument("name", metavar="NAME|ID|SERVICE", shell_complete=completions.containers)
@pass_settings
def attach(settings: Settings, keys_text: str, no_stdin: bool, name: str) -> int:  # noqa: FBT001 (click passes options)
    """Show what a container writes, as it comes, and write into one that was started with -i.

    Ctrl-P Ctrl-Q leaves a container with a terminal (-t) alone; signals go to one without. Exits with the
    container's code once it ends.
    """
    from envforge.api import containers_logs  # noqa: PLC0415 (help needs none of it)

    keys = containers_logs.Keys(keys_of(keys_text))
    container = settings.container(name)
    return carry(container, containers_logs.Attachment(container), keys, no_stdin=no_stdin)


def carry(container: "Container", attachment: "Attachment", keys: "Keys", *, no_stdin: bool = False) -> int:
    """Pass bytes and signals on until the container ends or is left alone; return its exit code, or 0."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    source = -1 if no_stdin or not attachment.takes_input else 0
    try:
        with _raw(attachment) if attachment.tty else _signals(container):
            code = attachment.carry(source, keys, _show)
    finally:
        attachment.close()
    if keys.is_detached:
        click.echo("detached", err=True)
        return 0
    return containers.wait(containers.find(container.store, container.id)) if code is None else code


def _show(stream: str, data: bytes) -> None:
    target = 2 if stream == "stderr" else 1
    while data:
        data = data[os.write(target, data) :]


@contextmanager
def _raw(attachment: "Attachment") -> Iterator[None]:
    """Give the terminal's keys and size to the one inside; afterwards its modes are as before."""
    if not sys.stdin.isatty():
        yield
        return

    def resize(*_: object) -> None:
        size = os.get_terminal_size(0)
        attachment.resize(size.lines, size.columns)

    before = termios.tcgetattr(0)
    handler = signal.signal(signal.SIGWINCH, resize)
    try:
        if attachment.takes_input:
            tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is not thrown away
        resize()
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)


@contextmanager
def _signals(container: "Container") -> Iterator[None]:
    """Pass the signals that this command gets on to the container."""
    from envforge.api import containers  # noqa: PLC0415 (help needs none of it)

    def passed(number: int, _frame: object) -> None:
        with suppress(EnvforgeError):  # it has just ended
            containers.kill(container, number)

    before = {number: signal.signal(number, passed) for number in _PROXIED}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def keys_of(text: str) -> bytes:
    """Return the keys that a text names, as Docker writes them: `ctrl-p,ctrl-q`, `ctrl-a,d`, or none."""
    found = bytearray()
    for word in filter(None, text.split(",")):
        key = word.removeprefix("ctrl-")
        if len(key) != 1 or not key.isascii() or (key != word and not "@" <= key.upper() <= "_"):
            raise UsageError(f"--detach-keys {text!r} names no keys", hint="write ctrl-p,ctrl-q or ctrl-a,d")
        found.append(ord(key) if key == word else ord(key.upper()) & 0x1F)
    return bytes(found)
