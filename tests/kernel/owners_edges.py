"""Run inside a tree, by root or supervised: prints what it sees of many odd things. Both must see the same.

Times, inode numbers and numbers of links in a farm are left out: they differ between any two runs.
"""

# It prints by design, calls its lambdas at once, and has shell lines that are plainest on one line.
# ruff: noqa: B023, BLE001, E501, PLW1510

import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import traceback

libc = ctypes.CDLL(None, use_errno=True)
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")


def seen(path, **options):
    status = os.stat(path, **options)
    device = (
        (os.major(status.st_rdev), os.minor(status.st_rdev))
        if stat.S_IFMT(status.st_mode) in {stat.S_IFCHR, stat.S_IFBLK}
        else ""
    )
    return f"{status.st_uid}:{status.st_gid} {status.st_mode:o} {device}"


def attempt(name, function, *arguments, **options):
    try:
        print(name, function(*arguments, **options))
    except OSError as error:
        print(name, errno.errorcode[error.errno])


def make(path, mode=0o644):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode))


def shell(script):
    result = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(script.strip().splitlines()[0], "->", result.returncode)
    print(result.stdout, end="")


def in_child(function):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        try:
            function()
        except BaseException:
            traceback.print_exc(file=sys.stdout)
        sys.stdout.flush()
        os._exit(0)
    print("child", os.waitpid(child, 0)[1])


def become(uid, gid, groups):
    os.setgroups(groups)
    os.setgid(gid)
    os.setuid(uid)


def files():
    """Owners through names, links, renames, modes, directories, sockets, devices, attributes."""
    for mode in (0o644, 0o4755, 0o2755, 0o6711, 0o2644):
        for uid, gid in ((5, 5), (0, 0), (-1, 7), (7, -1), (-1, -1), (65534, 65534)):
            make("f")
            os.chmod("f", mode)
            os.chown("f", uid, gid)
            print(oct(mode), uid, gid, seen("f"))
            os.chmod("f", mode)
            print(seen("f"))
            os.unlink("f")
    os.mkdir("d")
    os.chmod("d", 0o3777)
    os.chown("d", 3, 8)
    for kind in (stat.S_IFREG, stat.S_IFIFO, stat.S_IFSOCK, stat.S_IFCHR, stat.S_IFBLK):
        attempt(f"mknod {kind:o}", os.mknod, f"d/{kind:o}", kind | 0o6666, os.makedev(10, 229))
        attempt("seen", seen, f"d/{kind:o}", follow_symlinks=False)
    os.mkdir("d/sub", 0o700)
    print(seen("d/sub"))
    os.symlink("nowhere/at/all", "d/link")
    attempt("through a bad link", os.open, "d/link", os.O_CREAT | os.O_WRONLY)
    attempt("directory", os.open, "d/sub/", os.O_CREAT | os.O_WRONLY)
    attempt("slash", os.mkdir, "d/slash/")
    attempt("seen", seen, "d/slash")
    attempt("again", os.mkdir, "d/slash")
    attempt("dot", os.mkdir, "d/.")
    attempt("link to directory", os.link, "d", "e")
    attempt("rename over", os.rename, "d/100000", "d/140000")
    print(seen("d/140000"))
    os.link("d/10000", "fifo")
    os.lchown("fifo", 1, 2)
    print(seen("d/10000"))
    make("cap", 0o755)
    os.setxattr("cap", "security.capability", CAPABILITY)
    print(os.getxattr("cap", "security.capability").hex())
    os.chown("cap", 1, 1)
    attempt("cap", os.getxattr, "cap", "security.capability")
    os.setxattr("cap", "user.mine", b"1")
    print(sorted(os.listxattr("cap")))


def acls():
    """ACLs of every shape, on files and directories, with and without names."""
    tags = {"u": 1, "user": 2, "g": 4, "group": 8, "m": 16, "o": 32}
    shapes = [
        "u7 g5 o0",
        "u7 g5 m7 o0",
        "u6 user4:6 g4 m6 o4",
        "u7 g5 group7:4 group5:42 m5 o0",
        "u7 user7:0 g7 m7 o7",
        "u7 user7:6 g7 o7",
    ]
    for number, shape in enumerate(shapes):
        value = struct.pack("<I", 2)
        for word in shape.split():
            name = word.split(":")[0].rstrip("0123456789")
            number_of = int(word.split(":")[1]) if ":" in word else 0xFFFFFFFF
            value += struct.pack("<HHI", tags[name], int(word.split(":")[0][len(name) :]), number_of)
        directory = f"acl{number}"
        os.mkdir(directory)
        make(f"{directory}/f", 0o640)
        for kind in ("access", "default"):
            attempt(f"{shape} {kind}", os.setxattr, directory, f"system.posix_acl_{kind}", value)
        attempt("file", os.setxattr, f"{directory}/f", "system.posix_acl_access", value)
        for umask in (0o022, 0o077):
            os.umask(umask)
            make(f"{directory}/n{umask}", 0o666)
            os.mkdir(f"{directory}/d{umask}")
            os.chmod(f"{directory}/n{umask}", 0o660)
        os.umask(0o022)
        for name in ("", "/f", "/n18", "/d18", "/n63", "/d63"):
            print(name, seen(directory + name), sorted(os.listxattr(directory + name)))
            for kind in ("access", "default"):
                attempt(kind, lambda: os.getxattr(directory + name, f"system.posix_acl_{kind}").hex())


def identities():
    """What other users are and may."""
    os.mkdir("w")
    os.chmod("w", 0o1777)
    make("w/roots")
    make("mine")
    os.chown("mine", 6, 12)

    def judge():
        print(os.getresuid(), os.getresgid(), os.getgroups())
        for name in ("/usr/share/data", "/etc/shadow", "mine", "w", "w/roots", "/usr/bin/reader", "/nowhere"):
            print(name, [os.access(name, mode) for mode in (0, 1, 2, 4, 7)])
            attempt("write", lambda: os.close(os.open(name, os.O_WRONLY)))
            attempt("chmod", os.chmod, name, 0o755)
            attempt("chown", os.chown, name, 6, -1)
            attempt("chgrp", os.chown, name, -1, 8)
        attempt("unlink", os.unlink, "w/roots")
        attempt("unlink", os.unlink, "/usr/share/data")
        attempt("rename", os.rename, "w/roots", "w/x")
        for call in (os.setuid, os.setgid, os.seteuid, os.setegid):
            attempt(call.__name__, call, 0)
        attempt("setreuid", os.setreuid, 6, 7)
        attempt("setresgid", os.setresgid, -1, 12, -1)
        print(os.getresuid(), os.getresgid())

    for uid, gid, groups in ((6, 12, [8]), (0, 12, [4, 8]), (65534, 65534, [])):
        in_child(lambda: (become(uid, gid, groups), judge()))
    in_child(lambda: (os.setresgid(12, 8, 4), os.setresuid(6, 7, 8), judge()))
    in_child(lambda: (os.setregid(12, 8), os.setreuid(6, 0), judge()))
    in_child(lambda: (os.seteuid(6), os.seteuid(0), os.setuid(6), judge()))
    for securebits in (0, 1 << 4, 1 << 2):
        in_child(lambda: (print(libc.prctl(28, securebits, 0, 0, 0)), os.setuid(6), judge()))


def programs():
    """What the usual programs make of it."""
    shell(
        "mkdir t; chmod 777 t; touch t/x; chown 24:25 t/x; cp -a t u; ls -ln u | cut -c1-20; cp t/x t/y; stat -c %u t/y"
    )
    shell(
        "tar -C t -cf - --numeric-owner . | tar -C u -xpf - --numeric-owner; find u -uid 24; find u -gid 25 -ls | wc -l"
    )
    shell(
        "install -d -o 31 -g 32 -m 2775 inst; install -o 3 -m 4711 t/x inst/x; stat -c '%u %g %a' inst inst/x"
    )
    shell(
        "mv t/x /tmp/x; mv /tmp/x t/z; stat -c '%u %g' t/z; sed -i s/a/b/ t/z; stat -c '%u %g' t/z; ln -s z t/l; chown -h 9:9 t/l; ls -ln t/l | cut -c1-20"
    )
    shell(
        "setpriv --reuid 6 --regid 12 --init-groups sh -c 'id; umask 027; touch t/s; mkdir t/sd; cp /etc/passwd t/p; stat -c \"%u %g %a\" t/s t/sd t/p'"
    )
    shell("setpriv --reuid 6 --regid 12 --clear-groups --inh-caps=-all --bounding-set=-all id")
    shell("setpriv --reuid 6 --regid 12 --clear-groups --ambient-caps=-all --no-new-privs id -u")
    shell("setpriv --reuid 6 --regid 12 --clear-groups setpriv --reuid 1 --regid 1 --clear-groups id")
    shell(
        "chroot --userspec=6:12 / sh -c 'id; touch /e/t/c'; stat -c '%u %g' t/c; chroot --userspec=6:12 --groups=4,8 / id"
    )
    shell(
        "cp /usr/bin/id sid; chown 6:12 sid; chmod 6755 sid; setpriv --reuid 1 --regid 1 --clear-groups ./sid; ./sid"
    )
    shell(
        "cp /usr/bin/id xid; chown 0:12 xid; chmod 2710 xid; setpriv --reuid 1 --regid 12 --clear-groups ./xid; setpriv --reuid 1 --regid 1 --clear-groups sh -c ./xid"
    )
    shell(
        "cat /etc/shadow | cut -c1-4; chmod g+r /etc/shadow; chgrp 0 /etc/shadow; stat -c '%u %g %a' /etc/shadow; rm /usr/bin/reader; touch /usr/bin/reader; stat -c '%u %g %a' /usr/bin/reader"
    )


def main():
    os.umask(0o022)
    os.mkdir("/e")
    os.chdir("/e")
    for part in (files, acls, identities, programs):
        print("==", part.__name__)
        sys.stdout.flush()
        part()


main()
