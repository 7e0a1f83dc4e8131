import os
import re

import pytest
from attrs import evolve

from envforge.environment.made import model
from envforge.environment.made.model import Environment, LayerReference
from envforge.environment.projects import generations
from envforge.errors import StoreError
from envforge.lock.model import Part
from envforge.sources.debian.model import Closure, LockedPackage
from envforge.spec.parse import parse
from envforge.store import blobs, records
from envforge.store.layout import open_store

SPEC = b"""
name = "shop"
[debian]
suite = "bookworm"
packages = ["git"]
[variables]
B = "2"
A = "1"
[[mounts]]
source = "~/.gitconfig"
target = "~/.gitconfig"
optional = true
"""
PLAIN = b'name = "shop"\n[debian]\nsuite = "bookworm"\n'


def environment(spec=SPEC):
    layers = (LayerReference("database", "k1", "d1"), LayerReference("farm", "k2", "d2"))
    return Environment(layers, model.runtime_part(parse(spec, "envforge.toml")), "c")


def test_the_runtime_part_is_what_the_spec_says_of_running_as_written():
    assert environment().runtime == {
        "runtime": 1,
        "variables": {"A": "1", "B": "2"},
        "mounts": [{"source": "~/.gitconfig", "target": "~/.gitconfig", "optional": True}],
    }
    assert environment(PLAIN).runtime == {"runtime": 1}


def test_the_digest_is_pinned_and_follows_layers_and_runtime_alone():
    assert environment().digest == "fe42b4c2467e9ad98951f014f3b5d580ba4471baf5bf18721a7d356ce7b6430e"
    assert evolve(environment(), closure="other").digest == environment().digest
    assert environment(PLAIN).digest != environment().digest
    renamed = evolve(
        environment(), layers=tuple(evolve(one, name="x", key="y") for one in environment().layers)
    )
    assert renamed.digest == environment().digest


def test_the_closure_key_follows_from_the_lock_alone():
    package = LockedPackage("git", "1", "amd64", "bookworm", "pool/git.deb", 7, "a" * 64)

    def key(**changed):
        return model.closure_key(Part({"debian": Closure("amd64", (), (evolve(package, **changed),))}))

    assert key() == "ab528d0d9a1a1d8d2ea8089e79d497d944693f988359fdf7fb3193a9eb801bb0"
    for field, value in KEYED.items():
        assert key(**{field: value}) != key(), field
    assert key(size=8) == key(path="pool/other.deb") == key()


KEYED = {"sha256": "b" * 64, "asked": True, "base": True, "required": True}
"""What recipes read of a locked package: it decides about the base, and about what apt may remove."""


def test_environments_and_generations_are_kept(tmp_path):
    store = open_store(str(tmp_path / "store"))
    first, second = environment(), environment(PLAIN)
    for one in (first, second):
        model.save(store, one)
    assert model.load(store, first.digest) == first
    spec_path = str(tmp_path / "envforge.toml")
    texts = {"spec": b"name = 'shop'", "lock": b"format = 1"}
    assert generations.note(store, spec_path, "shop", first.digest, **texts).number == 1
    assert generations.note(store, spec_path, "shop", first.digest, **texts).number == 1
    assert generations.note(store, spec_path, "shop", second.digest, **texts).number == 2
    assert generations.note(store, spec_path, "shop", first.digest, **texts).number == 3
    known = generations.find(store, spec_path)
    assert [one.environment for one in known.generations] == [first.digest, second.digest, first.digest]
    assert list(generations.projects(store)) == [known]


def test_a_generation_keeps_the_bytes_of_spec_and_lock(tmp_path):
    store = open_store(str(tmp_path / "store"))
    about = (store, str(tmp_path / "envforge.toml"), "shop", "a" * 64)
    assert not generations.is_noted(*about, spec=b"spec", lock=b"lock")
    generations.note(*about, spec=b"spec", lock=b"lock")
    assert generations.is_noted(*about, spec=b"spec", lock=b"lock")
    assert not generations.is_noted(*about, spec=b"# spec", lock=b"lock")
    generations.note(*about, spec=b"# spec", lock=b"lock")
    (only,) = generations.find(*about[:2]).generations
    assert (only.number, blobs.read(store, only.spec)) == (1, b"# spec")
    generations.note(*about[:3], "b" * 64, spec=b"other", lock=b"other lock")
    first, second = generations.find(*about[:2]).generations
    assert (blobs.read(store, first.spec), blobs.read(store, first.lock)) == (b"# spec", b"lock")
    assert (blobs.read(store, second.spec), blobs.read(store, second.lock)) == (b"other", b"other lock")


def test_a_generation_whose_bytes_went_is_noted_again(tmp_path):
    store = open_store(str(tmp_path / "store"))
    about = (store, str(tmp_path / "envforge.toml"), "shop", "a" * 64)
    noted = generations.note(*about, spec=b"spec", lock=b"lock")
    os.unlink(store.blob(noted.lock))
    assert not generations.is_noted(*about, spec=b"spec", lock=b"lock")
    assert generations.note(*about, spec=b"spec", lock=b"lock") == noted
    assert blobs.read(store, noted.lock) == b"lock"


@pytest.mark.parametrize("document", [{}, {"spec": "", "name": "", "generations": [{"number": 1}]}])
def test_damaged_generations_say_which_file_it_is(tmp_path, document):
    store = open_store(str(tmp_path / "store"))
    path = generations.path(store, str(tmp_path / "envforge.toml"))
    records.write(store, path, document)
    with pytest.raises(StoreError, match=re.escape(path)):
        generations.find(store, str(tmp_path / "envforge.toml"))
