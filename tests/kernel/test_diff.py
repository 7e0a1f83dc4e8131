"""`diff`, `why`, `why-rebuilt` and `owns` with environments that are really built, as each kind of user."""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import debs
import pytest
import web
from commandline import CommandLine
from small_archive import Archive
from small_system import add_system, built, new_project, script
from users import RANGES, SINGLE

from envforge.errors import AmbiguousError, DamagedError, NotFoundError, SandboxError, UsageError

pytestmark = [
    pytest.mark.userns,
    pytest.mark.one_kind,
    pytest.mark.skipif(not shutil.which("apt-get"), reason="needs apt-get, of which the tool tree is made"),
]
EVIL = b"\x1b]0;pwned\x07\x9b31m<script>alert(1)</script>"


def fill(archive: Archive) -> None:
    """Add packages: plain ones, one with a script, one whose names and bytes are hostile."""
    add_system(archive)
    archive.add("lib", data=[debs.member("./usr/lib/lib.so", b"\x7fELF" + b"\0" * 60)])
    archive.add(
        "one",
        depends="lib",
        data=[debs.member("./etc/one.conf", b"a\nb\nc\n"), debs.member("./usr/bin/one", b"1")],
    )
    archive.add("two", depends="one", data=[debs.member("./usr/bin/two", b"2")])
    archive.add("user", members={"postinst": script("echo new:x:1234:1234::/:/bin/sh >> /etc/passwd")})
    archive.add(
        "evil", data=[debs.member(f"./usr/share/{os.fsdecode(EVIL).replace('/', '_')}", EVIL + b"\n")]
    )


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, str]]:
    made = Archive(tmp_path_factory.mktemp("archive"))
    fill(made)
    made.publish()
    with web.serving(made.path) as server:
        yield made, server.url


@pytest.fixture(scope="module")
def line(archive: tuple[Archive, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A project with three generations: one; two and a user; another conffile and an environment `evil`."""
    made = new_project(tmp_path_factory.mktemp("shop"), archive[1], ["one"])
    spec = made.directory / "envforge.toml"
    made.succeed("build")
    made.succeed("add", "two", "user")
    made.succeed("build")
    spec.write_text(
        spec.read_text()
        + '\n[[files]]\nsource = "own"\ntarget = "/etc/one.conf"\n'
        + '\n[variables]\nSTAGE = "test"\n\n[environments.evil]\nextends = "default"\n'
        + '[environments.evil.debian]\npackages = ["evil"]\n'
    )
    (made.directory / "own").write_text("a\nB\nc\n")
    made.succeed("build")
    made.succeed("build", "-E", "evil")
    yield made
    made.succeed("store", "destroy", "--yes")


def diff(line: CommandLine, *arguments: str) -> dict:
    return json.loads(line.succeed("diff", "--json", *arguments))


def names(found: list[dict]) -> list[str]:
    return [one["name"] for one in found]


def test_packages_between_generations(line: CommandLine) -> None:
    found = diff(line, "1", "2")
    assert names(found["packages"]["added"]) == ["two", "user"]
    assert found["packages"]["removed"] == found["packages"]["changed"] == []
    assert all(one["asked"] and one["source"] == "debian" for one in found["packages"]["added"])
    assert found["files"] is None
    assert found["differs"]
    back = diff(line, "2", "1")
    assert names(back["packages"]["removed"]) == ["two", "user"]
    assert back["size_bytes_delta"] == -found["size_bytes_delta"]


def test_an_environment_does_not_differ_from_itself(line: CommandLine) -> None:
    for level in ("package", "file", "content"):
        found = diff(line, "@", "3", "--level", level)
        assert not found["differs"]
        line.succeed("diff", "--exit-code", "@", "3", "--level", level)
    assert "nothing differs" in line.succeed("diff", "@", "@")


def test_the_exit_code_is_gits(line: CommandLine) -> None:
    assert line.run("diff", "--exit-code").returncode == 1
    assert line.run("diff").returncode == 0


def test_files_have_owners_layers_and_causes(line: CommandLine) -> None:
    found = diff(line, "1", "2", "--level", "file")
    added = {one["path"]: one for one in found["files"]["added"]}
    assert added["/usr/bin/two"]["package"] == "two"
    assert added["/usr/bin/two"]["source"] == "debian"
    changed = {one["path"]: one for one in found["files"]["changed"]}
    assert changed["/etc/passwd"]["causes"][0] == "content"
    assert changed["/etc/passwd"]["package"] == "dpkg"
    assert changed["/var/lib/dpkg/status"]["package"] is None
    assert changed["/var/lib/dpkg/status"]["layer"] == "database"
    assert added["/var/lib/dpkg/info/two.list"]["package"] == "two"
    assert not any(one["causes"] == ["time"] for one in found["files"]["changed"])
    back = diff(line, "2", "1", "--level", "file")
    assert {one["path"] for one in back["files"]["removed"]} == set(added)
    assert {one["path"] for one in back["files"]["changed"]} == set(changed)


def test_contents_by_what_they_are(line: CommandLine) -> None:
    found = {one["path"]: one for one in diff(line, "1", "2", "--level", "content")["contents"]}
    assert found["/etc/passwd"]["form"] == "passwd lines"
    assert found["/etc/passwd"]["lines"] == ["+new:x:1234:1234::/:/bin/sh"]
    assert found["/var/lib/dpkg/status"]["form"] == "paragraphs"
    assert "+two 1.0" in found["/var/lib/dpkg/status"]["lines"]


def test_own_files_and_the_runtime_part(line: CommandLine) -> None:
    found = diff(line, "--level", "content")
    assert {"key": "variables.STAGE", "old": None, "new": "test"} in found["runtime"]
    (changed,) = [one for one in found["files"]["changed"] if one["path"] == "/etc/one.conf"]
    assert (changed["source"], changed["layer"]) == ("files", "files")
    (content,) = [one for one in found["contents"] if one["path"] == "/etc/one.conf"]
    assert content["lines"] == ["@@ -1,3 +1,3 @@", " a", "-b", "+B", " c"]
    assert {one["name"] for one in found["layers"]["added"]} == {"files"}


def test_ways_to_name_an_environment(line: CommandLine) -> None:
    digest = diff(line, "1", "2")["b"]["environment"]
    for word in ("@2", "@-1", digest, digest.removeprefix("sha256:")[:8]):
        assert diff(line, "1", word)["b"]["environment"] == digest
    current = diff(line, "@", "@")["b"]["environment"]
    for word in ("default", "small", ".", "envforge.lock", "envforge.toml", str(line.directory)):
        assert diff(line, "1", word)["b"]["environment"] == current, word
    assert diff(line, "default", "evil")["b"] == diff(line, "@", "small:evil")["b"]
    assert diff(line, "-E", "evil", "default", "@")["b"] == diff(line, "default", "evil")["b"]


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("9",), NotFoundError),
        (("@-9",), NotFoundError),
        (("nothing",), NotFoundError),
        (("sha256:0000",), NotFoundError),
        (("--level", "nope"), UsageError),
        (("--stat", "--level", "package"), UsageError),
        (("--html", "/nowhere/x"), UsageError),
        (("a", "b", "c"), UsageError),
    ],
)
def test_bad_words(line: CommandLine, arguments: tuple[str, ...], error: type) -> None:
    assert "hint: " in line.fail(error.exit_code, "diff", *arguments)


def test_two_projects_of_one_name(line: CommandLine, archive: tuple[Archive, str], tmp_path: Path) -> None:
    other = new_project(tmp_path, archive[1], ["one"], store=line.store)
    other.succeed("build")
    outside = CommandLine(tmp_path, line.store, line.home)
    said = outside.fail(AmbiguousError.exit_code, "diff", "small", "small")
    assert str(other.directory) in said
    assert str(line.directory) in said


def test_a_plain_directory(line: CommandLine, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "var/lib/dpkg").mkdir(parents=True)
    (tree / "etc").mkdir()
    (tree / "etc/one.conf").write_text("a\nb\nC\n")
    (tree / "etc/link").symlink_to("/root/.ssh")
    (tree / "var/lib/dpkg/status").write_text(
        "Package: one\nStatus: install ok installed\nArchitecture: all\nVersion: 0.9\n\n"
        "Package: ../x\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n"
        "Package: half\nStatus: install ok unpacked\nArchitecture: all\nVersion: 1\n"
    )
    found = diff(line, str(tree), "1", "--level", "content")
    (changed,) = found["packages"]["changed"]
    assert (changed["name"], changed["old"], changed["new"]) == ("one", "0.9", "1.0")
    assert found["packages"]["removed"] == []
    content = next(one for one in found["contents"] if one["path"] == "/etc/one.conf")
    assert content["lines"] == ["@@ -1,3 +1,3 @@", " a", " b", "-C", "+c"]
    (link,) = [one for one in found["files"]["removed"] if one["path"] == "/etc/link"]
    assert link["old"]["target"] == "/root/.ssh"


def test_a_directory_of_odd_things_is_read_and_never_hangs(line: CommandLine, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "var/lib/dpkg").mkdir(parents=True)
    os.mkfifo(tree / "var/lib/dpkg/status")
    os.mkfifo(tree / "pipe")
    (tree / os.fsdecode(EVIL.replace(b"/", b"_"))).write_bytes(EVIL)
    shown = line.succeed("diff", str(tree), "1", "--level", "content")
    assert "\x1b" not in shown
    assert "\x9b" not in shown
    assert "/pipe" in shown


def test_hostile_names_and_bytes_are_shown_safely(line: CommandLine, tmp_path: Path) -> None:
    for arguments in ((), ("--level", "file", "--all"), ("--level", "content", "--all"), ("--stat",)):
        code, shown = line.on_terminal("diff", "default", "evil", *arguments)
        assert code == 0
        assert "]0;" not in shown.replace("\\x1b]0;", "")
        assert "\x9b" not in shown
        assert "\x07" not in shown
    page = tmp_path / "page.html"
    line.succeed("diff", "default", "evil", "--level", "content", "--all", "--html", str(page))
    assert "<script" not in page.read_text()
    assert "&lt;script&gt;" in page.read_text()


def test_colours_are_gits_and_no_color_is_kept(line: CommandLine) -> None:
    _, shown = line.on_terminal("diff", "1", "2")
    assert "\x1b[32m" in shown
    assert "\x1b[1m" in shown
    plain = CommandLine(line.directory, line.store, line.home, {"NO_COLOR": "1"})
    assert "\x1b[" not in plain.on_terminal("diff", "1", "2")[1]
    assert "\x1b[" not in line.succeed("diff", "1", "2")


def test_what_has_gone_is_told(archive: tuple[Archive, str], tmp_path: Path) -> None:
    other = new_project(tmp_path, archive[1], ["one"])
    digest = built(other)["layers"][0]["digest"].removeprefix("sha256:")
    other.succeed("add", "two")
    other.succeed("build")
    (directory,) = other.store.glob(f"layers/*/{digest}")
    directory.rename(other.store / "elsewhere")
    assert "--level package" in other.fail(NotFoundError.exit_code, "diff", "--level", "file")
    other.succeed("diff")


def test_a_sandbox_that_runs_is_its_environment_where_nothing_was_changed(line: CommandLine) -> None:
    process = subprocess.Popen(
        line.words("run", "--", "sh", "-c", "echo ready; cat"),
        cwd=line.directory,
        env=line.variables(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    try:
        (running,) = json.loads(line.succeed("exec", "--json"))
        found, beside = diff(line, "1", running["id"]), diff(line, "1", "@")
        assert found["b"]["environment"] == beside["b"]["environment"]
        assert found["packages"] == beside["packages"]
        assert not diff(line, running["id"], "@", "--level", "content")["differs"]
    finally:
        process.communicate(timeout=20)


@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_the_lock_of_an_earlier_commit(archive: tuple[Archive, str], tmp_path: Path) -> None:
    made = new_project(tmp_path, archive[1], ["one"])
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]

    def git(*arguments: str) -> None:
        words = ["git", *identity, *arguments]
        subprocess.run(words, cwd=made.directory, env=made.variables(), check=True, capture_output=True)

    git("init", "-b", "main")
    made.succeed("lock")
    git("add", "envforge.lock")
    git("commit", "-m", "first")
    made.succeed("add", "two")
    found = diff(made, "HEAD", "envforge.lock")
    assert names(found["packages"]["added"]) == ["two"]
    assert found["a"] == {"title": "the lock at HEAD", "environment": None}
    said = made.fail(NotFoundError.exit_code, "diff", "HEAD", "envforge.lock", "--level", "file")
    assert "not built" in said


def test_a_listing_that_was_altered_is_told(archive: tuple[Archive, str], tmp_path: Path) -> None:
    made = new_project(tmp_path, archive[1], ["one"])
    digest = built(made)["layers"][0]["digest"].removeprefix("sha256:")
    made.succeed("add", "two")
    made.succeed("build")
    (listing,) = made.store.glob(f"layers/*/{digest}/listing")
    listing.write_bytes(listing.read_bytes().replace(b" 0644 ", b" 0666 "))
    assert "altered" in made.fail(DamagedError.exit_code, "diff", "--level", "file")
    assert "altered" in made.fail(DamagedError.exit_code, "owns", "/etc/passwd", "--in", "1")


@pytest.mark.parametrize("kind", ["link", "fifo", "link above"])
def test_a_file_that_became_another_thing_leads_nowhere(
    archive: tuple[Archive, str], tmp_path: Path, kind: str
) -> None:
    """Whoever could write to the store must not have files of the host read, nor the child hang."""
    made = new_project(tmp_path, archive[1], ["one"])
    (made.directory / "own").write_text("a\n")
    spec = made.directory / "envforge.toml"
    spec.write_text(spec.read_text() + '\n[[files]]\nsource = "own"\ntarget = "/srv/own/file"\n')
    built(made)
    (made.directory / "own").write_text("b\n")
    digest = next(
        one["digest"].removeprefix("sha256:") for one in built(made)["layers"] if one["name"] == "files"
    )
    (root,) = made.store.glob(f"layers/*/{digest}/root")
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("canary\n")
    shutil.rmtree(root / "srv/own")
    if kind == "link above":
        (root / "srv/own").symlink_to(secret)
    else:
        (root / "srv/own").mkdir()
        if kind == "link":
            (root / "srv/own/file").symlink_to(secret / "file")
        else:
            os.mkfifo(root / "srv/own/file")
    result = made.run("diff", "--level", "content")
    assert "canary" not in result.stdout + result.stderr
    assert result.returncode == SandboxError.exit_code, result.stderr
    assert "/srv/own/file" in result.stderr


def test_outside_of_any_project_without_a_store(tmp_path: Path) -> None:
    alone = CommandLine(tmp_path, tmp_path / "store", tmp_path)
    assert "no project" in alone.fail(NotFoundError.exit_code, "diff")
    assert "hint: " in alone.fail(NotFoundError.exit_code, "why", "x")
    assert "hint: " in alone.fail(NotFoundError.exit_code, "why-rebuilt")
    assert "hint: " in alone.fail(NotFoundError.exit_code, "owns", "/x")
    assert "hint: " in alone.fail(NotFoundError.exit_code, "owns", "/x", "--in", ".")
    assert not (tmp_path / "store").exists()


def test_why(line: CommandLine) -> None:
    (found,) = json.loads(line.succeed("why", "lib", "--json"))
    assert [[one["name"] for one in chain] for chain in found["chains"]] == [
        ["one", "lib"],
        ["two", "one", "lib"],
    ]
    said = line.succeed("why", "lib")
    assert said.splitlines()[1:] == ["  one -> lib", "  two -> one -> lib"]
    assert "was asked for" in line.succeed("why", "two")
    assert "minimal system" in line.succeed("why", "dpkg")
    assert "two -> one" not in line.succeed("why", "lib", "--in", "1")
    assert "lib" in line.fail(NotFoundError.exit_code, "why", "libb")


def test_why_rebuilt(line: CommandLine) -> None:
    found = {one["layer"]: one for one in json.loads(line.succeed("why-rebuilt", "--json", "--since", "1"))}
    assert found["database"]["field"] == "packages"
    assert "+ two 1.0" in found["database"]["reason"]
    assert found["files"]["old"] is None
    (only,) = json.loads(line.succeed("why-rebuilt", "database", "--json"))
    assert only["same"]
    assert "the same" in line.succeed("why-rebuilt", "database")
    line.fail(NotFoundError.exit_code, "why-rebuilt", "nope")


def test_owns(line: CommandLine) -> None:
    found = json.loads(
        line.succeed("owns", "--json", "/usr/bin/one", "/etc/one.conf", "/var/lib/dpkg/status")
    )
    assert [(one["packages"], one["source"]) for one in found] == [
        ([{"name": "one", "version": "1.0"}], "debian"),
        ([], "files"),
        ([], "debian"),
    ]
    assert [one["layer"] for one in found[1:]] == ["files", "database"]
    assert found[1]["covers"]
    (linked,) = json.loads(line.succeed("owns", "--json", "bin/one"))
    assert (linked["path"], linked["real"]) == ("/bin/one", "/usr/bin/one")
    assert "one 1.0" in line.succeed("owns", "/usr/bin/one")
    line.fail(NotFoundError.exit_code, "owns", "/nowhere")
    line.fail(NotFoundError.exit_code, "owns", "/usr/bin/two", "--in", "1")


def test_completion_knows_generations_environments_and_packages(line: CommandLine) -> None:
    def completed(*words: str) -> str:
        made = CommandLine(
            line.directory,
            line.store,
            line.home,
            {
                "_ENVFORGE_COMPLETE": "bash_complete",
                "COMP_WORDS": " ".join(["envforge", "--store", str(line.store), *words]),
                "COMP_CWORD": str(len(words) + 2),
            },
        )
        return made.run().stdout

    assert "plain,@2" in completed("diff", "@")
    assert "plain,small:evil" in completed("diff", "sm")
    assert "plain,lib" in completed("why", "li")
    assert "plain,database" in completed("why-rebuilt", "da")


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("range_user", id=RANGES, marks=pytest.mark.root),
        pytest.param("plain_user", id=SINGLE, marks=pytest.mark.root),
    ],
)
def test_as_plain_users(request: pytest.FixtureRequest, archive: tuple[Archive, str], kind: str) -> None:
    user = request.getfixturevalue(kind)
    top = Path(user.home)
    made = new_project(top, archive[1], ["one"])
    made = CommandLine(
        made.directory, made.store, made.home, before=user.command([], {"HOME": str(made.home)})
    )
    for place, directories, files in os.walk(top):
        for name in (*directories, *files):
            os.chown(os.path.join(place, name), user.uid, user.gid)
    made.succeed("build")
    made.succeed("add", "two", "user")
    made.succeed("build")
    found = diff(made, "--level", "content")
    assert names(found["packages"]["added"]) == ["two", "user"]
    (passwd,) = [one for one in found["contents"] if one["path"] == "/etc/passwd"]
    assert passwd["lines"] == ["+new:x:1234:1234::/:/bin/sh"]
    (owner,) = json.loads(made.succeed("owns", "--json", "/usr/bin/two"))
    assert owner["packages"][0]["name"] == "two"
    made.succeed("store", "destroy", "--yes")


def test_a_directory_of_another_user_is_read_by_root(line: CommandLine, plain_user) -> None:
    secret = Path(plain_user.home) / "tree"
    (secret / "x").mkdir(parents=True)
    found = diff(line, str(secret), "1", "--level", "file")
    assert found["files"]["removed"]
