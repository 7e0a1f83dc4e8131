"""`cp`: both ways, with containers that run, are paused or have ended, as each kind of user."""

import io
import json
import os
import stat
import subprocess
import tarfile

import pytest

pytestmark = pytest.mark.userns

ONE_USER = pytest.mark.parametrize(
    "box", [pytest.param("single", marks=pytest.mark.plain_user)], indirect=True
)
"""What shows the same for every kind of user."""

SCRIPT = """
mkdir -p /srv/site/sub /srv/site/shut; echo hello >/srv/site/a; echo deep >/srv/site/sub/b
ln /srv/site/a /srv/site/twin; ln -s a /srv/site/link; ln -s /srv/site /srv/way
printf x >"/srv/site/od
d"; mkfifo /srv/site/pipe; touch -d @1000000000 /srv/site/a
chmod 4751 /srv/site/a; chmod 500 /srv/site/shut; truncate -s 50M /srv/site/holes; echo end >>/srv/site/holes
touch /ready; sleep 600
"""


@pytest.fixture
def web(harbour):
    """Start a container with something to copy."""
    harbour.start(name="web", script=SCRIPT)
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    return harbour


def outside(harbour, script: str) -> str:
    """Run a script outside, as the user, in the project."""
    words = harbour.box.words(["sh", "-c", script])
    done = subprocess.run(words, cwd=harbour.box.project, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def inside(harbour, script: str) -> str:
    return harbour.succeed("exec", "web", "--", "sh", "-c", script)


def test_a_directory_comes_out_as_it_is(web):
    told = web.run("cp", "web:/srv/site", ".")
    assert told.returncode == 0, told.stderr
    assert "left out 1 that are no files: site/pipe" in told.stderr
    place = f"{web.box.project}/site"
    names = {"a", "twin", "link", "sub", "shut", "holes", "od\nd"}
    assert set(os.listdir(place)) == names
    first, twin = os.stat(f"{place}/a"), os.stat(f"{place}/twin")
    assert os.path.samestat(first, twin)
    assert (first.st_uid, stat.S_IMODE(first.st_mode), int(first.st_mtime)) == (web.box.uid, 0o751, 10**9)
    assert stat.S_IMODE(os.stat(f"{place}/shut").st_mode) == 0o500
    assert os.readlink(f"{place}/link") == "a"
    holes = os.stat(f"{place}/holes")
    assert (holes.st_size, holes.st_blocks * 512 < 1 << 20) == ((50 << 20) + 4, True)
    outside(web, "chmod u+w site/shut; rm -r site")


@ONE_USER
def test_what_comes_to_lie_where(web):
    outside(web, "mkdir here; echo old >file; ln -s here way; ln -s nowhere dangling")
    web.succeed("cp", "web:/srv/site/a", "file")
    web.succeed("cp", "web:/srv/site/a", "here")
    web.succeed("cp", "web:/srv/site/a", "way/c")
    web.succeed("cp", "web:/srv/site/sub", "new")
    web.succeed("cp", "web:/srv/site/sub", "here")
    web.succeed("cp", "web:srv/site/sub/.", "here/")
    web.succeed("cp", "web:/srv/site/link", "here/link")
    web.succeed("cp", "-L", "web:/srv/site/link", "here/followed")
    web.succeed("cp", "web:/srv/way/", "here/all")
    assert outside(web, "cat file here/a here/c new/b here/sub/b here/b here/followed here/all/a") == (
        "hello\nhello\nhello\ndeep\ndeep\ndeep\nhello\nhello\n"
    )
    assert os.readlink(f"{web.box.project}/here/link") == "a"
    assert not [name for name in os.listdir(f"{web.box.project}/here") if name.startswith(".")]
    web.fail(34, "cp", "web:/srv/site", "file")
    web.fail(34, "cp", "web:/srv/site/a", "file/")
    web.fail(34, "cp", "web:/srv/site/a/", "x")
    web.fail(34, "cp", "web:/srv/site/pipe", "x")
    web.fail(34, "cp", "web:/proc/version", "x")
    web.fail(34, "cp", "web:/srv/site/sub", "here/a")
    web.fail(26, "cp", "web:/srv/site/a", "missing/")
    web.fail(26, "cp", "web:/srv/site/a", "missing/x")
    web.fail(26, "cp", "web:/srv/missing", "x")
    web.fail(26, "cp", "wobble:/srv", "x")
    web.fail(2, "cp", "web:/srv", "web:/srv")
    web.fail(2, "cp", "a", "b")
    web.fail(2, "cp", "web:", "b")
    assert not os.path.lexists(f"{web.box.project}/x")
    outside(web, "chmod -R u+w .; rm -r here new file way dangling")


def test_what_goes_in(web):
    outside(
        web, "mkdir -p d/e; echo one >d/one; ln d/one d/e/two; ln -s one d/link; chmod 600 d/one; mkfifo d/p"
    )
    web.succeed("cp", "d", "web:/srv")
    web.succeed("cp", "d", "web:/srv/named")
    web.succeed("cp", "d/.", "web:/opt")
    web.succeed("cp", "d/one", "web:/etc/hosts2")
    web.succeed("cp", "d/one", "web:/tmp")
    web.succeed("cp", "-L", "d/link", "web:/srv/way/followed")
    said = json.loads(web.succeed("cp", "--json", "d/.", "web:/srv/way/sub/"))
    assert (said["files"], said["size_bytes"], said["left_out_paths"]) == (3, 4, ["./p"])
    found = inside(
        web,
        "cd /srv; cat d/e/two named/one /opt/one /etc/hosts2 /tmp/one site/followed site/sub/one",
    )
    assert found == "one\n" * 7
    assert inside(web, "readlink /srv/d/link; stat -c %a /srv/d/one; ls /srv/d").split() == [
        "one",
        "600",
        "e",
        "link",
        "one",
    ]
    assert inside(web, "test /srv/d/one -ef /srv/d/e/two; echo $?") == "0\n"
    assert inside(web, "echo more >>/srv/d/one && id -u && stat -c %u /srv/d/one").split()[0] == (
        inside(web, "stat -c %u /srv/d/one").strip()
    )
    web.fail(26, "cp", "missing", "web:/srv")
    web.fail(26, "cp", "d/one", "web:/missing/x")
    web.fail(34, "cp", "d", "web:/etc/hosts2")
    web.fail(34, "cp", "d/one", "web:/dev/null")
    assert inside(web, "ls -a /srv/d /etc | grep envforge-; echo") == "\n"
    outside(web, "rm -r d")


@ONE_USER
def test_streams(web):
    words = web.words("cp", "web:/srv/site", "-")
    packed = subprocess.run(words, cwd=web.box.project, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        members = {one.name: one for one in archive}
    assert set(members) == {
        f"site{name}" for name in ("", "/a", "/twin", "/link", "/sub", "/sub/b", "/shut", "/holes", "/od\nd")
    }
    assert members["site/a"].islnk() != members["site/twin"].islnk()
    assert {one.uid for one in members.values()} == {int(inside(web, "stat -c %u /srv/site"))}
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        info = tarfile.TarInfo("./up/down/file")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    done = subprocess.run(
        web.words("cp", "-", "web:/srv"),
        input=data.getvalue(),
        capture_output=True,
        check=False,
        cwd=web.box.project,
    )
    assert done.returncode == 0, done.stderr
    assert inside(web, "cat /srv/up/down/file") == "abc"
    for wrong in (b"", b"nonsense" * 100, data.getvalue()[:700]):
        done = subprocess.run(
            web.words("cp", "-", "web:/srv"),
            input=wrong,
            capture_output=True,
            check=False,
            cwd=web.box.project,
        )
        assert (done.returncode, b"error: " in done.stderr) == (18, True), done.stderr
    web.fail(26, "cp", "-", "web:/missing")
    web.fail(34, "cp", "-", "web:/srv/site/a")


def test_paused_and_ended(web):
    outside(web, "echo one >one")
    if web.run("pause", "web").returncode == 0:
        web.succeed("cp", "one", "web:/srv/paused")
        web.succeed("cp", "web:/srv/paused", "back")
        web.succeed("unpause", "web")
        assert inside(web, "cat /srv/paused") == "one\n"
    web.succeed("stop", "-t", "0", "web")
    web.succeed("cp", "one", "web:/srv/ended")
    web.succeed("cp", "web:/srv/site/sub/b", "b")
    web.fail(26, "cp", "web:/srv/missing", "x")
    web.fail(34, "cp", "one", "web:/tmp/lost")
    identifier = str(web.state("web")["id"])
    web.succeed("cp", "one", f"{identifier[:7]}:/srv/by-id")
    assert outside(web, "cat b") == "deep\n"
    assert not [name for name in os.listdir(f"{web.box.store}/uppers") if not name.startswith("kept-")]
    web.succeed("start", "web")
    web.until(
        lambda: web.run("exec", "web", "--", "cat", "/srv/ended", "/srv/by-id").stdout,
        lambda said: said == "one\none\n",
    )
    outside(web, "rm -f one b back")


def test_owners_are_kept_on_demand(web):
    outside(web, "echo one >one")
    web.succeed("cp", "-a", "one", "web:/srv/kept")
    assert inside(web, "stat -c %u /srv/kept").strip() == str(web.box.uid)
    shown = int(inside(web, "stat -c %u /etc/owned"))
    if web.box.kind == "root":
        web.succeed("cp", "-a", "web:/etc/owned", "owned")
        assert os.stat(f"{web.box.project}/owned").st_uid == shown == 5
    elif shown != web.box.uid:
        web.fail(28, "cp", "-a", "web:/etc/owned", "owned")
    web.succeed("cp", "web:/etc/owned", "mine")
    assert os.stat(f"{web.box.project}/mine").st_uid == web.box.uid
    outside(web, "rm -f one owned mine")
