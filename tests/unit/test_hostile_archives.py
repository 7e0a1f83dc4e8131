"""Archives that are broken or mean harm: each is an ArchiveError, nothing outside the target is touched."""

import base64
import errno
import os
import struct
import subprocess
import tarfile
from functools import partial

import pytest
from debs import CONTROL, ar, control_tar, deb, digest, hardlink, member, symlink, tar

from envforge.archives import bounds
from envforge.archives import tar as tar_module
from envforge.errors import ArchiveError, StoreFullError
from envforge.sources.debian.deb import unpack as unpack_module
from envforge.sources.debian.deb.unpack import _explained, extract_plain, unpack

WAYS = {"unpack": partial(unpack, held="flat"), "plain": extract_plain}
GOOD = (member("./"), member("./usr/"), member("./usr/hello", b"hi\n"))


@pytest.fixture
def refuse(tmp_path):
    """Check that unpacking these bytes is refused, in both ways, and leaves the world as it was."""

    def run(data, match, ways=("unpack", "plain")):
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "file").write_bytes(b"untouched")
        archive = tmp_path / "hostile.deb"
        archive.write_bytes(data)
        for way in ways:
            target = tmp_path / way
            target.mkdir()
            with pytest.raises(ArchiveError, match=match):
                WAYS[way](str(archive), str(target), sha256=digest(archive))
        assert sorted(os.listdir(tmp_path)) == sorted(["hostile.deb", "outside", *ways])
        assert os.listdir(outside) == ["file"]
        assert (outside / "file").read_bytes() == b"untouched"

    return run


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "//etc/passwd",
        ".//etc/passwd",
        "/",
        "../up",
        "./usr/../../up",
        "a/..",
        "..",
        "./a/../b",
    ],
)
def test_paths_that_leave_the_tree(refuse, name):
    refuse(deb(*GOOD, member(name, b"x")), "absolute path|leaves its tree")


@pytest.mark.parametrize("name", ["./usr/a\nb", "./usr/" + "n" * 300])
def test_names_that_no_file_may_have(refuse, name):
    refuse(deb(*GOOD, member(name, b"x")), "impossible path|cannot be made")


def test_nul_in_a_pax_name(refuse):
    info, content = member("./usr/x", b"x")
    info.pax_headers = {"path": "usr/a\0b"}
    refuse(deb(data=tar((info, content), format=tarfile.PAX_FORMAT), ending=""), "impossible path")


def test_write_through_a_symlink_to_outside(refuse, tmp_path):
    refuse(
        deb(member("./"), symlink("./link", str(tmp_path / "outside")), member("./link/file", b"pwned")),
        "written through './?link'|written through 'link'",
    )


def test_write_through_a_symlink_inside(refuse):
    refuse(deb(*GOOD, symlink("./usr/l", "."), member("./usr/l/x", b"")), "written through 'usr/l'")


def test_directory_over_a_symlink(refuse, tmp_path):
    refuse(
        deb(
            *GOOD,
            symlink("./usr/l", str(tmp_path / "outside")),
            member("./usr/l/"),
            member("./usr/l/file", b"x"),
        ),
        "as a directory and as something else|is there already",
    )


def test_file_over_its_own_symlink(refuse, tmp_path):
    refuse(deb(*GOOD, symlink("./usr/l", str(tmp_path / "outside/file")), member("./usr/l", b"x")), "twice")


def test_symlink_where_merged_files_go(refuse, tmp_path):
    refuse(
        deb(member("./"), symlink("./usr", str(tmp_path / "outside")), member("./bin/sh", b"x")),
        "through 'usr'",
    )


def test_file_below_a_file(refuse):
    refuse(deb(*GOOD, member("./usr/hello/x", b"x")), "written through 'usr/hello'")


def test_the_same_file_twice(refuse):
    refuse(deb(*GOOD, member("./usr/hello", b"other")), "twice")


def test_hard_link_to_a_file_of_the_host(refuse):
    refuse(deb(*GOOD, hardlink("./usr/shadow", "/etc/shadow")), "absolute path")


@pytest.mark.parametrize("target", ["../outside/file", "usr/../../outside/file"])
def test_hard_link_upwards(refuse, target):
    refuse(deb(*GOOD, hardlink("./usr/l", target)), "leaves its tree")


@pytest.mark.parametrize("target", ["./usr/none", "./usr", "./usr/link/file"])
def test_hard_link_to_no_file_of_the_archive(refuse, tmp_path, target):
    link = symlink("./usr/link", str(tmp_path / "outside"))
    refuse(deb(*GOOD, link, hardlink("./usr/l", target)), "is no file of it")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_device_nodes(refuse, kind):
    refuse(deb(*GOOD, member("./usr/node", type=kind, devmajor=1, devminor=3)), "no package may")


def test_a_tar_type_that_packages_do_not_use(refuse):
    refuse(deb(*GOOD, member("./usr/sparse", type=tarfile.GNUTYPE_SPARSE)), "unsupported tar type 'S'")


def test_pax_sparse_files(refuse):
    info, content = member("./usr/x", b"x")
    info.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.name": "x"}
    refuse(deb(data=tar((info, content), format=tarfile.PAX_FORMAT), ending=""), "sparse file")


@pytest.mark.parametrize("name", ["user.overlay.opaque", "trusted.overlay.redirect", "security.unknown"])
def test_xattrs_that_would_steer_the_overlay(refuse, name):
    info, content = member("./usr/x", b"x")
    info.pax_headers = {f"LIBARCHIVE.xattr.{name}": base64.b64encode(b"y").decode()}
    data = tar((info, content), format=tarfile.PAX_FORMAT)
    if name == "user.overlay.opaque":
        refuse(deb(data=data, ending=""), "no package may set")


def test_a_broken_capability(refuse):
    info, content = member("./usr/x", b"x")
    info.pax_headers = {"LIBARCHIVE.xattr.security.capability": base64.b64encode(b"abc").decode()}
    refuse(deb(data=tar((info, content), format=tarfile.PAX_FORMAT), ending=""), "broken file capability")


def _with_size(data, name, size):
    """Change the size that the header of `name` claims, as base-256 if it is large; mend the checksum."""
    start = data.index(name.encode())
    header = bytearray(data[start : start + 512])
    header[124:136] = b"\x80" + size.to_bytes(11, "big") if size >= 8**11 else b"%011o\0" % size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return data[:start] + bytes(header) + data[start + 512 :]


@pytest.mark.parametrize("size", [1 << 40, 1 << 62, (1 << 88) - 1])
def test_a_file_that_claims_to_be_huge(refuse, size):
    refuse(deb(data=_with_size(tar(*GOOD), "./usr/hello", size), ending=""), "claims to be")


def test_a_file_that_claims_more_than_there_is(refuse):
    refuse(deb(data=_with_size(tar(*GOOD), "./usr/hello", 1 << 30), ending=""), "ends in the middle")


def test_a_path_of_two_thousand_directories(refuse, tmp_path):
    refuse(deb(member("./"), member("./usr/" + "d/" * 2030 + "x" * 50, b"x")), "cannot be made")
    subprocess.run(["rm", "-rf", *(tmp_path / way for way in WAYS)], check=True)  # too deep for shutil


def test_an_owner_that_nobody_is(refuse):
    refuse(deb(*GOOD, member("./usr/x", b"x", uid=1 << 40)), "nobody is")


def test_xattrs_on_what_is_no_file(refuse):
    info, content = member("./usr/x")
    info.pax_headers = {"LIBARCHIVE.xattr.user.x": base64.b64encode(b"y").decode()}
    refuse(deb(data=tar((info, content), format=tarfile.PAX_FORMAT), ending=""), "directory with xattrs")


@pytest.mark.parametrize(
    "records", [b"5 a=\n" * 200_000, b"999999 a=b\n", b"5 a=x", b"0 a=b\n", b"x a=b\n", b"a" * 50, b"12 " * 9]
)
def test_broken_and_endless_pax_headers(refuse, records):
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    padded = records + bytes(-len(records) % 512)
    data = info.tobuf(tarfile.USTAR_FORMAT) + padded + tar(member("./../x", b"x"))
    refuse(deb(data=data, ending=""), "pax header is broken|leaves its tree")


def test_a_huge_long_name(refuse):
    info, content = member("./usr/" + "d/" * 100 + "x", b"x")
    refuse(deb(data=_with_size(tar((info, content)), "././@LongLink", 1 << 33), ending=""), "too large")


def test_a_control_archive_that_is_huge(refuse):
    bomb = control_tar(templates=bytes(65 << 20))
    refuse(deb(*GOOD, control=bomb), "larger than 64 MiB")


@pytest.mark.parametrize("name", ["../x", "/x", "a/b", "list", ".."])
def test_control_members_with_paths(refuse, name):
    control = tar(member("./"), member("./control", CONTROL), member(name, b"x"), mode="w:xz")
    refuse(deb(*GOOD, control=control), "its control archive has the member")


def test_a_control_member_that_is_a_link(refuse):
    control = tar(member("./control", CONTROL), symlink("./postinst", "/etc/passwd"), mode="w:xz")
    refuse(deb(*GOOD, control=control), "its control archive has the member")


@pytest.mark.parametrize(
    ("control", "match"),
    [
        (b"Package: x\nVersion: 1\n", "no Architecture"),
        (b"no colon here\n", "broken line"),
        (b"Package: x\nPackage: y\n", "broken line"),
    ],
)
def test_a_broken_control_paragraph(refuse, control, match):
    refuse(deb(*GOOD, control=control_tar(control)), match)


def test_without_control_file(refuse):
    refuse(deb(*GOOD, control=tar(member("./"), mode="w:xz")), "no control file")


def test_every_truncation_of_a_deb(tmp_path):
    """No prefix of a .deb unpacks, whatever its compression."""
    for ending, mode in (("", "w"), (".xz", "w:xz"), (".gz", "w:gz"), (".bz2", "w:bz2")):
        whole = deb(*GOOD, member("./usr/big", os.urandom(3000)), mode=mode, ending=ending)
        for number, length in enumerate([*range(0, len(whole) - 1, 397), len(whole) - 2]):
            archive = tmp_path / "cut.deb"
            archive.write_bytes(whole[:length])
            target = tmp_path / f"target{ending}{number}"
            target.mkdir()
            with pytest.raises(ArchiveError):
                unpack(str(archive), str(target), "flat", sha256=digest(archive))


@pytest.mark.parametrize("ending", [".xz", ".gz", ".bz2"])
def test_flipped_bits_in_compressed_data(tmp_path, ending):
    clean = deb(*GOOD, member("./usr/big", os.urandom(3000)), mode="w:" + ending[1:], ending=ending)
    start = clean.rindex(b"`\n") + 2
    for number, position in enumerate(range(start + 20, len(clean) - 40, 211)):
        dirty = bytearray(clean)
        dirty[position] ^= 0x10
        archive = tmp_path / "dirty.deb"
        archive.write_bytes(dirty)
        target = tmp_path / f"target{number}"
        target.mkdir()
        with pytest.raises(ArchiveError):
            unpack(str(archive), str(target), "flat", sha256=digest(archive))


def test_a_wrong_tar_checksum(refuse):
    data = bytearray(tar(*GOOD))
    data[data.index(b"./usr/hello") + 100] ^= 1
    refuse(deb(data=bytes(data), ending=""), "checksum")


def test_a_tar_without_its_end(refuse):
    refuse(deb(data=tar(*GOOD)[: 512 * 4], ending=""), "ends in the middle")


BINARY = ("debian-binary", b"2.0\n")
CONTROL_MEMBER = ("control.tar.xz", control_tar())
DATA_MEMBER = ("data.tar", tar(*GOOD))


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "magic"),
        (b"<html>not found</html>", "magic"),
        (b"!<arch>\n", "member is missing"),
        (ar(BINARY), "member is missing"),
        (ar(BINARY, CONTROL_MEMBER), "member is missing"),
        (ar(BINARY, DATA_MEMBER), "out of order"),
        (ar(BINARY, DATA_MEMBER, CONTROL_MEMBER), "out of order"),
        (ar(CONTROL_MEMBER, DATA_MEMBER), "format 2"),
        (ar(("debian-binary", b"3.0\n"), CONTROL_MEMBER, DATA_MEMBER), "format 2"),
        (ar(BINARY, CONTROL_MEMBER, ("data.tar.rar", b"x")), "unknown compression"),
        (ar(BINARY, CONTROL_MEMBER, ("data.zip", b"x")), "out of order"),
        (ar(BINARY, CONTROL_MEMBER, DATA_MEMBER).replace(b"`\n", b"xx"), "header"),
        (ar(BINARY, CONTROL_MEMBER, ("data.tar.xz", b"not xz at all, whatever")), "xz data|decoded"),
        (ar(BINARY, CONTROL_MEMBER, ("data.tar.zst", b"not zst at all, whatever")), "zstd data"),
        (ar(BINARY, CONTROL_MEMBER, ("data.tar.gz", b"not gz at all, whatever")), "decoded"),
    ],
)
def test_broken_ar_files(refuse, data, match):
    refuse(data, match)


def test_an_ar_member_that_claims_more_than_the_file(refuse):
    data = ar(BINARY, CONTROL_MEMBER, DATA_MEMBER)
    size = struct.pack("10s", b"%-10d" % len(DATA_MEMBER[1]))
    refuse(data.replace(size, b"9999999999"), "truncated")


def test_a_broken_conffiles_line(refuse):
    refuse(deb(*GOOD, conffiles=b"relative/path\n"), "conffiles", ways=("unpack",))


def test_a_broken_triggers_line(refuse):
    refuse(deb(*GOOD, triggers=b"interest\n"), "triggers")


def test_a_full_disk_is_no_fault_of_the_archive():
    assert isinstance(_explained("x.deb", OSError(errno.ENOSPC, "full")), StoreFullError)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("Package", "../../../../etc/profile.d/x"),
        ("Package", "/etc/x"),
        ("Package", "a b"),
        ("Version", "1/../../x"),
        ("Version", "..\n x"),
        ("Architecture", "../all"),
        ("Multi-Arch", "../same"),
    ],
)
def test_control_fields_that_are_paths(refuse, field, value):
    lines = {"Package": "hello", "Version": "1.0", "Architecture": "all", field: value}
    control = "".join(f"{name}: {text}\n" for name, text in lines.items()).encode()
    refuse(deb(*GOOD, control=control_tar(control, sh=b"echo pwned\n")), "is no (package|version|arch|value)")


@pytest.mark.parametrize(
    "name", ["../../.ssh/authorized_keys2", "x/../../y", "File", "/usr/../../etc", "a\x0bb"]
)
def test_triggers_that_are_paths(refuse, name):
    triggers = f"interest-await {name}\n".encode()
    refuse(deb(*GOOD, control=control_tar(triggers=triggers)), "is no trigger|broken line")


@pytest.mark.parametrize("path", ["/etc/../../x", "/etc/a\x0bb", "/..", "/etc/\x7f"])
def test_conffiles_that_leave_the_tree(refuse, path):
    refuse(deb(*GOOD, control=control_tar(conffiles=f"{path}\n".encode())), "is no path", ways=("unpack",))


@pytest.mark.parametrize("name", ["../x", "a/b", "-x", ".x", "a b", "list", "x" * 101])
def test_control_members_that_are_no_names(refuse, name):
    control = tar(member("./"), member("./control", CONTROL), member(f"./{name}", b"x"), mode="w:xz")
    refuse(deb(*GOOD, control=control), "control archive has the member")


@pytest.mark.parametrize(
    ("said", "module", "allowed"),
    [
        ("", unpack_module, "_UNSIZED_BYTES"),
        ("10", unpack_module, "_SLACK_BYTES"),
        ("99999999", bounds, "UNPACKED_BYTES"),
    ],
)
def test_an_archive_that_unpacks_to_far_more_than_it_says_or_is(refuse, monkeypatch, said, module, allowed):
    """8 MiB of zeros in a few kB."""
    monkeypatch.setattr(module, allowed, 4 << 20)
    control = CONTROL + f"Installed-Size: {said}\n".encode() if said else CONTROL
    refuse(
        deb(*GOOD, member("./usr/large", bytes(8 << 20)), control=control_tar(control)),
        "unpacks to more than 4 MiB",
    )


def test_a_control_archive_that_is_a_bomb(refuse, monkeypatch):
    monkeypatch.setattr(unpack_module, "_CONTROL_MAX_BYTES", 1 << 20)
    control = control_tar(postinst=bytes(3 << 20))
    refuse(deb(*GOOD, control=control), "control archive is larger than 1 MiB")


def test_an_archive_of_nothing_but_members(refuse, monkeypatch):
    monkeypatch.setattr(tar_module, "_MEMBERS_MAX", 50)
    refuse(deb(*GOOD, *(member(f"./usr/{number}", b"") for number in range(60))), "more than 50 members")
