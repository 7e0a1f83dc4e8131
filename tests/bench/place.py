"""What all peers share: a directory on disk, the host's mirror, and one minimal Debian as tar and as tree."""

import os
import subprocess

from attrs import frozen

from tests import mirror
from tests.bench.trial import FailedError

SUITE = "bookworm"
PACKAGES = ("python3", "git", "curl", "nodejs", "build-essential", "ca-certificates")
"""The reference set, besides a minimal system, without recommends."""
INERT = "jq"
ACTIVE = "tmux"
SIMILAR = ("", INERT, ACTIVE, "ripgrep", "sqlite3", "rsync")
"""What each of the six similar environments has besides the reference set."""


@frozen
class Place:
    """Where a bench works."""

    path: str

    @property
    def tar(self) -> str:
        """The minimal system as a tar, which docker and podman import."""
        return f"{self.path}/base.tar"

    @property
    def tree(self) -> str:
        """The same, unpacked."""
        return f"{self.path}/base"

    def directory(self, name: str) -> str:
        """Make and return a directory of one peer's own."""
        path = f"{self.path}/{name}"
        os.makedirs(path, exist_ok=True)
        return path


def mmdebstrap(target: str, packages: tuple[str, ...] = ()) -> list[str]:
    """Return the command that makes a system at `target` (a directory, or a file *.tar); sources on stdin."""
    options = [*mirror.minimal_options(SUITE), *(f"--aptopt={option}" for option in mirror.apt_options())]
    if packages:
        options.append(f"--include={','.join(packages)}")
    return ["mmdebstrap", "--quiet", *options, SUITE, target, "-"]


def make_base(place: Place) -> None:
    """Make the minimal system. Raises FailedError without mmdebstrap or a mirror."""
    command = mmdebstrap(place.tar)
    try:
        subprocess.run(command, input=mirror.sources(SUITE), text=True, check=True, capture_output=True)
        os.makedirs(place.tree, exist_ok=True)
        subprocess.run(["tar", "-xf", place.tar, "-C", place.tree, "--exclude=./dev/*"], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise FailedError(f"the base image cannot be made: {error}") from error


def dockerfile(directory: str, packages: tuple[str, ...]) -> str:
    """Write a Dockerfile with those packages to a fresh directory and return that."""
    os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/Dockerfile", "w", encoding="utf-8") as file:
        file.write(
            "FROM base\n"
            f"RUN apt-get update && apt-get install -y --no-install-recommends {' '.join(packages)}"
            " && rm -rf /var/lib/apt/lists/*\n"
        )
    return directory
