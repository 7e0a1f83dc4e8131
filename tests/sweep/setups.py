"""Unlike set-ups to build the same lock in: who, umask, time zone, language, host name, limits, store path.

The clock is everyone's, and moving it would be too: builds run minutes apart, on the same day as a rule.
"""

import json
import os
import re
import shutil
import subprocess
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from tests.users import RANGES, SINGLE, TestUser, lend

COMMAND = os.path.join(sysconfig.get_path("scripts"), "envforge")
_ENTER = 'hostname "$0" && exec "$@"'
_LIMIT = 'umask "$0"; ulimit -n 2048; exec nice -n 1 "$@"'

_OUTPUTS = re.compile(r"^\[environments\.[^\]]+\.outputs\.\w+\]\n.*?(?=^\[|\Z)", re.MULTILINE | re.DOTALL)
"""With them a build that gives other digests fails, and what it made cannot be compared."""


class BuildFailedError(Exception):
    """envforge did not build it; the message is the end of what it said."""


@frozen
class Setup:
    """How one build is made unlike another."""

    user: str
    """`root`, or an account of `tests/users.py`."""
    umask: str
    zone: str
    language: str
    host: str
    workers: int
    place: str
    """Name of the directory that holds store and projects, below the user's home."""


FIRST = Setup("root", "022", "UTC", "C.UTF-8", "localhost", 2, "plain")
UNLIKE = (
    Setup(RANGES, "077", "Pacific/Kiritimati", "de_DE.UTF-8", "kiritimati", 1, "a store of many words"),
    Setup(SINGLE, "027", "America/St_Johns", "tr_TR.UTF-8", "build-7.example.org", 2, "Ünder-würld"),
    Setup("root", "002", "Asia/Kathmandu", "ja_JP.UTF-8", "x", 1, "p" * 90),
)


@frozen
class Built:
    """What a build gave."""

    environment: str
    layers: tuple[str, ...]
    """Digests, topmost first."""
    store: str

    def layer(self, digest: str) -> str:
        """Return the directory of a layer."""
        held = next(
            name for name in os.listdir(f"{self.store}/layers") if os.path.isdir(self._layer(name, digest))
        )
        return self._layer(held, digest)

    def _layer(self, held: str, digest: str) -> str:
        return f"{self.store}/layers/{held}/{digest}"


class Workplace:
    """A set-up that is there: homes made, and a store that is made anew when it has grown too large."""

    def __init__(self, setup: Setup, home: str, user: TestUser | None, store_max_bytes: int) -> None:
        self.setup = setup
        self.top = f"{home}/{setup.place}"
        self._home = home
        self._user = user
        self._max_bytes = store_max_bytes
        self._lock = threading.Lock()
        self._users: dict[str, int] = {}
        self._number = 0
        self._own(f"{self.top}")

    @contextmanager
    def store(self) -> Iterator[str]:
        """Give the path of the store; it stays at least that long."""
        with self._lock:
            path = f"{self.top}/store-{self._number}"
            self._users[path] = self._users.get(path, 0) + 1
        try:
            yield path
        finally:
            with self._lock:
                self._users[path] -= 1
                if path == f"{self.top}/store-{self._number}" and disk_bytes(path) > self._max_bytes:
                    self._number += 1
                if not self._users[path] and path != f"{self.top}/store-{self._number}":
                    self.destroy(path)

    def build(self, store: str, name: str, spec: str, lock: str, timeout_s: float) -> tuple[Built, str]:
        """Build a spec, from that lock if there is one; return what came, and the lock without its outputs.

        Raises BuildFailedError.
        """
        project = f"{self.top}/{name}"
        self._own(project)
        try:
            for file, text in (("envforge.toml", spec), ("envforge.lock", lock)):
                if text:
                    self._write(f"{project}/{file}", text)
            words = [COMMAND, "--store", store, "build", "--json", "--workers", str(self.setup.workers)]
            output = self._run([*words, *(["--frozen"] if lock else [])], project, timeout_s)
            with open(f"{project}/envforge.lock", encoding="utf-8") as made:
                written = _OUTPUTS.sub("", made.read())
        finally:
            shutil.rmtree(project, ignore_errors=True)
        report = json.loads(output)
        digests = tuple(layer["digest"].removeprefix("sha256:") for layer in report["layers"])
        return Built(report["environment"], digests, store), written

    def destroy(self, store: str) -> None:
        """Remove a store."""
        if os.path.exists(store):
            subprocess.run(
                self._command([COMMAND, "--store", store, "store", "destroy", "--yes"]),
                cwd=self.top,
                capture_output=True,
                check=False,
            )
            shutil.rmtree(store, ignore_errors=True)

    def close(self) -> None:
        """Remove all of its stores."""
        for name in os.listdir(self.top):
            if name.startswith("store-"):
                self.destroy(f"{self.top}/{name}")
        shutil.rmtree(self.top, ignore_errors=True)

    def _run(self, command: list[str], directory: str, timeout_s: float) -> str:
        try:
            result = subprocess.run(
                self._command(command),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise BuildFailedError(f"took longer than {timeout_s} s") from error
        if result.returncode:
            raise BuildFailedError(f"exit code {result.returncode}: {result.stderr[-3000:].strip()}")
        return result.stdout

    def _command(self, command: list[str]) -> list[str]:
        setup = self.setup
        limited = ["sh", "-c", _LIMIT, setup.umask, *command]
        settings = {"TZ": setup.zone, "LANG": setup.language, "LC_ALL": setup.language}
        if self._user is not None:
            words = self._user.command(limited, settings)
        else:
            named = (f"{name}={value}" for name, value in {"HOME": self._home, **settings}.items())
            words = ["env", "-u", "XDG_DATA_HOME", "-u", "XDG_STATE_HOME", *named, *limited]
        return ["unshare", "--uts", "sh", "-c", _ENTER, setup.host, *words]

    def _own(self, path: str) -> None:
        os.makedirs(path, exist_ok=True)
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid)

    def _write(self, path: str, text: str) -> None:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        if self._user is not None:
            os.chown(path, self._user.uid, self._user.gid)


@contextmanager
def workplace(setup: Setup, directory: str, store_max_bytes: int) -> Iterator[Workplace]:
    """Give a set-up's place, and remove it."""
    if setup.user == "root":
        home = f"{directory}/home-{setup.host}"
        os.makedirs(home, exist_ok=True)
        place = Workplace(setup, home, None, store_max_bytes)
        try:
            yield place
        finally:
            place.close()
            shutil.rmtree(home, ignore_errors=True)
    else:
        with lend(setup.user) as user:
            place = Workplace(setup, user.home, user, store_max_bytes)
            try:
                yield place
            finally:
                place.close()


def disk_bytes(path: str) -> int:
    """Return how much a directory takes on disk, links counted once."""
    result = subprocess.run(["du", "-s", "-B1", path], capture_output=True, text=True, check=False)
    return int(result.stdout.split()[0]) if result.stdout else 0
