"""Bytes that somebody altered in the store: noticed where asked for, never built into something new."""

import os
import re
import subprocess
from pathlib import Path

import debs
import pytest
from canary import GaveWayError
from users import reaching_all

from envforge.errors import DamagedError, IntegrityError, OutputError

pytestmark = pytest.mark.userns

NOTED = {OutputError.exit_code, IntegrityError.exit_code, DamagedError.exit_code, 19}


@pytest.fixture(scope="module")
def built_once(original):
    """A built environment with a program that says so, in a store of its own."""
    original.environment["XDG_DATA_HOME"] = str(store_of(original).parent)
    text = b"#!/bin/sh\necho honest\n"
    data = [debs.member("./opt/"), debs.member("./opt/program", text, mode=0o755)]
    original.package(data=data, postinst="cp -p /opt/program /opt/configured")
    original.succeed("build")
    yield original
    subprocess.run(reaching_all("rm", "-rf", str(store_of(original))), check=True)


@pytest.fixture
def built(victim, built_once):
    """A copy of it, with the store."""
    victim.environment["XDG_DATA_HOME"] = str(store_of(victim).parent)
    victim.begin_as(built_once, "project", "data")
    yield victim
    subprocess.run(reaching_all("rm", "-rf", str(store_of(victim))), check=True)


def store_of(victim):
    return victim.place / "data/envforge"


def alter(path):
    """Write other bytes of the same length, with the same times."""
    status = path.stat()
    data = path.read_bytes()
    path.chmod(status.st_mode | 0o200)
    path.write_bytes(data.replace(b"honest", b"hostil"))
    path.chmod(status.st_mode)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.read_bytes() != data


def files(victim, pattern):
    found = [Path(path) for path in store_of(victim).glob(pattern)]
    assert found, pattern
    return found


def honest(output):
    if "hostil" in output:
        raise GaveWayError("altered bytes were run")


PLACES = {
    "layer": "layers/*/*/root/opt/configured",
    "tree": "trees/*/*/root/opt/program",
}


@pytest.mark.parametrize("command", ["verify", "ci"])
@pytest.mark.parametrize("place", PLACES)
def test_altered_file_is_found(built, place, command):
    """The same size and the same times: only its bytes tell."""
    alter(files(built, PLACES[place])[0])
    result = built.run(command)
    if result.returncode not in NOTED:
        raise GaveWayError(f"{command} says {result.returncode}: {result.stdout}{result.stderr}")


@pytest.mark.parametrize("place", PLACES)
def test_altered_file_is_not_kept_by_a_rebuild(built, place):
    alter(files(built, PLACES[place])[0])
    result = built.run("build", "--rebuild")
    if result.returncode in NOTED:
        return
    for program in ("/opt/configured", "/opt/program"):
        honest(built.seen(program))


def test_altered_tree_does_not_become_part_of_a_new_layer(built):
    """A later environment is built from the same tree: its layers are what their digests say."""
    alter(files(built, PLACES["tree"])[0])
    built.archive.add("more", depends="evil", members={"postinst": "#!/bin/sh\ncp /opt/program /opt/again\n"})
    built.archive.publish()
    built.want("more")
    result = built.run("run", "--", "/opt/again")
    if result.returncode in NOTED:
        return
    if "hostil" in result.stdout and built.run("verify").returncode not in NOTED:
        raise GaveWayError("altered bytes were built into a layer, and nobody says so")


@pytest.mark.one_kind
@pytest.mark.parametrize("how", ["other bytes", "another package", "cut short", "longer", "a link", "empty"])
def test_replaced_blob_is_not_used(built, how):
    """What was fetched is hashed before it is unpacked, not only when it came."""
    before = (built.project / "envforge.lock").read_bytes()
    store = store_of(built)
    for name in ("trees", "layers", "records", "environments", "facts"):
        subprocess.run(reaching_all("rm", "-r", str(store / name)), check=True)
    for blob in files(built, "blobs/*/*"):
        data = blob.read_bytes()
        if b"honest" not in data:
            continue
        hostile = {
            "other bytes": data.replace(b"honest", b"hostil"),
            "another package": data.replace(b"honest", b"hostil").replace(b"evil", b"base"),
            "cut short": data[:-512],
            "longer": data + b"more",
            "a link": data.replace(b"honest", b"hostil"),
            "empty": b"",
        }[how]
        blob.parent.chmod(0o755)
        blob.unlink()
        if how == "a link":
            blob.symlink_to(built.write(built.place / "elsewhere", hostile))
        else:
            built.write(blob, hostile, 0o444)
    result = built.run("run", "--", "/opt/program")
    honest(result.stdout)
    if result.returncode and result.returncode != 125:
        raise GaveWayError(f"{result.returncode}: {result.stderr}")
    if (built.project / "envforge.lock").read_bytes() != before:
        raise GaveWayError("the lock was changed")


def test_recorded_outputs_are_not_replaced_silently(built):
    """What a closure gave once it gives again, or fails: only the user takes other digests."""
    lock = built.project / "envforge.lock"
    honest_text = lock.read_text()
    digest = honest_text.partition("layers = [")[2].partition('",')[0].rpartition(" ")[2]
    assert len(digest) >= 64, honest_text
    built.write(lock, honest_text.replace(digest, digest[:-8] + "01234567"))
    altered = lock.read_text()
    for arguments in (("build",), ("build", "--rebuild"), ("run", "--", "true")):
        built.run(*arguments)
        if lock.read_text() != altered:
            raise GaveWayError(f"{arguments} changed the recorded digest")
    if built.run("ci").returncode not in NOTED:
        raise GaveWayError("ci takes another digest")


LINE = r'^evil = "1\.0 all bookworm pool/ (\d+) (\w+)(.*)"$'
FIELDS = {
    "name outwards": (r"^evil =", '"../../evil" ='),
    "name of an option": (r"^evil =", '"--help" ='),
    "negative size": (LINE, r'evil = "1.0 all bookworm pool/ -\1 \2\3"'),
    "path outwards": (LINE, r'evil = "1.0 all bookworm pool/../../evil \1 \2\3"'),
    "directory outwards": (LINE, r'evil = "1.0 all bookworm ../ \1 \2\3"'),
    "absolute path": (LINE, r'evil = "1.0 all bookworm /pool/evil \1 \2\3"'),
    "an address as path": (LINE, r'evil = "1.0 all bookworm http://127.0.0.1:1/evil \1 \2\3"'),
    "version outwards": (LINE, r'evil = "../1.0 all bookworm pool/ \1 \2\3"'),
    "architecture outwards": (LINE, r'evil = "1.0 ../all bookworm pool/ \1 \2\3"'),
    "a hash outwards": (LINE, r'evil = "1.0 all bookworm pool/ \1 ../../\2\3"'),
    "archive outwards": (LINE, r'evil = "1.0 all ../x pool/ \1 \2\3"'),
    "an archive's name outwards": (r"^\[debian\.archives\.bookworm\]", '[debian.archives."../x"]'),
    "an unknown mark": (LINE, r'evil = "1.0 all bookworm pool/ \1 \2 holy\3"'),
    "a need outwards": (LINE, r'evil = "1.0 all bookworm pool/ \1 \2 | ../x"'),
    "an environment outwards": (r"environments\.default", 'environments."../x"'),
    "layer outwards": (r"layers = \[\n", 'layers = [\n    "../x sha256:00",\n'),
}


@pytest.mark.one_kind
@pytest.mark.parametrize("field", FIELDS)
def test_fields_of_the_lock(built, field):
    lock = built.project / "envforge.lock"
    old, new = FIELDS[field]
    text = lock.read_text()
    edited, count = re.subn(old, new, text, flags=re.MULTILINE)
    assert count
    built.write(lock, edited)
    built.refuse("build", "--frozen")
    built.refuse("ci")
