"""What was altered in a layer on the disk is found, whatever its times say."""

import os

import pytest

from envforge.store import audit, listing
from envforge.store.scan import scan


@pytest.fixture
def layer(tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/hosts").write_bytes(b"127.0.0.1\n")
    (root / "etc/empty").touch()
    (root / "link").symlink_to("etc")
    os.link(root / "etc/hosts", root / "etc/same")
    text = listing.dump(scan(str(root)))
    (tmp_path / "listing").write_bytes(text)
    return tmp_path, listing.digest(text)


def altered(layer, held="true"):
    directory, digest = layer
    return audit.altered(str(directory), digest, held)


def test_an_intact_layer(layer):
    assert altered(layer) == []
    assert altered(layer, "flat") == []


def edit(path):
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def retarget(path):
    path.unlink()
    path.symlink_to("/etc")


ALTERATIONS = {
    "content": ("etc/hosts", edit),
    "missing": ("etc/empty", lambda path: path.unlink()),
    "new": ("etc/added", lambda path: path.touch()),
    "type": ("etc/empty", lambda path: (path.unlink(), path.mkdir())),
    "mode": ("etc/hosts", lambda path: path.chmod(0o4755)),
    "time": ("etc/hosts", lambda path: os.utime(path, (1, 1))),
    "attributes": ("etc/hosts", lambda path: os.setxattr(path, "user.x", b"1")),
}


@pytest.mark.parametrize("cause", ALTERATIONS)
def test_what_was_altered(layer, tmp_path, cause):
    path, alter = ALTERATIONS[cause]
    alter(tmp_path / "root" / path)
    assert [f"/{path}", cause] in altered(layer)
    assert bool(altered(layer, "flat")) is (cause not in {"mode", "attributes"})


def test_a_link_that_leads_elsewhere(layer, tmp_path):
    retarget(tmp_path / "root" / "link")
    assert ["/link", "content"] in altered(layer)


def test_an_altered_listing(layer, tmp_path):
    with open(tmp_path / "listing", "ab") as file:
        file.write(b"f 0644 0 0 0 0 - - - /x\n")
    assert altered(layer) == [["/", "listing"]]
