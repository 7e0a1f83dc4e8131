"""envforge itself, by its command line, with a home and stores of its own."""

import os
import sysconfig
from collections.abc import Callable, Sequence

from tests.bench.peer import Peer
from tests.bench.place import ACTIVE, INERT, PACKAGES, SIMILAR, SUITE, Place
from tests.bench.trial import Command, Measure, Trial, call, disk_usage, peak_memory

NAME = "envforge"


class Envforge(Peer):
    """The contender that this project is about."""

    name = NAME

    def __init__(self, program: str = "") -> None:
        """Take the program beside the interpreter that runs the bench, or another one: an earlier version."""
        self._program = program or f"{sysconfig.get_path('scripts')}/envforge"
        if program:
            self.name = f"earlier {NAME}"  # type: ignore[misc]  # one class, two contenders
        self.programs = (self._program,)  # type: ignore[misc]  # known only now

    def start(self, place: Place) -> Sequence[Trial]:
        self._place = Place(place.directory(self.name.replace(" ", "-")))
        home = self._place.directory("home")
        own = {"HOME": home, "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
        passed = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
        self._environment = own | passed
        self._project = self._place.directory("project")
        self._write(self._project)
        call(self._command("lock"))
        self._lock = self._read_lock()
        call(self._command("build"))
        call(self._command("run", "--", "true"))
        return [
            Trial(Measure.NOTHING, self.name, self._own("build"), self._empty),
            Trial(Measure.SAME, self.name, self._own("build"), self._built),
            Trial(Measure.INERT, self.name, self._own("build"), lambda: self._changed(INERT)),
            Trial(Measure.ACTIVE, self.name, self._own("build"), lambda: self._changed(ACTIVE)),
            Trial(Measure.LOCK, self.name, self._own("lock"), self._unlocked),
            Trial(
                Measure.TWO, self.name, lambda: self._command("lock", directory=self._two), self._two_unlocked
            ),
            Trial(
                Measure.CACHED, self.name, self._own("build", "--cache", self._cache), self._empty_but_cached
            ),
            Trial(Measure.ENTRY, f"{self.name} run", self._own("run", "--", "true"), self._entered),
            Trial(Measure.DISK, self.name, self._disk),
            Trial(Measure.MEMORY, self.name, self._memory),
        ]

    def stop(self) -> None:
        for name in os.listdir(self._place.path):
            if name.startswith("store-"):
                call(self._command("store", "destroy", "--yes", store=name))

    def _own(self, *words: str) -> Callable[[], Command]:
        """Return what gives a command on the store of that time."""
        return lambda: self._command(*words)

    @property
    def _two(self) -> str:
        return f"{self._place.path}/two-environments"

    @property
    def _cache(self) -> str:
        return f"{self._place.path}/cache"

    def _command(self, *words: str, directory: str = "", store: str = "") -> Command:
        place = f"{self._place.path}/{store or f'store-{self._count}'}"
        return Command(
            [self._program, "--store", place, *words], self._environment, directory or self._project
        )

    def _write(self, directory: str, *extra: str) -> None:
        """Write the spec of the reference set, with more packages."""
        os.makedirs(directory, exist_ok=True)
        names = ", ".join(f'"{name}"' for name in (*PACKAGES, *extra))
        with open(f"{directory}/envforge.toml", "w", encoding="utf-8") as file:
            file.write(f'name = "bench"\n\n[debian]\nsuite = "{SUITE}"\npackages = [{names}]\n')

    def _read_lock(self) -> bytes:
        with open(f"{self._project}/envforge.lock", "rb") as file:
            return file.read()

    def _restore(self, *extra: str) -> None:
        """Bring back the reference set's spec (with more packages) and lock."""
        self._write(self._project, *extra)
        with open(f"{self._project}/envforge.lock", "wb") as file:
            file.write(self._lock)

    def _empty(self) -> None:
        """Go on with a store that is not there yet.

        The old one stays until the end: for some minutes ext4 looks at every inode that was freed lately
        before it gives one away, and that cost a build up to 8 s.
        """
        self._restore()
        self._count += 1

    def _built(self) -> None:
        self._restore()
        call(self._command("build"))

    def _changed(self, package: str) -> None:
        """Have the reference set built in a store that has never seen the package, but the index."""
        self._empty()
        call(self._command("lock", "--upgrade", "--dry-run"))
        call(self._command("build"))
        self._write(self._project, package)

    def _indexed(self) -> None:
        """Have the reference set built, and the index in the store: a build from a lock needs none."""
        self._built()
        call(self._command("lock", "--upgrade", "--dry-run"))

    def _unlocked(self) -> None:
        self._indexed()
        os.remove(f"{self._project}/envforge.lock")

    def _two_unlocked(self) -> None:
        """Have a project whose second environment has two packages more, and no lock yet."""
        self._indexed()
        self._write(self._two)
        names = ", ".join(f'"{name}"' for name in SIMILAR[-2:])
        with open(f"{self._two}/envforge.toml", "a", encoding="utf-8") as file:
            file.write(f'\n[environments.more]\nextends = "default"\ndebian.packages = [{names}]\n')
        if os.path.exists(f"{self._two}/envforge.lock"):
            os.remove(f"{self._two}/envforge.lock")

    def _empty_but_cached(self) -> None:
        """Go on with a store that is not there yet, and a cache that has the reference set."""
        self._empty()
        if not os.path.exists(self._cache):
            call(self._command("build", "--cache", self._cache))
            self._empty()

    def _entered(self) -> None:
        """Enter once where something changed since, so that the timed entry is a warm one."""
        if self._read_lock() != self._entered_lock:
            self._built()
            call(self._command("run", "--", "true"))
            self._entered_lock = self._read_lock()

    _entered_lock = b""
    _count = 0

    def _disk(self) -> float:
        """Return what a fresh store with the six takes, fetched archives and indexes included."""
        for extra in SIMILAR:
            directory = f"{self._place.path}/similar-{extra or 'plain'}"
            self._write(directory, *filter(None, [extra]))
            call(self._command("build", directory=directory, store="store-six"))
        return disk_usage(f"{self._place.path}/store-six")

    def _memory(self) -> float:
        self._empty()
        return peak_memory(self._command("build"))
