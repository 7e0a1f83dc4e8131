"""`diff` with what was changed in a container or a sandbox that runs, as each kind of user."""

import asyncio
import json
import shutil
import subprocess
import time
from collections.abc import Iterator

import debs
import pytest
import web
from commandline import CommandLine
from small_archive import Archive, host_files
from small_system import add_system, new_project, script

from envforge.tui.app import EnvforgeApp
from envforge.tui.core.commands import Commands
from envforge.tui.core.memory import Memory
from envforge.tui.screens.diff import DiffScreen
from envforge.tui.widgets.dialogs import Prose
from envforge.tui.widgets.table import Table
from tests.tui.driving import Driver

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_plain_user,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
STATUS = "/var/lib/dpkg/status"


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A project with two generations: `one`, then `two` as well."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    archive.add(
        "one",
        data=[
            debs.member("./etc/one.conf", b"a\nb\nc\n"),
            debs.member("./usr/bin/one", b"\x7fELF1", mode=0o4755),
            debs.member("./usr/share/one"),
            debs.member("./usr/share/one/a", b"a\n"),
            debs.member("./usr/share/one/b", b"b\n"),
            *host_files("/usr/bin/mkfifo"),
        ],
        members={"postinst": script("echo one:x:1234:1234::/:/bin/sh >> /etc/passwd")},
    )
    archive.add("two", depends="one", data=[debs.member("./usr/bin/two", b"2")])
    archive.publish()
    with web.serving(archive.path) as server:
        made = new_project(tmp_path_factory.mktemp("inside"), server.url, ["one"])
        made.succeed("build")
        made.succeed("add", "two")
        made.succeed("build")
        yield made
        for identifier in made.succeed("ps", "-aq").split():
            made.run("rm", "-f", identifier)
        made.succeed("store", "destroy", "--yes")


@pytest.fixture
def start(line: CommandLine) -> Iterator[object]:
    """Start a container that runs a script, wait until it is done with it; remove all in the end."""

    def started(name: str, text: str) -> str:
        words = f"set -e\n{text}\ntouch /run/done\nexec sleep 600"
        line.succeed("run", "-d", "--name", name, "--", "sh", "-c", words)
        end = time.monotonic() + 60
        while line.run("exec", name, "--", "cat", "/run/done").returncode:
            runs = line.run("ps", "-q").stdout and time.monotonic() < end
            assert runs, line.run("logs", name)
            time.sleep(0.05)
        return name

    yield started
    for identifier in line.succeed("ps", "-aq").split():
        line.succeed("rm", "-f", identifier)


def diff(line: CommandLine, *arguments: str) -> dict:
    return json.loads(line.succeed("diff", "--json", *arguments))


def test_what_was_changed_inside(line: CommandLine, start) -> None:
    start(
        "shop",
        "printf 'a\\nB\\nc\\n' > /etc/one.conf; rm /usr/bin/two\n"
        "touch /usr/bin/one; chmod 0700 /usr/bin/sed\n"
        "rm -r /usr/share/one; mkdir /usr/share/one; echo c > /usr/share/one/c; mkdir -p /srv/new\n"
        "echo new > '/srv/new/a b'; ln -s /root/.ssh /srv/link\n"
        "echo evil > \"$(printf '/srv/\\033[31m\\nx')\"\n"
        f"sed -i -e '/^Package: two$/,/^Version/s/^Version: .*/Version: 9/' {STATUS}",
    )
    found = diff(line, "shop")
    assert found["level"] == "content"
    assert found["a"]["environment"] == found["b"]["environment"] == diff(line, "1", "@")["b"]["environment"]
    assert found["b"]["title"] == "the container shop"
    (changed,) = found["packages"]["changed"]
    assert (changed["name"], changed["old"], changed["new"]) == ("two", "1.0", "9")
    assert found["packages"]["added"] == found["packages"]["removed"] == []
    files = {kind: {one["path"]: one for one in found["files"][kind]} for kind in found["files"]}
    assert {path: one["causes"] for path, one in files["changed"].items() if path != STATUS} == {
        "/etc/one.conf": ["content", "time"],
        "/usr/bin/sed": ["mode"],
    }
    assert set(files["removed"]) == {"/usr/bin/two", "/usr/share/one/a", "/usr/share/one/b"}
    assert set(files["added"]) == {
        "/srv",
        "/srv/link",
        "/srv/new",
        "/srv/new/a b",
        "/srv/\x1b[31m\nx",
        "/usr/share/one/c",
    }
    assert files["changed"]["/etc/one.conf"]["package"] == "one"
    assert files["removed"]["/usr/bin/two"]["package"] == "two"
    assert files["added"]["/srv/new"]["package"] is None
    assert files["added"]["/srv/new"]["source"] is None
    assert files["added"]["/srv/new"]["layer"] == "upper"
    contents = {one["path"]: one for one in found["contents"]}
    assert contents["/etc/one.conf"]["lines"] == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert contents[STATUS]["form"] == "paragraphs"
    assert contents["/srv/new/a b"]["lines"][1:] == ["+new"]
    shown = line.succeed("diff", "shop")
    assert "\x1b" not in shown
    assert line.run("diff", "shop", "--level", "package", "--exit-code").returncode == 1


def test_beside_another_environment_and_the_other_way_round(line: CommandLine, start) -> None:
    start("shop", "rm /usr/bin/two; echo x > /etc/new")
    found = diff(line, "1", "shop", "--level", "file")
    assert "/usr/bin/two" not in {one["path"] for kind in found["files"] for one in found["files"][kind]}
    assert "/etc/new" in {one["path"] for one in found["files"]["added"]}
    assert [one["name"] for one in found["packages"]["added"]] == ["two"]
    back = diff(line, "shop", "@", "--level", "file")
    assert [one["path"] for one in back["files"]["added"]] == ["/usr/bin/two"]
    assert [one["path"] for one in back["files"]["removed"]] == ["/etc/new"]
    line.succeed("stop", "-t", "0", "shop")
    identifier = line.succeed("ps", "-aq").strip()
    assert diff(line, identifier, "@", "--level", "file")["files"] == back["files"]
    assert json.loads(line.succeed("owns", "--json", "/etc/new", "--in", "shop"))[0]["layer"] == "upper"
    assert diff(line, "shop", "shop", "--level", "content")["differs"] is False


def test_nothing_differs_where_nothing_was_changed(line: CommandLine, start) -> None:
    """Files that were copied up, with owners and set-id bits that a disk may not hold, are still the same."""
    start(
        "same",
        "chmod 0644 /etc/one.conf; touch -r /usr/bin/one /usr/bin/one; chmod 4755 /usr/bin/one || true",
    )
    found = diff(line, "same")
    assert found["files"]["added"] == found["files"]["removed"] == []
    assert [one["path"] for one in found["files"]["changed"] if one["causes"] != ["mode"]] == []
    assert not any(one["causes"] == ["owner"] for one in found["files"]["changed"])


def test_what_is_inside_neither_hangs_nor_leads_outside(line: CommandLine, start, tmp_path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("canary\n")
    deep = "/".join(["d" * 200] * 12)  # twice that is more than a path may have
    start(
        "evil",
        f"rm {STATUS}; ln -s {secret} {STATUS}; rm /etc/one.conf; ln -s {secret} /etc/one.conf\n"
        f"mkdir -p /srv/deep/{deep} /srv/more/{deep}; mv /srv/more /srv/deep/{deep}/more",
    )
    found = diff(line, "evil")
    assert "canary" not in json.dumps(found)
    assert any("too long" in note for note in found["notes"])
    assert {one["name"] for one in found["packages"]["removed"]} >= {"one", "two"}
    (link,) = [one for one in found["files"]["changed"] if one["path"] == "/etc/one.conf"]
    assert link["causes"][0] == "type"
    (upper,) = line.store.glob("uppers/kept-*/upper")
    assert upper.is_dir()
    line.succeed("changes", "evil")


def test_a_fifo_in_place_of_a_file(line: CommandLine, start) -> None:
    start("pipes", f"rm {STATUS} /etc/one.conf; mkfifo {STATUS} /etc/one.conf /etc/pipe")
    found = diff(line, "pipes")
    changed = {one["path"]: one for one in found["files"]["changed"]}
    assert changed[STATUS]["new"]["type"] == changed["/etc/one.conf"]["new"]["type"] == "p"
    assert found["packages"]["added"] == []
    assert {one["name"] for one in found["packages"]["removed"]} >= {"one", "two"}


def test_a_sandbox_that_runs(line: CommandLine) -> None:
    process = subprocess.Popen(
        line.words("run", "--", "sh", "-c", "echo changed > /etc/one.conf; echo ready; cat"),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    try:
        (running,) = json.loads(line.succeed("exec", "--json"))
        found = diff(line, running["id"], "--level", "file")
        assert [one["path"] for one in found["files"]["changed"]] == ["/etc/one.conf"]
        assert found["b"]["title"] == f"the sandbox {running['id']} of small"
    finally:
        process.communicate(timeout=20)


def test_a_key_of_the_containers_screen(line: CommandLine, start, monkeypatch: pytest.MonkeyPatch) -> None:
    start("shop", "printf 'a\\nB\\nc\\n' > /etc/one.conf; rm /usr/bin/two; mkdir /srv; echo new > /srv/new")
    store, environment = str(line.store), diff(line, "shop")["a"]["environment"]
    identifier = line.succeed("ps", "-q").strip()
    monkeypatch.setenv("HOME", str(line.home))

    async def steps(driver: Driver) -> None:
        await driver.press("7")
        await driver.until("1 container, 1 running")
        await driver.press("g", "d")
        await driver.until("put the cursor on a container")
        await driver.press("down", "d")
        await driver.until("the container shop")
        assert isinstance(driver.app.screen, DiffScreen)
        files = driver.one(Table, "files")
        assert not files.has_class("hidden"), "packages do not differ: files are shown at once"
        assert {row.key for row in files.grid.rows} == {"/etc/one.conf", "/usr/bin/two", "/srv", "/srv/new"}
        files.grid.cursor = "/etc/one.conf"
        files.changed()
        await driver.until("+B")
        assert "-b" in driver.one(Prose, "content").text
        words = driver.app.done[-1].command.split()
        assert words[-3:] == ["diff", environment[:19], identifier], "the command that does the same"
        assert json.loads(line.succeed(*words[-3:], "--json", "--level", "file"))["files"]["removed"]
        await driver.press("7")
        assert driver.one(Table, "containers").grid.cursor == identifier

    async def run() -> None:
        app = EnvforgeApp(store, Commands(store), Memory())
        async with app.run_test(size=(120, 40)) as pilot:
            driver = Driver(app, pilot)
            await driver.settle()
            await steps(driver)

    asyncio.run(run())
