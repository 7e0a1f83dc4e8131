"""`du`, `gc` and `root` on stores that were really built, by each kind of user, beside other commands."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import debs
import pytest
import web
from attrs import evolve
from commandline import CommandLine
from processes import naming, wait_until
from small_archive import Archive
from small_system import add_system, built, new_project, script

from envforge.errors import InUseError, NotFoundError, UsageError

pytestmark = [
    pytest.mark.userns,
    pytest.mark.each_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]

PACKAGES = ("one", "two", "three", "four")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an archive with a system, plain packages, and one that configures."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    for name in PACKAGES:
        files = [debs.member(f"./usr/share/{name}/{at}", f"{name} {at}\n".encode() * 500) for at in range(30)]
        archive.add(name, data=[debs.member("./usr/share"), debs.member(f"./usr/share/{name}"), *files])
    archive.add("active", members={"postinst": script("mkdir -p /var/lib/active; echo x >/var/lib/active/x")})
    archive.publish()
    with web.serving(archive.path) as server:
        yield server.url


USERS = [
    pytest.param("root", marks=pytest.mark.root),
    pytest.param("range_user", marks=pytest.mark.ranges),
    pytest.param("plain_user", marks=pytest.mark.plain_user),
]


@pytest.fixture(params=USERS)
def line(request, url, tmp_path) -> Iterator[CommandLine]:
    """A project with a store of its own, of each kind of user in turn."""
    if request.param == "root":
        made = new_project(tmp_path, url, ["one"])
    else:
        user = request.getfixturevalue(request.param)
        made = new_project(Path(user.home), url, ["one"])
        if os.geteuid() != user.uid:
            subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", user.home], check=True)
            made = evolve(made, before=("runuser", "-u", user.name, "--", "env", f"HOME={made.home}"))
    yield made
    made.run("store", "destroy", "--yes")


@pytest.fixture
def root_line(url, tmp_path) -> Iterator[CommandLine]:
    made = new_project(tmp_path, url, ["one"])
    yield made
    made.run("store", "destroy", "--yes")


def build(line: CommandLine, *packages: str) -> str:
    """Build the project with other packages; return the environment's digest."""
    spec = line.directory / "envforge.toml"
    names = ", ".join(f'"{name}"' for name in packages)
    text = "\n".join(
        f"packages = [{names}]" if one.startswith("packages") else one
        for one in spec.read_text().splitlines()
    )
    spec.write_text(f"{text}\n")
    return str(built(line)["environment"]).removeprefix("sha256:")


def on_disk(line: CommandLine) -> tuple[int, int]:
    """Return bytes and inodes of the store, as du(1) counts them."""
    words = [["du", "-s", *option, str(line.store)] for option in (["-B1"], ["--inodes"])]
    return tuple(
        int(subprocess.run(one, capture_output=True, text=True, check=True).stdout.split()[0])
        for one in words
    )


def told(line: CommandLine) -> tuple[int, int]:
    """Return what `du` says of the whole store."""
    found = json.loads(line.succeed("du", "--json"))
    folders = found["folders"].values()
    assert sum(one["size_bytes"] for one in folders) == found["total"]["size_bytes"]
    assert sum(one["inodes"] for one in folders) == found["total"]["inodes"]
    return found["total"]["size_bytes"], found["total"]["inodes"]


def environments(line: CommandLine) -> set[str]:
    return {path.stem for path in (line.store / "environments").glob("*.json")}


def test_everything_is_told_freed_and_brought_back(line):
    old = build(line, "one", "active")
    new = build(line, "two", "active")
    assert told(line) == told(line) == on_disk(line)
    plan = json.loads(line.succeed("gc", "--dry-run", "--keep", "1", "--json"))
    assert environments(line) == {old, new}
    [dropped] = plan["dropped"]
    assert dropped["name"] == "small@1"
    before = on_disk(line)
    done = json.loads(line.succeed("gc", "--keep", "1", "--json"))
    assert done["trashed_bytes"] == plan["frees_bytes"] > 0
    assert done["freed_bytes"] == 0
    assert environments(line) == {new}
    line.succeed("fsck", "--full")
    assert told(line) == on_disk(line)
    sizes = json.loads((line.store / "upkeep" / "sizes.json").read_bytes())["sizes"]
    assert [path for path in sizes if path.startswith("trash/gc-")], "known from before it was moved"
    assert line.succeed("run", "--", "cat", "/var/lib/active/x") == "x\n"
    line.succeed("gc", "--undo")
    assert environments(line) == {old, new}
    line.succeed("fsck", "--full")
    assert told(line) == on_disk(line)
    assert abs(on_disk(line)[0] - before[0]) < 100_000
    again = json.loads(line.succeed("gc", "--keep", "1", "--now", "--json"))
    assert again["freed_bytes"] >= plan["frees_bytes"]
    assert before[0] - on_disk(line)[0] >= plan["frees_bytes"] * 0.99
    assert told(line) == on_disk(line)
    assert os.listdir(line.store / "trash") == []
    line.fail(NotFoundError.exit_code, "gc", "--undo")
    assert build(line, "one", "active") == old


def test_what_is_freed_can_be_built_again_from_nothing_but_the_lock(line):
    digest = build(line, "one", "active")
    line.succeed("gc", "--now")
    assert built(line, "--locked")["environment"] == f"sha256:{digest}"
    assert built(line, "--rebuild")["environment"] == f"sha256:{digest}"
    line.succeed("verify")


def test_who_is_inside_keeps_the_environment(line):
    old = build(line, "one")
    with subprocess.Popen(
        line.words("run", "--", "sh", "-c", "echo ready; read line; cat /usr/share/one/1; echo $line"),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as inside:
        assert inside.stdout.readline() == "ready\n"
        build(line, "two")
        done = json.loads(line.succeed("gc", "--keep", "1", "--now", "--json"))
        assert done["dropped_generations"] == 1
        assert old in environments(line)
        kinds = {one["kind"] for one in json.loads(line.succeed("root", "ls", "--json"))}
        assert "sandbox" in kinds
        out, _ = inside.communicate("done\n", timeout=60)
        assert out.splitlines()[-2:] == ["one 1", "done"]
    line.succeed("gc", "--now")
    assert old not in environments(line)


def test_roots_of_people_keep_environments(line):
    old = build(line, "one")
    line.succeed("root", "add", "small@1", "--name", "demo")
    build(line, "two")
    line.succeed("gc", "--keep", "1", "--now")
    assert old in environments(line)
    line.fail(UsageError.exit_code, "root", "add", "small", "--name", "demo")
    line.fail(NotFoundError.exit_code, "root", "add", "0" * 12)
    line.succeed("root", "rm", "demo")
    line.fail(NotFoundError.exit_code, "root", "rm", "demo")
    line.succeed("gc", "--now")
    assert old not in environments(line)


@pytest.mark.root
def test_a_store_is_brought_down_to_a_size(root_line):
    line = root_line
    digests = [build(line, name) for name in PACKAGES]
    for at, digest in enumerate(digests):
        os.utime(line.store / "environments" / f"{digest}.lock", (1000 + at, 1000 + at))
    line.succeed("gc", "--now")
    size = on_disk(line)[0]
    plan = json.loads(line.succeed("gc", "--dry-run", "--keep", "1", "--json"))
    wanted = size - plan["dropped"][0]["frees_bytes"] // 2
    line.succeed("gc", "--max-size", f"{wanted}")
    assert on_disk(line)[0] <= wanted
    assert environments(line) == set(digests[-len(environments(line)) :])
    line.succeed("gc", "--max-size", "1")
    assert environments(line) == {digests[-1]}
    assert line.succeed("run", "--", "cat", "/usr/share/four/1").startswith("four 1")


@pytest.fixture
def disk(tmp_path) -> Iterator[Path]:
    """Return a file system of its own, on which nobody else writes."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.mark.root
def test_so_much_is_freed_as_is_asked_for(disk, tmp_path, url):
    line = new_project(tmp_path, url, ["one"], store=disk / "store")
    digests = [build(line, name) for name in PACKAGES]
    for at, digest in enumerate(digests):
        os.utime(line.store / "environments" / f"{digest}.lock", (1000 + at, 1000 + at))
    for tool in (line.store / "tools").iterdir():  # indexes go first: there are none that were used lately
        os.utime(tool, (1, 1))
    line.succeed("gc", "--now")

    def free() -> int:
        return os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize

    line.succeed("gc", "--min-free", str(free() - (1 << 20)))
    assert environments(line) == set(digests), "there was as much already"
    oldest = json.loads(line.succeed("gc", "--dry-run", "--drop", "small@1", "--json"))["frees_bytes"]
    wanted = free() + oldest // 2
    plan = json.loads(line.succeed("gc", "--dry-run", "--min-free", str(wanted), "--json"))
    assert [one["name"] for one in plan["dropped"] if one["kind"] == "generation"] == ["small@1"]
    done = json.loads(line.succeed("gc", "--min-free", str(wanted), "--json"))
    assert free() >= wanted
    assert (done["trashed_bytes"], done["dropped_generations"]) == (0, 1)
    assert os.listdir(line.store / "trash") == []
    assert environments(line) == set(digests[1:])
    line.succeed("gc", "--min-free", "1TB")
    assert environments(line) == {digests[-1]}, "the current one stays, however much is asked for"
    assert line.succeed("run", "--", "cat", "/usr/share/four/1").startswith("four 1")
    line.succeed("store", "destroy", "--yes")


@pytest.mark.root
def test_it_tells_how_far_deleting_is(root_line):
    line = root_line
    build(line, "one", "two")
    build(line, "three")
    said = line.run("--progress", "json", "gc", "--keep", "1", "--now")
    assert said.returncode == 0, said.stderr
    events = [json.loads(text) for text in said.stderr.splitlines()]
    at = next(at for at, one in enumerate(events) if one.get("name") == "deleting")
    assert events[at]["total_items"] > 3
    done = [one for one in events[at + 1 :] if one["event"] == "item"]
    assert len(done) == events[at]["total_items"]


@pytest.mark.root
def test_layers_and_packages_are_told_with_who_has_them(root_line):
    line = root_line
    old = json.loads(_built_json(line, "one", "active"))
    new = json.loads(_built_json(line, "one", "two", "active"))
    folders = json.loads(line.succeed("du", "--json"))["folders"]
    layers = {one["digest"]: one for one in json.loads(line.succeed("du", "--layers", "--json"))}
    assert sum(one["size_bytes"] for one in layers.values()) == folders["layers"]["size_bytes"]
    assert sum(one["inodes"] for one in layers.values()) == folders["layers"]["inodes"]
    for built_now, other in ((old, new), (new, old)):
        theirs = {one["digest"] for one in other["layers"]}
        for one in built_now["layers"]:
            told_of = layers[one["digest"]]
            assert told_of["name"] == one["name"]
            assert told_of["roots"] == 1 + (one["digest"] in theirs)
    packages = {one["name"]: one for one in json.loads(line.succeed("du", "--packages", "--json"))}
    assert sum(one["size_bytes"] for one in packages.values()) == folders["trees"]["size_bytes"]
    assert (packages["one"]["roots"], packages["two"]["roots"]) == (2, 1)
    assert packages["two"]["version"]
    blobs = line.store / "blobs"
    for one in packages.values():
        archive = blobs / one["sha256"][:2] / one["sha256"]
        assert one["archive_bytes"] == (archive.stat().st_blocks * 512 if archive.exists() else 0)
    shown = line.succeed("du", "--packages").splitlines()
    assert shown[0].split() == ["PACKAGE", "VERSION", "UNPACKED", "ARCHIVE", "ROOTS"]
    assert any(row.split()[0] == "two" and row.split()[-1] == "1" for row in shown[1:])
    assert line.succeed("du", "--layers").splitlines()[0].split()[0] == "LAYER"


def _built_json(line: CommandLine, *packages: str) -> str:
    build(line, *packages)
    return line.succeed("build", "--json")


@pytest.mark.root
def test_a_project_that_is_gone_is_named_and_dropped(root_line, tmp_path, url):
    line = root_line
    other = new_project(tmp_path / "other", url, ["two"], store=line.store)
    build(line, "one")
    build(other, "two")
    shutil.rmtree(other.directory)
    said = line.run("gc")
    assert str(other.directory) in said.stderr
    assert len(environments(line)) == 2
    [gone] = json.loads(line.succeed("gc", "--dry-run", "--json"))["gone"]
    assert gone["spec"] == str(other.directory / "envforge.toml")
    line.succeed("gc", "--gone")
    assert len(environments(line)) == 1
    line.succeed("gc", "--undo")
    assert len(environments(line)) == 2


@pytest.mark.root
def test_builds_and_collections_at_once(url, tmp_path):
    """Builds of several projects go on while garbage is collected all the time; each comes out as it must."""
    lines = [new_project(tmp_path / str(at), url, ["one"], store=tmp_path / "store") for at in range(3)]
    sets = [("one",), ("one", "two"), ("active",), ("active", "three"), ("four",)]
    expected = {packages: build(lines[0], *packages) for packages in sets}
    end = time.monotonic() + 12
    code = (
        "import subprocess, sys, time\n"
        "while True:\n"
        "    subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)\n"
    )
    collector = subprocess.Popen(
        [sys.executable, "-c", code, *lines[0].words("gc", "--keep", "1", "--now", "--quiet")],
        cwd=lines[0].directory,
        env=lines[0].variables(),
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    chance = random.Random(13)
    try:
        while time.monotonic() < end:
            line, packages = chance.choice(lines), chance.choice(sets)
            assert build(line, *packages) == expected[packages]
            assert line.succeed("run", "--", "echo", "inside") == "inside\n"
        assert collector.poll() is None, collector.communicate()[1]
    finally:
        os.killpg(collector.pid, signal.SIGKILL)
        collector.communicate()
    for line in lines:
        packages = chance.choice(sets)
        assert build(line, *packages) == expected[packages]
        line.succeed("verify")
    lines[0].succeed("store", "destroy", "--yes")


@pytest.mark.root
def test_collections_that_are_killed_lose_nothing(root_line):
    line = root_line
    digests = {packages: build(line, packages) for packages in PACKAGES}
    chance = random.Random(7)
    for _ in range(8):
        process = subprocess.Popen(
            line.words("gc", "--keep", "1", "--quiet"),
            cwd=line.directory,
            env=line.variables(),
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.2, 0.7))
        with_group = process.poll() is None
        if with_group:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        name = chance.choice(PACKAGES)
        assert build(line, name) == digests[name]
        assert line.succeed("run", "--", "cat", f"/usr/share/{name}/1").startswith(f"{name} 1")
    line.succeed("verify")


@pytest.mark.root
def test_one_collection_at_a_time(root_line):
    build(root_line, "one")
    descriptor = os.open(root_line.store / "locks" / "gc", os.O_RDWR | os.O_CREAT)
    subprocess.run(["flock", "-x", str(descriptor)], pass_fds=(descriptor,), check=True)
    try:
        assert "another garbage collection" in root_line.fail(InUseError.exit_code, "gc")
    finally:
        os.close(descriptor)
    root_line.succeed("gc")


def test_garbage_is_collected_after_builds_where_that_is_configured(line):
    configuration = line.home / ".config" / "envforge" / "config.toml"
    configuration.write_text(f"{configuration.read_text()}\n[gc]\nkeep = 1\n")
    old = build(line, "one")
    new = build(line, "two")
    wait_until(lambda: environments(line) == {new})
    assert old not in environments(line)
    line.succeed("gc", "--undo")
    assert environments(line) == {old, new}


@pytest.mark.root
def test_the_store_is_kept_below_a_size_after_builds(root_line):
    line = root_line
    digests = [build(line, name) for name in PACKAGES[:2]]
    line.succeed("gc", "--now")
    size = on_disk(line)[0]
    configuration = line.home / ".config" / "envforge" / "config.toml"
    before = configuration.read_text()
    configuration.write_text(f'{before}\n[gc]\nmax-size = "{size * 2}"\n')
    digests.append(build(line, "three"))
    wait_until(lambda: not naming(str(line.store)))
    assert environments(line) == set(digests), "there is room enough"
    configuration.write_text(f'{before}\n[gc]\nmax-size = "1kB"\n')
    digests.append(build(line, "four"))
    wait_until(lambda: environments(line) == {digests[-1]})
    wait_until(lambda: not naming(str(line.store)))
    line.fail(NotFoundError.exit_code, "gc", "--undo")


def test_wrong_options_are_refused(line):
    line.fail(NotFoundError.exit_code, "gc")
    line.fail(NotFoundError.exit_code, "du")
    for words in (
        ["--keep", "0"],
        ["--unused-for", "soon"],
        ["--max-size", "much"],
        ["--undo", "--keep", "1"],
    ):
        line.fail(UsageError.exit_code, "gc", *words)
