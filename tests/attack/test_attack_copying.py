"""What a container could do to who copies from it or into it, and what an archive could."""

import io
import json
import os
import signal
import subprocess
import tarfile
import threading
import time
import tomllib
from pathlib import Path

import pytest
from canary import Canary, GaveWayError

from envforge.containers.files.places import place_of
from envforge.containers.files.unpacking import unpack
from envforge.errors import ArchiveError, ConflictError

pytestmark = pytest.mark.userns


@pytest.fixture
def canary(harbour):
    """Lend files of the user's outside of what the container sees."""
    path = harbour.box.home + "/canary"
    owner = os.stat(harbour.box.home)
    return Canary(Path(path), owner.st_uid, owner.st_gid)


def copied(harbour, source, name, *options):
    """Copy out; return the exit code and what was said."""
    done = harbour.run("cp", *options, source, name, timeout_s=60)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stderr


def test_no_link_leads_to_the_host(harbour, canary):
    up = "/".join([".."] * 30)
    script = (
        f"mkdir -p /srv/tree; cd /srv/tree; ln -s {canary.secret} absolute; ln -s {up}{canary.secret} up; "
        f"ln -s {canary.path} directory; ln -s /proc/1/root{canary.secret} first; ln -s /proc/self/cwd own; "
        f"ln -s /proc/self/fd/3/{up}{canary.secret} open; ln -s /proc/self/exe exe; ln -s / top; "
        "touch /ready; sleep 600"
    )
    harbour.start(name="web", script=script)
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    for name in ("absolute", "up", "directory", "first", "own", "open", "exe"):
        code, said = copied(harbour, f"web:/srv/tree/{name}", f"out-{name}", "-L")
        assert code in {26, 28, 34}, f"{name}: {code} {said}"
    for path in ("/proc/1/root/etc/hosts", "/proc/self/root/", "/proc/self/fd/", "/proc/1/environ", "/sys/."):
        assert copied(harbour, f"web:{path}", "out-proc")[0] in {26, 28, 34}, path
    harbour.succeed("cp", "web:/srv/tree", ".")
    links = os.listdir(f"{harbour.box.project}/tree")
    if not all(os.path.islink(f"{harbour.box.project}/tree/{name}") for name in links):
        raise GaveWayError("a link was followed")
    left = [name for name in os.listdir(harbour.box.project) if name.startswith("out-")]
    canary.check(*(f"{harbour.box.project}/{name}" for name in left))
    secret = "cp", str(canary.secret), "web:/srv/tree/directory/new"
    assert harbour.run(*secret).returncode == 26  # in there it leads nowhere
    canary.check()


def test_a_tree_that_changes_under_ones_hands(harbour, canary):
    script = (
        f"mkdir -p /srv/tree/real; cd /srv/tree; echo well >real/secret; ln -s {canary.path} /srv/way; "
        "touch /ready; while :; do mv real was; mv ../way real; mv real ../way; mkfifo real; rm real; "
        "mv was real; done"
    )
    harbour.start(name="web", script=script)
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    for number in range(8):
        code, said = copied(harbour, "web:/srv/tree", f"out-{number}")
        assert code in {0, 34}, said
        copied(harbour, "web:/srv/tree/real/secret", f"out-file-{number}")
    canary.check(harbour.box.project)


def test_what_is_inside_neither_sees_nor_stops_it(harbour):
    script = (
        "head -c 30000000 /dev/urandom >/srv/large; touch /ready; trap '' USR1; "
        "while :; do for one in /proc/[0-9]*; do pid=${one#/proc/}; [ $pid -gt 2 ] && [ $pid != $$ ] && "
        "kill -STOP $pid && tr '\\0' ' ' <$one/cmdline; done; done 2>/dev/null"
    )
    harbour.start(name="web", script=script)
    harbour.until(lambda: harbour.run("cp", "web:/ready", "ready").returncode, lambda code: code == 0)
    began = time.monotonic()
    harbour.succeed("cp", "web:/srv/large", "large")
    harbour.succeed("cp", "large", "web:/srv/again")
    assert time.monotonic() - began < 30
    assert os.path.getsize(f"{harbour.box.project}/large") == 30_000_000
    if said := harbour.succeed("logs", "web").strip():
        raise GaveWayError(said[:300])


def test_bombs_are_refused_and_nothing_hangs(harbour):
    script = (
        "mkdir -p /srv/bomb /srv/pipes; truncate -s 4000G /srv/bomb/sparse; mkfifo /srv/pipes/a; "
        "cp /bin/busybox /srv/pipes/set-id; chmod 6755 /srv/pipes/set-id; "
        "cd /srv/pipes; i=0; "
        "while [ $i -lt 400 ]; do mkdir deep-deep-deep; cd deep-deep-deep; i=$((i+1)); done; "
        "touch /ready; sleep 600"
    )
    harbour.start(name="web", script=script)
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    began = time.monotonic()
    code, said = copied(harbour, "web:/srv/bomb", "bomb")
    assert code == 20, said
    assert os.listdir(f"{harbour.box.project}/bomb") == []
    code, said = copied(harbour, "web:/srv/pipes", "pipes")
    assert code == 0, said
    assert time.monotonic() - began < 30
    status = os.lstat(f"{harbour.box.project}/pipes/set-id")
    if status.st_mode & 0o7000 or status.st_uid != harbour.box.uid:
        raise GaveWayError(oct(status.st_mode))
    assert not os.path.lexists(f"{harbour.box.project}/pipes/a")


@pytest.mark.parametrize("harbour", [pytest.param("root", marks=pytest.mark.root)], indirect=True)
def test_an_interrupt_leaves_no_half_file(harbour):
    harbour.start(name="web", script="truncate -s 20G /srv/large; touch /ready; sleep 600")
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    for source, target in (("web:/srv/large", "large"), ("-", "web:/srv")):
        with open("/dev/zero", "rb") as zero:
            words = harbour.words("cp", source, target)
            running = subprocess.Popen(words, cwd=harbour.box.project, stdin=zero, stderr=subprocess.PIPE)
            time.sleep(2)
            running.send_signal(signal.SIGINT)
            running.communicate(timeout=30)
    left = os.listdir(harbour.box.project)
    inside = harbour.succeed("exec", "web", "--", "ls", "-A", "/srv").split()
    assert (sorted(left), inside) == (["envforge.lock", "envforge.toml"], ["large"])


def test_what_is_captured_is_only_the_container_s(harbour, canary):
    script = (
        f"mkdir -p /var/lib/dpkg/info /var/lib/apt /etc/x; ln -s {canary.secret} /var/lib/dpkg/status; "
        f"mkfifo /var/lib/apt/extended_states; ln -s {canary.secret} /etc/x/link; mkfifo /etc/x/pipe; "
        "truncate -s 4000G /etc/x/sparse; printf x >'/etc/x/a\"\n[variables]\nx = \"1'; "
        "i=0; while [ $i -lt 300 ]; do echo $i >/etc/x/$i; i=$((i+1)); done; touch /ready; "
        f"while :; do echo mine >/etc/x/swapped; rm /etc/x/swapped; ln -s {canary.secret} /etc/x/swapped; "
        "rm /etc/x/swapped; mkfifo /etc/x/swapped; rm /etc/x/swapped; done"
    )
    harbour.start(name="web", script=script)
    harbour.until(lambda: harbour.run("exec", "web", "--", "ls", "/ready").returncode, lambda code: code == 0)
    for number in range(4):
        said = harbour.succeed("capture", "--json", "web")
        found = json.loads(said)
        assert (len(found["files"]), found["packages"]) == (200, [])
        assert "variables" not in tomllib.loads(found["text"])
        canary.check(told=said)
        if number == 2:
            script = "rm /var/lib/dpkg/status; truncate -s 4000G /var/lib/dpkg/status"
            harbour.succeed("exec", "web", "--", "sh", "-c", script)


def archive(*members: tuple) -> bytes:
    """Return a tar of members: name, type, and what else it says."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, rest in members:
            info = tarfile.TarInfo(name)
            info.type = kind
            content = rest.pop("content", b"") if isinstance(rest, dict) else b""
            info.size = len(content)
            for key, value in rest.items():
                setattr(info, key, value)
            tar.addfile(info, io.BytesIO(content))
    return data.getvalue()


FILE, DIRECTORY, LINK, HARD = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE
EVIL = {"content": b"evil", "mode": 0o6777}


@pytest.mark.one_kind
@pytest.mark.parametrize("name", ["site", None])
def test_archives_stay_beneath_the_target(tmp_path, name):
    canary = Canary(tmp_path / "canary", os.geteuid(), os.getegid())
    target = tmp_path / "target"
    target.mkdir()
    (target / "there").symlink_to(canary.directory)
    hostile = [
        [("site/../../canary/directory/x", FILE, EVIL)],
        [("../canary/directory/x", FILE, EVIL)],
        [(f"{canary.directory}/x", FILE, EVIL)],
        [
            ("site", DIRECTORY, {}),
            ("site/link", LINK, {"linkname": str(canary.directory)}),
            ("site/link/x", FILE, EVIL),
        ],
        [
            ("site", DIRECTORY, {}),
            ("site/link", LINK, {"linkname": "../../canary"}),
            ("site/link/directory/x", FILE, EVIL),
        ],
        [
            ("site", DIRECTORY, {}),
            ("site/link", LINK, {"linkname": str(canary.directory)}),
            ("site/link", DIRECTORY, {"mode": 0o777}),
        ],
        [("there/x", FILE, EVIL)],
        [("site", DIRECTORY, {}), ("site/hard", HARD, {"linkname": str(canary.secret)})],
        [
            ("site", DIRECTORY, {}),
            ("site/hard", HARD, {"linkname": "../canary/secret"}),
            ("site/hard", FILE, EVIL),
        ],
        [("site/null", tarfile.CHRTYPE, {"devmajor": 1, "devminor": 3})],
        [("site/pipe", tarfile.FIFOTYPE, {})],
        [("other", FILE, EVIL), ("site/x", FILE, EVIL)],
    ]
    for members in hostile:
        data = archive(*((one, kind, dict(rest)) for one, kind, rest in members))
        reading, writing = os.pipe()
        feeder = threading.Thread(target=_feed, args=(writing, data))
        feeder.start()
        try:
            unpack(reading, place_of(str(target)), name)
        except (ArchiveError, ConflictError):
            pass
        finally:
            os.close(reading)
            feeder.join()
        canary.check()
        for place, directories, files in os.walk(target):
            for one in (*directories, *files):
                if os.lstat(f"{place}/{one}").st_mode & 0o6000:
                    raise GaveWayError(f"{members}: {place}/{one} is set-id")


def _feed(writing: int, data: bytes) -> None:
    with open(writing, "wb") as file:
        file.write(data)


@pytest.mark.one_kind
def test_an_archive_that_claims_too_much(tmp_path):
    info = tarfile.TarInfo("huge")
    info.size = 1 << 61
    reading, writing = os.pipe()
    feeder = threading.Thread(target=_feed, args=(writing, info.tobuf(tarfile.PAX_FORMAT)))
    feeder.start()
    with pytest.raises(OSError, match="No space left"):
        unpack(reading, place_of(str(tmp_path)), None)
    os.close(reading)
    feeder.join()
    assert list(tmp_path.iterdir()) == []
