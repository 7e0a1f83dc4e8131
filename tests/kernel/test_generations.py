"""What a generation keeps is enough to have its environment again."""

import shutil
from pathlib import Path

import pytest
import web
from small_archive import Archive
from small_system import add_system, built, new_project

from envforge.environment.projects import generations
from envforge.store import blobs
from envforge.store.layout import open_store

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]


def test_the_spec_and_the_lock_of_an_earlier_generation_give_its_environment(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "archive")
    add_system(archive)
    archive.add("one")
    archive.publish()
    with web.serving(archive.path) as server:
        line = new_project(tmp_path, server.url, [])
        spec, lock = line.directory / "envforge.toml", line.directory / "envforge.lock"
        environments, written = [], []
        for _ in range(2):
            environments.append(built(line)["environment"])
            written.append((spec.read_bytes(), lock.read_bytes()))
            line.succeed("add", "one")
        store = open_store(str(line.store))
        known = generations.find(store, str(spec)).generations
        assert [f"sha256:{one.environment}" for one in known] == environments
        assert [(blobs.read(store, one.spec), blobs.read(store, one.lock)) for one in known] == written
        spec.write_bytes(blobs.read(store, known[0].spec))
        lock.write_bytes(blobs.read(store, known[0].lock))
        assert built(line, "--locked")["environment"] == environments[0]
        line.succeed("store", "destroy", "--yes")
