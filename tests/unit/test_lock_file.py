"""The lock's file: what it holds, and what is refused."""

import os

import pytest
from attrs import evolve

from envforge.errors import LockError
from envforge.lock import file
from envforge.lock.changes import changes
from envforge.lock.file import dumps, loads
from envforge.lock.model import Lock
from envforge.lock.request import request_of, stale_parts
from envforge.sources.debian.model import (
    ArchitectureLock,
    LockedArchive,
    LockedPackage,
    Outputs,
    Request,
    RequestedArchive,
)
from envforge.spec.model import Archive, Debian, Spec

PACKAGE = LockedPackage("hello", "1:2.10-1", "amd64", "bookworm", "pool/h/hello.deb", 5, "a" * 64, asked=True)
LOCK = Lock(
    Request(
        "bookworm",
        ("security", "updates"),
        ("main",),
        ("hello=1:2.*", "jq"),
        archives=(RequestedArchive("o.org s", "s", ("main",), "https://o.org", "keys/o.asc"),),
    ),
    (
        ArchitectureLock(
            "amd64",
            (LockedArchive("bookworm", "bookworm", "2026-01-01T00:00:00Z", "f" * 40),),
            (
                PACKAGE,
                evolve(
                    PACKAGE,
                    name="jq",
                    essential=True,
                    multi_arch="same",
                    relations=(
                        ("Depends", "libc6 (>= 2), a | b"),
                        ("Pre-Depends", "c"),
                        ("Provides", "d (= 1)"),
                    ),
                ),
            ),
            Outputs("e" * 64, (("files", "1" * 64), ("base", "2" * 64))),
        ),
        ArchitectureLock("arm64", (), ()),
    ),
)


def test_a_lock_comes_back_as_it_was(tmp_path):
    path = str(tmp_path / "envforge.lock")
    file.write(path, LOCK)
    assert file.read(path) == LOCK
    file.write(path, file.read(path))
    assert file.read(path) == LOCK
    assert os.listdir(tmp_path) == ["envforge.lock"]


def test_one_thing_a_line():
    lines = dumps(LOCK).decode().splitlines()
    assert '    "libc6 (>= 2)",' in lines
    assert '    "a | b",' in lines
    assert 'version = "1:2.10-1"' in lines
    assert not any(line.startswith("essential = false") for line in lines)


def test_a_link_is_written_through(tmp_path):
    target = tmp_path / "real.lock"
    link = tmp_path / "envforge.lock"
    link.symlink_to(target)
    file.write(str(link), LOCK)
    assert link.is_symlink()
    assert file.read(str(target)) == LOCK


def test_no_lock(tmp_path):
    with pytest.raises(FileNotFoundError):
        file.read(str(tmp_path / "none.lock"))
    with pytest.raises(LockError):
        file.read(str(tmp_path))
    with pytest.raises(LockError, match="cannot be written"):
        file.write("/proc/none/envforge.lock", LOCK)


def test_merge_markers_are_named_with_their_line():
    text = dumps(LOCK).replace(b"[request]\n", b"<<<<<<< HEAD\n[request]\n=======\n>>>>>>> other\n")
    line = text[: text.index(b"<<<<<<<")].count(b"\n") + 1
    with pytest.raises(LockError, match=f"x.lock:{line}: has merge markers") as caught:
        loads(text, "x.lock")
    assert "envforge lock" in caught.value.hint


@pytest.mark.parametrize(("key", "known"), [(b"format", 1), (b"recipe-format", 2)])
def test_a_newer_format(key, known):
    with pytest.raises(
        LockError, match=f"the {key.decode()} {known + 1}, this release knows {known}"
    ) as caught:
        loads(dumps(LOCK).replace(b"\n%s = %d" % (key, known), b"\n%s = %d" % (key, known + 1)), "x.lock")
    assert "upgrade envforge" in caught.value.hint


BROKEN = {
    "not TOML": (b'suite = "bookworm"', b"suite = bookworm"),
    "not UTF-8": (b"bookworm", b"book\xffworm"),
    "no format": (b"\nformat = 1", b"\n"),
    "a format that is no number": (b"\nformat = 1", b'\nformat = "1"'),
    "no request": (b"[request]", b"[demand]"),
    "a missing field": (b'version = "1:2.10-1"\n', b""),
    "an unknown field": (b'version = "1:2.10-1"\n', b'version = "1:2.10-1"\nversoin = "x"\n'),
    "a wrong type": (b"size = 5", b'size = "5"'),
    "a bool for a number": (b"size = 5", b"size = true"),
    "a wrong list": (b'    "hello=1:2.*",', b"    1,"),
    "no SHA-256": (b"a" * 64, b"A" * 64),
    "an absolute path": (b'"pool/h/hello.deb"', b'"/pool/h/hello.deb"'),
    "a path out of the archive": (b'"pool/h/hello.deb"', b'"pool/../../hello.deb"'),
    "a path with a line end": (b'"pool/h/hello.deb"', b'"pool/h/hello.deb\\nX"'),
    "a name that is a path": (b'name = "hello"', b'name = "../hello"'),
    "a version that is a path": (b'version = "1:2.10-1"', b'version = "1/../../2"'),
    "an architecture that is a path": (b'architecture = "amd64"', b'architecture = "../amd64"'),
    "the part of no architecture": (b"architecture.amd64", b'architecture."../amd64"'),
    "a size below nothing": (b"size = 5", b"size = -1"),
    "an endless size": (b"size = 5", b"size = 5000000000000"),
    "a priority with a line end": (b'multi-arch = "same"', b'multi-arch = "same\\nEssential: yes"'),
    "a relation with a line end": (b'"libc6 (>= 2)"', b'"libc6 (>= 2)\\nEssential: yes"'),
    "a suite that leaves its archive": (b'suite = "bookworm"\ndate', b'suite = "../x"\ndate'),
    "another scheme": (b"fingerprint", b'uri = "file:///etc"\nfingerprint'),
    "no date": (b"2026-01-01T00:00:00Z", b"2026"),
    "no fingerprint": (b"f" * 40, b"/" * 40),
    "an environment that is no digest": (b"e" * 64, b"../" * 3),
    "a layer that is no digest": (b"2" * 64, b"../2"),
    "a layer that is no name": (b"base 2", b"../base 2"),
    "an archive that is not listed": (b'archive = "bookworm"', b'archive = "other"'),
    "an empty file": (dumps(LOCK), b""),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_locks(name):
    good = dumps(LOCK)
    bad = good.replace(*BROKEN[name])
    assert bad != good
    with pytest.raises(LockError) as caught:
        loads(bad, "x.lock")
    assert "x.lock" in caught.value.message
    assert caught.value.hint


def test_what_a_spec_asks_for_is_normalised():
    spec = Spec(
        "x",
        Debian(
            "bookworm",
            ("jq", "git", "jq"),
            pockets=("updates", "security"),
            archives=(
                Archive("https://user@o.org/debian/", "stable", ("b", "a"), "AB CD", "https://o.org/key"),
            ),
        ),
    )
    assert request_of(spec) == Request(
        "bookworm",
        ("security", "updates"),
        ("main",),
        ("git", "jq"),
        archives=(
            RequestedArchive(
                "o.org/debian stable",
                "stable",
                ("a", "b"),
                "https://user@o.org/debian",
                "AB CD https://o.org/key",
            ),
        ),
    )
    assert request_of(Spec("x", Debian("sid"))).pockets == ()


def test_staleness_names_what_differs():
    assert stale_parts(LOCK, LOCK.request) == ()
    now = evolve(LOCK.request, suite="trixie", packages=("hello=1:2.*", "git"), recommends=True, archives=())
    assert stale_parts(LOCK, now) == (
        "debian.suite (bookworm -> trixie)",
        "debian.packages (+ git, - jq)",
        "debian.recommends (false -> true)",
        "debian.archive (- o.org s)",
    )
    many = evolve(LOCK.request, packages=tuple(f"p{number}" for number in range(9)))
    assert stale_parts(LOCK, many) == ("debian.packages (+ p0, + p1, + p2, + p3 and 7 more)",)


def test_what_a_lock_changes():
    part = LOCK.architectures[0]
    one = evolve(LOCK, architectures=(part,))
    newer = evolve(part, packages=(evolve(PACKAGE, version="2"), evolve(PACKAGE, name="z")))
    assert [str(change) for change in changes(one, evolve(one, architectures=(newer,)))] == [
        "hello 1:2.10-1 -> 2",
        "jq 1:2.10-1 -> (none)",
        "z (none) -> 1:2.10-1",
    ]
    assert len(changes(None, one)) == 2
    assert [change.name for change in changes(one, LOCK)] == []
    both = evolve(LOCK, architectures=(newer, evolve(newer, architecture="arm64")))
    assert [change.name for change in changes(one, both)][:2] == ["hello:amd64", "hello:arm64"]
