"""What this machine can do, found by trying. One probe a capability; each runs at most once.

A probe answers with an empty string (found) or with what is missing, in words that a reader can act on.
"""

import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable
from functools import cache

from envforge.sandbox.limits.choose import backend
from envforge.sandbox.outbound import pasta, way

_OVERLAY = """
cd "$1" && mkdir -p lower/d upper work merged &&
mount -t overlay overlay -o userxattr,lowerdir=lower,upperdir=upper,workdir=work merged && rmdir merged/d
"""
_ARCHIVE_TIMEOUT_S = 10


@cache
def userns() -> str:
    """User namespaces, and an overlay with `userxattr` in them that can remove a lower directory."""
    with tempfile.TemporaryDirectory(prefix="envforge-test-", dir="/var/tmp") as directory:
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", _OVERLAY, "sh", directory]
        try:
            return _complaint(command)
        finally:
            if os.path.isdir(f"{directory}/work/work"):
                os.chmod(f"{directory}/work/work", 0o700)  # overlay leaves it at 000


@cache
def ranges() -> str:
    """newuidmap and newgidmap; a plain user also needs a subordinate range of its own."""
    missing = [tool for tool in ("newuidmap", "newgidmap") if shutil.which(tool) is None]
    if missing:
        return f"{' and '.join(missing)} not found (apt-get install uidmap)"
    if os.geteuid() == 0:
        return plain_user()
    return _complaint(["unshare", "--user", "--map-root-user", "--map-auto", "true"])


@cache
def busybox() -> str:
    """A busybox that runs where there is nothing else: it is all that is in the tests' own layer."""
    path = shutil.which("busybox") or "/bin/busybox"
    if not os.path.exists(path):
        return "busybox not found (apt-get install busybox-static)"
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False)
    return f"{path} needs shared libraries (apt-get install busybox-static)" if "=>" in said.stdout else ""


@cache
def root() -> str:
    """The tests run as root."""
    return "" if os.geteuid() == 0 else f"runs as uid {os.geteuid()}, not as root"


@cache
def plain_user() -> str:
    """The tests run as an unprivileged user, or as root with the programs that make one."""
    if os.geteuid() != 0:
        return ""
    missing = [tool for tool in ("useradd", "usermod", "runuser") if shutil.which(tool) is None]
    return f"{', '.join(missing)} not found" if missing else ""


@cache
def cgroup() -> str:
    """A cgroup of its own for each sandbox of whoever runs the tests."""
    return backend().why_not


@cache
def outbound() -> str:
    """A way out of private networks, for root and for plain users, and root to make a machine to reach."""
    found = way.find()
    if found.kind == way.NONE:
        return found.why
    return root() or ("" if pasta.program() else "pasta not found (apt-get install passt)")


@cache
def archive() -> str:
    """A Debian mirror from the host's own apt sources answers."""
    if shutil.which("apt-get") is None:
        return "no apt-get, so no apt sources"
    listing = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"],
        capture_output=True,
        text=True,
        check=False,
    )
    targets = sorted({line.strip() for line in listing.stdout.splitlines() if line.startswith("http")})
    if not targets:
        return "the apt sources name no http mirror"
    repository, suite = targets[0].split(" ", 1)
    request = urllib.request.Request(f"{repository}dists/{suite}/InRelease", method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=_ARCHIVE_TIMEOUT_S):
            return ""
    except OSError as error:
        return f"the first mirror of the apt sources does not answer ({error})"


@cache
def vm() -> str:
    """What it takes to boot another kernel: qemu, mke2fs, dpkg-deb and a mirror to get the kernel from."""
    tools = ("qemu-system-x86_64", "mke2fs", "dpkg-deb", "mmdebstrap")
    missing = [
        tool for tool in tools if shutil.which(tool) is None and not os.path.exists(f"/usr/sbin/{tool}")
    ]
    if missing:
        return f"{', '.join(missing)} not found"
    return root() or archive()


PROBES: dict[str, Callable[[], str]] = {
    "userns": userns,
    "ranges": ranges,
    "busybox": busybox,
    "root": root,
    "plain_user": plain_user,
    "cgroup": cgroup,
    "outbound": outbound,
    "archive": archive,
    "vm": vm,
}
"""Marker -> probe."""


def report() -> str:
    """Return one line that names each capability and whether it was found."""
    found = ((name, probe()) for name, probe in PROBES.items())
    return ", ".join(f"{name} {'yes' if not missing else f'NO ({missing})'}" for name, missing in found)


def _complaint(command: list[str]) -> str:
    """Return nothing if the command succeeds, else what it said."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return str(error)
    if result.returncode == 0:
        return ""
    return " ".join(result.stderr.split())[:200] or f"{command[0]} ended with {result.returncode}"
