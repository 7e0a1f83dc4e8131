"""The lock's file: what it holds, and what is refused."""

import os

import pytest
from attrs import evolve
from locks import lock_of

from envforge.errors import LockError
from envforge.lock import file
from envforge.lock.changes import changes
from envforge.lock.file import dumps, loads
from envforge.lock.model import DEFAULT, LockedEnvironment, Outputs, Part
from envforge.lock.requests import requests_of, stale_parts
from envforge.sources.debian.model import Closure, LockedArchive, LockedPackage, Request, RequestedArchive
from envforge.sources.debian.request import request_of
from envforge.spec.model import Archive, Debian, Spec

PATH = "pool/main/h/hello/hello_2.10-1_amd64.deb"
PACKAGE = LockedPackage("hello", "1:2.10-1", "amd64", "bookworm", PATH, 5, "a" * 64, asked=True)
ARCHIVE = LockedArchive("bookworm", "bookworm", "2026-01-01T00:00:00Z", "f" * 40)
OUTPUTS = Outputs("e" * 64, "d" * 64, (("files", "1" * 64), ("base", "2" * 64)))
REQUEST = Request(
    "bookworm",
    ("security", "updates"),
    ("main",),
    ("hello=1:2.*", "jq"),
    archives=(RequestedArchive("o.org/s", "s", ("main",), "https://o.org", "keys/o.asc"),),
)
JQ = evolve(PACKAGE, name="jq", path="x/jq.deb", asked=False, base=True, required=True, needs=("hello",))
CLOSURE = Closure("amd64", (ARCHIVE,), (PACKAGE, JQ))
LOCK = lock_of(REQUEST, CLOSURE, Closure("arm64", (ARCHIVE,), ()), outputs={"amd64": OUTPUTS})


def with_database(closure):
    """Return that lock with another environment."""
    part = Part({"debian": closure})
    environments = {**LOCK.environments, "db": LockedEnvironment({"debian": REQUEST}, {"amd64": part})}
    return evolve(LOCK, environments=environments)


def test_a_lock_comes_back_as_it_was(tmp_path):
    path = str(tmp_path / "envforge.lock")
    file.write(path, LOCK)
    assert file.read(path) == LOCK
    file.write(path, file.read(path))
    assert file.read(path) == LOCK
    assert os.listdir(tmp_path) == ["envforge.lock"]


def test_one_thing_a_line():
    lines = dumps(LOCK).decode().splitlines()
    assert f'hello = "1:2.10-1 amd64 bookworm pool/main/h/hello/ 5 {"a" * 64}"' in lines
    assert f'jq = "1:2.10-1 amd64 bookworm x/jq.deb 5 {"a" * 64} base required | hello"' in lines


def test_what_environments_share_is_written_once():
    shared = dumps(with_database(evolve(CLOSURE, packages=(PACKAGE,))))
    assert loads(shared, "x.lock").environments["db"].parts["amd64"].pinned["debian"].packages == (PACKAGE,)
    assert shared.count(b"pool/main/h/hello/") == 1
    other = evolve(PACKAGE, version="1:3", path="pool/h/hello.deb")
    newer = evolve(ARCHIVE, date="2027-01-01T00:00:00Z")
    unlike = with_database(evolve(CLOSURE, archives=(newer,), packages=(other, JQ)))
    assert loads(dumps(unlike), "x.lock") == unlike
    assert dumps(unlike).count(b"x/jq.deb") == 1


def test_a_lock_of_before_says_to_lock_again():
    with pytest.raises(LockError, match="the format 1") as caught:
        loads(dumps(LOCK).replace(b"\nformat = 2", b"\nformat = 1"), "x.lock")
    assert "envforge lock" in caught.value.hint


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
    text = dumps(LOCK).replace(b"[debian", b"<<<<<<< HEAD\n=======\n>>>>>>> other\n[debian", 1)
    line = text[: text.index(b"<<<<<<<")].count(b"\n") + 1
    with pytest.raises(LockError, match=f"x.lock:{line}: has merge markers") as caught:
        loads(text, "x.lock")
    assert "envforge lock" in caught.value.hint


@pytest.mark.parametrize(("key", "known"), [(b"format", 2), (b"recipe-format", 3)])
def test_a_newer_format(key, known):
    with pytest.raises(
        LockError, match=f"the {key.decode()} {known + 1}, this release knows {known}"
    ) as caught:
        loads(dumps(LOCK).replace(b"\n%s = %d" % (key, known), b"\n%s = %d" % (key, known + 1)), "x.lock")
    assert "upgrade envforge" in caught.value.hint


LINE = b'hello = "1:2.10-1 amd64 bookworm pool/main/h/hello/ 5 ' + b"a" * 64 + b'"'
BROKEN = {
    "not TOML": (b'suite = "bookworm"', b"suite = bookworm"),
    "not UTF-8": (b"bookworm", b"book\xffworm"),
    "no format": (b"\nformat = 2", b"\n"),
    "a format that is no number": (b"\nformat = 2", b'\nformat = "2"'),
    "no request": (b"[environments.default.debian]", b"[environments.other.debian]"),
    "another source": (b"[environments.default.debian]", b"[environments.default.debain]"),
    "a missing field": (LINE, LINE.replace(b" 5 ", b" ")),
    "a field too many": (LINE, LINE.replace(b" 5 ", b" 5 5 ")),
    "an unknown mark": (LINE, LINE[:-1] + b' holy"'),
    "a line that is none": (LINE, b"hello = 5"),
    "a size that is none": (LINE, LINE.replace(b" 5 ", b" five ")),
    "a wrong list": (b'    "hello=1:2.*",', b"    1,"),
    "no SHA-256": (b"a" * 64, b"A" * 64),
    "an absolute path": (b" pool/main/h/hello/", b" /pool/main/h/hello/"),
    "a path out of the archive": (b" pool/main/h/hello/", b" pool/../../hello/"),
    "a path with a line end": (b" x/jq.deb", b" x/jq.deb\\nX"),
    "a name that is a path": (b"\nhello =", b'\n"../hello" ='),
    "another name": (b"\nhello =", b"\nhallo ="),
    "a version that is a path": (b'jq = "1:2.10-1', b'jq = "1/../../2'),
    "an architecture that is a path": (b"1:2.10-1 amd64", b"1:2.10-1 ../amd64"),
    "the part of no architecture": (b"packages.amd64", b'packages."../amd64"'),
    "an endless size": (LINE, LINE.replace(b" 5 ", b" 5000000000000 ")),
    "a size below nothing": (LINE, LINE.replace(b" 5 ", b" -5 ")),
    "a need that is not there": (b"| hello", b"| hallo"),
    "a suite that leaves its archive": (b'suite = "bookworm"\ndate', b'suite = "../x"\ndate'),
    "another scheme": (b"fingerprint", b'uri = "file:///etc"\nfingerprint'),
    "no date": (b"2026-01-01T00:00:00Z", b"2026"),
    "no fingerprint": (b"f" * 40, b"/" * 40),
    "an environment that is no digest": (b"e" * 64, b"../" * 3),
    "a runtime that is no digest": (b"d" * 64, b"../" * 3),
    "a layer that is no digest": (b"2" * 64, b"../2"),
    "a layer that is no name": (b"base 2", b"../base 2"),
    "an archive that is not listed": (LINE, LINE.replace(b" bookworm ", b" other ")),
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
                "o.org/debian/stable",
                "stable",
                ("a", "b"),
                "https://user@o.org/debian",
                "AB CD https://o.org/key",
            ),
        ),
    )
    assert request_of(Spec("x", Debian("sid"))).pockets == ()


def test_staleness_names_what_differs():
    def stale(now):
        return stale_parts(LOCK, DEFAULT, {"debian": now})

    assert stale(REQUEST) == ()
    assert stale(
        evolve(REQUEST, suite="trixie", packages=("hello=1:2.*", "git"), recommends=True, archives=())
    ) == (
        "debian.suite (bookworm -> trixie)",
        "debian.packages (+ git, - jq)",
        "debian.recommends (false -> true)",
        "debian.archive (- o.org/s)",
    )
    many = evolve(REQUEST, packages=tuple(f"p{number}" for number in range(9)))
    assert stale(many) == ("debian.packages (+ p0, + p1, + p2, + p3 and 7 more)",)
    assert stale_parts(LOCK, DEFAULT, {}) == ("debian",)
    assert stale_parts(LOCK, "db", {"debian": REQUEST}) == ("environments.db",)


def test_a_spec_asks_the_sources_that_it_names():
    assert requests_of(Spec("x", Debian("sid"))) == {"debian": request_of(Spec("x", Debian("sid")))}


def test_what_a_lock_changes():
    one = lock_of(REQUEST, CLOSURE)
    newer = evolve(CLOSURE, packages=(evolve(PACKAGE, version="2"), evolve(PACKAGE, name="z")))
    assert [str(change) for change in changes(one, lock_of(REQUEST, newer))] == [
        "hello 1:2.10-1 -> 2",
        "jq 1:2.10-1 -> (none)",
        "z (none) -> 1:2.10-1",
    ]
    assert [change.asked for change in changes(None, one)] == [True, False]
    assert changes(one, LOCK) == ()
    arm = tuple(evolve(package, architecture="arm64") for package in newer.packages)
    both = lock_of(REQUEST, newer, Closure("arm64", (ARCHIVE,), arm))
    assert [change.name for change in changes(one, both)][:2] == ["hello:amd64", "hello:arm64"]
    of_database = changes(LOCK, with_database(CLOSURE))[0]
    assert (of_database.name, of_database.environment) == ("hello", "db")
