"""Containers in a box: a small project whose plan is in the warm path's cache, and the real command.

As a program (`python tests/containers.py HOME`) it makes them for the user who runs it; tests use `Harbour`.
"""

import json
import os
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable

from attrs import field, frozen
from box import Box, make_store, plan_of

from envforge import trust
from envforge.sandbox import cache
from envforge.sandbox.ids.identity import detect
from envforge.sandbox.ids.worker import call_in_namespace
from envforge.sandbox.plan.compile import compile_plan
from envforge.sandbox.plan.downgrade import downgrade

COMMAND = os.path.join(sysconfig.get_path("scripts"), "envforge")


@frozen
class Harbour:
    """Where containers lie: a box's project and store, and the command as its user types it there."""

    box: Box
    environment: dict[str, str] = field(factory=dict)

    def words(self, *arguments: str) -> list[str]:
        """Return what runs `envforge ARGUMENTS` as the box's user."""
        variables = [f"{name}={value}" for name, value in self.environment.items()]
        return self.box.words(["env", *variables, COMMAND, "--store", self.box.store, *arguments])

    def run(
        self, *arguments: str, stdin: str | None = "", timeout_s: float = 60
    ) -> subprocess.CompletedProcess[str]:
        """Run the command to its end, in the project."""
        return subprocess.run(
            self.words(*arguments),
            cwd=self.box.project,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=timeout_s,
        )

    def succeed(self, *arguments: str, stdin: str | None = "") -> str:
        """Run it, insist that it went well, and return what it printed."""
        result = self.run(*arguments, stdin=stdin)
        told = f"{arguments} gave {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert result.returncode == 0, told
        assert "Traceback" not in result.stderr, told
        return result.stdout

    def fail(self, code: int, *arguments: str) -> str:
        """Run it, insist that it failed with that code and a message, and return the message."""
        result = self.run(*arguments)
        told = f"{arguments} gave {result.returncode}\n{result.stdout}\n{result.stderr}"
        assert result.returncode == code, told
        assert "error: " in result.stderr, told
        assert "Traceback" not in result.stderr, told
        return result.stderr

    def start(self, *arguments: str, name: str | None = None, script: str = "sleep 600") -> str:
        """Start a container that runs a shell script; return its id."""
        named = () if name is None else ("--name", name)
        return self.succeed("run", "-d", *named, *arguments, "--", "sh", "-c", script).strip()

    def state(self, name: str) -> dict[str, object]:
        """Return a container's state and what it was made as, as `ps` and `inspect` see them."""
        for one in json.loads(self.succeed("ps", "-a", "--json")):
            if name in (one["name"], one["id"]):
                return one
        raise AssertionError(f"no container {name}")

    def await_status(self, name: str, status: str, timeout_s: float = 60) -> dict[str, object]:
        """Wait until a container is so; return its state."""
        return self.until(lambda: self.state(name), lambda state: state["status"] == status, timeout_s)

    def await_log(self, name: str, text: str, timeout_s: float = 60) -> str:
        """Wait until the log has that text; return the log."""
        return self.until(lambda: self.succeed("logs", name), lambda log: text in log, timeout_s)

    def until(self, look: Callable, holds: Callable, timeout_s: float = 60):
        """Look until it holds; return what was seen."""
        end = time.monotonic() + timeout_s
        while True:
            seen = look()
            if holds(seen):
                return seen
            assert time.monotonic() < end, f"still {seen}"
            time.sleep(0.02)

    def record(self, identifier: str, name: str = "state.json") -> dict[str, object]:
        """Return one of a container's records."""
        with open(f"{self.box.store}/containers/{identifier}/{name}", encoding="utf-8") as file:
            return json.load(file)

    def leftovers(self) -> list[str]:
        """Return what is left of containers and sandboxes in the store."""
        places = ("containers", "containers/names", "uppers", "trash")
        return [
            f"{place}/{name}"
            for place in places
            if os.path.isdir(f"{self.box.store}/{place}")
            for name in os.listdir(f"{self.box.store}/{place}")
            if f"{place}/{name}" != "containers/names"
        ]


def build(box: Box) -> Harbour:
    """Make store, project and cached plan as the box's user."""
    words = box.words([sys.executable, __file__, box.home])
    subprocess.run(words, check=True, timeout=60)
    return Harbour(box)


def main() -> None:
    """Make them."""
    home = sys.argv[1]
    project = Box(home, os.getuid(), "", list).project
    store = f"{home}/store"
    os.makedirs(project, exist_ok=True)
    identity = detect()
    call_in_namespace(identity, make_store, store, identity.held)
    with open(f"{store}/format", "w", encoding="ascii") as file:
        file.write("envforge-store 1\n")
    for name in ("envforge.toml", "envforge.lock"):
        with open(f"{project}/{name}", "w", encoding="utf-8"):
            pass
    cache.make_secret()
    spec, lock = f"{project}/envforge.toml", f"{project}/envforge.lock"
    for options, variant in (({}, ()), ({"network": "private"}, ("private",))):  # the second one for `-p`
        plan = compile_plan(downgrade(plan_of(home, project, options, identity)))
        values = {**plan, "links": (), "owners": trust.owners(spec)}
        cache.store_plan(cache.project_key(spec, lock, store, variant), values, ())


if __name__ == "__main__":
    main()
