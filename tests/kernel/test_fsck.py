"""`envforge fsck`: names exactly what is damaged, and makes it again with the same digests."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from attrs import evolve
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, new_project
from users import RANGES, SINGLE, lend

from envforge.errors import DamagedError, StoreError

pytestmark = [
    pytest.mark.userns,
    pytest.mark.each_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]

DAMAGED = DamagedError.exit_code
ROOT = pytest.param("root", marks=pytest.mark.root)
OTHERS = [pytest.param(RANGES, marks=pytest.mark.ranges), pytest.param(SINGLE, marks=pytest.mark.plain_user)]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve an archive with a system and a few packages."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    for name in ("one", "two"):
        archive.add(
            name, data=_files(name), members={"postinst": "#!/bin/sh\nset -e\necho done >/etc/of-scripts\n"}
        )
    archive.add("plain", data=_files("plain"))
    archive.publish()
    with web.serving(archive.path) as server:
        yield server.url


@pytest.fixture(params=[ROOT, *OTHERS])
def line(request, url: str, tmp_path) -> Iterator[CommandLine]:
    """A small project, built by each kind of user in turn, with its archive still served."""
    if request.param == "root":
        made = new_project(tmp_path, url, ["one", "two"])
        made.succeed("build")
        yield made
        made.run("store", "destroy", "--yes")
        return
    with lend(request.param) as user:
        home = Path(user.home)
        made = new_project(home, url, ["one", "two"])
        subprocess.run(["chown", "-R", f"{user.uid}:{user.gid}", str(home)], check=True)
        made = evolve(made, before=user.command([], {"HOME": str(made.home)}))
        made.succeed("build")
        yield made
        made.run("store", "destroy", "--yes")


def _files(name):
    import debs

    yield debs.member(f"./usr/share/{name}/")
    for at in range(5):
        yield debs.member(f"./usr/share/{name}/f{at}", f"{name} {at}\n".encode())


def told(line, *options):
    """The findings of `fsck --json` that are damage, as kind, path and problem; and the whole answer."""
    result = line.run("fsck", "--json", *options)
    answer = json.loads(result.stdout)
    assert result.returncode == (DAMAGED if answer["corrupt"] else 0), result.stderr
    return {(one["kind"], one["path"], one["problem"]) for one in answer["corrupt"]}, answer


def only(line, pattern):
    """The one path in the store that matches, directly below whichever way of holding there is."""
    (found,) = line.store.glob(pattern)
    return found


def listing_of(line, pattern):
    return [path for path in line.store.glob("layers/*/*/listing") if pattern in path.read_text()]


def flip_a_byte(path: Path) -> None:
    """Change one byte of a file, and nothing that `lstat` shows."""
    before = path.stat()
    os.chmod(path, before.st_mode | 0o200)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    with path.open("r+b") as file:
        file.write(data)
    os.chmod(path, before.st_mode & 0o7777)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def become_a_directory(path: Path) -> None:
    """Put a directory of the store's owner in place of a file."""
    above = path.parent.stat()
    path.unlink()
    path.mkdir()
    os.chown(path, above.st_uid, above.st_gid)


def test_what_was_just_built_is_whole(line):
    for options in ([], ["--full"]):
        found, answer = told(line, *options)
        assert found == set()
        assert answer["leftovers"] == []
        assert answer["layers"] >= 4
        assert answer["trees"] >= 3
        assert (answer["read_bytes"] > 0) is bool(options)
    assert "all is as it must be" in line.succeed("fsck")


def test_files_that_were_altered_are_named_and_made_again(line):
    lock = (line.directory / "envforge.lock").read_bytes()
    file = only(line, "trees/*/*/root/usr/share/one/f1")
    flip_a_byte(file)
    assert told(line)[0] == set()
    found, _ = told(line, "--full")
    assert found == {
        ("tree", "/usr/share/one/f1", "content"),
        ("layer", "/usr/share/one/f1", "content"),
    }
    left, answer = told(line, "--full", "--repair")
    assert left == set(), answer
    assert answer["repaired"] == len(answer["repairs"])
    assert found == {(one["kind"], one["path"], one["problem"]) for one in answer["repairs"]}
    assert told(line, "--full")[0] == set()
    assert only(line, "trees/*/*/root/usr/share/one/f1").read_text() == "one 1\n"
    assert line.succeed("run", "--", "cat", "/usr/share/one/f1") == "one 1\n"
    line.succeed("build", "--locked")
    assert (line.directory / "envforge.lock").read_bytes() == lock


def test_the_fast_way_sees_what_lstat_shows(line):
    altered = {
        "missing": lambda path: path.unlink(),
        "size": lambda path: path.write_text("longer than before\n"),
        "time": lambda path: os.utime(path, (1, 1)),
        "type": become_a_directory,
    }
    for number, alter in enumerate(altered.values()):
        alter(only(line, f"trees/*/*/root/usr/share/two/f{number}"))
    found, _ = told(line)
    assert {("tree", f"/usr/share/two/f{number}", problem) for number, problem in enumerate(altered)} <= found
    assert {kind for kind, _, _ in found} <= {"tree", "layer"}
    assert told(line, "--repair")[0] == set()
    for number in range(len(altered)):
        assert line.succeed("run", "--", "cat", f"/usr/share/two/f{number}") == f"two {number}\n"


def test_a_file_that_nobody_put_there(line):
    farm = next(path.parent for path in listing_of(line, "/usr/share/one/f1"))
    (farm / "root/usr/share/one/more").write_text("x")
    found, _ = told(line)
    assert ("layer", "/usr/share/one/more", "new") in found
    assert told(line, "--repair")[0] == set()
    assert not list(line.store.glob("layers/*/*/root/usr/share/one/more"))


def test_listings_records_and_documents_that_were_altered(line):
    lock = (line.directory / "envforge.lock").read_bytes()
    listings = listing_of(line, "/etc/of-scripts")
    flip_a_byte(listings[0])
    flip_a_byte(next(iter(line.store.glob("trees/*/*/control/list"))))
    flip_a_byte(next(iter(line.store.glob("records/*.json"))))
    os.truncate(only(line, "environments/*.json"), 40)
    os.truncate(next(iter(line.store.glob("facts/*.json"))), 40)
    found, answer = told(line, "--full")
    assert {kind for kind, _, _ in found} == {"layer", "tree", "record", "environment", "facts"}, found
    assert ("layer", "/", "listing") in found
    found, answer = told(line, "--full", "--repair")
    assert found == set(), answer
    line.succeed("build", "--locked")
    assert (line.directory / "envforge.lock").read_bytes() == lock


def test_blobs_that_were_altered_are_moved_aside_and_fetched_when_they_are_needed(line):
    blob = max(line.store.glob("blobs/*/*"), key=lambda path: path.stat().st_size)
    flip_a_byte(blob)
    assert told(line)[0] == set()
    assert told(line, "--full")[0] == {("blob", "", "content")}
    assert told(line, "--full", "--repair")[0] == set()
    assert not blob.exists()
    shutil.rmtree(line.store / "trees", ignore_errors=True) if os.geteuid() == 0 else None
    line.succeed("build", "--rebuild")
    assert told(line, "--full")[0] == set()


def test_the_spec_and_the_lock_of_a_generation_come_back_from_the_project(line):
    root = json.loads(only(line, "roots/*.json").read_text())
    generation = root["generations"][-1]
    for what in ("spec", "lock"):
        sha256 = generation[what]
        (line.store / "blobs" / sha256[:2] / sha256).unlink()
    found, _ = told(line)
    assert {kind for kind, _, _ in found} == {"generation"}
    assert told(line, "--repair")[0] == set()
    (line.store / "blobs" / generation["spec"][:2] / generation["spec"]).unlink()
    with (line.directory / "envforge.toml").open("a") as file:
        file.write("# edited\n")
    found, answer = told(line, "--repair")
    assert {kind for kind, _, _ in found} == {"generation"}
    assert any("other bytes by now" in note for note in answer["notes"])


def test_what_killed_processes_left_is_no_damage_and_is_removed(line):
    os.mkdir(line.store / "staging" / "x-1")
    (line.store / "partial" / ("a" * 64)).touch()
    os.utime(line.store / "partial" / ("a" * 64), (1, 1))
    (line.store / "locks" / "x").touch()
    owner = line.store.stat()
    os.chown(line.store / "staging" / "x-1", owner.st_uid, owner.st_gid)
    found, answer = told(line)
    assert found == set()
    assert {one["kind"] for one in answer["leftovers"]} == {"staging", "partial"}
    assert told(line, "--repair")[1]["leftovers"] == []
    assert os.listdir(line.store / "partial") == []


def test_a_layer_that_somebody_is_inside_of_stays(line):
    farm = next(path.parent for path in listing_of(line, "/usr/share/one/f1"))
    (farm / "root/usr/share/one/more").write_text("x")
    lock = only(line, "environments/*.lock")
    with lock.open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        found, answer = told(line, "--repair")
        assert ("layer", "/usr/share/one/more", "new") in found
        assert any("somebody is inside" in note for note in answer["notes"])
        assert farm.exists()
    assert told(line, "--repair")[0] == set()


def test_a_layer_that_was_moved_aside_is_named_on_entering_and_made_again(line):
    assert line.succeed("run", "--", "cat", "/usr/share/one/f1") == "one 1\n"
    farm = next(path.parent for path in listing_of(line, "/usr/share/one/f1"))
    os.rename(farm, line.store / "trash" / "farm")
    result = line.run("run", "--", "cat", "/usr/share/one/f1")
    assert result.stdout == "one 1\n"
    assert f"layer farm {farm.name[:12]} is not in the store any more" in result.stderr
    assert told(line)[0] == set()


def test_a_document_of_a_newer_format_is_told_and_left_alone(line):
    path = only(line, "environments/*.json")
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "format": 99}))
    found, _ = told(line)
    assert ("environment", "", "is of the newer format 99: use the release that wrote it") in found
    told(line, "--repair")
    assert json.loads(path.read_text())["format"] == 99
    (line.store / "format").write_text("envforge-store 2\n")
    assert line.run("fsck").returncode == StoreError.exit_code
    (line.store / "format").write_text("envforge-store 1\n")


def test_a_build_that_meets_a_damaged_listing_names_it_and_offers_to_repair(line):
    farm = next(path for path in listing_of(line, "/usr/share/one/f1"))
    flip_a_byte(farm)
    spec = line.directory / "envforge.toml"
    spec.write_text(spec.read_text().replace('"two"', '"two", "plain"'))
    message = line.fail(DAMAGED, "build")
    assert f"layer {farm.parent.name[:12]}" in message
    assert "envforge fsck --repair" in message
    for words, given in ((["build"], DAMAGED), (["shell", "--", "true"], 125)):
        code, shown = line.on_terminal(*words, typed="n\n")
        assert code == given, shown
        assert f"layer {farm.parent.name[:12]}" in shown
        assert "Repair the store now" in shown
    code, shown = line.on_terminal("build", typed="y\n")
    assert code == 0, shown
    assert told(line, "--full")[0] == set()
    assert line.succeed("run", "--", "cat", "/usr/share/plain/f1") == "plain 1\n"


@pytest.mark.root
def test_a_large_store_of_the_generator_is_whole(tmp_path):
    sizes = ("--environments", "6", "--layers", "40", "--files", "2000")
    top = Path(__file__).parents[2]
    subprocess.run(
        [sys.executable, "-m", "tests.bigstore", str(tmp_path / "big"), *sizes], cwd=top, check=True
    )
    line = CommandLine(tmp_path, tmp_path / "big" / "store", tmp_path)
    assert told(line, "--full")[0] == set()
