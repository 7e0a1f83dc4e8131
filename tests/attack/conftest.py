"""Victims of each kind, and a signed archive of the attacker's own for each test."""

import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import system
import web
from box import Box
from canary import Canary, GaveWayError
from capabilities import PROBES
from containers import Harbour, build
from small_archive import Archive
from still_open import reason_of
from users import RANGES, SINGLE, TestUser, lend, stands_in
from victim import Victim

_ACCOUNTS = {"ranges": RANGES, "single": SINGLE}
_MARKS = {"root": pytest.mark.root, "ranges": pytest.mark.ranges, "single": pytest.mark.plain_user}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what tries every variant of an attack on every kind of user."""
    parser.addoption("--every-variant", action="store_true", help="attack each kind of user in every way")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is known to give way: such a test must fail, by the attack's success and nothing else.

    Of an attack's variants root meets all; the other kinds share them out, unless all are asked for. What one
    kind shows (`one_kind`) root alone meets, where root runs the tests.
    """
    ours = [item for item in items if "/attack/" in str(item.path)]
    for item in ours:
        if reason := reason_of(item.nodeid.rpartition("/")[2]):
            item.add_marker(pytest.mark.xfail(strict=True, raises=GaveWayError, reason=reason))
    if not config.getoption("--every-variant"):
        left_out = set(_others_share(ours))
        items[:] = [item for item in items if item not in left_out]


def _others_share(items: list[pytest.Item]) -> Iterator[pytest.Item]:
    """Yield the variants that one of the kinds need not meet.

    Where an attack of its own has two parameters, the other kinds meet each value of both, and not each pair.
    """
    count: Counter[tuple[str, str]] = Counter()
    values = _values(items)
    for item in items:
        kind, parameters = _variant(item)
        if kind != "root" and os.geteuid() == 0 and item.get_closest_marker("one_kind"):
            yield item
            continue
        if kind == "root" or not parameters:
            continue
        known = ((values[item.originalname, name], value) for name, value in parameters.items())
        (fewer, few), *rest = sorted((len(them), them.index(value)) for them, value in known)
        if "victim" in item.fixturenames and any(many % fewer != few for _, many in rest):
            yield item
            continue
        count[item.originalname, kind] += 1
        if count[item.originalname, kind] % 2 == (kind == "ranges"):
            yield item


def _variant(item: pytest.Item) -> tuple[str, dict[str, str]]:
    """Return the kind of user that a test is for, and its other parameters."""
    if not isinstance(item, pytest.Function) or not hasattr(item, "callspec"):
        return "root", {}
    parameters = {name: repr(value) for name, value in item.callspec.params.items() if name != "account"}
    return item.callspec.params.get("account", "root"), parameters


def _values(items: list[pytest.Item]) -> dict[tuple[str, str], list[str]]:
    """Return the values that each parameter of each attack has."""
    values: dict[tuple[str, str], dict[str, None]] = {}
    for item in items:
        for name, value in _variant(item)[1].items():
            values.setdefault((item.originalname, name), {})[value] = None
    return {name: [*found] for name, found in values.items()}


@pytest.fixture(scope="session", params=[pytest.param(kind, marks=mark) for kind, mark in _MARKS.items()])
def account(request: pytest.FixtureRequest) -> Iterator[tuple[str, TestUser]]:
    """Lend an account of each kind in turn, with a home and a store that all tests share."""
    if missing := PROBES["userns"]():
        pytest.skip(f"needs userns: {missing}")
    yield from _lend(request.param)


def _lend(kind: str) -> Iterator[tuple[str, TestUser]]:
    if kind != "root":
        if not stands_in(_ACCOUNTS[kind]):
            pytest.skip(f"is for {_ACCOUNTS[kind]}; this run is by another kind of user")
        with lend(_ACCOUNTS[kind]) as user:
            yield kind, user
        return
    home = tempfile.mkdtemp(prefix="envforge-test-root-", dir="/var/tmp")
    os.chmod(home, 0o755)
    yield kind, TestUser("root", 0, 0, home)
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def base_archive(tmp_path_factory: pytest.TempPathFactory) -> Archive:
    """Make the archive that every attack starts from; a guest has no apt, and is given one."""
    if made := os.environ.get(system.VARIABLE):
        return system.opened(Path(made))
    archive = Archive(tmp_path_factory.mktemp("base-archive"))
    system.add_system(archive)
    return archive


@pytest.fixture
def victim(account: tuple[str, TestUser], base_archive: Archive, tmp_path: Path) -> Iterator[Victim]:
    """A user with a project, a canary, and the attacker's archive as the mirror."""
    with _attacked(account, base_archive, tmp_path) as one:
        yield one


@pytest.fixture(scope="session")
def prober(
    account: tuple[str, TestUser], base_archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    """One such user for all tests that look at what one probe has found."""
    with _attacked(account, base_archive, tmp_path_factory.mktemp("prober")) as one:
        yield one


@pytest.fixture(scope="module")
def original(
    account: tuple[str, TestUser], base_archive: Archive, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    """One such user for what the tests of a module make once: each begins with a copy (`Victim.begin_as`)."""
    with _attacked(account, base_archive, tmp_path_factory.mktemp("original")) as one:
        yield one


@contextmanager
def _attacked(account: tuple[str, TestUser], base: Archive, directory: Path) -> Iterator[Victim]:
    kind, user = account
    archive = _copy(base, directory / "web")
    place = Path(tempfile.mkdtemp(prefix="case-", dir=user.home))
    os.chmod(place, 0o755)
    os.chown(place, user.uid, user.gid)
    with web.serving(archive.path) as server:
        one = Victim(kind, user, place, archive, server, Canary(place / "canary", user.uid, user.gid))
        one.project.mkdir()
        one.give(one.project)
        one.configure()
        one.want()
        yield one
    os.system(f"rm -rf {place}")


def _copy(base: Archive, directory: Path) -> Archive:
    """Return a copy of an archive; the files are links, never written again."""
    own = Archive(directory)
    shutil.copytree(base.path, own.path, copy_function=os.link)
    own.stanzas = {suite: list(stanzas) for suite, stanzas in base.stanzas.items()}
    own.publish()
    return own


@pytest.fixture(params=[pytest.param(kind, marks=mark) for kind, mark in _MARKS.items()])
def harbour(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harbour]:
    """Lend a place for containers of each kind of user."""
    for name in ("userns", "busybox"):
        if missing := PROBES[name]():
            pytest.skip(f"needs {name}: {missing}")
    if request.param == "root":
        home = tempfile.mkdtemp(prefix="envforge-test-box-", dir="/var/tmp")
        words = ["env", "-i", f"HOME={tmp_path}", "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
        yield from _emptied(build(Box(home, 0, "root", lambda command: [*words, *command])))
        shutil.rmtree(home, ignore_errors=True)
        return
    if not stands_in(_ACCOUNTS[request.param]):
        pytest.skip("is for another kind of user")
    with lend(_ACCOUNTS[request.param]) as user:
        yield from _emptied(build(Box(user.home, user.uid, request.param, user.command)))


def _emptied(place: Harbour) -> Iterator[Harbour]:
    yield place
    if ids := place.succeed("ps", "-aq").split():
        place.succeed("rm", "-f", *ids)
    assert place.leftovers() == []
