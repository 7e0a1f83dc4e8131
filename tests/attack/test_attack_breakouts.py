"""Ways out of containers that others had, those that are tried nowhere else. All that are known, and where:

/proc/self/exe of what enters       kernel/test_sandbox_hardening.py, kernel/test_joining.py
descriptors that were left open     probe.py, test_attack_containers.py, kernel/test_sandbox_hardening.py
typing into the terminal (TIOCSTI)  probe.py
sources of mounts that are links    test_attack_projects.py
propagation of mounts               here
set-id programs, file capabilities  kernel/test_sandbox_hardening.py, kernel/test_sandbox_files.py; here
tracing processes of the host       probe.py; here
device nodes                        probe.py, kernel/test_sandbox_files.py
keys and keyrings                   probe.py; here
settings in /proc/sys and /sys      probe.py
abstract sockets of the host        test_attack_race.py (the host's network); here (a private one)
writing into the store              test_attack_containers.py; here
namespaces of other containers      probe.py (its own first process); here
another user's containers           test_attack_users.py (what lies on the disk); here (what runs)
"""

import hashlib
import os
import socket
import stat
import subprocess
import sys

import pytest
from canary import GaveWayError
from processes import own_mark, running, wait_until
from users import RANGES, SINGLE, lend

pytestmark = pytest.mark.userns

ROOT_INSIDE = {"account": ["root", 0, 0, []]}


def as_each(harbour):
    """Yield options for a payload that is the user itself, and for one that is root inside."""
    yield {}
    if harbour.box.kind != "single":
        yield ROOT_INSIDE


def test_mounts_do_not_propagate_either_way(harbour):
    """No mount inside is shared with the host, or follows it: what is mounted later stays where it is."""
    for options in as_each(harbour):
        lines = harbour.box.shell("cat /proc/self/mountinfo", **options).splitlines()
        # proc_pid_mountinfo(5): optional fields stand before the dash.
        followed = [line for line in lines if line.split(" - ")[0].split()[6:]]
        if followed or len(lines) < 10:
            raise GaveWayError(f"{followed}")
    place = f"{harbour.box.project}/place"
    script = f'mkdir -p "{place}" && unshare -rm sh -c \'mount -t tmpfs x "{place}" && echo on; sleep 2\''
    words = harbour.box.command("sh", "-c", script, nested_namespaces=True)
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as inside:
        assert inside.stdout.readline() == "on\n"
        with open("/proc/self/mountinfo", encoding="utf-8") as file:
            seen = [line for line in file if "place" in line.split()[4] and harbour.box.home in line]
        inside.communicate()
    if seen:
        raise GaveWayError(f"{seen}")


def test_set_id_programs_of_the_environment_have_no_power(harbour):
    for program in ("set-id", "capable"):
        told = harbour.box.run(f"/opt/{program}", "-u", python=True)
        if told.stdout.strip() == "0" and harbour.box.kind != "root":
            raise GaveWayError(f"{program}: {told.stdout}")
    status = harbour.box.shell("cp /bin/busybox ./mine; chmod 6755 ./mine; grep NoNewPrivs /proc/self/status")
    assert status.split() == ["NoNewPrivs:", "1"]
    mode = os.stat(f"{harbour.box.project}/mine")
    if mode.st_uid == 0 and mode.st_mode & stat.S_ISUID and harbour.box.kind != "root":
        raise GaveWayError("a set-id program of root's was left outside")


def test_abstract_sockets_and_ports_of_the_host_are_not_in_a_private_network(harbour):
    code = """
import socket, sys
port = ("127.0.0.1", int(sys.argv[2]))
for family, address in ((socket.AF_UNIX, chr(0) + sys.argv[1]), (socket.AF_INET, port)):
    print(socket.socket(family).connect_ex(address) or "connected")
print([line.split()[-1] for line in open("/proc/net/unix") if "@" in line])
"""
    name = f"envforge-attack-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as server, socket.create_server(("127.0.0.1", 0)) as port:
        server.bind(f"\0{name}")
        server.listen()
        for network in ("private", "none"):
            told = harbour.box.python(code, name, str(port.getsockname()[1]), network=network)
            if "connected" in told or name in told:
                raise GaveWayError(f"{network}: {told}")


# Tries to reach a process by its number on the host, and all that can be seen, in each way that there is.
OF_OTHERS = r"""
import ctypes, os, signal, sys
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
found = []
for pid in map(int, sys.argv[1:]):
    for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
        try:
            descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
        except OSError:
            continue
        if libc.setns(descriptor, 0) == 0:
            found.append(f"{pid} joined {name}")
    for name in ("environ", "maps", "mem", "root/tmp", "cwd/", "fd/0", "fd/1", "syscall", "auxv"):
        try:
            os.close(os.open(f"/proc/{pid}/{name}", os.O_RDONLY | os.O_NONBLOCK))
            found.append(f"{pid} {name}")
        except OSError:
            continue
    for number, arguments in ((101, (16, pid, 0, 0)), (101, (0x4206, pid, 0, 0))):
        if libc.syscall(number, *arguments) == 0:
            found.append(f"{pid} traced")
    for number in (signal.SIGCONT, signal.SIGSTOP, signal.SIGKILL):
        try:
            os.kill(pid, number)
            found.append(f"{pid} signalled {number}")
        except OSError:
            continue
    try:
        descriptor = os.pidfd_open(pid)
        if any(libc.syscall(438, descriptor, number, 0) >= 0 for number in range(20)):
            found.append(f"{pid} its descriptors")
    except OSError:
        continue
print(found)
"""


def below(pid):
    """Return a process and its descendants."""
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
        return [pid, *(one for child in file.read().split() for one in below(int(child)))]


def of_container(harbour, name):
    """Return the pids, on the host, of a container's supervisor, its first process and its payload."""
    first = harbour.state(name)["pid"]
    with open(f"/proc/{first}/stat", encoding="utf-8") as file:
        parent = int(file.read().rpartition(")")[2].split()[1])
    return [parent, *below(first)]


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of calls are another architecture's")
def test_a_container_does_not_reach_another_one(harbour):
    """Of the same user and project, with the numbers of its processes known."""
    harbour.start(name="other", script="echo secret >/tmp/secret; echo up; sleep 600")
    harbour.await_log("other", "up")
    pids = of_container(harbour, "other")
    for options in as_each(harbour):
        for network in ("host", "private"):
            told = harbour.box.python(OF_OTHERS, *map(str, pids), network=network, **options).strip()
            # Inside, the numbers are other processes', or nobody's; none but its own can be there.
            if told != "[]":
                raise GaveWayError(told)
    assert harbour.state("other")["status"] == "running"
    if "secret" in harbour.box.shell("find / -xdev -name secret 2>/dev/null; true"):
        raise GaveWayError("its files are seen")


def test_nothing_is_written_into_the_layers(harbour):
    harbour.box.shell("true")
    before = digest(f"{harbour.box.store}/layers")
    script = r"""
for file in /bin/busybox /etc/hosts /etc/owned /opt/set-id /opt/capable; do
  echo x >>$file; chmod 777 $file; chown 1:1 $file; mv $file $file.moved; ln $file.moved $file.link
  setfattr -n user.x -v y $file.moved
done
for place in $(sed -n 's/.*lowerdir=\([^,]*\).*/\1/p' /proc/self/mountinfo | tr : ' '); do
  touch $place/x "$STORE/$place/x"
done
find / -xdev -type d -exec touch {}/touched \; ; mkdir -p "$STORE"; touch "$STORE/x"
rm -rf /opt /srv /etc /bin/*
"""
    for options in as_each(harbour):
        harbour.box.run("sh", "-c", f"STORE={harbour.box.store}; exec 2>/dev/null; {script}", **options)
        if digest(f"{harbour.box.store}/layers") != before:
            raise GaveWayError("a layer was changed")
    if os.path.exists(f"{harbour.box.store}/x"):
        raise GaveWayError("a file was made in the store")


def digest(top):
    """Return a hash of all below a directory: names, modes, owners, times of change and contents."""
    found = hashlib.sha256()
    for directory, names, files in os.walk(top):
        for name in sorted([*names, *files]):
            path = f"{directory}/{name}"
            status = os.lstat(path)
            found.update(
                repr((path, status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns)).encode()
            )
            if stat.S_ISREG(status.st_mode) and os.access(path, os.R_OK):
                with open(path, "rb") as file:
                    found.update(file.read())
        names.sort()
    return found.digest()


KEYS = r"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
for ring in (-1, -2, -3, -4, -5):
    if libc.syscall(250, 11, ring, 0, 0) >= 0 or libc.syscall(250, 0, ring, 1) >= 0:
        print("read", ring)
if libc.syscall(248, b"user\0", b"k\0", b"x", 1, -3) >= 0 or libc.syscall(249, b"user\0", b"k\0", 0, -3) >= 0:
    print("made")
for name in ("/proc/keys", "/proc/key-users"):
    if os.path.exists(name):
        print(open(name).read())
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers of calls are another architecture's")
def test_keyrings_of_the_host_are_out_of_reach(harbour):
    for options in as_each(harbour):
        told = harbour.box.python(KEYS, **options)
        if "read" in told or "made" in told or "keyring" in told:
            raise GaveWayError(told)


OPENED = """
import os, socket, sys
for flags in (os.O_RDONLY, os.O_WRONLY):
    try:
        os.open(sys.argv[1], flags | os.O_NONBLOCK)
        print("opened", sys.argv[1])
    except OSError:
        continue
if not socket.socket(socket.AF_UNIX).connect_ex(sys.argv[1]):
    print("connected", sys.argv[1])
"""


def test_another_users_container_is_out_of_reach(harbour):
    """What runs, its log, its records, its sockets, its ports' proxy: for another user of the machine."""
    if os.geteuid() != 0:
        pytest.skip("takes root and two other users")
    name = SINGLE if harbour.box.kind == "ranges" else RANGES
    identifier = harbour.start("-p", "auto:80", name="web", script="echo token-4711; sleep 600")
    harbour.await_log("web", "token-4711")
    pids = of_container(harbour, "web")
    with lend(name) as other:
        sleep = ("sleep", own_mark("60"))
        with subprocess.Popen(other.command(sleep)):
            own = wait_until(lambda: running(*sleep))
            found = other.run([sys.executable, "-c", OF_OTHERS, *map(str, own)]).stdout
            assert "environ" in found, "the attack works on what is its own"
            assert "signalled 9" in found
        told = other.run([sys.executable, "-c", OF_OTHERS, *map(str, pids)]).stdout.strip()
        if told != "[]":
            raise GaveWayError(told)
        place = f"{harbour.box.store}/containers/{identifier}"
        for found in [place, *(f"{place}/{file}" for file in os.listdir(place))]:
            if told := other.python(OPENED, found).stdout:
                raise GaveWayError(told)
        for command in (
            ("ps", "-a"),
            ("logs", "web"),
            ("exec", "web", "--", "true"),
            ("stop", "web"),
            ("rm", "-f", "web"),
            ("inspect", "web"),
            ("stats", "--no-stream"),
        ):
            words = ["envforge", "--store", harbour.box.store, *command]
            result = other.run(words, check=False)
            if result.returncode == 0 and "web" in result.stdout:
                raise GaveWayError(f"{command}: {result.stdout}")
    assert harbour.state("web")["status"] == "running"
