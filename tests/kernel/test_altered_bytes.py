"""Bytes that were altered in the store: found before they are used, never written into a lock."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import CommandLine

from envforge.errors import IntegrityError

pytestmark = [pytest.mark.userns, pytest.mark.archive]


@pytest.fixture
def fresh(built: CommandLine) -> Iterator[CommandLine]:
    """The locked project with a store of its own that has the archives and nothing else."""
    top = Path(tempfile.mkdtemp(prefix="envforge-test-altered-", dir="/var/tmp"))
    shutil.copytree(built.directory, top / "project")
    line = CommandLine(top / "project", top / "store", built.home)
    (top / "store").mkdir(mode=0o700)
    shutil.copy(built.store / "format", top / "store")
    shutil.copytree(built.store / "blobs", top / "store" / "blobs")
    yield line
    line.run("store", "destroy", "--yes")
    shutil.rmtree(top, ignore_errors=True)


def blob_of(line: CommandLine, name: str) -> Path:
    """Where the archive of a locked package lies."""
    _, _, after = (line.directory / "envforge.lock").read_text().partition(f'name = "{name}"\n')
    sha256 = after.partition('sha256 = "')[2][:64]
    return line.store / "blobs" / sha256[:2] / sha256


def test_an_archive_that_was_altered_is_told_and_fetched_again(fresh):
    blob = blob_of(fresh, "hello")
    before = (fresh.directory / "envforge.lock").read_bytes()
    other = blob_of(fresh, "base-files").read_bytes()
    good = blob.read_bytes()
    blob.unlink()
    blob.write_bytes(other)
    for command in (["build"], ["run", "--", "hello"]):
        blob.unlink(missing_ok=True)
        blob.write_bytes(other)
        failed = fresh.run(*command)
        assert failed.returncode in {IntegrityError.exit_code, 125}
        assert blob.name in failed.stderr
        assert "again" in failed.stderr
        assert (fresh.directory / "envforge.lock").read_bytes() == before
    fresh.succeed("build", "--locked")
    assert blob.read_bytes() == good
