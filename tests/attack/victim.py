"""Whom attacks are aimed at: root and two kinds of users, with the real command and a home of their own."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from attrs import define, field
from canary import Canary, GaveWayError
from processes import naming
from small_archive import Archive, public_key
from users import TestUser, reaching_all
from web import Server

FAILURES = range(10, 100)
"""Exit codes of failures that are told with a hint."""
SLOWNESS = 20 if "ENVFORGE_ATTACK_ARCHIVE" in os.environ else 1
"""Of a guest without KVM, as which the tests know a run that is given its archive."""
ENTERING = ("run", "shell")
REFUSED_TO_ENTER = 125
"""Instead of those, as the payload has its own codes."""
_PROJECT_SPEC = """\
name = "target"

[debian]
suite = "bookworm"
pockets = []
packages = {packages}
{more}
"""


@define
class Victim:
    """A project and a canary of one test's own, over the store that all tests of a user share."""

    kind: str
    user: TestUser
    place: Path
    """This test's directory, the user's own."""
    archive: Archive
    server: Server
    canary: Canary
    limit_s: float = 60
    """How long a command may take: it hangs after that, which is what some attacks want."""
    environment: dict[str, str] = field(factory=dict)
    before: tuple[str, ...] = ()
    """A command that `envforge` is given to."""

    @property
    def home(self) -> Path:
        return Path(self.user.home)

    @property
    def project(self) -> Path:
        return self.place / "project"

    @property
    def store(self) -> Path:
        return self.home / ".local/share/envforge"

    @property
    def state(self) -> Path:
        return self.home / ".local/state/envforge"

    @property
    def spec(self) -> Path:
        return self.project / "envforge.toml"

    def give(self, *paths: Path) -> None:
        """Make paths the user's own."""
        for path in paths:
            os.chown(path, self.user.uid, self.user.gid, follow_symlinks=False)

    def write(self, path: Path, text: str | bytes, mode: int = 0o644) -> Path:
        """Write a file of the user's."""
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        path.chmod(mode)
        self.give(path)
        return path

    def begin_as(self, other: "Victim", *names: str) -> None:
        """Begin with what another one of the same user left: its archive, and copies of these directories."""
        shutil.rmtree(self.archive.path)
        shutil.copytree(other.archive.path, self.archive.path, copy_function=os.link)
        self.archive.stanzas = {suite: list(stanzas) for suite, stanzas in other.archive.stanzas.items()}
        shutil.rmtree(self.project)
        places = (str(other.place / name) for name in names)
        subprocess.run(reaching_all("cp", "-a", *places, str(self.place)), check=True)

    def configure(self, more: str = "") -> None:
        """Write the user's configuration: the mirror is this test's. `more` are lines before its tables."""
        directory = self.home / ".config/envforge"
        directory.mkdir(parents=True, exist_ok=True)
        key = self.write(directory / "key.pgp", public_key())
        text = f'snapshot = ""\n{more}\n[mirrors]\ndebian = ["{self.server.url}"]\n[keys]\ndebian = "{key}"\n'
        self.write(directory / "config.toml", text)
        self.give(directory.parent, directory)

    def want(self, *packages: str, more: str = "") -> None:
        """Write the spec."""
        names = "[" + ", ".join(f'"{name}"' for name in packages) + "]"
        self.write(self.spec, _PROJECT_SPEC.format(packages=names, more=more))

    def package(self, name: str = "evil", postinst: str = "", **details) -> None:
        """Publish a hostile package, of which `postinst` is the script, and want it.

        Where the script is Python (it says so in its first line) the package depends on one.
        """
        members = dict(details.pop("members", {}))
        if postinst:
            text = postinst if postinst.startswith("#!") else f"#!/bin/sh\nset -e\n{postinst}\n"
            members["postinst"] = text.encode(errors="surrogateescape")
            if "python" in text.partition("\n")[0]:
                details.setdefault("depends", "attacker")
        details.setdefault("origin", self.place.name)  # else the store may know it from another test
        self.archive.add(name, members=members, **details)
        self.archive.publish()
        self.want(name)

    def run(
        self,
        *arguments: str,
        stdin: str = "",
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run `envforge ARGUMENTS` as the user. Raises GaveWayError where it hangs or crashes."""
        return self.command(
            [*self.before, "envforge", *arguments], stdin=stdin, cwd=cwd, environment=environment
        )

    def command(
        self,
        words: Sequence[str],
        *,
        stdin: str = "",
        cwd: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run any command as the user, as `run` does."""
        process = subprocess.Popen(
            self.user.command(words, {**self.environment, **(environment or {})}),
            cwd=cwd or self.project,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, errors="surrogateescape", start_new_session=True,
        )  # fmt: skip
        try:
            output, errors = process.communicate(stdin, timeout=self.limit_s * SLOWNESS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGTERM)
            time.sleep(0.2)
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            self._end_what_is_left()
            raise GaveWayError(f"{shlex.join(words)} hangs") from None
        if re.search("^Traceback", errors, re.MULTILINE):
            raise GaveWayError(f"{shlex.join(words)} crashed:\n{errors}")
        return subprocess.CompletedProcess(words, process.returncode, output, errors)

    def attack(self, *arguments: str, **options) -> subprocess.CompletedProcess[str]:
        """Run `envforge build` (or `arguments`), however it ends, then look for harm."""
        result = self.run(*(arguments or ("build",)), **options)
        self.check(result.stdout + result.stderr)
        return result

    def succeed(self, *arguments: str, **options) -> str:
        """Run it as `run` does; it must go well. Returns what it printed."""
        result = self.run(*arguments, **options)
        assert result.returncode == 0, f"{arguments}: {result.returncode}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def refuse(self, *arguments: str, **options) -> str:
        """Run it as `attack` does; it must fail in one of the ways that are told. Returns what it said."""
        result = self.attack(*arguments, **options)
        expected = (REFUSED_TO_ENTER,) if arguments and arguments[0] in ENTERING else FAILURES
        if result.returncode not in expected:
            told = f"{result.stdout}\n{result.stderr}"
            raise GaveWayError(f"{arguments or 'build'} gave {result.returncode}, was not refused:\n{told}")
        return result.stderr

    def check(self, told: str = "") -> None:
        """Raise GaveWayError where the attack did harm outside."""
        self.canary.check(self.store, self.state, self.project, told=told)
        if left := naming(self.user.home):
            raise GaveWayError(f"processes are left: {left}")

    def seen(self, *command: str, **options) -> str:
        """Return what a command inside prints."""
        return self.succeed("run", "--", *command, **options)

    def _end_what_is_left(self) -> None:
        for pid in naming(self.user.home):
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
