"""What a check of the store finds, without a namespace: every kind of difference, by the word for it."""

import json
import os
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))

from envforge.store import blobs, holds, listing
from envforge.store.layout import open_store
from envforge.store.scan import scan
from envforge.upkeep import pins
from envforge.upkeep.fsck import aside, loose, trees
from envforge.upkeep.fsck.check import batched
from envforge.upkeep.fsck.documents import Documents
from tests.bigstore.make import make
from tests.bigstore.sizes import Sizes


@pytest.fixture
def layer(tmp_path):
    """A store with one layer, and the layer's root."""
    store = open_store(str(tmp_path / "store"))
    root = tmp_path / "made" / "root"
    (root / "etc/sub").mkdir(parents=True)
    (root / "etc/hosts").write_bytes(b"127.0.0.1\n")
    (root / "etc/with space").touch()
    os.utime(root / "etc/hosts", (1000, 1000))
    (root / "link").symlink_to("etc")
    os.link(root / "etc/hosts", root / "etc/same")
    for path in (root / "etc/sub", root / "etc", root):
        os.utime(path, (listing.DIRECTORY_MTIME, listing.DIRECTORY_MTIME))
    text = listing.dump(scan(str(root)))
    (tmp_path / "made" / "listing").write_bytes(text)
    path = Path(store.layer("true", listing.digest(text)))
    path.parent.mkdir(parents=True)
    os.rename(tmp_path / "made", path)
    return store, path


def found(layer, *, full=True, held="true"):
    store, path = layer
    if held != "true":
        os.makedirs(f"{store.path}/layers/{held}", exist_ok=True)
        os.rename(path, store.layer(held, path.name))
    trees.verified["test"] = {}
    (answer,) = trees.check_trees(lambda _: None, "", store, "test", [("layers", held, path.name)], full)
    return {(name, problem) for name, problem in answer["found"]}


def test_an_intact_layer(layer):
    assert found(layer) == set()
    assert found(layer, full=False) == set()


def flip(path):
    before = path.stat()
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def retarget(path):
    before = path.lstat()
    path.unlink()
    path.symlink_to("/etc")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns), follow_symlinks=False)


ALTERATIONS = {
    "missing": ("etc/sub", lambda path: path.rmdir()),
    "new": ("etc/added", lambda path: path.touch()),
    "type": ("etc/with space", lambda path: (path.unlink(), path.mkdir())),
    "size": ("etc/hosts", lambda path: path.write_bytes(b"more than there was")),
    "mode": ("etc/hosts", lambda path: path.chmod(0o4755)),
    "time": ("etc/hosts", lambda path: os.utime(path, (1, 1))),
    "content": ("link", retarget),
}


@pytest.mark.parametrize("problem", ALTERATIONS)
def test_what_lstat_shows(layer, problem):
    path, alter = ALTERATIONS[problem]
    alter(layer[1] / "root" / path)
    assert (f"/{path}", problem) in found(layer, full=False)
    assert ((f"/{path}", problem) in found(layer, held="flat")) is (problem != "mode")


def test_bytes_and_attributes_are_seen_by_the_full_way_alone(layer):
    root = layer[1] / "root"
    flip(root / "etc/hosts")
    os.setxattr(root / "etc/with space", "user.x", b"1")
    assert found(layer, full=False) == set()
    assert found(layer) == {
        ("/etc/hosts", "content"),
        ("/etc/same", "content"),
        ("/etc/with space", "attributes"),
    }


@pytest.mark.parametrize("text", [b"", b"envforge-listing 1\n", b"envforge-listing 1\nd 0755\n", b"x" * 100])
def test_a_listing_that_was_altered(layer, text):
    (layer[1] / "listing").write_bytes(text)
    assert found(layer, full=False) == {("/", "listing")}


def test_a_layer_without_its_root_and_one_with_something_besides(layer):
    (layer[1] / "more").touch()
    assert found(layer) == {("/more", "new")}
    os.rename(layer[1] / "root", layer[1] / "other")
    assert ("/", "missing") in found(layer)


def test_a_layer_that_is_removed_meanwhile_is_no_damage(layer):
    os.rename(layer[1], layer[0].new_trash())
    assert found(layer) == set()


def test_batches_are_about_as_large_as_one_another():
    sizes = [900_000, 300_000, 300_000, 100, 100]
    assert list(batched("abcde", sizes)) == [("a",), ("b", "c"), ("d", "e")]


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    top = tmp_path_factory.mktemp("big")
    make(str(top), Sizes(environments=6, layers=40, files=2000))
    return open_store(str(top / "store"))


def layers_of(store):
    return frozenset(name for held in Path(store.path, "layers").iterdir() for name in os.listdir(held))


def test_a_generated_store_is_whole(big):
    assert list(loose.check(big)) == []
    assert Documents(big, layers_of(big)).check() == []
    assert len(layers_of(big)) == 40
    assert len(loose.named_blobs(big)) > 80


def test_what_documents_name_and_is_not_there(big):
    every = layers_of(big)
    for root in Path(big.path, "roots").iterdir():
        environment = json.loads(root.read_text())["generations"][-1]["environment"]
    layers = [one["digest"] for one in json.loads(Path(big.environment(environment)).read_text())["layers"]]
    damage = Documents(big, every - {layers[0]}).check()
    assert {(one.kind, one.path) for one in damage if not one.is_leftover} == {("environment", layers[0])}
    reached = {
        one["digest"]
        for path in Path(big.path, "environments").glob("*.json")
        for one in json.loads(path.read_text())["layers"]
    }
    unreached = min(every - reached)
    (dangling,) = Documents(big, every - {unreached}).check()
    assert (dangling.kind, dangling.is_leftover) == ("record", True)


def told_of_pins(store):
    return {
        (one.layer, one.problem.partition(":")[0])
        for one in Documents(store, layers_of(store)).check()
        if one.kind == "pin"
    }


def test_pins_that_are_damaged_or_keep_what_is_not_there(big):
    digest = next(iter(Path(big.path, "environments").glob("*.json"))).stem
    pins.add(big, "good", digest)
    assert told_of_pins(big) == set()
    gone = {"format": 1, "environment": "0" * 64, "created": 1}
    Path(big.path, "pins/gone.json").write_text(json.dumps(gone))
    Path(big.path, "pins/cut.json").write_text('{"format": 1, "envir')
    Path(big.path, "pins/wrong.json").write_text('{"format": 1, "environment": "../../etc", "created": 1}')
    try:
        assert told_of_pins(big) == {
            ("gone", "its environment 000000000000 is missing"),
            ("cut", "is damaged"),
            ("wrong", "is damaged"),
        }
        for name in ("gone", "cut", "wrong"):
            pins.remove(big, name)
        assert told_of_pins(big) == set()
    finally:
        pins.remove(big, "good")


def test_tools_that_are_damaged_go_aside_unless_a_build_may_use_them(tmp_path):
    store = open_store(str(tmp_path / "store"))
    tools = Path(store.path, "tools")
    (tools / "apt-1").mkdir()
    (tools / "apt-2/usr").mkdir(parents=True)
    (tools / "lists-1").touch()
    (tools / "table-1").write_bytes(b"a table\n")
    (tools / "table-2").write_bytes(b"a table that was cut sh")
    (tools / "release-1.json").symlink_to("/etc/hostname")
    (tools / "later-1").mkdir()
    findings = [one for one in loose.check(store) if one.kind == "tool"]
    damaged = {one.layer for one in findings if not one.is_leftover}
    assert damaged == {"apt-1", "lists-1", "table-2", "release-1.json"}
    assert {one.layer for one in findings if one.is_leftover} == {"later-1"}
    with holds.holding(store, ["0" * 64]):
        assert aside.move(store, findings, {}).names == frozenset()
    assert aside.move(store, findings, {}).names == damaged | {"later-1"}
    assert sorted(os.listdir(tools)) == ["apt-2", "table-1"]


def test_facts_that_cannot_be_read_are_seen_by_the_full_way(tmp_path):
    make(str(tmp_path), Sizes(environments=2, layers=8, files=200))
    store = open_store(str(tmp_path / "store"))
    facts = min(Path(store.path, "facts").iterdir())
    document = json.loads(facts.read_text())

    def wrong(full):
        (held,) = os.listdir(f"{store.path}/trees")
        trees.verified["facts"] = {}
        targets = [("trees", held, facts.stem)]
        (answer,) = trees.check_trees(lambda _: None, "", store, "facts", targets, full)
        return answer["found"]

    assert wrong(full=True) == []
    facts.write_text(json.dumps({**document, "format": document["format"] + 1}))
    assert wrong(full=True) == []  # of another release: made again when they are needed
    facts.write_text(json.dumps({**document, "version": "../1"}))
    assert wrong(full=False) == []
    assert wrong(full=True) == [["/control", "facts"]]


def test_loose_ends(tmp_path):
    store = open_store(str(tmp_path / "store"))
    good = blobs.put(store, b"x")
    os.makedirs(f"{store.path}/blobs/zz", exist_ok=True)
    Path(store.path, "blobs/zz/other").touch()
    Path(store.path, "partial/abc.of").touch()
    Path(store.path, "later").touch()
    Path(store.path, f"unsynced/{'0' * 32}-1").touch()
    told = {(one.kind, one.layer) for one in loose.check(store)}
    assert told == {
        ("blob", "zz/other"),
        ("partial", "abc.of"),
        ("store", "later"),
        ("store", f"unsynced/{'0' * 32}-1"),
    }
    assert loose.named_blobs(store) == [good]
