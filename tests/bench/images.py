"""Container engines, each with its storage in the bench's directory and the base image imported from a tar.

Builds get the host's network, since that is the fastest that each offers.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from functools import partial

from tests.bench.peer import Peer
from tests.bench.place import ACTIVE, INERT, PACKAGES, SIMILAR, Place, dockerfile
from tests.bench.trial import Command, FailedError, Measure, Trial, call, disk_usage, prepare_nothing

_DAEMON_START_S = 30
_BUILDS: dict[Measure, tuple[str, ...]] = {
    Measure.NOTHING: PACKAGES,
    Measure.SAME: PACKAGES,
    Measure.INERT: (*PACKAGES, INERT),
    Measure.ACTIVE: (*PACKAGES, ACTIVE),
}
# Rounds would find the changed Dockerfile's layer of the round before; a user meets it for the first time.
_UNCACHED = {Measure.NOTHING, Measure.INERT, Measure.ACTIVE}


def _environment() -> dict[str, str]:
    return os.environ | {
        "DOCKER_BUILDKIT": "0"
    }  # a daemon of 20.10 has no BuildKit frontend without a registry


class Builder(Peer):
    """An engine that builds from a Dockerfile."""

    engine: Sequence[str]
    """The program with its global options."""
    build_words: Sequence[str]
    """The sub-command that builds, with its options."""

    def builds(self, place: Place) -> list[Trial]:
        """Return the trials that build."""
        trials = []
        for measure, packages in _BUILDS.items():
            context = dockerfile(
                place.directory(f"{self.programs[0]}-context-{len(packages)}-{packages[-1]}"), packages
            )
            fresh = ["--no-cache"] if measure in _UNCACHED else []
            words = [*self.engine, *self.build_words, *fresh, "--tag", "bench", context]
            command = Command(words, _environment())
            prepare = partial(call, command) if measure is Measure.SAME else prepare_nothing
            trials.append(Trial(measure, self.name, command, prepare))
        return trials

    def build_similar(self, place: Place) -> None:
        """Build the six similar images."""
        for extra in SIMILAR:
            packages = (*PACKAGES, extra) if extra else PACKAGES
            context = dockerfile(place.directory(f"{self.programs[0]}-similar-{extra}"), packages)
            words = [*self.engine, *self.build_words, "--tag", f"similar-{extra or 'plain'}", context]
            call(Command(words, _environment()))


class Docker(Builder):
    """Docker with a daemon of its own: socket, data and pid file in the bench's directory."""

    name = "docker"
    programs = ("docker", "dockerd")
    build_words = ("build", "--network", "host")

    def version(self) -> str:
        said = [
            subprocess.run([name, "--version"], capture_output=True, text=True, check=False)
            for name in self.programs
        ]
        return " · ".join(result.stdout.strip() for result in said)

    def start(self, place: Place) -> Sequence[Trial]:
        self._place = place
        self._bridge_was_there = os.path.exists("/sys/class/net/docker0")
        self._boot(place.directory("docker"))
        call(Command([*self.engine, "import", place.tar, "base"]))
        run = [*self.engine, "run", "--rm"]
        host = Command([*run, "--network", "host", "base", "true"])
        bridge = Command([*run, "base", "true"])
        return [
            *self.builds(place),
            Trial(Measure.ENTRY, f"{self.name} run, host network", host),
            Trial(Measure.ENTRY, f"{self.name} run, default network", bridge),
            Trial(Measure.DISK, self.name, self._disk),
        ]

    def boot(self, place: Place, *, publishes: bool = False) -> None:
        """Start the daemon alone, without the bench's trials; `publishes`: ports of containers too."""
        self._place = place
        self._bridge_was_there = os.path.exists("/sys/class/net/docker0")
        self._boot(place.directory("docker"), publishes=publishes)

    def _boot(self, directory: str, *, publishes: bool = False) -> None:
        """Start the daemon and wait until it answers. Raises FailedError with its last words."""
        os.makedirs(f"{directory}/data", exist_ok=True)
        address = f"unix://{directory}/socket"
        self.engine = ["docker", "--host", address]
        paths = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        options = [word for option, name in paths.items() for word in (f"--{option}", f"{directory}/{name}")]
        # No firewall rules: they would outlive the bench.
        options += ["--host", address, "--iptables=false", "--ip-masq=false"]
        options += [f"--userland-proxy={str(publishes).lower()}"]
        with open(f"{directory}/log", "wb") as log:
            self._daemon = subprocess.Popen(
                ["dockerd", *options], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        deadline = time.monotonic() + _DAEMON_START_S
        while time.monotonic() < deadline and self._daemon.poll() is None:
            if subprocess.run([*self.engine, "version"], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.2)
        with open(f"{directory}/log", encoding="utf-8", errors="replace") as log_file:
            said = log_file.read()[-1000:]
        self.stop()
        raise FailedError(f"its daemon refuses to start: {said}")

    def _disk(self) -> float:
        """Return what a fresh daemon's data take with the base and the six images."""
        self.stop()
        self._boot(self._place.directory("docker-disk"))
        call(Command([*self.engine, "import", self._place.tar, "base"]))
        self.build_similar(self._place)
        return disk_usage(f"{self._place.path}/docker-disk/data")

    def stop(self) -> None:
        if self._daemon.poll() is None:
            self._daemon.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._daemon.wait(_DAEMON_START_S)
        _unmount_under(self._place.path)  # it leaves network namespaces mounted
        if not self._bridge_was_there:
            subprocess.run(["ip", "link", "delete", "docker0"], capture_output=True, check=False)


def _unmount_under(directory: str) -> None:
    with open("/proc/self/mounts", encoding="utf-8") as file:
        points = [line.split()[1] for line in file]
    for point in reversed([point for point in points if point.startswith(f"{directory}/")]):
        subprocess.run(["umount", "--lazy", point], check=False)


def _podman_storage(program: str, place: Place) -> list[str]:
    home = place.directory("podman")
    return [program, "--root", f"{home}/root", "--runroot", f"{home}/run"]


class Podman(Peer):
    """Podman, run only; it builds by buildah's code."""

    name = "podman"
    programs = ("podman", "runc")

    def start(self, place: Place) -> Sequence[Trial]:
        # runc and explicit limits: crun refuses hybrid cgroups and a hard limit below podman's wish.
        engine = [*_podman_storage("podman", place), "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
        call(Command([*engine, "import", place.tar, "base"]))
        limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
        command = Command([*engine, "run", "--rm", "--network", "host", *limits, "base", "true"])
        call(command)
        return [Trial(Measure.ENTRY, f"{self.name} run, host network", command)]


class Buildah(Builder):
    """Buildah, in the same storage as podman."""

    name = "buildah"
    programs = ("buildah", "runc")
    build_words = ("build", "--runtime", "runc", "--network", "host", "--layers")

    def start(self, place: Place) -> Sequence[Trial]:
        self.engine = _podman_storage("buildah", place)
        has_base = (
            subprocess.run([*self.engine, "inspect", "base"], capture_output=True, check=False).returncode
            == 0
        )
        if not has_base:
            raise FailedError("podman did not import the base image")
        return self.builds(place)
