"""`[[fetch]]` all the way: locked, built, entered, refused where other bytes come back."""

import gzip
import json
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import web
from attrs import define
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, built, layer_entries, new_project

from envforge.errors import BuildError, ConsentError, IntegrityError, LockError, LockStaleError, NetworkError

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_plain_user,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]


@define
class Fetching:
    """A project, and a server for what it fetches."""

    line: CommandLine
    server: web.Server

    @property
    def spec(self) -> Path:
        return self.line.directory / "envforge.toml"

    @property
    def lock(self) -> Path:
        return self.line.directory / "envforge.lock"

    @property
    def program(self) -> str:
        """Return what the program says."""
        return f"{self.line.directory.parent.name}\n"

    def want(self, *tables: str, packages: tuple[str, ...] = ()) -> None:
        """Write the spec anew, with these [[fetch]]."""
        head = self.spec.read_text().partition("[[fetch]]")[0].rstrip()
        head = "\n".join(
            f"packages = {json.dumps(packages)}" if text.startswith("packages") else text
            for text in head.splitlines()
        )
        text = head + "".join(f"\n\n[[fetch]]\n{table}" for table in tables)
        self.spec.write_text(text.replace("URL", self.server.url) + "\n")

    def publish(self, name: str, content: str = "1.2", *, program: str = "tool") -> None:
        """Put a tar file of a program on the server."""
        top = self.server.directory / "made"
        shutil.rmtree(top, ignore_errors=True)
        (top / "bin").mkdir(parents=True)
        (top / "bin" / program).write_text(f"#!/bin/sh\necho {content}\n")
        (top / "bin" / program).chmod(0o755)
        with tarfile.open(self.server.directory / name, "w:gz") as archive:
            archive.add(top, "tool-1.2")


TOOL = 'url = "URL/tool.tar.gz"\ntarget = "/opt/tool"\nunpack = true\nstrip = 1'
DATA = 'url = "URL/data"\ntarget = "/usr/share/data"'


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """Give a store that knows the system, and the address of its archive."""
    top = tmp_path_factory.mktemp("fetch")
    archive = Archive(top / "archive")
    add_system(archive)
    archive.add("one")
    archive.publish()
    with web.serving(archive.path) as mirror:
        yield top / "store", mirror.url
        new_project(top, mirror.url, [], store=top / "store").run("store", "destroy", "--yes")


@pytest.fixture
def fetching(shared: tuple[Path, str], tmp_path: Path) -> Iterator[Fetching]:
    store, mirror = shared
    (tmp_path / "web").mkdir()
    with web.serving(tmp_path / "web") as server:
        made = Fetching(new_project(tmp_path, mirror, [], store=store), server)
        made.publish("tool.tar.gz", tmp_path.name)
        (server.directory / "data").write_bytes(f"{tmp_path}\n".encode())
        yield made


def test_it_is_pinned_built_and_entered(fetching):
    line = fetching.line
    fetching.want(TOOL, DATA)
    said = line.run("lock")
    assert said.returncode == 0, said.stderr
    assert "tool.tar.gz" in said.stdout + said.stderr
    assert (
        line.succeed("run", "--", "sh", "-c", "/opt/tool/bin/tool; cat /usr/share/data")
        == f"{fetching.program}{fetching.line.directory.parent}\n"
    )
    asked = fetching.server.asked.copy()
    line.succeed("lock")
    line.succeed("build", "--locked")
    assert fetching.server.asked == asked
    assert asked["/tool.tar.gz"] == asked["/data"] == 1
    names = [one["name"] for one in built(line)["layers"]]
    assert names[:2] == ["fetch-2", "fetch-1"]
    assert json.loads(line.succeed("tree", "--json"))
    assert "tool.tar.gz" in line.succeed("tree")


def test_a_layer_is_kept_whatever_else_changes(fetching):
    fetching.want(TOOL, DATA)
    first = {one["name"]: one["digest"] for one in built(fetching.line)["layers"]}
    fetching.want(TOOL, DATA, packages=("one",))
    again = built(fetching.line)["layers"]
    assert {one["name"] for one in again if one["reused"]} >= {"fetch-1", "fetch-2"}
    assert {one["name"]: one["digest"] for one in again}["fetch-1"] == first["fetch-1"]
    fetching.want(DATA, TOOL, packages=("one",))
    assert all(one["reused"] for one in built(fetching.line)["layers"])


def test_other_bytes_are_refused_and_taken_on_request(fetching):
    line = fetching.line
    fetching.want(TOOL)
    line.succeed("build")
    locked = fetching.lock.read_text()
    fetching.publish("tool.tar.gz", "1.3")
    line.succeed("store", "destroy", "--yes")
    said = line.fail(IntegrityError.exit_code, "build")
    assert "envforge lock --upgrade-package tool.tar.gz" in said
    line.succeed("lock")
    assert fetching.lock.read_text() == locked
    line.fail(IntegrityError.exit_code, "build", "--locked")
    line.succeed("lock", "--upgrade-package", "tool.tar.gz")
    assert line.succeed("run", "--", "/opt/tool/bin/tool") == "1.3\n"


def test_the_spec_may_say_what_it_must_be(fetching):
    wrong = "0" * 64
    fetching.want(f'{DATA}\nsha256 = "{wrong}"')
    said = fetching.line.fail(IntegrityError.exit_code, "lock")
    right = next(
        word.strip(",") for word in said.split() if len(word.strip(",")) == 64 and set(word) != {"0"}
    )
    assert "write its SHA-256" in said
    assert not fetching.lock.exists()
    fetching.want(f'{DATA}\nsha256 = "{right}"')
    fetching.line.succeed("build")
    fetching.want(f'{DATA}\nsha256 = "{wrong}"')
    assert "fetch (data)" in fetching.line.fail(LockStaleError.exit_code, "build", "--locked")
    fetching.line.fail(IntegrityError.exit_code, "build")


def test_files_of_the_project(fetching, tmp_path):
    line = fetching.line
    vendor = line.directory / "vendor"
    vendor.mkdir()
    shutil.copy(fetching.server.directory / "tool.tar.gz", vendor / "a b.tar.gz")
    fetching.want('url = "file:vendor/a%20b.tar.gz"\ntarget = "/opt"\nunpack = true')
    assert line.succeed("run", "--", "/opt/tool-1.2/bin/tool") == fetching.program
    (vendor / "a b.tar.gz").write_bytes(b"other")
    line.succeed("store", "destroy", "--yes")
    line.fail(IntegrityError.exit_code, "build")
    outside = tmp_path / "outside"
    outside.write_bytes(b"secret\n")
    (vendor / "a b.tar.gz").unlink()
    (vendor / "a b.tar.gz").symlink_to(outside)
    assert "leads out of the project" in line.run("lock", "--upgrade").stderr
    for url in (f"file:{outside}", f"file://{outside}", "file:../outside"):
        fetching.want(f'url = "{url}"\ntarget = "/opt/secret"')
        assert "outside" in line.fail(ConsentError.exit_code, "lock")
        line.succeed("lock", "--allow")
        assert line.succeed("run", "--", "cat", "/opt/secret") == "secret\n"
    fetching.want('url = "file:vendor"\ntarget = "/opt/x"')
    assert "is no file" in line.run("lock").stderr


def test_a_lock_may_not_fetch_what_the_spec_does_not_name(fetching):
    fetching.want(DATA)
    fetching.line.succeed("build")
    text = fetching.lock.read_text()
    other = text.replace("/data mode", "/other mode").replace('/data" = ', '/other" = ')
    assert other != text
    fetching.lock.write_text(other)
    assert "does not name" in fetching.line.fail(LockError.exit_code, "build", "--frozen")


@pytest.mark.one_kind
@pytest.mark.parametrize(
    ("table", "error", "said"),
    [
        ('url = "URL/none"\ntarget = "/opt/x"', NetworkError, "404"),
        ('url = "http://127.0.0.1:9/x"\ntarget = "/opt/x"', NetworkError, "refused"),
        ('url = "URL/data"\ntarget = "/usr"', BuildError, "is a directory"),
        ('url = "URL/data"\ntarget = "/etc/passwd/x"', BuildError, "no directory"),
    ],
)
def test_what_cannot_be_is_told(fetching, table, error, said):
    fetching.want(table)
    assert said in fetching.line.fail(error.exit_code, "build")


@pytest.mark.one_kind
def test_what_broke_off_goes_on(fetching):
    data = gzip.compress(os.urandom(6 << 20))
    (fetching.server.directory / "large").write_bytes(data)
    fetching.server.ranges = fetching.server.validators = True
    fetching.server.faults["/large"] = "stops"
    fetching.want('url = "URL/large"\ntarget = "/opt/large"')
    fetching.line.fail(NetworkError.exit_code, "lock")
    fetching.server.faults.clear()
    fetching.line.succeed("lock")
    assert "Range" in fetching.server.headers[-1]
    size = fetching.line.succeed("run", "--", "stat", "-c", "%s", "/opt/large")
    assert int(size) == len(data)


def test_one_in_the_place_of_another(fetching):
    """What lies in another's place is laid over it, and keeps the modes of its directories."""
    (fetching.server.directory / "more").write_bytes(b"more\n")
    more = 'url = "URL/more"\ntarget = "/opt/tool/bin/more"\nmode = "0755"'
    over = 'url = "URL/more"\ntarget = "/opt/tool/bin/tool"'
    fetching.want(TOOL, more, over)
    said = fetching.line.succeed("run", "--", "sh", "-c", "cd /opt/tool/bin; ls; cat tool; stat -c %a more")
    assert said == "more\ntool\nmore\n755\n"
    result = built(fetching.line)
    assert set(layer_entries(fetching.line, result, "fetch-2")) == {
        b"/",
        b"/opt",
        b"/opt/tool",
        b"/opt/tool/bin",
        b"/opt/tool/bin/more",
    }
    fetching.want(over, TOOL)
    assert fetching.line.succeed("run", "--", "/opt/tool/bin/tool") == fetching.program


@pytest.mark.one_kind
def test_forty_of_them(fetching):
    tables = []
    for number in range(40):
        (fetching.server.directory / f"file{number}").write_bytes(b"%d\n" % number)
        tables.append(f'url = "URL/file{number}"\ntarget = "/srv/d{number % 7}/file{number}"')
    fetching.want(*tables)
    said = fetching.line.succeed("run", "--", "sh", "-c", "cat /srv/*/*")
    assert sorted(map(int, said.split())) == list(range(40))


def test_what_an_archive_brings_is_never_covered_in_silence(fetching, tmp_path):
    """Entering mounts files over /etc, and a home: what lies there is the spec's, or it is told."""
    line = fetching.line
    home = line.succeed("run", "--", "sh", "-c", "echo $HOME").strip()
    made = tmp_path / "made"
    files = {"etc/hosts": "127.0.0.9 mine\n", "etc/resolv.conf": "nameserver 127.0.0.9\n"}
    for name, text in {**files, f"home{home}/.mine": "mine\n"}.items():
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(text)
    for name in ("etc", "home"):
        with tarfile.open(fetching.server.directory / f"{name}.tar", "w") as archive:
            archive.add(made / name, ".")
    fetching.want('url = "URL/etc.tar"\ntarget = "/etc"\nunpack = true')
    assert line.succeed("run", "--", "cat", "/etc/hosts", "/etc/resolv.conf") == "".join(files.values())
    fetching.want('url = "URL/home.tar"\ntarget = "/"\nunpack = true')
    assert f"{home}/.mine would not be seen" in line.fail(125, "run", "true")


def test_verify_makes_them_again(fetching):
    fetching.want(TOOL, DATA)
    fetching.line.succeed("build")
    assert json.loads(fetching.line.succeed("verify", "--json"))["identical"] is True


def test_a_warm_cache_has_them(fetching, tmp_path):
    fetching.want(TOOL)
    cache = tmp_path / "cache"
    first = built(fetching.line, "--cache", str(cache))
    fetching.line.succeed("store", "destroy", "--yes")
    shutil.rmtree(fetching.server.directory)
    fetching.server.directory.mkdir()
    again = built(fetching.line, "--locked", "--cache", str(cache))
    assert again["environment"] == first["environment"]
    assert fetching.line.succeed("run", "--", "/opt/tool/bin/tool") == fetching.program
