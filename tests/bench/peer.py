"""What a contender says of itself, and the small ones: programs that need no daemon and no image."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from tests import mirror
from tests.bench.place import ACTIVE, INERT, PACKAGES, SIMILAR, SUITE, Place, mmdebstrap
from tests.bench.trial import Command, Measure, Trial, call, disk_usage


class Peer:
    """One contender: whether it is here, what it is, and what it can be timed at."""

    name: ClassVar[str]
    programs: ClassVar[tuple[str, ...]] = ()
    """What must be found in PATH."""

    def missing(self) -> str:
        """Say what is missing here, nothing if the peer can be measured."""
        gone = [program for program in self.programs if shutil.which(program) is None]
        return f"{', '.join(gone)} not found" if gone else ""

    def version(self) -> str:
        """Return what the peer says of its version, one line."""
        result = subprocess.run([self.programs[0], "--version"], capture_output=True, text=True, check=False)
        return next(iter((result.stdout + result.stderr).splitlines()), "")

    def start(self, place: Place) -> Sequence[Trial]:
        """Get ready and return what can be timed. Raises FailedError if the peer will not run here."""
        raise NotImplementedError

    def stop(self) -> None:
        """End what `start` started."""


class Python(Peer):
    """The floor: the interpreter that envforge runs by, doing nothing."""

    name = "python3 -c pass"

    def version(self) -> str:
        return sys.version.split()[0]

    def start(self, place: Place) -> Sequence[Trial]:  # noqa: ARG002 (it needs no place)
        return [Trial(Measure.ENTRY, self.name, Command([sys.executable, "-c", "pass"]))]


class Bwrap(Peer):
    """Namespaces only: no layers, no lock."""

    name = "bwrap"
    programs = ("bwrap",)

    def start(self, place: Place) -> Sequence[Trial]:
        mounts = ["--ro-bind", place.tree, "/", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]
        command = Command(["bwrap", "--unshare-all", "--share-net", *mounts, "true"])
        call(command)
        return [Trial(Measure.ENTRY, self.name, command)]


class Nix(Peer):
    """A shell on a trivial derivation, in a store of its own. No container."""

    name = "nix-shell"
    programs = ("nix-shell",)

    def start(self, place: Place) -> Sequence[Trial]:
        home = place.directory("nix")
        with open(f"{home}/shell.nix", "w", encoding="ascii") as file:
            file.write(
                'derivation { name = "bench"; system = builtins.currentSystem; builder = "/bin/sh"; }\n'
            )
        own = {f"NIX_{name}_DIR": f"{home}/{name.lower()}" for name in ("STORE", "STATE", "LOG", "CONF")}
        environment = os.environ | own | {"HOME": home, "NIX_BUILD_SHELL": "/bin/bash"}
        command = Command(["nix-shell", "--run", "true", f"{home}/shell.nix"], environment)
        call(command)
        return [Trial(Measure.ENTRY, self.name, command)]


class Mmdebstrap(Peer):
    """The usual tool for a Debian tree. It keeps nothing, so every change costs a whole build."""

    name = "mmdebstrap"
    programs = ("mmdebstrap",)

    def start(self, place: Place) -> Sequence[Trial]:
        self._directory = place.directory("mmdebstrap")
        with open(f"{self._directory}/sources", "w", encoding="utf-8") as file:
            file.write(mirror.sources(SUITE))
        sets: dict[Measure, tuple[str, ...]] = {
            Measure.NOTHING: (),
            Measure.INERT: (INERT,),
            Measure.ACTIVE: (ACTIVE,),
        }
        builds = [
            Trial(measure, self.name, partial(self._build, (*PACKAGES, *extra)), self._next)
            for measure, extra in sets.items()
        ]
        return [*builds, Trial(Measure.DISK, self.name, self._disk)]

    def _build(self, packages: tuple[str, ...]) -> Command:
        words = [
            "sh",
            "-c",
            'exec "$@" <sources',
            "sh",
            *mmdebstrap(self._tree(), packages),
        ]
        return Command(words, directory=self._directory)

    def _tree(self) -> str:
        return f"{self._directory}/tree-{self._count}"

    def _next(self) -> None:
        """Go on with a tree that is not there yet: deleting one would slow down the next (see product.py)."""
        self._count += 1

    _count = 0

    def _disk(self) -> float:
        """Return six times one tree: nothing is shared between trees."""
        self._next()
        call(self._build(PACKAGES))
        return disk_usage(self._tree()) * len(SIMILAR)
