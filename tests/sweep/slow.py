"""Sets whose scripts take long: building beside `apt-get install`, everything fetched already, as ratios."""

import json
import os
import resource
import shutil
import time
from collections.abc import Callable

from attrs import frozen

from tests.sweep.reference import Base, Installed
from tests.sweep.setups import Workplace

SLOW: dict[str, tuple[str, ...]] = {
    "texlive": ("texlive-latex-extra", "texlive-xetex", "latexmk"),
    "qgis": ("qgis",),
    "ansible": ("ansible", "openssh-client", "rsync", "jq", "yamllint", "git"),
    "office": ("libreoffice-writer", "fonts-noto-core"),
    "emacs": ("emacs", "elpa-magit", "elpa-yaml-mode"),
    "java": ("default-jdk", "maven"),
}
"""Bytecode, formats of TeX, fonts, indexes of manuals, compiled lisp, certificates."""


@frozen
class Taken:
    """What one way took, programs that it started included."""

    seconds: float
    processor_s: float


@frozen
class Compared:
    """One set, both ways in one run."""

    name: str
    ours: Taken
    apt: Taken
    unpack: Taken
    """The part of apt's that only unpacks."""

    @property
    def well(self) -> bool:
        """Whether we are not slower."""
        return self.ours.seconds <= self.apt.seconds

    def __str__(self) -> str:
        ratio = self.ours.seconds / self.apt.seconds
        work = self.ours.processor_s / self.apt.processor_s
        return (
            f"{self.name}: {self.ours.seconds:.1f} s beside apt's {self.apt.seconds:.1f} s "
            f"({self.unpack.seconds:.1f} s to unpack): {ratio:.2f} of the time, {work:.2f} of the processor"
        )


def compare(base: Base, place: Workplace, directory: str, name: str, timeout_s: float) -> Compared:
    """Build and install one set, the archives of both fetched before."""
    packages = SLOW[name]
    names = json.dumps(sorted(packages))
    spec = f'name = "slow"\n\n[debian]\nsuite = "{base.suite}"\npackages = {names}\n'
    with place.store() as store:
        _, lock = place.build(store, name, spec, "", timeout_s)
        fresh = f"{store}-fetched"
        os.makedirs(fresh)
        for kept in ("blobs", "facts", "tools", "format"):
            os.rename(f"{store}/{kept}", f"{fresh}/{kept}")
        place.destroy(store)
        ours = measure(lambda: place.build(fresh, name, spec, lock, timeout_s))
        place.destroy(fresh)
    apt, unpack = _apt(base, f"{directory}/slow", packages, timeout_s)
    return Compared(name, ours, apt, unpack)


def measure(work: Callable[[], object]) -> Taken:
    """Do it and return what it took."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    work()
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic() - started
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Taken(seconds, spent)


def _apt(base: Base, directory: str, packages: tuple[str, ...], timeout_s: float) -> tuple[Taken, Taken]:
    """Return what installing takes, and how much of that unpacking."""
    shutil.rmtree(directory, ignore_errors=True)
    installed = Installed(base, directory)
    try:
        installed.fetch(packages, timeout_s)
        unpack = measure(lambda: installed.unpack(timeout_s))
    finally:
        installed.close()
    installed = Installed(base, directory)
    try:
        installed.fetch(packages, timeout_s)
        return measure(lambda: installed.install(packages, timeout_s)), unpack
    finally:
        installed.close()
