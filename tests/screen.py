"""A terminal to type into, by tmux, as any kind of user; it belongs to that user, as one logged in has it."""

import os
import shlex
import subprocess
from typing import Self

from attrs import evolve
from box import Box
from processes import wait_until

_USUAL = ("PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "TERM=screen")


class Screen:
    """One shell on one terminal. Use as a context manager."""

    def __init__(self, box: Box, columns: int = 100) -> None:
        self.box = box
        self.socket = f"{box.home}/tmux"
        self.columns = columns

    def __enter__(self) -> Self:
        variables = ["env", "PS1=host> ", "ENV=", "HISTFILE="]
        self._tmux("new-session", "-d", "-x", str(self.columns), "-y", "50", shlex.join([*variables, "sh"]))
        self.wait_for("host>")
        return self

    def __exit__(self, *_: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *words: str) -> str:
        command = self.box.words(["tmux", "-S", self.socket, "-f", os.devnull, *words])
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def enter(self, *command: str, **options: object) -> None:
        """Type what runs a command in the box."""
        own = evolve(self.box, words=lambda words: ["env", "-i", f"HOME={self.box.home}", *_USUAL, *words])
        words = shlex.join(own.command(*command, **options))
        path = f"{self.box.home}/typed"
        with open(path, "w", encoding="utf-8") as file:
            file.write(f"exec {words}\n")
        self.type(f"sh {path}")

    def type(self, line: str) -> None:
        """Type a line and Enter."""
        self._tmux("send-keys", "-l", line)
        self._tmux("send-keys", "Enter")

    def type_at_prompt(self, line: str, prompts: int) -> None:
        """Type a line once the shell outside has given so many prompts: earlier, it might go inside."""
        wait_until(lambda: self.shown().count("host>") >= prompts)
        self.type(line)

    def press(self, key: str) -> None:
        """Press a key by tmux's name: C-c, C-z."""
        self._tmux("send-keys", key)

    def resize(self, columns: int) -> None:
        """Make the terminal so wide."""
        self._tmux("resize-window", "-x", str(columns), "-y", "50")

    def shown(self) -> str:
        """Return what is on the screen and above it."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-")

    def wait_for(self, text: str) -> str:
        """Wait until a line is shown that begins with `text`, and return all that is shown."""
        try:
            wait_until(lambda: any(line.startswith(text) for line in self.shown().splitlines()))
        except AssertionError:
            raise AssertionError(f"{text!r} is not on the screen:\n{self.shown()}") from None
        return self.shown()
