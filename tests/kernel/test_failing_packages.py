"""Packages whose scripts fail, hang or talk without end: what the user is told, and what is left behind."""

import os
import pty
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from attrs import define
from capabilities import PROBES
from commandline import CommandLine
from processes import own_mark, running
from small_archive import Archive, public_key
from small_system import add_system
from users import RANGES, SINGLE, TestUser, lend, stands_in

pytestmark = [
    pytest.mark.userns,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
ACCOUNTS = {"ranges": RANGES, "single": SINGLE}
MARKS = {"root": pytest.mark.root, "ranges": pytest.mark.ranges, "single": pytest.mark.plain_user}
FAILED = 23


@define
class Case:
    """A user, and the archive that their project takes packages from."""

    user: TestUser
    archive: Archive
    server: web.Server

    @property
    def project(self) -> Path:
        return Path(self.user.home) / "project"

    @property
    def state(self) -> Path:
        return Path(self.user.home) / ".local/state/envforge"

    def write(self, path: Path, data: bytes | str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        for one in (path, path.parent, path.parent.parent):
            os.chown(one, self.user.uid, self.user.gid)

    def package(self, name: str, postinst: str = "", **details) -> None:
        members = dict(details.pop("members", {}))
        if postinst:
            members["postinst"] = f"#!/bin/sh\n{postinst}\n"
        self.archive.drop(name)
        self.archive.add(name, members=members, **details)

    def want(self, *packages: str, configuration: str = "") -> None:
        """Publish, and write a spec of these packages without a lock."""
        self.archive.publish()
        home = Path(self.user.home)
        self.write(home / ".config/envforge/key.pgp", public_key())
        self.write(
            home / ".config/envforge/config.toml",
            f'snapshot = ""\n{configuration}\n[mirrors]\ndebian = ["{self.server.url}"]\n'
            f'[keys]\ndebian = "{home}/.config/envforge/key.pgp"\n',
        )
        names = ", ".join(f'"{name}"' for name in packages)
        self.write(
            self.project / "envforge.toml",
            f'name = "fails"\n[debian]\nsuite = "bookworm"\npockets = []\npackages = [{names}]\n',
        )
        (self.project / "envforge.lock").unlink(missing_ok=True)

    def run(self, *arguments: str):
        return self.user.run(["envforge", *arguments], cwd=str(self.project), check=False, timeout_s=120)

    def fail(self, *arguments: str) -> str:
        """Run a build that fails; return what was told."""
        result = self.run(*arguments)
        told = f"{result.returncode}\n{result.stdout}\n{result.stderr}"
        assert result.returncode == FAILED, told
        assert "Traceback" not in told
        assert os.listdir(self.store / "staging") == [], told
        return result.stderr

    @property
    def store(self) -> Path:
        return Path(self.user.home) / ".local/share/envforge"


@pytest.fixture(scope="module", params=[pytest.param(kind, marks=mark) for kind, mark in MARKS.items()])
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    """A user of each kind in turn, with a store that has the base."""
    if missing := PROBES["userns"]():
        pytest.skip(f"needs userns: {missing}")
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    with web.serving(archive.path) as server:
        if request.param == "root":
            home = tempfile.mkdtemp(prefix="envforge-test-root-", dir="/var/tmp")
            yield Case(TestUser("root", 0, 0, home), archive, server)
            shutil.rmtree(home, ignore_errors=True)
            return
        if not stands_in(ACCOUNTS[request.param]):
            pytest.skip(f"is for {ACCOUNTS[request.param]}; this run is by another kind of user")
        with lend(ACCOUNTS[request.param]) as user:
            yield Case(user, archive, server)


def test_the_first_package_that_fails_is_named_with_its_own_lines(case):
    case.package("broken", 'echo "creating things"; echo "E: cannot make it" >&2; exit 3')
    case.package("dependent", "echo dependent", depends="broken")
    case.package("other", "i=0; while [ $i -lt 100 ]; do echo $i; i=$((i+1)); done")
    case.want("broken", "dependent", "other")
    told = case.fail("build")
    assert "broken could not be configured: its postinst ended with exit code 3" in told
    assert "  creating things\n  E: cannot make it\n" in told
    assert "not configured because of that: dependent" in told
    assert "99" not in told


def test_a_script_that_fails_for_a_trigger_is_named(case):
    script = '[ "$1" != triggered ] || { echo "indexing $2"; exit 2; }'
    case.package("indexer", script, members={"triggers": "interest /usr/share/ix\n"})
    case.package("firing", "dpkg-trigger /usr/share/ix")
    case.want("indexer", "firing")
    told = case.fail("build")
    assert "indexer could not be configured: its postinst, run for a trigger, ended with exit code 2" in told
    assert "  indexing /usr/share/ix\n" in told


def test_a_preinst_that_fails_is_named(case):
    case.package("early", "true", members={"preinst": "#!/bin/sh\necho no such device\nexit 4\n"})
    case.want("early")
    told = case.fail("build")
    assert "early could not be" in told
    assert "its preinst ended with exit code 4" in told
    assert "  no such device\n" in told


def test_a_script_that_hangs_is_ended_with_all_that_it_started(case):
    mark = own_mark("71")
    case.package("hanging", f"echo waiting for godot; sleep {mark} & sleep {mark}")
    case.want("hanging", configuration="script-timeout = 2")
    began = time.monotonic()
    told = case.fail("build")
    assert time.monotonic() - began < 60
    assert "setting up hanging took longer than 2.0 s and was ended" in told
    assert "  waiting for godot\n" in told
    assert "script-timeout" in told
    assert not running("sleep", mark)


def test_the_limit_is_for_each_package_not_for_all(case):
    for number in range(3):
        case.package(f"slow{number}", "sleep 1.2")
    case.want("slow0", "slow1", "slow2", configuration="script-timeout = 3")
    result = case.run("build")
    assert result.returncode == 0, result.stderr


def test_much_output_is_no_burden(case):
    case.package("loud", "i=0; while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done; exit 1")
    case.want("loud")
    told = case.fail("build")
    assert "line 9999\n" in told
    assert "line 9000\n" not in told


def test_a_script_cannot_take_back_what_was_printed(case):
    case.package("shy", "echo before; echo x >/dev/stdout || true; exit 1")
    case.want("shy")
    assert "  before\n" in case.fail("build")


def test_the_whole_output_is_kept_and_its_place_is_told(case):
    case.package("talkative", "i=0; while [ $i -lt 10000 ]; do echo line $i; i=$((i+1)); done; exit 1")
    case.want("talkative")
    told = case.fail("build")
    [path] = re.findall(r"^ *the whole output: (.*)$", told, re.MULTILINE)
    assert Path(path).parent == case.state / "logs"
    lines = Path(path).read_text().splitlines()
    assert [line for line in lines if line.startswith("line ")] == [
        f"line {number}" for number in range(10000)
    ]
    status = os.stat(path)
    assert (status.st_uid, status.st_mode & 0o777) == (case.user.uid, 0o600)


def test_the_output_is_told_while_scripts_run(case):
    case.package(
        "waiting", "echo asks; while [ ! -e /tmp/never ] && [ $((i += 1)) -lt 30 ]; do sleep 0.1; done"
    )
    case.want("waiting")
    words = case.user.command(["envforge", "--verbose", "build"])
    with subprocess.Popen(words, cwd=case.project, stderr=subprocess.PIPE, text=True) as building:
        for line in building.stderr:
            if line == "  asks\n":
                heard_s = time.monotonic()
        ended_s = time.monotonic()
    assert building.returncode == 0
    assert ended_s - heard_s > 2
    assert "asks" not in case.run("build", "--rebuild").stderr


def test_a_terminal_names_the_package_that_is_being_set_up(case):
    if case.user.uid:
        pytest.skip("one kind of user suffices")
    case.package("lengthy", "sleep 2")
    case.want("lengthy")
    line = CommandLine(case.project, case.store, Path(case.user.home))
    code, shown = line.on_terminal("build")
    assert code == 0
    assert "configuring" in shown
    assert " lengthy " in shown


def test_a_shell_opens_in_the_half_built_tree(case):
    case.package("stuck", "echo xyzzy >/etc/made; chown 0:0 /etc/made; exit 5")
    case.want("stuck")
    typed = (
        "cat /etc/made; dpkg -s stuck | grep Status; echo $((6 * 7)) >/etc/answer; cat /etc/answer\nexit\n"
    )
    words = case.user.command(["env", "TERM=xterm", "envforge", "build", "--shell-on-failure"])
    code, shown = on_terminal(words, str(case.project), typed)
    assert code == FAILED, shown
    assert "stuck could not be configured: its postinst ended with exit code 5" in shown
    for line in ("xyzzy", "Status: install ok half-configured", "42"):
        assert f"\n{line}\r\n" in shown, shown
    assert os.listdir(case.store / "staging") == []


def test_a_shell_in_the_half_built_tree_needs_a_terminal(case):
    case.want("stuck")
    result = case.run("build", "--shell-on-failure")
    assert result.returncode == 2
    assert "needs a terminal" in result.stderr


def on_terminal(words, directory, typed):
    pid, master = pty.fork()
    if pid == 0:
        os.chdir(directory)
        os.execvp(words[0], words)
    shown, end_s = b"", time.monotonic() + 120
    try:
        while b"half-built:" not in shown and time.monotonic() < end_s:
            shown += os.read(master, 1 << 16)
        os.write(master, typed.encode())
        while piece := os.read(master, 1 << 16):
            shown += piece
    except OSError:
        pass  # Linux answers EIO at the end of a terminal
    _, status = os.waitpid(pid, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), shown.decode(errors="replace")
