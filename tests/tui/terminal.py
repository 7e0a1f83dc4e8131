"""A terminal of its own (tmux) to type into, and to read."""

import os
import shlex
import subprocess
from pathlib import Path

from processes import wait_until


class Terminal:
    """A shell on it. End it with `end`."""

    def __init__(self, place: Path, home: Path | None = None, columns: int = 80, rows: int = 24) -> None:
        self.socket = str(place / "tmux")
        environment = {
            "HOME": str(home or place),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PS1": "host> ",
            "ENV": "",
            **({"PYTHONPATH": os.environ["PYTHONPATH"]} if os.environ.get("PYTHONPATH") else {}),
        }
        size = ["-x", str(columns), "-y", str(rows)]
        words = shlex.join(["env", "-i", *(f"{key}={value}" for key, value in environment.items())])
        self.tmux("new-session", "-d", *size, f"{words} TERM=screen-256color sh")
        self.wait("host>")

    def end(self) -> None:
        """End it with all that runs on it."""
        self.tmux("kill-server")

    def tmux(self, *words: str) -> str:
        """Run a command of tmux."""
        command = ["tmux", "-S", self.socket, "-f", os.devnull, *words]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self.tmux("send-keys", "-l", line)
        self.tmux("send-keys", "Enter")

    def press(self, *keys: str) -> None:
        """Press keys by their names."""
        self.tmux("send-keys", *keys)

    @property
    def text(self) -> str:
        """Return what is on the screen."""
        return self.tmux("capture-pane", "-p")

    def wait(self, text: str, timeout_s: float = 30) -> str:
        """Wait until a text is on the screen; return all of it."""
        try:
            wait_until(lambda: text in self.text, timeout_s)
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.text}") from None
        return self.text

    def is_whole(self) -> None:
        """Insist that lines are read as lines, and that neither mouse nor the other screen is left on."""
        self.type("clear; stty -a | grep -o -w -e icanon -e isig -e echo | sort -u; echo whole=$((40+2))")
        shown = self.wait("whole=42")
        assert {"echo", "icanon", "isig"} <= set(shown.split())
        flags = self.tmux("display-message", "-p", "#{alternate_on} #{mouse_any_flag} #{cursor_flag}").split()
        assert flags == ["0", "0", "1"]
