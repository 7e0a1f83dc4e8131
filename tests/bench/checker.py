"""`python -m tests.bench.checker`: what is found from inside, beside rootless podman; fails if ours has more.

As root, with podman and a runtime that works here; both run as the same plain user with subordinate ids, the
same files, root inside, no network. What is found in ours and not in podman's must stand in ALLOWED, with its
reason; there is nothing else to configure.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests"))

from users import RANGES, TestUser, lend  # noqa: E402

FINDINGS = Path(__file__).with_name("findings.py")
SPEC = """\
name = "checked"
[debian]
suite = "bookworm"
packages = ["python3"]
[network]
mode = "none"
"""
_BY_DOCKER = "Docker's default list has it, of which ours is a part; the list of podman in Debian 12 is older"
ALLOWED = {
    "capability audit_write": "Docker gives it to root; it says nothing in a user namespace",
    "capability mknod": "Docker gives it to root; in a user namespace no device node can be made",
    "capability net_raw": "Docker gives it to root, for ping; here over a network of its own",
    "a packet socket can be made": "by net_raw, in a network of its own",
    "system call 278": f"vmsplice: {_BY_DOCKER}",
    "system call 333": f"io_pgetevents: {_BY_DOCKER}",
    "system call 446": f"landlock_restrict_self, with which a process closes itself: {_BY_DOCKER}",
    "system call 451": f"cachestat: {_BY_DOCKER}",
    "system call 452": f"fchmodat2: {_BY_DOCKER}",
    "system call 454": f"futex_wake: {_BY_DOCKER}",
    "system call 455": f"futex_wait: {_BY_DOCKER}",
    "system call 456": f"futex_requeue: {_BY_DOCKER}",
    "system call 462": f"mseal: {_BY_DOCKER}",
}
"""What is found in ours only, up to a comma -> why that is as it shall be."""
_RUNTIMES = ("runc", "crun")


def main() -> int:
    """Compare them; return 1 where something is found in ours only."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.checker", description=__doc__)
    parser.add_argument("--runtime", help="podman's runtime; by default the first that runs here")
    arguments = parser.parse_args()
    if os.geteuid() != 0 or shutil.which("podman") is None:
        print("needs root, and podman", file=sys.stderr)
        return 2
    with lend(RANGES) as user, tempfile.TemporaryDirectory(prefix="envforge-checker-", dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        ours = _ours(user)
        peer = _podman(user, f"{user.home}/rootfs.tar", arguments.runtime)
    return _told(ours, peer)


def _ours(user: TestUser) -> dict[str, dict[str, str]]:
    """Return what is found in ours, as the user itself and as root inside; leave its files as a tar."""
    project = f"{user.home}/project"
    user.run(["mkdir", project])
    user.run(["tee", f"{project}/envforge.toml"], stdin=SPEC)
    user.run(["tee", f"{project}/findings.py"], stdin=FINDINGS.read_text())
    user.run(["envforge", "build"], cwd=project)
    packed = "tar --one-file-system --exclude ./proc --exclude ./sys --exclude ./dev -C / -cf - ."
    with open(f"{user.home}/rootfs.tar", "wb") as file:
        words = user.command(["envforge", "run", "-u", "root", "--", "sh", "-c", f"{packed} 2>/dev/null"])
        subprocess.run(words, cwd=project, stdout=file, check=True)
    found = {}
    for name, options in (("envforge", ()), ("envforge -u root", ("-u", "root"))):
        command = ["envforge", "run", *options, "--", "python3", "-I", "findings.py", user.home]
        found[name] = json.loads(user.run(command, cwd=project).stdout)
    user.run(["envforge", "store", "destroy", "--yes"], cwd=project)
    return found


def _podman(user: TestUser, tar: str, runtime: str | None) -> dict[str, str]:
    run = f"{user.home}/run"
    user.run(["mkdir", "-m", "700", run])
    environment = {"XDG_RUNTIME_DIR": run}
    engine = ["podman", "--cgroup-manager", "cgroupfs"]
    user.run([*engine, "import", "--quiet", tar, "checked"], environment=environment)
    mounted = ["-v", f"{user.home}/project:/project", "--network", "none"]
    command = ["run", "--rm", *mounted, "checked", "python3", "-I", "/project/findings.py", user.home]
    said = ""
    for one in [runtime] if runtime else _RUNTIMES:
        words = [*engine, "--runtime", one, *command]
        result = user.run(words, environment=environment, check=False)
        if result.returncode == 0:
            user.run([*engine, "system", "reset", "--force"], environment=environment, check=False)
            return json.loads(result.stdout)
        said += f"{one}: {result.stderr}"
    raise SystemExit(f"podman runs with none of its runtimes here:\n{said}")


def _told(ours: dict[str, dict[str, str]], peer: dict[str, str]) -> int:
    """Print what was found, side by side; return whether ours has more."""
    columns = {**ours, "podman": peer}
    names = sorted({name for found in columns.values() for name in found})
    width = max(map(len, names))
    print(f"{'':{width}}  " + "  ".join(columns))
    more = []
    for name in names:
        cells = [f"{found.get(name, '-')[: len(column)]:{len(column)}}" for column, found in columns.items()]
        print(f"{name:{width}}  " + "  ".join(cells))
        if name not in peer and name.partition(",")[0] not in ALLOWED:
            more.append(name)
    counts = ", ".join(f"{column} {len(found)}" for column, found in columns.items())
    print(f"\nfound: {counts}")
    for allowed, why in ALLOWED.items():
        print(f"allowed: {allowed}: {why}")
    for name in more:
        print(f"found in ours only: {name}")
    return 1 if more else 0


if __name__ == "__main__":
    raise SystemExit(main())
