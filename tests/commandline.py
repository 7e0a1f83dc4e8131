"""The real `envforge` command, as a test types it: with a home and a store of its own, and no terminal."""

import os
import pty
import subprocess
import sysconfig
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import field, frozen

COMMAND = os.path.join(sysconfig.get_path("scripts"), "envforge")


@frozen
class CommandLine:
    """Where commands are typed."""

    directory: Path
    """The project's."""
    store: Path
    home: Path
    environment: Mapping[str, str] = field(factory=dict)
    before: Sequence[str] = ()
    """A command that the command is given to: `unshare -n`, say."""

    def words(self, *arguments: str) -> list[str]:
        """Return the whole command."""
        return [*self.before, COMMAND, "--store", str(self.store), *arguments]

    def variables(self) -> dict[str, str]:
        """Return the whole environment of the command."""
        kept = ("PATH", "http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "TMPDIR")
        host = {name: os.environ[name] for name in kept if name in os.environ}
        return {**host, "HOME": str(self.home), "LANG": "C.UTF-8", **self.environment}

    def run(
        self, *arguments: str, stdin: str = "", timeout_s: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run `envforge ARGUMENTS` to its end."""
        return subprocess.run(
            self.words(*arguments),
            cwd=self.directory,
            env=self.variables(),
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def succeed(self, *arguments: str, stdin: str = "") -> str:
        """Run it, insist that it went well, and return what it printed."""
        result = self.run(*arguments, stdin=stdin)
        assert result.returncode == 0, (
            f"{arguments} gave {result.returncode}\n{result.stdout}\n{result.stderr}"
        )
        return result.stdout

    def fail(self, code: int, *arguments: str) -> str:
        """Run it, insist that it failed with that code and a message, and return the message."""
        result = self.run(*arguments)
        told = f"{arguments} gave {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert result.returncode == code, told
        assert "error: " in result.stderr, told
        assert "Traceback" not in result.stderr, told
        return result.stderr

    def on_terminal(
        self, *arguments: str, columns: int = 80, typed: str = "", after_s: float = 0
    ) -> tuple[int, str]:
        """Run it on a terminal, type something after a while, return its code and what was shown."""
        pid, master = pty.fork()
        if pid == 0:
            os.chdir(self.directory)
            os.execvpe(
                "sh",
                ["sh", "-c", f'stty cols {columns}; exec "$@"', "sh", *self.words(*arguments)],
                {**self.variables(), "TERM": "xterm", **self.environment},
            )
        time.sleep(after_s)
        os.write(master, typed.encode())
        shown = b""
        try:
            while piece := os.read(master, 1 << 16):
                shown += piece
        except OSError:
            pass  # Linux answers EIO at the end of a terminal
        _, status = os.waitpid(pid, 0)
        os.close(master)
        return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")
