"""What apt makes of the same packages: a minimal system as lower layer, `apt-get install` over it.

Needs root; everything is mounted in the mount namespace of the calling process.
"""

import os
import shutil
import subprocess

from tests import mirror

_SCRIPT = """
set -e
cd "$1"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o mode=755 tmpfs dev
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
for node in null zero full random urandom tty; do : >dev/$node; mount --bind /dev/$node dev/$node; done
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr
hostname localhost
[ -z "$OFFLINE" ] || { ip link set lo up; mount --bind "$OFFLINE" etc/resolv.conf; }
mount --bind "$NOTHING" usr/sbin/start-stop-daemon
shift
path=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
exec chroot . env -i PATH=$path HOME=/root LC_ALL=C.UTF-8 TERM=dumb \
  DEBIAN_FRONTEND=noninteractive DEBCONF_NONINTERACTIVE_SEEN=true APT_LISTCHANGES_FRONTEND=none "$@"
"""
_NAMESPACES = ("--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child")
_UNSAFE = ("-o", "Dpkg::Options::=--force-unsafe-io", "-o", "APT::Sandbox::User=root")
_UPDATE_S = 300
_POLICY = "usr/sbin/policy-rc.d"


class AptFailedError(Exception):
    """apt did not install them; the message is the end of what it said."""


class Base:
    """A minimal system of one suite, with apt's indexes, that is never written to."""

    def __init__(self, suite: str, directory: str) -> None:
        self.suite = suite
        self.path = f"{directory}/base-{suite}"
        self.programs = f"{directory}/programs"

    def make(self) -> None:
        """Make it, if it is not there or the archive has moved since."""
        os.makedirs(self.programs, exist_ok=True)
        for name, text in (("nothing", "#!/bin/sh\nexit 0\n"), ("resolv.conf", "# no name server\n")):
            with open(f"{self.programs}/{name}", "w", encoding="ascii") as file:
                file.write(text)
            os.chmod(f"{self.programs}/{name}", 0o755)
        if os.path.exists(self.path) and not self._has_moved():
            return
        half = f"{self.path}.new"
        shutil.rmtree(half, ignore_errors=True)
        options = [*mirror.minimal_options(self.suite), "--mode=root", "--skip=cleanup/apt/lists"]
        options += [f"--aptopt={option}" for option in mirror.apt_options()]
        words = ["mmdebstrap", "--quiet", *options, self.suite, half, "-"]
        sources = mirror.sources(self.suite)
        result = subprocess.run(words, input=sources, capture_output=True, text=True, check=False)
        if result.returncode:
            raise AptFailedError(result.stderr[-3000:].strip())
        with open(f"{half}/etc/hostname", "w", encoding="ascii") as file:
            file.write("localhost\n")
        shutil.rmtree(self.path, ignore_errors=True)
        os.rename(half, self.path)

    def _has_moved(self) -> bool:
        """Say whether apt gets other indexes by now."""
        directory = f"{self.path}.update"
        shutil.rmtree(directory, ignore_errors=True)
        installed = Installed(self, directory)
        try:
            installed.run(["apt-get", "-q", "update"], _UPDATE_S)
            return any(
                name.endswith("_Packages") for name in os.listdir(f"{directory}/upper/var/lib/apt/lists")
            )
        finally:
            installed.close()


class Installed:
    """The base with packages installed over it, mounted at `path` until `close`."""

    def __init__(self, base: Base, directory: str) -> None:
        self._base = base
        self._directory = directory
        self.path = f"{directory}/merged"
        for name in ("merged", "upper", "work"):
            os.makedirs(f"{directory}/{name}")
        layers = f"lowerdir={base.path},upperdir={directory}/upper,workdir={directory}/work,volatile"
        subprocess.run(["mount", "-t", "overlay", "-o", layers, "overlay", self.path], check=True)

    def fetch(self, packages: tuple[str, ...], timeout_s: float) -> None:
        """Fetch the archives, with the network. Raises AptFailedError."""
        self.run([*_install(packages), "--download-only"], timeout_s)

    def install(self, packages: tuple[str, ...], timeout_s: float) -> None:
        """Install what was fetched, without the network. Raises AptFailedError."""
        policy = f"{self.path}/{_POLICY}"
        with open(policy, "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexit 101\n")
        os.chmod(policy, 0o755)
        self.run([*_install(packages), "--no-download"], timeout_s, offline=True)
        os.remove(policy)

    def unpack(self, timeout_s: float) -> None:
        """Only unpack what was fetched. Raises AptFailedError."""
        line = "dpkg --force-all --force-unsafe-io --no-triggers --unpack /var/cache/apt/archives/*.deb"
        self.run(["sh", "-c", line], timeout_s, offline=True)

    def run(self, command: list[str], timeout_s: float, *, offline: bool = False) -> str:
        """Run a command inside. Raises AptFailedError where it fails or takes too long."""
        programs = self._base.programs
        variables = {
            "NOTHING": f"{programs}/nothing",
            "OFFLINE": f"{programs}/resolv.conf" if offline else "",
        }
        words = [
            "unshare",
            *_NAMESPACES,
            *(["--net"] if offline else []),
            "sh",
            "-c",
            _SCRIPT,
            "sh",
            self.path,
        ]
        try:
            result = subprocess.run(
                [*words, *command],
                env=os.environ | variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                check=False,
                timeout=timeout_s,
            )
        except subprocess.TimeoutExpired as error:
            raise AptFailedError(f"took longer than {timeout_s} s") from error
        if result.returncode:
            raise AptFailedError(result.stdout[-3000:].strip())
        return result.stdout

    def close(self) -> None:
        """Unmount and remove it."""
        subprocess.run(["umount", self.path], check=False)
        shutil.rmtree(self._directory, ignore_errors=True)


def _install(packages: tuple[str, ...]) -> list[str]:
    """Return apt's command; its choice among alternatives depends on the order, and a lock sorts names."""
    return ["apt-get", "-y", "-q", *_UNSAFE, "install", "--no-install-recommends", *sorted(packages)]
