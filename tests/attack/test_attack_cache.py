"""A cache directory that somebody else has prepared: its bytes are refused, the build makes its own."""

import hashlib
import json
import os
import shutil
import subprocess
import tarfile

import debs
import pytest
import zstandard
from cache_archives import archive_of, file_entry, member, packed
from canary import GaveWayError
from users import reaching_all

from envforge.store import listing
from envforge.store.listing import Entry

pytestmark = pytest.mark.userns


@pytest.fixture(scope="module")
def cached_once(original):
    """A project whose layers are in a cache and in no store, with a lock that records their digests."""
    original.environment["XDG_DATA_HOME"] = str(original.place / "data")
    program = b"#!/bin/sh\necho honest\n"
    original.package(data=[debs.member("./opt/"), debs.member("./opt/program", program, mode=0o755)])
    original.succeed("build", "--cache", str(cache_of(original)))
    original.succeed("store", "destroy", "--yes")
    return original


@pytest.fixture
def cached(victim, cached_once):
    """A copy of it; what is built is in a store of the test's own."""
    victim.environment["XDG_DATA_HOME"] = str(victim.place / "data")
    victim.begin_as(cached_once, "project", "cache")
    yield victim
    subprocess.run(reaching_all("rm", "-rf", str(victim.place / "data")), check=True)


def cache_of(victim):
    return victim.place / "cache"


def records(victim):
    return {path: json.loads(path.read_text()) for path in (cache_of(victim) / "records").iterdir()}


def archive_with_program(victim):
    """Return the record of the layer with the program, and where its archive lies."""
    for record in records(victim).values():
        path = cache_of(victim) / f"layers/{record.get('digest')}.tar.zst"
        if path.exists() and "farm" in record["recipe"]["kind"] and record["files"]:
            return record, path
    raise AssertionError("no farm in the cache")


def built_instead(victim, *options):
    result = victim.attack("build", "--cache", str(cache_of(victim)), *options)
    assert result.returncode == 0, result.stderr
    if "built instead" not in result.stderr:
        raise GaveWayError(f"nobody says that the cache is not used:\n{result.stderr}")
    if victim.seen("/opt/program") != "honest\n":
        raise GaveWayError("something else is run")


def hostile_listing(canary):
    text = b"#!/bin/sh\necho hostile\n"
    away = os.fsencode(canary)
    return [
        Entry(b"/", "d"),
        Entry(b"/opt", "d"),
        file_entry("/opt/program", text, mode=0o4755),
        Entry(b"/out", "l", 0o777, content=away),
        file_entry("/out/file", text),
        Entry(b"/sda", "b", 0o666, device=(8, 0)),
    ], text


def test_an_archive_of_other_bytes(cached):
    _, path = archive_with_program(cached)
    entries, text = hostile_listing(cached.canary.path)
    data, _ = archive_of(listing.dump(entries), text, text)
    path.write_bytes(data)
    built_instead(cached)


def test_a_tar_that_leads_out(cached):
    """The listing is the right one; names, links and kinds of the tar are not."""
    record, path = archive_with_program(cached)
    victim_text = _listing_of(path)
    away = str(cached.canary.path)
    path.write_bytes(
        packed(
            member("listing", victim_text),
            member("root/opt", type=tarfile.SYMTYPE, linkname=away),
            member("root/opt/x", b"hostile", mode=0o4755),
            member(f"{away}/x", b"hostile", mode=0o4755),
            member("root/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
        )
    )
    assert record["files"]
    built_instead(cached)


def _listing_of(path):
    with (
        path.open("rb") as file,
        tarfile.open(fileobj=zstandard.ZstdDecompressor().stream_reader(file), mode="r|") as archive,
    ):
        return archive.extractfile(archive.next()).read()


def plant_layer(cached):
    """Put a layer of the attacker's in the place of one in all records; return that record and the digest."""
    program = b"#!/bin/sh\necho hostile\n"
    entries = [Entry(b"/", "d"), Entry(b"/opt", "d"), file_entry("/opt/program", program, mode=0o4755)]
    data, digest = archive_of(listing.dump(entries), program)
    (cache_of(cached) / f"layers/{digest}.tar.zst").write_bytes(data)
    honest, _ = archive_with_program(cached)
    for path, record in records(cached).items():
        for one in [*record.get("layers", ()), record]:
            if one.get("digest") == honest["digest"]:
                one |= {"digest": digest, "size_bytes": len(program), "files": 1}
        path.write_text(json.dumps(record))
    return honest, digest


def test_records_that_name_a_layer_of_the_attackers(cached):
    """Everything fits together, but the lock knows other digests."""
    plant_layer(cached)
    built_instead(cached)


def test_a_cache_that_others_can_write_to_is_not_believed_without_recorded_digests(cached):
    os.chmod(cache_of(cached) / "records", 0o777)
    lock = cached.project / "envforge.lock"
    lock.unlink()
    built_instead(cached)
    shutil.rmtree(cached.place / "data/envforge/records")
    result = cached.attack("build", "--cache", str(cache_of(cached)))
    assert "built instead" not in result.stderr


@pytest.mark.one_kind
@pytest.mark.parametrize(
    "document",
    [
        b"", b"[]", b"{", b"{}", b'{"layers": []}', b'{"layers": [{}]}', b'{"layers": "x"}', b"\xff\xfe",
        b'{"layers": [{"name": "../../x", "key": "a", "digest": "b", "size_bytes": 1, "files": 1}]}',
        b"[" * 100_000, b'{"layers": ' + b"9" * 10_000 + b"}",
    ],
)  # fmt: skip
def test_records_that_are_none(cached, document):
    for path in records(cached):
        path.write_bytes(document)
    result = cached.attack("build", "--cache", str(cache_of(cached)))
    assert result.returncode == 0, result.stderr
    assert cached.seen("/opt/program") == "honest\n"


@pytest.mark.one_kind
@pytest.mark.parametrize("what", ["layers", "records"])
@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_things_that_are_no_files(cached, what, kind):
    for path in list((cache_of(cached) / what).iterdir()):
        path.unlink()
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "link":
            path.symlink_to(cached.canary.path)
        else:
            path.mkdir()
    built_instead(cached)


def test_notes_that_others_may_have_written_are_not_kept(cached):
    """No digest covers them, and what is built later would follow from them."""
    os.chmod(cache_of(cached), 0o777)
    for path, record in records(cached).items():
        if "notes" in record:
            path.write_text(json.dumps(record | {"notes": {"hostile": "notes"}}))
    result = cached.attack("build", "--cache", str(cache_of(cached)), "--locked")
    assert result.returncode == 0, result.stderr
    assert "built instead" not in result.stderr
    for path in (cached.place / "data/envforge/records").iterdir():
        if "hostile" in path.read_text():
            raise GaveWayError("hostile notes are in the store")


@pytest.mark.parametrize("how", ["the whole", "one layer"])
def test_the_cache_of_one_project_says_nothing_to_another(cached, how):
    """Code inside a project can write to a cache in it, and to its lock: that is its own affair only."""
    honest, digest = plant_layer(cached)
    lock = cached.project / "envforge.lock"
    before = lock.read_text()
    lock.write_text(before.replace(honest["digest"], digest))
    result = cached.attack("build", "--cache", str(cache_of(cached)), "--frozen")
    assert digest in {path.name for path in (cached.place / "data/envforge/layers").glob("*/*")}, (
        result.stderr
    )
    if how == "one layer":
        cached.archive.add("more", depends="evil", origin=cached.place.name)
        cached.archive.publish()
    other = cached.place / "other"
    shutil.copytree(cached.project, other, ignore=shutil.ignore_patterns("*.lock"))
    cached.give(other, other / "envforge.toml")
    if how == "one layer":
        spec = (other / "envforge.toml").read_text()
        cached.write(other / "envforge.toml", spec.replace('"evil"', '"more"'))
    said = cached.run("run", "--", "/opt/program", cwd=other)
    if said.stdout != "honest\n":
        raise GaveWayError(f"another project runs {said.stdout}{said.stderr}")


def test_a_layer_is_never_changed_by_a_cache(cached):
    """The digests of what is taken are those of what was built."""
    before = (cached.project / "envforge.lock").read_bytes()
    cached.succeed("ci", "--cache", str(cache_of(cached)))
    assert (cached.project / "envforge.lock").read_bytes() == before
    for path in (cached.place / "data/envforge/layers").glob("*/*"):
        assert hashlib.sha256((path / "listing").read_bytes()).hexdigest() == path.name
