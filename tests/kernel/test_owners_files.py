"""Files of other owners than root, made and asked for in every way, by a user with a single id."""

import pytest

pytestmark = [pytest.mark.userns, pytest.mark.plain_user]


def test_chown_is_seen_and_told(flat_tree):
    outcome = flat_tree.python("""
make("a"); os.chown("a", 42, 43); print(seen("a"))
os.chown("a", -1, 7); print(seen("a"))
os.lchown("a", 5, -1); print(seen("a"))
fd = os.open("a", os.O_RDONLY); os.fchown(fd, 6, 6); print(seen(fd))
make("b"); os.chown("b", 1, 1); os.chown("b", 0, 0); print(seen("b"))
""")
    assert outcome.output.splitlines() == [
        "42:43 100644",
        "42:7 100644",
        "5:7 100644",
        "6:6 100644",
        "0:0 100644",
    ]
    assert outcome.owner("/a") == (6, 6)
    assert "/b" not in outcome.owners


def test_every_way_to_ask(flat_tree):
    assert flat_tree.lines("""
os.mkdir("f"); make("f/x"); os.symlink("f/x", "l"); os.chown("f/x", 21, 22); os.lchown("l", 31, 32)
d = os.open("f", os.O_RDONLY); o = os.open("f/x", os.O_PATH)
print(seen("f/x"), seen("x", dir_fd=d), seen(o), seen("/f/../f/x"))
print(seen("l"), seen("l", follow_symlinks=False))
print(seen(f"/proc/self/fd/{o}"), seen(f"/dev/fd/{o}"), seen(f"/proc/{os.getpid()}/fd/{o}"))
os.chdir("f"); print(seen("x"), seen("../l"))
os.fchdir(d); print(seen("x"))
print(told(os.stat, "nothing"), told(os.chown, "nothing", 1, 1), told(os.chown, "x/y", 1, 1))
print(told(libc.stat, None, None), libc.fchown(99, 1, 1), errno.errorcode[ctypes.get_errno()])
""") == [
        "21:22 100644 21:22 100644 21:22 100644 21:22 100644",
        "21:22 100644 31:32 120777",
        "21:22 100644 21:22 100644 21:22 100644",
        "21:22 100644 21:22 100644",
        "21:22 100644",
        "ENOENT ENOENT ENOTDIR",
        "-1 -1 EBADF",
    ]


def test_programs_see_and_give_owners(flat_tree):
    assert flat_tree.shell("""
mkdir f; touch f/x; chown 24:25 f/x; stat -c '%u %g %a' f/x; find f -uid 24
cp -a f g; stat -c '%u %g' g/x; tar -cf - --numeric-owner f | tar -C /root -xpf - --numeric-owner
stat -c '%u %g' root/f/x; install -o 31 -g 32 -m 4755 f/x inst; stat -c '%u %g %a' inst
touch ref; chown --reference=f/x ref; stat -c '%u %g' ref
sed -i s/a/b/ f/x; stat -c '%u %g' f/x; mv f/x y; stat -c '%u %g' y; mv y /tmp/y; stat -c '%u %g' /tmp/y
test -O ref || echo not mine
""") == ["24 25 644", "f/x", *["24 25"] * 2, "31 32 4755", *["24 25"] * 4, "not mine"]


def test_owner_follows_the_file_not_the_name(flat_tree):
    outcome = flat_tree.python("""
make("a"); os.chown("a", 42, 43); os.rename("a", "b"); os.link("b", "c"); os.chown("c", -1, 7)
print(seen("b")); os.unlink("b"); print(seen("c"))
make("d"); os.rename("d", "c"); print(seen("c"))
wrong = 0
for _ in range(500):
    make("r"); os.chown("r", 5, 5); os.unlink("r"); make("s"); wrong += os.stat("s").st_uid; os.unlink("s")
print(wrong)
""")
    assert outcome.output.splitlines() == ["42:7 100644", "42:7 100644", "0:0 100644", "0"]
    assert outcome.owners == {}


def test_kernel_clears_set_id_bits(flat_tree):
    assert flat_tree.lines("""
make("s"); os.chmod("s", 0o6755); os.chown("s", 1, 1); print(seen("s"))
os.chmod("s", 0o6755); print(seen("s")); os.chown("s", -1, -1); print(seen("s"))
os.mkdir("d"); os.chmod("d", 0o6775); os.chown("d", 3, 8); print(seen("d"))
""") == ["1:1 100755", "1:1 106755", "1:1 100755", "3:8 46775"]


def test_new_files_inherit_the_group_of_their_directory(flat_tree):
    outcome = flat_tree.python("""
os.mkdir("d"); os.chmod("d", 0o2775); os.chown("d", 3, 8)
make("d/f"); os.mkdir("d/d"); os.symlink("x", "d/l"); os.mkfifo("d/p"); make("d/d/f")
socket.socket(socket.AF_UNIX).bind("d/s"); os.chdir("d"); socket.socket(socket.AF_UNIX).bind("rel")
os.chdir("/"); print(seen("d/s"), seen("d/rel"), seen("d/d"))
bound = socket.socket(socket.AF_UNIX); bound.bind("/d/named"); print(bound.getsockname())
os.symlink("d/through", "dangling"); open("dangling", "w").write("x"); print(seen("d/through"))
fd = os.open("d/e", os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o666); os.write(fd, b"hello")
print(os.get_inheritable(fd), seen(fd), told(os.open, "d/e", os.O_CREAT | os.O_EXCL))
""")
    assert outcome.output.splitlines() == [
        "0:8 140755 0:8 140755 0:8 42755",
        "/d/named",
        "0:8 100644",
        "False 0:8 100644 EEXIST",
    ]
    assert {outcome.owner(f"/d/{name}") for name in ("f", "d", "l", "p", "d/f", "s", "rel", "through")} == {
        (0, 8)
    }


def test_files_without_a_name(flat_tree):
    """Linux 6.1 has none on overlay: the kernel's own error is then the right one."""
    outcome = flat_tree.python("""
os.mkdir("d"); os.chmod("d", 0o2775); os.chown("d", 3, 8)
try:
    fd = os.open("d", os.O_TMPFILE | os.O_RDWR, 0o600)
except OSError as error:
    print(errno.errorcode[error.errno]); raise SystemExit
print(seen(fd)); print(libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b"d/t", 0x400), seen("d/t"))
""")
    if outcome.output != "ENOTSUP\n":
        assert outcome.output.splitlines() == ["0:8 100600", "0 0:8 100600"]
        assert outcome.owner("/d/t") == (0, 8)


def test_files_of_lower_layers(flat_tree):
    outcome = flat_tree.python("""
print(seen("/etc/shadow"), seen("/usr/bin/reader"), seen("/var/local"))
os.chmod("/etc/shadow", 0o600); print(seen("/etc/shadow"))
os.rename("/usr/bin/reader", "/moved"); print(seen("/moved"))
os.link("/etc/shadow", "/etc/shadow-"); print(seen("/etc/shadow"), seen("/etc/shadow-"))
os.chown("/usr/share", 9, 9); print(seen("/usr/share"), seen("/usr/share/.."))
os.lchown("/usr/share/link", 9, 10); print(seen("/usr/share/link", follow_symlinks=False))
os.chown("/usr/share/data", 7, 7); print(seen("/usr/share/data"))
make("/var/local/new"); print(seen("/var/local/new"))
""")
    assert outcome.output.splitlines() == [
        "0:42 100640 0:42 102755 0:50 42775",
        "0:42 100600",
        "0:42 102755",
        "0:42 100600 0:42 100600",
        "9:9 40755 0:0 40755",
        "9:10 120777",
        "7:7 100644",
        "0:50 100644",
    ]
    expected = {
        "/etc/shadow": (0, 42),
        "/etc/shadow-": (0, 42),
        "/moved": (0, 42),
        "/usr/share/link": (9, 10),
    }
    expected |= {
        "/usr/share": (9, 9),
        "/usr/share/data": (7, 7),
        "/var/local/new": (0, 50),
        "/var/local": (0, 50),
    }
    assert {path: outcome.owner(path) for path in outcome.owners} == expected


def test_every_way_to_copy_a_file_up(flat_tree):
    """The inode's number changes with it, and the owner must not be lost."""
    outcome = flat_tree.python("""
os.chdir("/usr/share/owned")
os.utime("0"); os.truncate("1", 3); os.chmod("2", 0o600); open("3", "a").close(); os.rename("4", "four")
os.link("5", "five"); os.setxattr("6", "user.mine", b"1"); fd = os.open("7", os.O_RDWR); os.chown("8", -1, 61)
os.rename("9", "/nine"); make("9")
print(*(os.stat(name).st_uid for name in "0123678"))
print(os.stat("four").st_gid, os.stat("five").st_gid, os.fstat(fd).st_gid)
print(seen("5"), seen("/nine"), seen("9"))
""")
    assert outcome.output.splitlines() == ["5 5 5 5 5 5 5", "64 65 67", "5:65 100644 5:69 100644 0:0 100644"]
    names = [f"/usr/share/owned/{name}" for name in ("0", "1", "2", "3", "four", "5", "five", "6", "7", "8")]
    assert {path: outcome.owner(path) for path in outcome.owners} == {
        **dict(zip(names, [(5, gid) for gid in (60, 61, 62, 63, 64, 65, 65, 66, 67, 61)], strict=True)),
        "/nine": (5, 69),
    }


def test_untouched_lower_files_are_not_told(flat_tree):
    assert flat_tree.python("os.stat('/etc/shadow'); open('/etc/shadow').read()").owners == {}


def test_a_copied_up_owner_can_become_root(flat_tree):
    outcome = flat_tree.python("os.chown('/etc/shadow', 0, 0); print(seen('/etc/shadow'))")
    assert outcome.output == "0:0 100640\n"
    assert outcome.owners == {}


def test_devices_are_told_and_seen_as_such(flat_tree):
    outcome = flat_tree.python("""
os.mknod("c", stat.S_IFCHR | 0o666, os.makedev(1, 3)); os.mknod("b", stat.S_IFBLK | 0o660, os.makedev(8, 300))
for name in "cb":
    status = os.lstat(name); print(seen(name), os.major(status.st_rdev), os.minor(status.st_rdev))
os.chown("c", 0, 5); print(seen("c"))
""")
    assert outcome.output.splitlines() == ["0:0 20644 1 3", "0:0 60640 8 300", "0:5 20644"]
    assert outcome.owners["/c"] == {"owner": [0, 5], "type": "c", "device": [1, 3], "xattrs": {}}
    assert outcome.owners["/b"] == {"owner": [0, 0], "type": "b", "device": [8, 300], "xattrs": {}}


def test_umask_is_the_programs(flat_tree):
    assert flat_tree.lines("""
os.mkdir("d"); os.chmod("d", 0o2777); os.chown("d", 0, 8); os.umask(0o027)
os.mkdir("d/d"); os.close(os.open("d/f", os.O_CREAT | os.O_WRONLY, 0o666)); os.mkfifo("d/p", 0o666)
print(seen("d/d"), seen("d/f"), seen("d/p"))
""") == ["0:8 42750 0:8 100640 0:8 10640"]


ACL = """
def acl(*entries):
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", t, p, i & 0xFFFFFFFF) for t, p, i in entries)
named = acl((1, 7, -1), (4, 5, -1), (8, 5, 4), (16, 5, -1), (32, 0, -1))
ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
"""


def test_acls_that_name_ids(flat_tree):
    outcome = flat_tree.python(
        ACL
        + """
os.mkdir("d"); os.setxattr("d", ACCESS, named); print(seen("d"), os.getxattr("d", ACCESS) == named)
print(os.listxattr("d")); os.chmod("d", 0o711); print(os.getxattr("d", ACCESS).hex())
make("e"); os.setxattr("e", ACCESS, named); os.removexattr("e", ACCESS); print(told(os.getxattr, "e", ACCESS))
make("g"); print(told(os.setxattr, "g", ACCESS, b"rubbish"), told(os.setxattr, "nothing", ACCESS, named))
"""
    )
    assert outcome.output.splitlines() == [
        "0:0 40750 True",
        "['system.posix_acl_access']",
        "0200000001000700ffffffff04000500ffffffff080005000400000010000100ffffffff20000100ffffffff",
        "ENODATA",
        "ENOTSUP ENOENT",
    ]
    assert outcome.owners["/d"]["xattrs"]["system.posix_acl_access"].endswith("20000100ffffffff")
    assert "/e" not in outcome.owners


def test_default_acls_are_inherited(flat_tree):
    outcome = flat_tree.python(
        ACL
        + """
os.mkdir("d"); os.setxattr("d", DEFAULT, named); os.umask(0o077)
make("d/f", 0o666); os.mkdir("d/d"); os.symlink("x", "d/l")
print(seen("d/f"), seen("d/d"), os.getxattr("d/d", DEFAULT) == named)
"""
    )
    assert outcome.output.splitlines() == ["0:0 100640 0:0 40750 True"]
    assert set(outcome.owners["/d/d"]["xattrs"]) == {"system.posix_acl_access", "system.posix_acl_default"}
    assert set(outcome.owners["/d/f"]["xattrs"]) == {"system.posix_acl_access"}
    assert "/d/l" not in outcome.owners


def test_file_capabilities_are_the_files_own(flat_tree):
    capability = "0100000200200000000000000000000000000000"
    assert flat_tree.lines(f"""
value = bytes.fromhex("{capability}")
make("a", 0o755); os.setxattr("a", "security.capability", value)
print(os.getxattr("a", "security.capability").hex())
os.chown("a", 1, 1); print(told(os.getxattr, "a", "security.capability"))
""") == [capability, "ENODATA"]


def test_acl_tools(flat_tree):
    if not (flat_tree.has("setfacl") and flat_tree.has("getfacl")):
        pytest.skip("the host has no setfacl")
    assert flat_tree.shell("""
mkdir d; setfacl -m g:mail:rwx,d:u:mailer:rx d
getfacl -cp d | sed '/^$/d'; cp -a d e; getfacl -cp e | sed -n 3p
""") == [
        "user::rwx",
        "group::r-x",
        "group:mail:rwx",
        "mask::rwx",
        "other::r-x",
        "default:user::rwx",
        "default:user:mailer:r-x",
        "default:group::r-x",
        "default:mask::r-x",
        "default:other::r-x",
        "group:mail:rwx",
    ]


def test_rsync_keeps_owners(flat_tree):
    if not flat_tree.has("rsync"):
        pytest.skip("the host has no rsync")
    assert flat_tree.shell(
        "mkdir f; touch f/x; chown 24:25 f/x; rsync -a --numeric-ids f/ g; stat -c '%u %g' g/x"
    ) == ["24 25"]


def test_perl_sees_owners(flat_tree):
    if not flat_tree.has("perl"):
        pytest.skip("the host has no perl")
    assert flat_tree.shell(
        """touch x; chown 24:25 x; LC_ALL=C perl -e '@s = stat("x"); print "$s[4]:$s[5]\\n"'"""
    ) == ["24:25"]
