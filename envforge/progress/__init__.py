"""Progress of long work: events (`events`) go through a `Progress` to a listener.

Working code holds a `Progress` and reports from any thread. A listener is any callable that takes an event:
the views of a terminal, a log and JSON lines (`live`, `plain`, `json_lines`), a `Recorder`, a program's own.
"""

from envforge.progress.channel import Listener, Progress, Recorder, ignore

__all__ = ["Listener", "Progress", "Recorder", "ignore"]
