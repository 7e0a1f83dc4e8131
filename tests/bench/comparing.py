"""How long `diff`, `why` and `owns` take with 15,000 files on each side, beside Python alone.

python -m tests.bench.comparing [ROUNDS]

Makes a store of its own with two generations of 300 packages, of which half differ, and prints medians of the
whole command in milliseconds, processor and clock. Trust the ratios to Python alone, not the milliseconds.
"""

import hashlib
import os
import resource
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence

from envforge import machine
from envforge.environment.made import model
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.lock import file as lock_file
from envforge.lock.model import Lock, LockedEnvironment, Part
from envforge.sources.debian.model import Closure, LockedArchive, LockedPackage, Request
from envforge.store import listing, records
from envforge.store.layout import Store, open_store

PACKAGES, FILES = 300, 50
COMMANDS = {
    "bare python3 -c pass": (),
    "diff": ("diff",),
    "diff --level file": ("diff", "--level", "file"),
    "diff --level file --json": ("diff", "--level", "file", "--json"),
    "why": ("why", f"p{PACKAGES - 1}"),
    "owns": ("owns", "/usr/share/p00007/file-001"),
    "why-rebuilt": ("why-rebuilt",),
    "ls": ("ls",),
}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def files_of(number: int, version: int) -> Iterator[bytes]:
    """Yield the lines of one package's listing."""
    directory = b"/usr/share/p%05d" % number
    yield b"d 0755 0 0 315532800 - - - - " + directory
    for at in range(FILES):
        content = sha256(f"{number} {version} {at}").encode()
        yield b"f 0644 0 0 1700000000 %d %s - - %s/file-%03d" % (at, content, directory, at)


def package(number: int, version: int) -> LockedPackage:
    needs = sorted(f"p{below}" for below in (2 * number + 1, 2 * number + 2) if below < PACKAGES)
    return LockedPackage(
        f"p{number}",
        f"1.0-{version}",
        machine.native(),
        "bookworm",
        f"pool/p{number}.deb",
        1000,
        sha256(f"archive {number} {version}"),
        asked=number == 0,
        needs=tuple(needs),
    )


def add_generation(store: Store, spec: str, newest: int) -> None:
    """Add one in which every second package has that version."""
    versions = [newest if number % 2 else 0 for number in range(PACKAGES)]
    lines = [b"d 0755 0 0 315532800 - - - - " + path for path in (b"/", b"/usr", b"/usr/share")]
    packages = [package(number, version) for number, version in enumerate(versions)]
    for number, version in enumerate(versions):
        own = list(files_of(number, version))
        lines += own
        write(store.tree("true", packages[number].sha256), own)
    text = listing.HEADER + b"\n".join(lines) + b"\n"
    digest, key = listing.digest(text), sha256(f"farm {newest}")
    write(store.layer("true", digest), lines)
    recipe = {"recipe": 3, "kind": "farm", "packages": [one.sha256 for one in packages]}
    sizes = {"size_bytes": newest, "files": PACKAGES * FILES}
    records.write(
        store, store.record(key), {"key": key, "recipe": recipe, "digest": digest, "notes": {}, **sizes}
    )
    made = Environment((LayerReference("farm", key, digest),), {"runtime": 1}, sha256(f"closure {newest}"))
    model.save(store, made)
    archive = LockedArchive("bookworm", "bookworm", "2026-01-01T00:00:00Z", "AB" * 20)
    closure = Closure(machine.native(), (archive,), tuple(sorted(packages, key=lambda one: one.name)))
    request = Request("bookworm", (), ("main",), ("p0",))
    part = Part({"debian": closure})
    lock = Lock({"default": LockedEnvironment({"debian": request}, {machine.native(): part})})
    generations.note(store, spec, "shop", made.digest, spec=b"", lock=lock_file.dumps(lock))


def write(directory: str, lines: Sequence[bytes]) -> None:
    os.makedirs(f"{directory}/root", exist_ok=True)
    with open(f"{directory}/listing", "wb") as file:
        file.write(listing.HEADER + b"\n".join(lines) + b"\n")


def timed(words: Sequence[str], directory: str) -> tuple[float, float]:
    """Run a command; return its processor's and the clock's milliseconds."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(words, cwd=directory, stdout=subprocess.DEVNULL, check=True)
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return used * 1000, wall * 1000


def main(rounds: int) -> None:
    envforge = os.path.join(sysconfig.get_path("scripts"), "envforge")
    with tempfile.TemporaryDirectory(prefix="envforge-bench-", dir="/var/tmp") as top:
        store = open_store(f"{top}/store")
        spec = f"{top}/envforge.toml"
        with open(spec, "w", encoding="utf-8") as file:
            file.write('name = "shop"\n[debian]\nsuite = "bookworm"\npackages = ["p0"]\n')
        for newest in (1, 2):
            add_generation(store, spec, newest)
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
        for _ in range(rounds):
            for name, arguments in COMMANDS.items():
                words = [envforge, "--store", store.path, *arguments]
                found[name].append(timed(words if arguments else [sys.executable, "-c", "pass"], top))
    print(f"{'':<26} {'processor':>12} {'clock':>12}")
    for name, times in found.items():
        used, wall = (statistics.median(column) for column in zip(*times, strict=True))
        print(f"{name:<26} {used:>9.1f} ms {wall:>9.1f} ms")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
