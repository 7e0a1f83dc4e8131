"""An honest .deb becomes a tree with its listing, control members and facts, whatever it is made of."""

import base64
import hashlib
import os
import shutil
import stat
import subprocess
import sys
import tarfile

import pytest
import zstandard
from debs import CONTROL, ar, control_tar, deb, digest, hardlink, member, symlink, tar

from envforge.archives import xz
from envforge.errors import IntegrityError
from envforge.sources.debian.deb.unpack import extract_plain, unpack
from envforge.sources.debian.dpkg import facts as facts_module
from envforge.store import listing

TIME = 1_600_000_000


def unpacked(tmp_path, data, held="flat"):
    archive = tmp_path / "a.deb"
    archive.write_bytes(data)
    target = tmp_path / "target"
    target.mkdir()
    facts = unpack(str(archive), str(target), held, sha256=digest(archive))
    entries = {entry.path: entry for entry in listing.load((target / "listing").read_bytes())}
    return target, facts, entries


FILES = (
    member("./"),
    member("./etc/"),
    member("./etc/hello.conf", b"greeting=hi\n"),
    member("./usr/"),
    member("./usr/bin/"),
    member("./usr/bin/hello", b"#!/bin/sh\n", mode=0o755),
    member("./usr/bin/large", bytes(range(256)) * 9000, mode=0o4755),
    member("./usr/share/"),
    member("./usr/share/empty", b""),
    symlink("./usr/share/link", "../bin/hello"),
    hardlink("./usr/bin/another", "./usr/bin/hello"),
    member("./var/", mode=0o2775, gid=50),
    member("./var/mail", b"", uid=8, gid=8, mode=0o660),
)


def test_files_links_and_modes(tmp_path):
    target, facts, entries = unpacked(tmp_path, deb(*FILES, conffiles=b"/etc/hello.conf\n"))
    root = target / "root"
    assert (root / "usr/bin/hello").read_bytes() == b"#!/bin/sh\n"
    assert (root / "usr/bin/large").read_bytes() == bytes(range(256)) * 9000
    assert stat.S_IMODE((root / "usr/bin/large").stat().st_mode) == 0o4755
    assert stat.S_IMODE((root / "var").stat().st_mode) == 0o2775
    assert (root / "usr/share/link").readlink().as_posix() == "../bin/hello"
    assert (root / "usr/bin/another").samefile(root / "usr/bin/hello")
    assert (root / "etc/hello.conf").stat().st_mtime_ns == TIME * 10**9
    assert (root / "usr/share/link").lstat().st_mtime_ns == TIME * 10**9
    assert (root / "usr/bin").stat().st_mtime_ns == listing.DIRECTORY_MTIME * 10**9
    assert facts.newest_mtime == TIME
    assert len(facts.files) == len(FILES) - 1
    owned = {path: (entry.uid, entry.gid) for path, entry in entries.items() if entry.uid or entry.gid}
    assert owned == {b"/var": (0, 50), b"/var/mail": (8, 8)}
    assert entries[b"/usr/bin/large"].content == hashlib.sha256(bytes(range(256)) * 9000).hexdigest().encode()


BELOW_A_GROUP = (
    member("./etc/"),
    member("./etc/chat/", mode=0o2750, gid=30),
    member("./etc/chat/script", b"x"),
    member("./etc/chat/below/"),
    symlink("./etc/chat/link", "script"),
)


def test_below_a_set_group_directory_nothing_inherits_from_it(tmp_path):
    root = unpacked(tmp_path, deb(*BELOW_A_GROUP))[0] / "root/etc/chat"
    assert stat.S_IMODE(root.stat().st_mode) == 0o2750
    assert stat.S_IMODE((root / "below").stat().st_mode) == 0o755


@pytest.mark.root
def test_below_a_directory_of_another_group_files_have_their_own(tmp_path):
    root = unpacked(tmp_path, deb(*BELOW_A_GROUP), held="true")[0] / "root/etc/chat"
    assert root.stat().st_gid == 30
    assert {path.name: path.lstat().st_gid for path in root.iterdir()} == dict.fromkeys(
        ("script", "below", "link"), os.getegid()
    )


def test_a_group_of_hard_links_names_its_first_path(tmp_path):
    _, _, entries = unpacked(tmp_path, deb(*FILES))
    assert entries[b"/usr/bin/another"].link == b""
    assert entries[b"/usr/bin/hello"].link == b"/usr/bin/another"
    assert entries[b"/usr/bin/hello"].content == entries[b"/usr/bin/another"].content


def test_the_listing_says_what_is_there(tmp_path):
    target, _, entries = unpacked(tmp_path, deb(*FILES))
    root = os.fsencode(target / "root")
    seen = {b"/"}
    for directory, directories, files in os.walk(root):
        seen |= {os.path.join(directory, name)[len(root) :] for name in directories + files}
    assert seen == set(entries)
    for path, entry in entries.items():
        status = os.lstat(root + path)
        kind = {"d": stat.S_ISDIR, "f": stat.S_ISREG, "l": stat.S_ISLNK}[entry.type]
        assert kind(status.st_mode)
        assert stat.S_IMODE(status.st_mode) == entry.mode
        assert status.st_mtime == entry.mtime


@pytest.mark.root
def test_owners_are_given_where_ids_are_real(tmp_path):
    target, _, _ = unpacked(tmp_path, deb(*FILES, symlink("./var/l", "x")), held="true")
    status = (target / "root/var/mail").stat()
    assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (8, 8, 0o660)
    assert (target / "root/var").stat().st_gid == 50


@pytest.mark.root
def test_set_id_bits_outlive_the_change_of_owner(tmp_path):
    write = member("./usr/bin/write", b"x", mode=0o2755, gid=5)
    target, _, _ = unpacked(tmp_path, deb(member("./"), write), held="true")
    status = (target / "root/usr/bin/write").stat()
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (5, 0o2755)


def test_usr_is_merged_and_names_stay(tmp_path):
    members = (
        member("./"),
        member("./bin/"),
        member("./bin/cat", b"cat", mode=0o755),
        hardlink("./bin/tac", "./bin/cat"),
        member("./lib/"),
        member("./lib/x86_64-linux-gnu/"),
        member("./lib/x86_64-linux-gnu/libx.so.1", b"x"),
        symlink("./lib/x86_64-linux-gnu/libx.so", "libx.so.1"),
        symlink("./lib64/ld.so", "../lib/x86_64-linux-gnu/libx.so.1"),
        member("./library", b"not merged"),
        hardlink("./usr/sbin/cat", "bin/cat"),
    )
    target, facts, entries = unpacked(tmp_path, deb(*members))
    root = target / "root"
    assert sorted(os.listdir(root)) == ["library", "usr"]
    assert sorted(os.listdir(root / "usr")) == ["bin", "lib", "lib64", "sbin"]
    assert (root / "usr/bin/tac").samefile(root / "usr/bin/cat")
    assert os.readlink(root / "usr/lib64/ld.so") == "../lib/x86_64-linux-gnu/libx.so.1"
    assert entries[b"/usr/sbin/cat"].link == b"/usr/bin/cat"
    names = (target / "control/list").read_text().splitlines()
    assert names[:4] == ["/.", "/bin", "/bin/cat", "/bin/tac"]
    assert "/bin/cat" in facts.files


def test_a_package_that_ships_the_merged_links(tmp_path):
    links = (symlink("./bin", "usr/bin"), symlink("./lib", "usr/lib"))
    target, _, entries = unpacked(tmp_path, deb(member("./"), *links, member("./bin/x", b"x")))
    assert os.readlink(target / "root/bin") == "usr/bin"
    assert (target / "root/usr/bin/x").read_bytes() == b"x"
    assert entries[b"/lib"].content == b"usr/lib"


def test_a_merged_name_that_was_there_before_is_replaced(tmp_path):
    """Dpkg would write through /bin and replace it just so."""
    members = (symlink("./usr/bin/x", "/bin/x"), member("./bin/x", b"real"))
    target, _, entries = unpacked(tmp_path, deb(member("./"), *members))
    assert (target / "root/usr/bin/x").read_bytes() == b"real"
    assert entries[b"/usr/bin/x"].type == "f"


def test_names_that_are_not_text(tmp_path):
    name = b"./usr/caf\xe9 \xff".decode("utf-8", "surrogateescape")
    target, facts, entries = unpacked(tmp_path, deb(member("./"), member(name, b"x")))
    assert b"/usr/caf\xe9 \xff" in entries
    assert (target / "control/list").read_bytes().endswith(b"/usr/caf\xe9 \xff\n")
    assert facts_module.from_json(facts_module.to_json(facts)) == facts


def test_long_names_of_every_format(tmp_path):
    long = "usr/" + "/".join(f"{n:050}" for n in range(30)) + "/file"
    for number, format_ in enumerate((tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)):
        directory = tmp_path / str(number)
        directory.mkdir()
        data = tar(member(long, b"x"), symlink("usr/l", long), hardlink("usr/h", long), format=format_)
        target, _, entries = unpacked(directory, deb(data=data, ending=""))
        assert entries[b"/usr/l"].content == long.encode()
        assert (target / "root/usr/h").samefile(target / "root" / long)


@pytest.mark.parametrize("ending", ["", ".gz", ".xz", ".bz2", ".zst"])
def test_every_compression(tmp_path, ending):
    content = os.urandom(300_000) + bytes(2_000_000)
    plain = tar(member("./"), member("./usr/x", content))
    if ending == ".zst":
        data = zstandard.compress(plain)
    else:
        data = tar(member("./"), member("./usr/x", content), mode="w:" + ending[1:])
    target, _, _ = unpacked(tmp_path, deb(data=data, ending=ending))
    assert (target / "root/usr/x").read_bytes() == content


def test_xz_without_any_liblzma(tmp_path, monkeypatch):
    monkeypatch.setattr(xz, "library", lambda: None)
    target, _, _ = unpacked(tmp_path, deb(*FILES))
    assert (target / "root/usr/bin/hello").read_bytes() == b"#!/bin/sh\n"


def test_several_streams_on_end_are_one(tmp_path):
    plain = tar(member("./"), member("./usr/x", b"y" * 5000))
    for ending in (".xz", ".gz", ".bz2"):
        compress = __import__({".xz": "lzma", ".gz": "gzip", ".bz2": "bz2"}[ending]).compress
        directory = tmp_path / ending
        directory.mkdir()
        target, _, _ = unpacked(
            directory, deb(data=compress(plain[:2000]) + compress(plain[2000:]), ending=ending)
        )
        assert (target / "root/usr/x").read_bytes() == b"y" * 5000


def test_members_that_deb_lets_be_ignored(tmp_path):
    data = ar(("debian-binary", b"2.0\n"), ("_gpgbuilder", b"odd"), ("control.tar.xz", control_tar()),
              ("data.tar/", tar(*FILES)), ("_more", b"x"))  # fmt: skip
    target, _, _ = unpacked(tmp_path, data)
    assert (target / "root/usr/bin/hello").exists()


def test_control_members_and_facts(tmp_path):
    data = deb(
        *FILES,
        conffiles=b"/etc/hello.conf\nremove-on-upgrade /etc/old.conf\n",
        postinst=b"#!/bin/sh\nexit 0\n",
        triggers=b"# comment\ninterest-noawait /usr/share/hello\ninterest hello\nactivate-noawait ldconfig\n",
        md5sums=b"",
    )
    target, facts, _ = unpacked(tmp_path, data)
    assert sorted(os.listdir(target / "control")) == ["conffiles", "list", "md5sums", "postinst", "triggers"]
    assert stat.S_IMODE((target / "control/postinst").stat().st_mode) == 0o755
    assert (facts.name, facts.version, facts.architecture) == ("hello", "1.0", "all")
    assert facts.control.encode() == CONTROL
    assert facts.scripts == ("postinst",)
    assert facts.members["postinst"] == hashlib.sha256(b"#!/bin/sh\nexit 0\n").hexdigest()
    assert facts.conffiles == (
        facts_module.Conffile("/etc/hello.conf", hashlib.md5(b"greeting=hi\n").hexdigest()),
        facts_module.Conffile("/etc/old.conf", "", ("remove-on-upgrade",)),
    )
    assert [(interest.trigger, interest.waits) for interest in facts.interests] == [
        ("/usr/share/hello", False),
        ("hello", True),
    ]
    assert [(trigger.trigger, trigger.waits) for trigger in facts.activates] == [("ldconfig", False)]
    assert not facts.diverts
    assert facts_module.from_json(facts_module.to_json(facts)) == facts


def test_md5sums_are_made_where_none_are_shipped(tmp_path):
    target, _, _ = unpacked(tmp_path, deb(*FILES))
    lines = (target / "control/md5sums").read_text().splitlines()
    assert f"{hashlib.md5(b'#!/bin/sh').hexdigest()}  usr/bin/hello" not in lines
    assert f"{hashlib.md5(b'#!/bin/sh' + bytes([10])).hexdigest()}  usr/bin/hello" in lines
    assert [line.split("  ")[1] for line in lines] == [
        "etc/hello.conf", "usr/bin/hello", "usr/bin/large", "usr/share/empty", "usr/bin/another", "var/mail",
    ]  # fmt: skip


def test_private_keys_are_named(tmp_path):
    begin, end = "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----"
    key = f"Bag Attributes\n{begin}\nMIIE\n{end}\n".encode()
    _, facts, _ = unpacked(
        tmp_path, deb(member("./"), member("./usr/k", key), member("./usr/n", b"PUBLIC KEY"))
    )
    assert facts.private_keys == ("/usr/k",)


@pytest.mark.root
def test_file_capabilities(tmp_path):
    value = bytes.fromhex("0100000200200000000000000000000000000000")
    info, content = member("./usr/ping", b"ping", mode=0o755)
    info.pax_headers = {"LIBARCHIVE.xattr.security.capability": base64.b64encode(value).decode().rstrip("=")}
    data = deb(data=tar((info, content), format=tarfile.PAX_FORMAT), ending="")
    target, _, entries = unpacked(tmp_path, data)
    assert entries[b"/usr/ping"].xattrs == ((b"security.capability", value),)
    assert os.getxattr(target / "root/usr/ping", "security.capability") == value


@pytest.mark.parametrize(
    ("script", "adds"),
    [
        (b"dpkg-divert --package dash --add --rename /bin/sh\n", True),
        (b"dpkg-divert --quiet \\\n  --add /x\n", True),
        (b"dpkg-divert --remove --rename /x\n", False),
        (b"dpkg-divert --package x --rename \\\n --remove /x\n", False),
        (b"if dpkg-divert --list x | grep y; then :; fi\n", False),
        (b"# dpkg-divert --add /x\n", False),
        (b'if [ "$1" = upgrade ] && x; then\n  dpkg-divert --add /x\nfi\n', False),
        (b'if [ "$1" = upgrade ] || [ "$1" = install ]; then\n  dpkg-divert --add /x\nfi\n', True),
        (b'if [ "$1" = upgrade ]; then\n  :\nfi\ndpkg-divert --add /x\n', True),
        (b'dpkg-divert --no-rename --divert "/.$d.usr-is-merged" --add "/$d"\n', False),
        (b"echo hello\n", False),
    ],
)
def test_diversions_in_a_preinst(script, adds):
    assert facts_module.adds_diversion(b"#!/bin/sh\n" + script) is adds


def test_plain_extraction_shares_a_directory(tmp_path):
    for number, content in enumerate((b"first", b"second")):
        archive = tmp_path / f"{number}.deb"
        archive.write_bytes(deb(*FILES, member("./bin/x", content, mode=0o4755)))
        facts = extract_plain(str(archive), str(tmp_path / "tree"), sha256=digest(archive))
    assert facts.name == "hello"
    assert (tmp_path / "tree/usr/bin/x").read_bytes() == b"second"
    assert stat.S_IMODE((tmp_path / "tree/usr/bin/x").stat().st_mode) == 0o755
    assert sorted(os.listdir(tmp_path / "tree")) == ["etc", "usr", "var"]


def test_a_strict_umask_changes_nothing(tmp_path):
    before = os.umask(0o077)
    try:
        target, _, entries = unpacked(tmp_path, deb(*FILES))
    finally:
        os.umask(before)
    for path, entry in entries.items():
        if entry.type != "l":
            assert stat.S_IMODE(os.lstat(os.fsencode(target / "root") + path).st_mode) == entry.mode


@pytest.mark.parametrize("ending", [".xz", ".gz", ".zst"])
def test_memory_does_not_grow_with_the_archive(tmp_path, ending):
    """A file of 300 MiB passes through buffers of one or two."""
    plain = tmp_path / "data.tar"
    with tarfile.open(plain, "w") as archive, open("/dev/zero", "rb") as zeros:
        info, _ = member("./usr/large", b"")
        info.size = 300 << 20
        archive.addfile(info, zeros)
    program = {".xz": ["xz", "-0"], ".gz": ["gzip", "-1"], ".zst": ["zstd", "-q"]}[ending]
    if shutil.which(program[0]) is None:
        data = zstandard.ZstdCompressor().compress(plain.read_bytes())
    else:
        data = subprocess.run([*program, "-c", plain], capture_output=True, check=True).stdout
    plain.unlink()
    control = control_tar(CONTROL + b"Installed-Size: 307200\n")
    (tmp_path / "a.deb").write_bytes(deb(data=data, ending=ending, control=control))
    (tmp_path / "target").mkdir()
    script = (
        "import resource, sys; from envforge.sources.debian.deb.unpack import unpack\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "unpack(sys.argv[1], sys.argv[2], 'flat', sha256=sys.argv[3])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    command = [
        sys.executable,
        "-c",
        script,
        tmp_path / "a.deb",
        tmp_path / "target",
        digest(tmp_path / "a.deb"),
    ]
    grown = int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
    assert (tmp_path / "target/root/usr/large").stat().st_size == 300 << 20
    assert grown < 40 << 10


def test_an_archive_with_other_bytes_is_never_parsed(tmp_path):
    archive = tmp_path / "a.deb"
    archive.write_bytes(deb(*FILES))
    promised = digest(archive)
    archive.write_bytes(deb(*FILES, member("./usr/bin/more", b"x")))
    (tmp_path / "target").mkdir()
    with pytest.raises(IntegrityError, match=str(archive)) as caught:
        unpack(str(archive), str(tmp_path / "target"), "flat", sha256=promised)
    assert "altered" in caught.value.message
    with pytest.raises(IntegrityError):
        extract_plain(str(archive), str(tmp_path / "target"), sha256=promised)
    assert os.listdir(tmp_path / "target") == []
