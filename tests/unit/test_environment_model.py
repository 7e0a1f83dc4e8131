from attrs import evolve

from envforge.environment import generations, model
from envforge.environment.model import Environment, LayerReference
from envforge.sources.debian.model import ArchitectureLock, LockedPackage
from envforge.spec.parse import parse
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
    lock = ArchitectureLock("amd64", (), (package,))
    assert model.closure_key(lock) == "3f824a1e1de711e953fc0431ff8a638dae31ffdb96a0e8289d472b33ba313fda"
    assert model.closure_key(evolve(lock, packages=(evolve(package, asked=True),))) != model.closure_key(lock)
    assert model.closure_key(evolve(lock, packages=(evolve(package, size=8),))) == model.closure_key(lock)


def test_environments_and_generations_are_kept(tmp_path):
    store = open_store(str(tmp_path / "store"))
    first, second = environment(), environment(PLAIN)
    for one in (first, second):
        model.save(store, one)
    assert model.load(store, first.digest) == first
    spec_path = str(tmp_path / "envforge.toml")
    assert generations.note(store, spec_path, "shop", first.digest).number == 1
    assert generations.note(store, spec_path, "shop", first.digest).number == 1
    assert generations.note(store, spec_path, "shop", second.digest).number == 2
    assert generations.note(store, spec_path, "shop", first.digest).number == 3
    known = generations.find(store, spec_path)
    assert [one.environment for one in known.generations] == [first.digest, second.digest, first.digest]
    assert list(generations.projects(store)) == [known]
