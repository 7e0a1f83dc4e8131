"""The host's own Debian mirror, for the other tools that tests compare with and build images by.

Only addresses come from the host's apt sources; suites are the caller's.
"""

import glob
import os
import subprocess
from functools import cache

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_MERGED_BY_HOOK = ("bookworm",)
"""Where no package brings the links into /usr: without the hook a converter and what it needs come along."""


def minimal_options(suite: str) -> tuple[str, ...]:
    """Return what makes mmdebstrap start from the minimal system that envforge starts from: all required."""
    hook = ("--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr",) if suite in _MERGED_BY_HOOK else ()
    return ("--variant=minbase", *hook)


class NoMirrorError(Exception):
    """The host's apt sources name no Debian mirror."""


@cache
def addresses() -> tuple[str, str]:
    """Return the base addresses of the archive and of the security archive."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    targets = [line.rsplit(" ", 1) for line in output.splitlines() if line.startswith("http")]
    security = [uri for uri, release in targets if release.endswith("-security")]
    main = [uri for uri, release in targets if not release.endswith("-security")]
    if not main or not security:
        raise NoMirrorError("the apt sources name no archive, or no security archive")
    return main[0].rstrip("/"), security[0].rstrip("/")


def sources(suite: str) -> str:
    """Return the lines of a sources.list for a suite with its updates and security, main only."""
    main, security = addresses()
    option = f"[signed-by={KEYRING}] " if os.path.exists(KEYRING) else ""
    return (
        f"deb {option}{main} {suite} main\n"
        f"deb {option}{main} {suite}-updates main\n"
        f"deb {option}{security} {suite}-security main\n"
    )


def apt_options() -> list[str]:
    """Return the host's own settings on dates as apt options, so that a mirror of another day is taken."""
    output = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=True).stdout
    wanted = (
        "Acquire::Check-Valid-Until ",
        "Acquire::Check-Date ",
        "Acquire::http::Proxy ",
        "Acquire::https::Proxy ",
    )
    return [line.rstrip(";").replace('"', "") for line in output.splitlines() if line.startswith(wanted)]


def host_suite() -> str:
    """Return the codename of the running Debian, whose python3 is the one that the tests use."""
    with open("/etc/os-release", encoding="utf-8") as file:
        values = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
    return values.get("VERSION_CODENAME", "bookworm").strip('"')


def lists_present() -> bool:
    """Say whether apt has fetched its indexes (a fresh machine has not)."""
    return bool(glob.glob("/var/lib/apt/lists/*Packages*"))
