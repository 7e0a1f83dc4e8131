"""Chooses the command line's view of the events."""

import os
from typing import TextIO

from envforge.progress.channel import Listener, ignore
from envforge.progress.json_lines import JsonView
from envforge.progress.live import LiveView
from envforge.progress.plain import PlainView


def choose(stream: TextIO, way: str = "auto", *, every_step: bool = False, live: bool = True) -> Listener:
    """Return the view: `auto` is a live line on a terminal, unless every step is wanted, else plain lines."""
    if way == "none":
        return ignore
    if way == "json":
        return JsonView(stream, every_step=every_step)
    is_plain = way == "plain" or every_step or not live
    if is_plain or not stream.isatty() or os.environ.get("TERM") == "dumb":
        return PlainView(stream, every_step=every_step)
    return LiveView(stream)
