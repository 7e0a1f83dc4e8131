"""Boxes to enter, as every kind of user, and a project that is built once for tests of the command line."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import flat_tree as flat
import pytest
import users
from box import Box
from capabilities import PROBES
from commandline import CommandLine
from containers import Harbour, build
from users import SINGLE, lend, stands_in

SMALL_SPEC = """\
# kept
name = "small"

[debian]
suite = "bookworm"
packages = ["hello"]   # kept too
pockets = []
"""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """Build a small project from nothing; its store is removed at the end."""
    top = tmp_path_factory.mktemp("built")
    line = CommandLine(top / "project", top / "store", top / "home")
    line.directory.mkdir()
    line.home.mkdir()
    (line.directory / "envforge.toml").write_text(SMALL_SPEC)
    line.succeed("build")
    yield line
    line.succeed("store", "destroy", "--yes")


@pytest.fixture
def project(built: CommandLine, tmp_path: Path) -> CommandLine:
    """Lend a copy of that project, with the same store."""
    directory = tmp_path / "project"
    shutil.copytree(built.directory, directory)
    return CommandLine(directory, built.store, built.home)


@pytest.fixture
def spec(project: CommandLine) -> str:
    """Return the text of its spec."""
    return (project.directory / "envforge.toml").read_text()


ROOT = pytest.param("root", marks=pytest.mark.root)
RANGES = pytest.param("ranges", marks=pytest.mark.ranges)
SINGLE_ID = pytest.param("single", marks=pytest.mark.plain_user)


@pytest.fixture(params=[ROOT, RANGES, SINGLE_ID])
def box(request: pytest.FixtureRequest) -> Box:
    """A box of each kind of user in turn."""
    return request.getfixturevalue(f"{request.param}_box")


@pytest.fixture(params=[ROOT, RANGES])
def several_ids_box(request: pytest.FixtureRequest) -> Box:
    """A box of each kind of user that has several ids."""
    return request.getfixturevalue(f"{request.param}_box")


@pytest.fixture
def own_box(request: pytest.FixtureRequest) -> Box:
    """A box of the user who runs the tests: one whose cgroups can be looked at from here."""
    kind = "root" if os.geteuid() == 0 else "ranges" if stands_in(users.RANGES) else "single"
    return request.getfixturevalue(f"{kind}_box")


@pytest.fixture(params=[RANGES, SINGLE_ID])
def plain_box(request: pytest.FixtureRequest) -> Box:
    """A box of each kind of unprivileged user."""
    return request.getfixturevalue(f"{request.param}_box")


@pytest.fixture
def busybox() -> None:
    """Skip where there is no busybox to fill a box with."""
    if missing := PROBES["busybox"]():
        pytest.skip(f"needs busybox: {missing}")


@pytest.fixture
def root_box(tmp_path: Path, busybox: None) -> Box:  # noqa: ARG001 (it skips)
    """A box that root enters. On a disk, as a store is, whatever the temporary directory lies on."""
    home = tempfile.mkdtemp(prefix="envforge-test-box-", dir="/var/tmp")
    words = [
        "env",
        "-i",
        f"HOME={tmp_path}",
        "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG=C.UTF-8",
    ]
    yield Box(home, 0, "root", lambda command: [*words, *command])
    os.system(f"rm -rf {home}")


@pytest.fixture
def ranges_box(range_user, busybox: None) -> Box:  # noqa: ARG001 (it skips)
    """A box that a user with subordinate ids enters."""
    return Box(range_user.home, range_user.uid, "ranges", range_user.command)


@pytest.fixture
def single_box(plain_user, busybox: None) -> Box:  # noqa: ARG001 (it skips)
    """A box that a user with a single id enters."""
    return Box(plain_user.home, plain_user.uid, "single", plain_user.command)


@pytest.fixture(scope="session")
def flat_tree() -> Iterator[flat.Tree]:
    """A small tree of a user with a single id, for commands under the supervisor of owners."""
    for name in ("userns", "plain_user"):
        if missing := PROBES[name]():
            pytest.skip(f"needs {name}: {missing}")
    if not stands_in(SINGLE):
        pytest.skip("is for a user with a single id; this run is by another kind of user")
    with lend(SINGLE) as user:
        yield flat.build(user)


@pytest.fixture
def harbour(box: Box) -> Iterator[Harbour]:
    """Lend a place for containers; all are removed in the end, and nothing may be left."""
    place = build(box)
    yield place
    ids = place.succeed("ps", "-aq").split()
    if ids:
        place.succeed("rm", "-f", *ids)
    assert place.leftovers() == []
