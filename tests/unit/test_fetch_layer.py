"""Fetched files become a layer: what archives may hold, where it comes to lie, and what is refused."""

import bz2
import gzip
import io
import lzma
import os
import random
import stat
import tarfile
import zipfile
from contextlib import suppress

import pytest
import zstandard

from envforge.build.built import Built
from envforge.build.site import Site
from envforge.config import Config
from envforge.errors import ArchiveError, BuildError, IntegrityError
from envforge.sandbox.ids.identity import detect
from envforge.sources.fetch.layer import stage, survey
from envforge.sources.fetch.model import Fetched, Pin
from envforge.sources.fetch.unpack import unpack
from envforge.sources.fetch.writer import Writer
from envforge.store import blobs, listing
from envforge.store.layout import open_store
from envforge.store.listing import Entry

TIME = 1_000_000_000


def tar(*members, form=tarfile.PAX_FORMAT):
    """Return a tar file of (name, content | ("link" | "hard", target) | None for a directory[, mode])."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=form) as archive:
        for name, content, *mode in members:
            info = tarfile.TarInfo(name)
            info.mtime = TIME
            info.mode = mode[0] if mode else 0o644
            if content is None:
                info.type = tarfile.DIRTYPE
            elif isinstance(content, tuple):
                info.type = {"link": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "fifo": tarfile.FIFOTYPE}.get(
                    content[0], tarfile.CHRTYPE
                )
                info.linkname = content[1]
            else:
                info.size = len(content)
            archive.addfile(info, io.BytesIO(content) if isinstance(content, bytes) else None)
    return data.getvalue()


def zipped(*members, compression=zipfile.ZIP_DEFLATED):
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", compression) as archive:
        for name, content, *mode in members:
            info = zipfile.ZipInfo(name, (2001, 9, 9, 1, 46, 40))
            info.compress_type = compression
            kind = stat.S_IFLNK if isinstance(content, tuple) else 0
            info.external_attr = (kind | (mode[0] if mode else 0o644)) << 16
            archive.writestr(info, content[1] if isinstance(content, tuple) else content or b"")
    return data.getvalue()


COMPRESSIONS = {
    "": bytes,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
    ".zst": zstandard.compress,
}


class Made:
    """Layers over a base whose entries a test gives."""

    def __init__(self, tmp_path):
        self.top = tmp_path
        self.site = Site(open_store(f"{tmp_path}/store"), detect(prefer="flat"), Config())
        self.below = ()

    def lower(self, *entries):
        """Lay what a layer with those entries shows beneath, as far as listings tell."""
        text = listing.dump([Entry(b"/", "d"), *entries])
        digest = listing.digest(text)
        path = self.site.store.layer("flat", digest)
        os.makedirs(path)
        with open(f"{path}/listing", "wb") as file:
            file.write(text)
        self.below = (Built("lower", "0" * 64, digest, 0, 0, reused=True), *self.below)

    def fetched(self, data, target="/opt/tool", *, unpack=True, strip=0, mode=0o644):
        sha256 = blobs.put(self.site.store, data)
        return Fetched("https://example.org/x", Pin(sha256, len(data)), target, unpack, strip, mode)

    def stage(self, *arguments, **options):
        place = self.top / f"place{len(os.listdir(self.top))}"
        place.mkdir()
        stage(print, str(place), self.site, self.fetched(*arguments, **options), self.below)
        return place / "layer/root"

    def survey(self, *fetched):
        return [
            (bytes.fromhex(place), shape)
            for place, shape in survey(print, "", self.site, fetched, self.below)
        ]


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def tree(root):
    """Return what lies below: content, link or None for a directory, by path; and modes of files."""
    found = {}
    for above, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = os.path.join(above, name)
            inside = path[len(str(root)) :]
            if os.path.islink(path):
                found[inside] = os.readlink(path)
            else:
                found[inside] = None if os.path.isdir(path) else open(path, "rb").read()  # noqa: SIM115
    return found


MEMBERS = (
    ("tool-1.2", None),
    ("tool-1.2/bin", None, 0o700),
    ("tool-1.2/bin/tool", b"#!/bin/sh\n", 0o4711),
    ("tool-1.2/README", b"text", 0o600),
    ("tool-1.2/link", ("link", "bin/tool")),
    ("tool-1.2/hard", ("hard", "tool-1.2/README")),
)


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_tar_of_each_compression(made, compression):
    root = made.stage(COMPRESSIONS[compression](tar(*MEMBERS)), strip=1)
    assert tree(root) == {
        "/opt": None,
        "/opt/tool": None,
        "/opt/tool/bin": None,
        "/opt/tool/bin/tool": b"#!/bin/sh\n",
        "/opt/tool/README": b"text",
        "/opt/tool/link": "bin/tool",
        "/opt/tool/hard": b"text",
    }
    modes = {
        name: (root / "opt/tool" / name).lstat().st_mode & 0o7777 for name in ("bin", "bin/tool", "README")
    }
    assert modes == {"bin": 0o755, "bin/tool": 0o755, "README": 0o644}
    assert (root / "opt/tool/README").stat().st_nlink == 2
    assert (root / "opt/tool/README").stat().st_mtime == TIME
    assert (root / "opt/tool/link").lstat().st_mtime == TIME
    assert (root / "opt/tool").stat().st_mtime == listing.DIRECTORY_MTIME


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip(made, compression):
    data = zipped(
        ("tool/bin/", None),
        ("tool/bin/tool", b"x" * 5000, 0o755),
        ("tool/with \u00e9", b"y"),
        ("tool/link", ("link", b"bin/tool")),
        compression=compression,
    )
    root = made.stage(data, strip=1)
    assert tree(root / "opt/tool") == {
        "/bin": None,
        "/bin/tool": b"x" * 5000,
        "/with \u00e9": b"y",
        "/link": "bin/tool",
    }
    assert (root / "opt/tool/bin/tool").stat().st_mode & 0o7777 == 0o755
    assert (root / "opt/tool/bin/tool").stat().st_mtime == TIME


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_what_names_may_look_like(made, form):
    long = "/".join(["directory" * 4] * 4) + "/file"
    root = made.stage(tar((f"./{long}", b"1"), ("/absolute", b"2"), ("a//b", b"3"), form=form))
    assert tree(root / "opt/tool")[f"/{long}"] == b"1"
    assert (root / "opt/tool/absolute").read_bytes() == b"2"
    assert (root / "opt/tool/a/b").read_bytes() == b"3"


def test_the_last_member_of_a_name_counts(made):
    twice = tar(
        ("a", b"1"), ("b", ("link", "/etc")), ("a", b"22"), ("b", b"3"), ("c", b"4"), ("c", ("link", "a"))
    )
    assert tree(made.stage(twice) / "opt/tool") == {"/a": b"22", "/b": b"3", "/c": "a"}


def test_a_link_of_the_archive_is_followed_within_the_target(made):
    root = made.stage(tar(("lib", None), ("lib64", ("link", "lib")), ("lib64/so", b"1"), ("lib64", None)))
    assert tree(root / "opt/tool") == {"/lib": None, "/lib/so": b"1", "/lib64": "lib"}


def test_a_single_file(made):
    root = made.stage(b"#!/bin/sh\n", "/usr/local/bin/tool", unpack=False, mode=0o755)
    path = root / "usr/local/bin/tool"
    assert path.read_bytes() == b"#!/bin/sh\n"
    assert path.stat().st_mode & 0o7777 == 0o755
    assert path.stat().st_mtime == listing.DIRECTORY_MTIME


HOSTILE = {
    "upward": (tar(("../../outside", b"x")), "upward"),
    "upward in the middle": (tar(("a/../../../outside", b"x")), "upward"),
    "through an absolute link": (tar(("l", ("link", "/etc")), ("l/passwd", b"x")), "outside of the target"),
    "through a relative link": (tar(("l", ("link", "../..")), ("l/etc", b"x")), "outside of the target"),
    "through two links": (
        tar(("a", ("link", ".")), ("a/b", ("link", "../..")), ("b/x", b"x")),
        "outside of the target",
    ),
    "a directory through a link": (tar(("l", ("link", "/srv")), ("l/d", None)), "outside of the target"),
    "a hard link through a link": (tar(("l", ("link", "/etc")), ("h", ("hard", "l/passwd"))), "outside"),
    "a hard link to the host's": (tar(("h", ("hard", "/etc/passwd"))), "hard link"),
    "a hard link upward": (tar(("h", ("hard", "../../etc/passwd"))), "upward"),
    "a fifo": (tar(("f", ("fifo", ""))), "fifo"),
    "a device": (tar(("f", ("device", ""))), "character"),
    "nothing": (tar(), "no archive"),
    "nothing but a directory": (tar(("a", None)), "empty"),
    "no archive": (b"just text", "no archive"),
    "cut off": (gzip.compress(tar(("a", os.urandom(9000))))[:5000], "truncated|decoded"),
    "a broken sum": (tar(("a", b"x")).replace(b"ustar", b"ustaR", 1), "no archive"),
    "zip upward": (zipped(("../outside", b"x")), "upward"),
    "zip through a link": (zipped(("l", ("link", b"/etc")), ("l/passwd", b"x")), "outside of the target"),
    "zip with a long link": (zipped(("l", ("link", b"x" * 5000))), "target of 5000"),
    "zip that is cut off": (zipped(("a", b"x" * 5000))[:60], "zip archive is broken"),
    "zip with a fifo": (zipped(("f", b"", stat.S_IFIFO | 0o644)), "neither"),
    "zip with an empty name": (zipped(("QQ", b"x")).replace(b"QQ", b"\0Q"), "file called"),
    "empty zip": (zipped(), "empty"),
    "a link to nothing": (tar(("l", ("link", ""))), "impossible target"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives(made, case, tmp_path):
    data, said = HOSTILE[case]
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(ArchiveError, match=said):
        made.stage(data)
    left = [name for name in os.listdir(tmp_path) if name not in before and not name.startswith("place")]
    assert left == []
    assert not os.path.exists("/etc/envforge-x")


def test_an_encrypted_zip(made):
    data = bytearray(zipped(("a", b"x")))
    for header, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(header) + flags] |= 1
    with pytest.raises(ArchiveError, match="encrypted"):
        made.stage(bytes(data))


@pytest.mark.parametrize("seed", range(8))
def test_bytes_that_were_damaged(tmp_path, seed):
    """Whatever an archive is made of, what is wrong with it is said, and is no bug."""
    rolls = random.Random(seed)
    members = (("a/", None), ("a/b", b"x" * 300), ("\u00e9", rolls.randbytes(300)), ("l", ("link", b"a/b")))
    whole = [zipped(*members, compression=one) for one in (0, 8, 12, 14)]
    whole += [compress(tar(*MEMBERS)) for compress in COMPRESSIONS.values()]
    for number in range(300):
        data = bytearray(rolls.choice(whole))
        for _ in range(rolls.randint(1, 4)):
            data[rolls.randrange(len(data))] = rolls.randrange(256)
        (tmp_path / str(number)).mkdir()
        with open(tmp_path / "archive", "w+b") as file, suppress(ArchiveError, BuildError):
            file.write(data)
            file.flush()
            unpack(file.fileno(), Writer(str(tmp_path / str(number)), {}, b"/opt", chown=False), 0)


@pytest.mark.parametrize("bomb", ["tar", "zip"])
def test_bombs(made, bomb, monkeypatch):
    monkeypatch.setattr("envforge.archives.bounds.UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr("envforge.archives.bounds.RATIO_MAX", 2)
    zeros = bytes(3 << 20)
    data = gzip.compress(tar(("zeros", zeros))) if bomb == "tar" else zipped(("zeros", zeros))
    with pytest.raises(ArchiveError, match="unpacks to more than 1 MiB"):
        made.stage(data)


def test_a_zip_that_lies_about_a_size(made):
    data = zipped(("a", bytes(100_000)))
    lied = data.replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    assert lied != data
    with pytest.raises(ArchiveError, match=r"more than it says|zip archive is broken"):
        made.stage(lied)


def test_strip_that_leaves_nothing(made):
    with pytest.raises(ArchiveError, match="strip = 3"):
        made.stage(tar(*MEMBERS), strip=3)


def test_bytes_that_were_altered(made):
    one = made.fetched(b"file", unpack=False)
    path = made.site.store.blob(one.pin.sha256)
    os.chmod(path, 0o644)
    with open(path, "wb") as file:
        file.write(b"evil")
    os.mkdir(made.top / "place")
    with pytest.raises(IntegrityError):
        stage(print, str(made.top / "place"), made.site, one, ())


def directory(path, mode=0o755):
    return Entry(path, "d", mode)


def plain(path):
    return Entry(path, "f", 0o644, content=b"0" * 64, size=1)


USR = (directory(b"/usr"), directory(b"/usr/lib"), directory(b"/usr/bin"))


def test_links_of_the_layers_below_lead_on(made):
    made.lower(
        *USR,
        Entry(b"/lib", "l", 0o777, content=b"usr/lib"),
        Entry(b"/usr/lib/so", "f", content=b"0" * 64, size=1),
    )
    assert tree(made.stage(tar(("so", b"1")), "/lib")) == {
        "/usr": None,
        "/usr/lib": None,
        "/usr/lib/so": b"1",
    }
    assert tree(made.stage(tar(("lib/so", b"1"), ("lib", None)), "/")) == {
        "/usr": None,
        "/usr/lib": None,
        "/usr/lib/so": b"1",
    }
    assert tree(made.stage(b"1", "/lib/so", unpack=False))["/usr/lib/so"] == b"1"


def test_directories_look_as_below(made):
    made.lower(directory(b"/opt", 0o2775), directory(b"/opt/tool", 0o700))
    root = made.stage(tar(("a", None), ("a/b", b"1")))
    assert (root / "opt").stat().st_mode & 0o7777 == 0o2775
    assert (root / "opt/tool").stat().st_mode & 0o7777 == 0o700
    assert (root / "opt/tool/a").stat().st_mode & 0o7777 == 0o755


def test_what_cannot_lie_there(made):
    made.lower(
        directory(b"/opt"), Entry(b"/opt/file", "f", content=b"0" * 64, size=1), directory(b"/opt/dir")
    )
    with pytest.raises(BuildError, match="no directory"):
        made.stage(tar(("a", b"1")), "/opt/file/x")
    with pytest.raises(BuildError, match="is a directory"):
        made.stage(tar(("dir", b"1")), "/opt")
    with pytest.raises(BuildError, match="is a directory"):
        made.stage(b"1", "/opt/dir", unpack=False)
    assert tree(made.stage(tar(("file", None), ("file/x", b"1")), "/opt"))["/opt/file/x"] == b"1"


def test_the_shape_is_what_matters_and_nothing_else(made):
    single, archive = made.fetched(b"x", unpack=False), made.fetched(tar(("a", b"1")))
    made.lower(*USR, directory(b"/opt"))
    first = made.survey(single, archive)
    made.lower(directory(b"/srv"), plain(b"/opt/other"))
    assert made.survey(single, archive) == first
    made.lower(directory(b"/opt/tool"), directory(b"/opt/tool/a"))
    second = made.survey(single, archive)
    assert [one[1] for one in second] != [one[1] for one in first]
    made.lower(directory(b"/opt/tool/b"))
    third = made.survey(single, archive)
    assert (third[0], third[1][0]) == (second[0], second[1][0])
    assert third[1][1] != second[1][1]
    made.lower(Entry(b"/opt", "l", 0o777, content=b"srv"))
    assert [place for place, _ in made.survey(single, archive)] == [b"/srv/tool"] * 2


def test_staging_twice_gives_one_digest(made):
    data = tar(*MEMBERS)
    assert len({(made.stage(data).parent / "listing").read_bytes() for _ in range(2)}) == 1
