"""`cp`: where things come to lie, what arguments mean, and both ends of the stream in one process."""

import io
import os
import tarfile
import threading

import pytest
import zstandard

from envforge.api.files.copying import End, end_of
from envforge.containers.files.owners import Numbers
from envforge.containers.files.packing import pack
from envforge.containers.files.places import Landing, landing, place_of
from envforge.containers.files.unpacking import path_of, unpack
from envforge.errors import ArchiveError, CapabilityError, ConflictError, NotFoundError, UsageError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("web:/srv", ("/srv", False, False, "srv")),
        ("/srv/", ("/srv", True, False, "srv")),
        ("/srv/.", ("/srv", True, True, ".")),
        ("srv/../etc//x", ("/etc/x", False, False, "x")),
        ("..", ("/", True, True, ".")),
        ("/", ("/", True, True, ".")),
        ("//a", ("/a", False, False, "a")),
    ],
)
def test_paths_as_they_are_written(text, meant):
    place = place_of(text.removeprefix("web:"))
    assert (place.path, place.directory, place.contents, place.name) == meant


@pytest.mark.parametrize(
    ("name", "target", "there", "is_directory", "expected"),
    [
        ("a", "/d/x", "nothing", False, ("/d", "x")),
        ("a", "/d/x/", "nothing", False, NotFoundError),
        ("a", "/d/x", "file", False, ("/d", "x")),
        ("a", "/d/x/", "file", False, ConflictError),
        ("a", "/d", "directory", False, ("/d", "a")),
        ("a", "/dev/null", "other", False, ConflictError),
        ("s", "/d/x", "nothing", True, ("/d", "x")),
        ("s", "/d/x/", "nothing", True, ("/d", "x")),
        ("s", "/d", "directory", True, ("/d", "s")),
        (".", "/d", "directory", True, ("/d", "")),
        (".", "/d/x", "nothing", True, ("/d", "x")),
        ("s", "/d/x", "file", True, ConflictError),
    ],
)
def test_where_it_comes_to_lie(name, target, there, is_directory, expected):
    if isinstance(expected, type):
        with pytest.raises(expected):
            landing(name, place_of(target), there, is_directory=is_directory)
    else:
        assert landing(name, place_of(target), there, is_directory=is_directory) == Landing(*expected)


def test_arguments():
    assert end_of("web:/srv") == End("web", "/srv")
    assert end_of("web:srv:x") == End("web", "srv:x")
    assert [end_of(text).container for text in ("-", "x", "./a:b", "/a:b", "d/a:b", ".a:b")] == [""] * 6
    for wrong in ("web:", ":/srv"):
        with pytest.raises(UsageError):
            end_of(wrong)


def test_members_are_renamed_and_strangers_refused():
    assert path_of(b"site/a/b", "site", "new") == b"new/a/b"
    assert path_of(b"./a", ".", "") == b"a"
    assert path_of(b"site", "site", "x") == b"x"
    assert path_of(b"/a/./b", None, "") == b"a/b"
    for name in (b"sites/a", b"a", b"..", b"site/../../x"):
        with pytest.raises(ArchiveError):
            path_of(name, "site", "new")


def test_numbers_inside_and_outside():
    numbers = Numbers.of({"nested": ("1000 0 1\n0 1000 1\n1 1 999", "0 0 5")})
    assert [numbers.seen_uid(one) for one in (0, 1000, 7, 5000)] == [1000, 0, 7, 65534]
    assert numbers.held(1000, 4) == (0, 4)
    with pytest.raises(CapabilityError):
        numbers.held(5000, 0)
    assert Numbers.of({"nested": None}).held(7, 8) == (7, 8)


def carried(source, target, name=None):
    """Pack and unpack through a pipe; return what both ends say."""
    reading, writing = os.pipe()
    said = []

    def send():
        try:
            said.append(pack(writing, source, False, abs, abs))
        finally:
            os.close(writing)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        return unpack(reading, target, source.name if name is None else name), said
    finally:
        os.close(reading)
        sender.join()


def test_both_ends(tmp_path):
    source = tmp_path / "säv\udcff e"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / ("n" * 200)).write_bytes(b"x" * 1_500_000)
    (source / "empty").touch(mode=0o640)
    (source / "zeros").write_bytes(bytes(70_000) + b"end")
    (source / "link").symlink_to("sub")
    os.link(source / "empty", source / "sub" / "again")
    os.mkfifo(source / "pipe")
    found, said = carried(place_of(str(source)), place_of(str(tmp_path / "to")))
    assert found == {"files": 5, "bytes": 1_500_000 + 70_003}
    assert said[0]["left_out_count"] == 1
    target = tmp_path / "to"
    for name in ("empty", "zeros", "sub/" + "n" * 200):
        assert (target / name).read_bytes() == (source / name).read_bytes()
    assert os.readlink(target / "link") == "sub"
    assert (target / "sub" / "again").samefile(target / "empty")
    assert (target / "empty").stat().st_mode & 0o777 == (source / "empty").stat().st_mode & 0o777


@pytest.mark.parametrize("way", ["", "gz", "xz", "bz2", "zst"])
def test_archives_may_be_compressed(tmp_path, way):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=f"w:{way}" if way != "zst" else "w") as archive:
        info = tarfile.TarInfo("a/file")
        info.size = 100_000
        archive.addfile(info, io.BytesIO(bytes(range(250)) * 400))
    packed = zstandard.compress(data.getvalue()) if way == "zst" else data.getvalue()
    reading, writing = os.pipe()
    with open(writing, "wb") as file:
        feeder = threading.Thread(target=lambda: (file.write(packed), file.close()))
        feeder.start()
        assert unpack(reading, place_of(str(tmp_path)), None) == {"files": 1, "bytes": 100_000}
        feeder.join()
    os.close(reading)
    assert (tmp_path / "a" / "file").read_bytes() == bytes(range(250)) * 400


def test_a_directory_is_copied_into_itself_once(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").write_text("x")
    found, _ = carried(place_of(str(tmp_path / "a")), place_of(str(tmp_path / "a" / "below")))
    assert found == {"files": 1, "bytes": 1}
    assert sorted(os.listdir(tmp_path / "a" / "below")) == ["file"]


def test_what_is_there_is_replaced_whole_or_stays(tmp_path):
    (tmp_path / "new").write_text("new")
    (tmp_path / "old").write_text("old")
    os.link(tmp_path / "old", tmp_path / "other")
    carried(place_of(str(tmp_path / "new")), place_of(str(tmp_path / "old")))
    assert [(tmp_path / name).read_text() for name in ("old", "other")] == ["new", "old"]
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "new").mkdir()
    with pytest.raises(ConflictError):
        carried(place_of(str(tmp_path / "new")), place_of(str(tmp_path / "d")))
    assert sorted(os.listdir(tmp_path)) == ["d", "new", "old", "other"]
    assert os.listdir(tmp_path / "d") == ["new"]
