"""Processes of other users than root, where there is a single id: who they are and what they may."""

import pytest

pytestmark = [pytest.mark.userns, pytest.mark.plain_user]


def test_a_process_becomes_another_user_and_stays_it(flat_tree):
    assert flat_tree.lines("""
def other():
    os.setgroups([8, 4]); os.setgid(12); os.setuid(6)
    print(os.getresuid(), os.getresgid(), os.getgroups())
    print(told(os.setuid, 0), told(os.setresuid, 0, 0, 0), told(os.setgroups, []), told(os.setgid, 0))
    sys.stdout.flush(); os.execv("/usr/bin/id", ["id", "-G"])
in_child(other)
print(os.getuid(), os.getgroups())
""") == ["(6, 6, 6) (12, 12, 12) [4, 8]", "EPERM EPERM EPERM EPERM", "12 4 8", "0 []"]


def test_an_identity_outlives_new_limits(flat_tree):
    """pam_limits sets all limits anew, also the one that identities are kept in."""
    assert flat_tree.lines("""
import resource
RTTIME, NONE = resource.RLIMIT_RTTIME, resource.RLIM_INFINITY
def other():
    os.setgroups([8]); os.setgid(12); os.setuid(6); print(resource.getrlimit(RTTIME) == (NONE, NONE))
    resource.setrlimit(RTTIME, (NONE, NONE)); resource.prlimit(0, RTTIME, (100, NONE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0)); print(resource.getrlimit(resource.RLIMIT_CORE))
    in_child(lambda: print(os.getuid(), os.getgid(), os.getgroups()))
in_child(other)
""") == ["True", "(0, 0)", "6 12 [8]"]


def test_effective_ids_come_and_go(flat_tree):
    assert flat_tree.lines("""
os.mkdir("w"); os.chmod("w", 0o777)
os.setegid(8); os.seteuid(6); make("w/a"); print(os.getresuid(), os.getresgid(), seen("w/a"))
os.seteuid(0); os.setegid(0); make("w/b"); print(os.getresuid(), seen("w/b"))
print(libc.setfsuid(6), libc.setfsuid(-1), libc.setfsgid(8)); make("w/c"); print(seen("w/c"))
""") == ["(0, 6, 0) (0, 8, 0) 6:8 100644", "(0, 0, 0) 0:0 100644", "0 6 0", "6:8 100644"]


def test_what_it_makes_belongs_to_it(flat_tree):
    outcome = flat_tree.python("""
os.mkdir("w"); os.chmod("w", 0o777)
def other():
    os.setgroups([]); os.setgid(12); os.setuid(6)
    make("w/f"); os.mkdir("w/d"); os.symlink("x", "w/l"); os.mkfifo("w/p"); open("w/o", "w").write("text")
    socket.socket(socket.AF_UNIX).bind("/w/s"); os.link("w/f", "w/h"); os.rename("w/o", "w/moved")
    print(told(os.mknod, "w/c", stat.S_IFCHR | 0o600, os.makedev(1, 3)))
    os.system("touch w/t; mkdir w/e; cp /etc/passwd w/copy")
in_child(other)
""")
    names = ("f", "d", "l", "p", "moved", "s", "h", "t", "e", "copy")
    assert {path: outcome.owner(path) for path in outcome.owners} == {f"/w/{name}": (6, 12) for name in names}
    assert outcome.output == "EPERM\n"


def test_it_may_not_touch_what_is_roots(flat_tree):
    assert flat_tree.lines("""
os.mkdir("w"); os.chmod("w", 0o1777); make("w/root"); make("mine"); os.chown("mine", 6, 12)
os.mkdir("theirs")
def other():
    os.setgroups([8]); os.setgid(12); os.setuid(6)
    print(told(open, "/usr/share/data", "w"), told(make, "/new"), told(os.mkdir, "/dir"))
    print(told(os.unlink, "/mine"), told(os.rmdir, "/theirs"))
    print(told(os.unlink, "w/root"), told(os.rename, "w/root", "w/x"), told(os.rename, "mine", "w/mine"))
    print(told(os.chmod, "/usr/share/data", 0o777), told(os.chmod, "mine", 0o600), seen("mine"))
    print(told(os.chown, "mine", 7, -1), told(os.chown, "mine", -1, 8), told(os.chown, "mine", -1, 9))
    print(told(os.chown, "/usr/share/data", 6, 6))
    print(os.access("/etc/shadow", os.R_OK), os.access("mine", os.W_OK))
    print(told(os.link, "mine", "/link"), told(os.symlink, "x", "/link"))
in_child(other)
print(seen("mine"))
""") == [
        "EACCES EACCES EACCES",
        "EACCES EACCES",
        "EPERM EPERM EACCES",
        "EPERM None 6:12 100600",
        "EPERM None EPERM",
        "EPERM",
        "False True",
        "EACCES EACCES",
        "6:8 100600",
    ]


def test_setpriv_keeps_what_it_needs_between_its_calls(flat_tree):
    assert flat_tree.shell("""
mkdir w; chmod 777 w
setpriv --reuid 6 --regid 12 --init-groups --inh-caps=-all touch w/a; stat -c '%u %g' w/a
setpriv --reuid=6 --regid=12 --clear-groups touch w/b; stat -c '%u %g' w/b
setpriv --ruid 6 --regid 12 --clear-groups sh -c 'id -u; id -ru'
setpriv --reuid 6 --regid 12 --init-groups id -G
setpriv --reuid 6 --regid 12 --clear-groups setpriv --reuid 1 --clear-groups id -u 2>&1 || echo refused
""") == ["6 12", "6 12", "6", "6", "12 8", "setpriv: setresuid failed: Operation not permitted", "refused"]


def test_capabilities_are_what_the_process_set(flat_tree):
    assert flat_tree.lines("""
header = struct.pack("<II", 0x20080522, 0)
def get():
    data = ctypes.create_string_buffer(24); libc.capget(header, data)
    return [f"{word:x}" for word in struct.unpack("<6I", data.raw)[:2]]
full = get(); print(full[0] == full[1] != "0")
def other():
    libc.prctl(8, 1, 0, 0, 0); os.setgid(12); os.setuid(6); print(get()[0], get()[1] == full[1])
    chown, = struct.pack("<6I", 1, 1, 0, 0, 0, 0),; print(libc.capset(header, chown), get())
    make("/tmp/x"); print(told(os.chown, "/tmp/x", 7, 7), told(os.setuid, 7))
    print(libc.capset(header, bytes(24)), get())
    print(libc.capset(header, chown), errno.errorcode[ctypes.get_errno()])
in_child(other)
""") == ["True", "0 True", "0 ['1', '1']", "None EPERM", "0 ['0', '0']", "-1 EPERM"]


def test_set_id_programs(flat_tree):
    assert flat_tree.shell("""
cp /usr/bin/id sid; chown 6:12 sid; chmod 6755 sid; ./sid -u; ./sid -g; ./sid -ru
setpriv --reuid 1 --regid 1 --clear-groups ./sid -u
setpriv --reuid 1 --regid 1 --clear-groups --no-new-privs ./sid -u
printf '#!/bin/sh\\nid -u\\n' > script; chown 6:12 script; chmod 4755 script; ./script
cp /usr/bin/id rooted; chmod 4755 rooted; setpriv --reuid 1 --regid 1 --clear-groups ./rooted -u
cp /usr/bin/id secret; chmod 750 secret
setpriv --reuid 1 --regid 1 --clear-groups sh -c './secret -u' 2>/dev/null || echo refused
""") == ["6", "12", "0", "6", "1", "0", "0", "refused"]


def test_chroot_userspec(flat_tree):
    assert flat_tree.shell(
        "mkdir w; chmod 777 w; chroot --userspec=6:12 / touch /w/a; stat -c '%u %g' w/a"
    ) == ["6 12"]


def test_a_second_root(flat_tree):
    outcome = flat_tree.python("""
os.makedirs("jail/sub"); os.symlink("/sub", "jail/link"); os.mkdir("sub"); make("sub/z")
def inside():
    os.chroot("jail"); os.chdir("/"); make("/sub/z"); os.chown("/sub/z", 50, 51)
    print(seen("/sub/z"), seen("/link/z"))
    os.chdir("sub"); os.chown("/link/z", 52, -1); print(seen("z"), seen("/../sub/z"))
in_child(inside)
print(seen("jail/sub/z"), seen("sub/z")); os.chown("sub/z", 1, 1); print(seen("/sub/z"))
""")
    assert outcome.output.splitlines() == [
        "50:51 100644 50:51 100644",
        "52:51 100644 52:51 100644",
        "52:51 100644 0:0 100644",
        "1:1 100644",
    ]
    assert (outcome.owner("/jail/sub/z"), outcome.owner("/sub/z")) == ((52, 51), (1, 1))


def test_a_user_is_made_as_by_root(flat_tree):
    if not flat_tree.has("useradd"):
        pytest.skip("the host has no useradd")
    assert flat_tree.shell("""
useradd --system --no-create-home --user-group daemonic 2>&1; stat -c '%u %g %a' /etc/shadow
mkdir -p /var/lib/daemonic; chown daemonic:daemonic /var/lib/daemonic; stat -c '%U:%G' /var/lib/daemonic
""") == ["0 42 640", "daemonic:daemonic"]
