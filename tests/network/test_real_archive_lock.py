"""Locking against the host's own mirror: the reference set, other suites, and a user without privileges."""

import subprocess
from pathlib import Path

import pytest
from commandline import COMMAND
from locks import closure_of, packages_of

from envforge.config import Config
from envforge.errors import ResolveError
from envforge.lock import file
from envforge.lock.changes import changes
from envforge.lock.model import DEFAULT
from envforge.lock.resolve import ResolveOptions, resolve
from envforge.sources.debian.model import Request
from envforge.store.layout import open_store

pytestmark = [pytest.mark.archive, pytest.mark.userns, pytest.mark.one_kind]
PACKAGES = ("build-essential", "ca-certificates", "curl", "git", "nodejs", "python3")
REFERENCE = Request("bookworm", ("security", "updates"), ("main",), PACKAGES)
SPEC = """\
name = "reference"
[debian]
suite = "bookworm"
packages = ["build-essential", "ca-certificates", "curl", "git", "nodejs", "python3"]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return open_store(str(tmp_path_factory.mktemp("stores") / "store"))


def locked(store, request, *, config, previous=None, architecture="amd64"):
    wanted = ResolveOptions([architecture])
    return resolve(store, {DEFAULT: {"debian": request}}, wanted, previous=previous, config=config)


@pytest.fixture(scope="module")
def reference(store):
    return locked(store, REFERENCE, config=Config())


def names(lock):
    return set(packages_of(lock))


def test_the_reference_set(reference):
    """183 packages: debootstrap's minbase, and what was asked for."""
    packages = closure_of(reference).packages
    assert len(packages) == 183
    assert {package.name for package in packages if package.asked} == set(PACKAGES)
    assert {package.archive for package in packages} <= {"bookworm", "bookworm-security", "bookworm-updates"}
    assert "usrmerge" not in names(reference)
    assert file.loads(file.dumps(reference), "x") == reference


def test_locking_again_from_nothing_but_the_index_gives_the_same(reference, store, tmp_path):
    (tmp_path / "envforge.toml").write_text(SPEC)
    subprocess.run([COMMAND, "--store", store.path, "lock"], cwd=tmp_path, check=True, capture_output=True)
    assert file.read(str(tmp_path / "envforge.lock")) == reference


def test_adding_a_package(reference, store):
    request = Request("bookworm", ("security", "updates"), ("main",), (*PACKAGES, "jq"))
    more = locked(store, request, previous=reference, config=Config())
    assert {change.name for change in changes(reference, more)} == {"jq", "libjq1", "libonig5"}
    assert locked(store, REFERENCE, previous=more, config=Config()) == reference


@pytest.mark.parametrize("suite", ["trixie", "bullseye", "sid"])
def test_other_suites(store, suite):
    pockets = () if suite == "sid" else ("security", "updates")
    request = Request(suite, pockets, ("main",), ("git",))
    config = Config(check_valid_until=suite != "sid")  # a mirror may be some days behind
    lock = locked(store, request, config=config)
    assert {"git", "base-files", "dpkg", "apt"} <= names(lock)
    assert "usrmerge" not in names(lock)


def test_backports_only_where_asked_for(store):
    request = Request("bookworm", ("backports", "security", "updates"), ("main",), ("git",))
    lock = locked(store, request, config=Config())
    assert {item.archive for item in closure_of(lock).packages} <= {"bookworm", "bookworm-security"}


def test_another_architecture(store):
    request = Request("bookworm", ("security", "updates"), ("main",), ("git",))
    lock = locked(store, request, config=Config(), architecture="arm64")
    assert {item.architecture for item in closure_of(lock).packages} == {"arm64", "all"}


def test_an_unknown_package(store):
    request = Request("bookworm", (), ("main",), ("pyhton3",))
    with pytest.raises(ResolveError, match="do you mean python3"):
        locked(store, request, config=Config())


@pytest.mark.plain_user
def test_a_user_with_a_single_id_gets_the_same_lock(reference, plain_user):
    """From an empty store: index, tool tree and apt, with nothing of the host's and no privileges."""
    spec = Path(plain_user.home) / "envforge.toml"
    plain_user.run(["sh", "-c", f"cat > {spec}"], stdin=SPEC)
    plain_user.run([COMMAND, "--store", f"{plain_user.home}/store", "lock"])
    assert file.read(str(spec.with_name("envforge.lock"))) == reference
