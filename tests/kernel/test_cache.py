"""What a build has put into a cache is what another one takes, whoever the two are."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import debs
import pytest
import web
from capabilities import PROBES
from small_archive import Archive, public_key
from small_system import add_system, script
from users import RANGES, SINGLE, TestUser, lend

pytestmark = [
    pytest.mark.userns,
    pytest.mark.root,
    pytest.mark.ranges,
    pytest.mark.plain_user,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
KINDS = ["root", "ranges", "single"]
SPEC = """\
name = "cached"
[debian]
suite = "bookworm"
pockets = []
packages = ["owned"]
"""
POSTINST = """\
mkdir -p /var/lib/owned
echo x >/var/lib/owned/x
chown 33:44 /var/lib/owned/x
chmod 4750 /var/lib/owned/x
ln -s /nowhere /var/lib/owned/link
chown -h 33:44 /var/lib/owned/link
chmod 2775 /var/lib/owned
"""


class Builder:
    """A user who builds the same project, in a directory and a store of their own."""

    def __init__(self, user: TestUser, url: str) -> None:
        self.user = user
        self.home = Path(user.home)
        self.write(".config/envforge/key.pgp", public_key())
        self.write(
            ".config/envforge/config.toml",
            f'snapshot = ""\n[mirrors]\ndebian = ["{url}"]\n'
            f'[keys]\ndebian = "{user.home}/.config/envforge/key.pgp"\n',
        )
        self.write("project/envforge.toml", SPEC)

    def write(self, name: str, data: bytes | str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        for one in (path, *path.parents[:3]):
            if self.home in one.parents:
                os.chown(one, self.user.uid, self.user.gid)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.user.run(["envforge", *arguments], cwd=str(self.home / "project"), check=False)

    def succeed(self, *arguments: str) -> str:
        result = self.run(*arguments)
        assert result.returncode == 0, f"{arguments}: {result.stdout}\n{result.stderr}"
        return result.stdout

    @property
    def lock(self) -> Path:
        return self.home / "project/envforge.lock"


@pytest.fixture(scope="module")
def builders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Builder]]:
    """One of each kind."""
    for name in ("userns", "ranges", "plain_user"):
        if missing := PROBES[name]():
            pytest.skip(f"needs {name}: {missing}")
    archive = Archive(tmp_path_factory.mktemp("archive"))
    add_system(archive)
    data = [
        debs.member("./usr/share/owned/"),
        debs.member("./usr/share/owned/set", b"#!/bin/sh\n", mode=0o6755),
        debs.member("./usr/share/owned/sp ace", b"", uid=12, gid=13),
    ]
    archive.add("owned", data=data, members={"postinst": script(POSTINST)})
    archive.add("plain")
    archive.publish()
    with ExitStack() as stack:
        accounts = {"ranges": RANGES, "single": SINGLE}
        users = {name: stack.enter_context(lend(account)) for name, account in accounts.items()}
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="envforge-test-root-", dir="/var/tmp"))
        os.chmod(home, 0o755)
        users["root"] = TestUser("root", 0, 0, home)
        server = stack.enter_context(web.serving(archive.path))
        found = {name: Builder(user, server.url) for name, user in users.items()}
        yield found
        for one in found.values():
            one.run("store", "destroy", "--yes")


@pytest.fixture(scope="module")
def caches(builders: dict[str, Builder]) -> dict[str, Path]:
    """Return the caches that each has filled; nobody can reach the mirror afterwards."""
    found = {}
    for name, one in builders.items():
        found[name] = one.home / "cache"
        one.succeed("build", "--cache", str(found[name]))
    assert len({one.lock.read_bytes() for one in builders.values()}) == 1
    for one in builders.values():
        text = (one.home / ".config/envforge/config.toml").read_text()
        one.write(".config/envforge/config.toml", text.replace("http://127.0.0.1", "http://127.0.0.2"))
    return found


@pytest.mark.parametrize("taker", KINDS)
@pytest.mark.parametrize("giver", KINDS)
def test_layers_come_back_as_they_were_built(builders, caches, giver, taker):
    """`ci` reads every file, its owner and mode against the listing. No mirror can be reached."""
    one = builders[taker]
    one.succeed("store", "destroy", "--yes")
    told = json.loads(one.succeed("ci", "--cache", str(caches[giver])))
    assert all(layer["reused"] for layer in told["layers"])
    seen = one.succeed(
        "run", "-u", "root", "--", "stat", "-c", "%a", "/usr/share/owned/set", "/var/lib/owned"
    )
    assert seen == "6755\n2775\n"


@pytest.mark.parametrize("giver", KINDS)
def test_the_archives_say_the_true_owners_whoever_has_put_them_there(caches, giver):
    """As tar(1) reads them."""
    lines = []
    for path in sorted((caches[giver] / "layers").iterdir()):
        command = ["tar", "--zstd", "-tvf", str(path), "--numeric-owner"]
        listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        lines += [line.split() for line in listed.splitlines() if "owned" in line]
    owners = {words[-1]: words[1] for words in lines}
    assert owners["root/var/lib/owned/x"] == "33/44"
    assert owners["ace"] == "12/13"
    modes = {words[-1]: words[0] for words in lines}
    assert modes["root/usr/share/owned/set"] == "-rwsr-sr-x"
    assert modes["root/var/lib/owned/x"] == "-rwsr-x---"


def test_all_caches_hold_the_same(caches):
    names = [sorted(str(path.relative_to(place)) for path in place.rglob("*")) for place in caches.values()]
    assert names[0] == names[1] == names[2]


def test_runs_that_fill_a_cache_at_once_leave_a_whole_one(builders, caches, tmp_path):
    one = builders["root"]
    stores = [str(tmp_path / f"store{number}") for number in range(3)]
    place = str(tmp_path / "shared")
    for store in stores:
        one.succeed("--store", store, "build", "--cache", str(caches["root"]))
    running = [
        subprocess.Popen(
            one.user.command(["envforge", "--store", store, "build", "--cache", place]),
            cwd=one.home / "project",
        )
        for store in stores
    ]
    assert [process.wait(120) for process in running] == [0, 0, 0]
    for store in stores:
        one.succeed("--store", store, "store", "destroy", "--yes")
    assert not list(Path(place).rglob(".*"))
    told = json.loads(one.succeed("--store", stores[0], "build", "--cache", place, "--locked", "--json"))
    assert all(layer["reused"] for layer in told["layers"])
    one.succeed("--store", stores[0], "store", "destroy", "--yes")


def test_an_environment_with_one_package_more_takes_what_did_not_change(builders, tmp_path):
    """The base is configured once for all; the lock has no digests for the others yet."""
    one = builders["root"]
    text = (one.home / ".config/envforge/config.toml").read_text()
    one.write(".config/envforge/config.toml", text.replace("http://127.0.0.2", "http://127.0.0.1"))
    place, lock = str(tmp_path / "cache"), one.lock.read_bytes()
    one.succeed("build", "--rebuild")
    one.succeed("build", "--cache", place)
    one.write("project/envforge.toml", SPEC.replace('"owned"', '"owned", "plain"'))
    try:
        stores = ["--store", str(tmp_path / "store")]
        told = json.loads(one.succeed(*stores, "build", "--cache", place, "--json"))
        reused = {layer["name"] for layer in told["layers"] if layer["reused"]}
        assert reused == {"base", "rest"}
        again = json.loads(one.succeed(*stores, "build", "--rebuild", "--json"))
        assert again["environment"] == told["environment"]
        one.succeed(*stores, "store", "destroy", "--yes")
    finally:
        one.write("project/envforge.toml", SPEC)
        one.lock.write_bytes(lock)
        one.write(".config/envforge/config.toml", text)


def test_a_cache_that_is_no_cache_is_refused(builders, tmp_path):
    one = builders["root"]
    (tmp_path / "other").mkdir()
    (tmp_path / "other/file").touch()
    (tmp_path / "file").touch()
    for name in ("other", "file"):
        result = one.run("build", "--cache", str(tmp_path / name))
        assert result.returncode == 19, result.stderr
        assert str(tmp_path / name) in result.stderr


def test_the_configuration_names_a_cache(builders, caches):
    one = builders["single"]
    path = one.home / ".config/envforge/config.toml"
    before = path.read_text()
    one.write(".config/envforge/config.toml", f'cache = "{caches["root"]}"\n{before}')
    one.succeed("store", "destroy", "--yes")
    try:
        told = json.loads(one.succeed("build", "--locked", "--json"))
        assert all(layer["reused"] for layer in told["layers"])
    finally:
        one.write(".config/envforge/config.toml", before)
