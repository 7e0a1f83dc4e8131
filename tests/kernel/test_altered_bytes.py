"""Bytes that were altered in the store: found before they are used, never written into a lock."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import debs
import pytest
import web
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, new_project, script

from envforge.errors import DamagedError, LockStaleError, OutputError

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
HELLO = script('[ "$1" = -g ] || set -- -g "Hello, world!"\necho "$2"').encode()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[web.Server]:
    """Serve a small archive."""
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    archive.add("other", members={"postinst": script("echo made >/etc/made")})
    archive.add("hello", data=[debs.member("./usr/bin/hello", HELLO, mode=0o755)])
    archive.publish()
    with web.serving(archive.path) as server:
        yield server


@pytest.fixture(scope="module")
def fetched(mirror: web.Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A project that was built, so that it is locked and its archives are there."""
    line = new_project(tmp_path_factory.mktemp("fetched"), mirror.url, ["hello", "other"])
    line.succeed("build")
    yield line
    line.succeed("store", "destroy", "--yes")


@pytest.fixture
def fresh(fetched: CommandLine, mirror: web.Server) -> Iterator[CommandLine]:
    """A copy of it, with a store that has the archives and nothing else."""
    top = Path(tempfile.mkdtemp(prefix="envforge-test-altered-", dir="/var/tmp"))
    line = new_project(top, mirror.url, ["hello", "other"])
    shutil.copy(fetched.directory / "envforge.lock", line.directory)
    line.store.mkdir(mode=0o700)
    shutil.copy(fetched.store / "format", line.store)
    shutil.copytree(fetched.store / "blobs", line.store / "blobs")
    yield line
    line.run("store", "destroy", "--yes")
    shutil.rmtree(top, ignore_errors=True)


def blob_of(line: CommandLine, name: str) -> Path:
    """Where the archive of a locked package lies."""
    _, _, after = (line.directory / "envforge.lock").read_text().partition(f'\n{name} = "')
    sha256 = after.split(" ")[5][:64]
    return line.store / "blobs" / sha256[:2] / sha256


def test_an_archive_that_was_altered_is_told_and_fetched_again(fresh):
    blob = blob_of(fresh, "hello")
    before = (fresh.directory / "envforge.lock").read_bytes()
    other = blob_of(fresh, "other").read_bytes()
    good = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(other)
    for command in (["build"], ["run", "--", "hello"]):
        blob.unlink(missing_ok=True)
        blob.write_bytes(other)
        failed = fresh.run(*command)
        assert failed.returncode in {DamagedError.exit_code, 125}
        assert blob.name in failed.stderr
        assert "again" in failed.stderr
        assert (fresh.directory / "envforge.lock").read_bytes() == before
    fresh.succeed("build", "--locked")
    assert blob.read_bytes() == good


@pytest.mark.archive
def test_recorded_digests_of_the_same_packages_change_on_request_only(project):
    lock = project.directory / "envforge.lock"
    good = lock.read_text()
    line = next(line for line in good.splitlines() if line.strip().startswith('"base '))
    other = good.replace(line, line.replace(line.split()[1][:8], "0123abcd", 1))
    for command in (["build"], ["build", "--frozen"], ["build", "--locked"], ["run", "--", "true"]):
        lock.write_text(other)
        failed = project.run(*command)
        assert failed.returncode in {OutputError.exit_code, 125}
        assert "layer base" in failed.stderr
        assert "envforge build --accept" in failed.stderr
        assert lock.read_text() == other
    project.succeed("build", "--accept")
    assert lock.read_text() == good
    spec = project.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '[variables]\nA = "1"\n')
    assert project.run("build", "--locked").returncode == LockStaleError.exit_code
    assert project.succeed("run", "--", "sh", "-c", "echo $A") == "1\n"
    assert lock.read_text() != good
    assert line in lock.read_text()


def flip_a_byte(path: Path) -> None:
    """Change one byte of a file, and nothing that `lstat` shows."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(before.st_size // 2)
        byte = file.read(1)[0]
        file.seek(before.st_size // 2)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_byte_that_was_altered_in_a_layer(fresh):
    fresh.succeed("build", "--locked")
    lock = (fresh.directory / "envforge.lock").read_bytes()
    (path,) = [one for one in fresh.store.glob("layers/*/*/root/usr/bin/hello") if one.stat().st_nlink > 1][
        :1
    ]
    flip_a_byte(path)
    fresh.succeed("build")
    for command in (["verify"], ["ci"]):
        failed = fresh.run(*command)
        assert failed.returncode == OutputError.exit_code, failed.stderr
        assert "/usr/bin/hello" in failed.stderr + failed.stdout
        assert "altered content" in failed.stderr + failed.stdout
        assert "envforge build --rebuild" in failed.stderr + failed.stdout
    told = json.loads(fresh.run("verify", "--json").stdout)
    assert told["identical"] is False
    assert {(item["path"], item["cause"]) for item in told["differences"]} == {
        ("/usr/bin/hello", "altered content")
    }
    fresh.succeed("build", "--rebuild")
    assert (fresh.directory / "envforge.lock").read_bytes() == lock
    assert fresh.succeed("run", "--", "hello", "-g", "hi") == "hi\n"
    fresh.succeed("verify")
    fresh.succeed("ci")


def test_rebuilding_what_is_intact_shares_its_files(fresh):
    fresh.succeed("build", "--locked")
    files = [
        *fresh.store.glob("trees/*/*/root/usr/bin/hello"),
        *fresh.store.glob("layers/*/*/root/usr/bin/hello"),
    ]
    before = {path: path.stat().st_ino for path in files}
    assert len(set(before.values())) == 1
    fresh.succeed("build", "--rebuild")
    assert {path: path.stat().st_ino for path in files} == before
