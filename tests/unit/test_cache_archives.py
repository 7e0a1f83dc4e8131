"""What of a cache's archive gets into a layer, and what is refused. Whatever happens, nothing is outside."""

import os
import stat
import tarfile

import pytest
import zstandard
from cache_archives import archive_of, file_entry, member, packed

from envforge.archives import bounds
from envforge.build.cache.unpack import unpack
from envforge.errors import EnvforgeError
from envforge.store import listing
from envforge.store.listing import Entry
from envforge.store.scan import scan

ROOT = Entry(b"/", "d")


@pytest.fixture
def take(tmp_path):
    """Unpack an archive as a user with a single id would."""
    place = tmp_path / "place"
    place.mkdir()
    (tmp_path / "outside").write_text("untouched")

    def run(data: bytes, digest: str):
        archive = tmp_path / "archive"
        archive.write_bytes(data)
        said = unpack(None, str(place), str(archive), digest, "flat")
        return place / "layer/root", said

    yield run
    assert (tmp_path / "outside").read_text() == "untouched"
    assert sorted(os.listdir(tmp_path)) in (["archive", "outside", "place"], ["outside", "place"])


def refused(take, data, digest):
    with pytest.raises((EnvforgeError, OSError)):
        take(data, digest)


def test_a_layer_comes_out_as_its_listing_says(take):
    entries = [
        ROOT,
        Entry(b"/dir", "d", 0o2750),
        file_entry("/dir/a b\n\xff", b"text", mode=0o4755, xattrs=((b"user.x", b"y"),)),
        file_entry("/dir/linked", b"", mode=0o600),
        Entry(b"/link", "l", 0o777, mtime=9, content=b"/outside"),
        Entry(b"/opaque", "o"),
    ]
    entries.append(file_entry("/other", b"", mode=0o600, link=b"/dir/linked"))
    text = listing.dump(entries)
    root, said = take(*archive_of(text, b"text", b""))
    found = {entry.path: entry for entry in scan(str(root))}
    told = {entry.path: entry for entry in listing.iterate(text)}
    for path, entry in told.items():
        same = found[path]
        assert (same.type, same.mode, same.mtime, same.size, same.content) == (
            (entry.type, entry.mode, entry.mtime, entry.size, entry.content)
        ), path
    assert found[b"/dir/a b\n\xc3\xbf"].xattrs == ((b"user.x", b"y"),)
    assert os.stat(root / "other").st_ino == os.stat(root / "dir/linked").st_ino
    assert said == {"size_bytes": 4, "files": 4}
    assert (root.parent / "listing").read_bytes() == text


def test_what_the_tar_says_of_names_owners_modes_and_kinds_counts_for_nothing(take):
    text = listing.dump([ROOT, file_entry("/file", b"text")])
    data = packed(
        member("/listing", text),
        member("root/device", type=tarfile.CHRTYPE, devmajor=1, devminor=3),
        member("root/away", type=tarfile.SYMTYPE, linkname="../../outside"),
        member("root/away/x", type=tarfile.DIRTYPE),
        member("../../outside", b"text", mode=0o4777, uid=12, gid=13, mtime=5),
    )
    root, _ = take(data, listing.digest(text))
    assert os.listdir(root) == ["file"]
    status = os.stat(root / "file")
    assert (stat.S_IMODE(status.st_mode), status.st_mtime, status.st_uid) == (0o644, 7, os.geteuid())


HOSTILE = {
    "no root": [Entry(b"/a", "d")],
    "a file as the root": [file_entry("/", b"")],
    "above": [ROOT, file_entry("/../outside", b"")],
    "a dot": [ROOT, Entry(b"/.", "d")],
    "dots below": [ROOT, Entry(b"/a", "d"), Entry(b"/a/..", "d"), file_entry("/a/../b", b"")],
    "relative": [ROOT, file_entry("a", b"")],
    "an empty name": [ROOT, Entry(b"//a", "d")],
    "no parent": [ROOT, file_entry("/a/b", b"")],
    "below a link": [ROOT, Entry(b"/a", "l", 0o777, content=b"/tmp"), file_entry("/a/b", b"")],
    "below a file": [ROOT, file_entry("/a", b""), file_entry("/a/b", b"")],
    "twice": [ROOT, file_entry("/a", b""), file_entry("/a", b"x")],
    "a byte zero": [ROOT, file_entry("/a\0b", b"")],
    "a device": [ROOT, Entry(b"/a", "c", 0o666, device=(1, 3))],
    "a disk": [ROOT, Entry(b"/a", "b", 0o666, device=(8, 0))],
    "a whiteout that is a device": [ROOT, Entry(b"/a", "w", 0, device=(1, 3))],
    "a pipe": [ROOT, Entry(b"/a", "p")],
    "a socket": [ROOT, Entry(b"/a", "s")],
    "no kind": [ROOT, Entry(b"/a", "x")],
    "odd bits": [ROOT, file_entry("/a", b"", mode=0o170644)],
    "an owner below nothing": [ROOT, file_entry("/a", b"", uid=-1)],
    "an owner beyond all": [ROOT, file_entry("/a", b"", gid=1 << 40)],
    "a time beyond all": [ROOT, file_entry("/a", b"", mtime=1 << 70)],
    "a time before all": [ROOT, file_entry("/a", b"", mtime=-(1 << 70))],
    "a directory of today": [ROOT, Entry(b"/a", "d", mtime=1700000000)],
    "a size below nothing": [ROOT, Entry(b"/a", "f", size=-1, content=b"0" * 64)],
    "no size": [ROOT, Entry(b"/a", "f", content=b"0" * 64)],
    "no hash": [ROOT, Entry(b"/a", "f", size=0, content=b"\xff" * 64)],
    "a huge file": [ROOT, Entry(b"/a", "f", size=1 << 60, content=b"0" * 64)],
    "an empty link": [ROOT, Entry(b"/a", "l", 0o777)],
    "a link with a byte zero": [ROOT, Entry(b"/a", "l", 0o777, content=b"a\0b")],
    "a hard link to nothing": [ROOT, file_entry("/a", b"", link=b"/0")],
    "a hard link to a link": [
        ROOT,
        Entry(b"/a", "l", 0o777, content=b"/etc/passwd"),
        file_entry("/b", b"", link=b"/a"),
    ],
    "a hard link to itself": [ROOT, file_entry("/a", b"", link=b"/a")],
    "a hard link that is another file": [ROOT, file_entry("/a", b""), file_entry("/b", b"x", link=b"/a")],
    "a hard link with another mode": [
        ROOT,
        file_entry("/a", b""),
        file_entry("/b", b"", link=b"/a", mode=0o4755),
    ],
    "a label": [ROOT, file_entry("/a", b"", xattrs=((b"security.selinux", b"x"),))],
    "a trusted attribute": [ROOT, file_entry("/a", b"", xattrs=((b"trusted.overlay.redirect", b"/x"),))],
    "overlay's own attribute": [ROOT, Entry(b"/a", "d", xattrs=((b"user.overlay.redirect", b"/x"),))],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_listing_that_no_build_could_have_written_is_refused(take, name):
    contents = [b"" for entry in HOSTILE[name] if entry.type == "f"]
    refused(take, *archive_of(listing.dump(HOSTILE[name]), *contents))


FINE = listing.dump([ROOT, file_entry("/file", b"text"), file_entry("/more", b"more")])


@pytest.mark.parametrize(
    "contents",
    [[], [b"text"], [b"more", b"text"], [b"text", b"mora"], [b"text", b"more!"], [b"", b"more"]],
    ids=["none", "too few", "another order", "another byte", "another size", "empty"],
)
def test_other_contents_are_refused(take, contents):
    refused(take, *archive_of(FINE, *contents))


def test_another_listing_is_refused(take):
    data, _ = archive_of(FINE, b"text", b"more")
    refused(take, data, "0" * 64)


@pytest.mark.parametrize("text", [b"", b"envforge-listing 2\n", FINE[::-1], FINE.replace(b"644", b"0644", 1)])
def test_what_is_no_listing_is_refused(take, text):
    refused(take, *archive_of(text, b"text", b"more"))


def test_a_listing_in_another_order_is_refused(take):
    lines = FINE.splitlines(keepends=True)
    refused(take, *archive_of(b"".join([lines[0], lines[1], lines[3], lines[2]]), b"more", b"text"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_an_archive_that_is_cut_off_is_refused(take, share):
    text = listing.dump([ROOT, file_entry("/file", os.urandom(100_000))])
    data, digest = archive_of(text, os.urandom(100_000))
    refused(take, data[: int(len(data) * share)], digest)


def test_what_is_no_archive_is_refused(take):
    for data in (b"x" * 5000, zstandard.compress(b"x" * 5000), zstandard.compress(bytes(5000))):
        refused(take, data, "0" * 64)


def test_a_bomb_is_refused_before_it_is_written(take, monkeypatch):
    """Of nothing but zeros: 64 MiB in 2 kB."""
    monkeypatch.setattr(bounds, "UNPACKED_BYTES", 1 << 20)
    zeros = bytes(64 << 20)
    data, digest = archive_of(listing.dump([ROOT, file_entry("/zeros", zeros)]), zeros)
    refused(take, data, digest)


def test_members_without_end_are_not_read_to_their_end(take):
    directories = [member("root/x", type=tarfile.DIRTYPE)] * 20_000
    refused(take, packed(member("listing", FINE), *directories), listing.digest(FINE))
    refused(take, packed(*directories), "0" * 64)


def test_a_window_that_wants_all_memory_is_refused(take):
    parameters = zstandard.ZstdCompressionParameters.from_level(1, window_log=30, enable_ldm=True)
    raw = zstandard.decompress(archive_of(FINE, b"text", b"more")[0])
    compressor = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    data = compressor.compress(raw * 3) + compressor.flush()
    refused(take, data, listing.digest(FINE))
