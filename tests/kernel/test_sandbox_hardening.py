"""What a payload may not do, and what it may not see."""

import errno
import os
import socket
import subprocess

import pytest

from envforge.kernel import processes

pytestmark = pytest.mark.userns

ROOT = ["root", 0, 0, []]
STATUS = "grep -E 'Cap|NoNewPrivs|Seccomp:' /proc/self/status"
DOCKERS = "00000000a80425fb"


def status(text):
    return dict(line.replace(" ", "").split(":\t") for line in text.splitlines())


def test_self_has_no_capability(box):
    found = status(box.shell(STATUS))
    assert {found[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
    assert found["NoNewPrivs"] == "1"
    assert found["Seccomp"] == "2"


def test_root_inside_has_what_docker_gives(box):
    found = status(box.shell(STATUS, account=ROOT))
    assert found["CapPrm"] == found["CapEff"] == found["CapBnd"] == DOCKERS
    assert found["CapInh"] == found["CapAmb"] == "0" * 16
    assert found["NoNewPrivs"] == "1"


def test_privileges_let_set_id_programs_work(several_ids_box):
    box = several_ids_box
    found = status(box.shell(STATUS, account=["five", 5, 6, []], privileges=True))
    assert found["NoNewPrivs"] == "0"
    assert found["CapEff"] == "0" * 16
    assert found["CapBnd"] == DOCKERS
    assert found["Seccomp"] == "2"
    five = {"account": ["five", 5, 6, []], "python": True}  # for the libraries of the host's `id`
    assert box.shell("/opt/set-id -u; /opt/set-id -g", privileges=True, **five) == "0\n0\n"
    assert box.shell("/opt/set-id -u; /opt/set-id -g", **five) == "5\n6\n"


def test_the_init_of_the_box_shows_nothing_of_the_host(box):
    for account in (None, ROOT):
        options = {} if account is None else {"account": account}
        looks = "for i in fd root/ cwd/; do ls /proc/1/$i | grep -v :; done"
        denied = box.run("sh", "-c", f"{looks}; readlink /proc/1/exe; cat /proc/1/environ", **options)
        assert denied.stdout == ""
        assert denied.stderr.count("ermission denied") >= 4


def test_masked_and_read_only_paths(box):
    script = """
        cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | head -c 10
        ls -A /proc/scsi /proc/acpi /sys/firmware /sys/dev/block 2>/dev/null | grep -v ':$' | grep .
        for path in /proc/sys/kernel/hostname /proc/sysrq-trigger /proc/irq/x /sys/x /proc/bus/x; do
            (echo x >$path) 2>/dev/null && echo "wrote $path"
        done
        true
    """
    assert box.shell(script, account=ROOT) == ""


def test_dev_is_its_own(box):
    listed = box.shell("ls /dev").split()
    expected = "fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero"
    assert listed == expected.split()
    script = """
        echo gone >/dev/null; head -c 4 /dev/zero | wc -c; head -c 4 /dev/urandom | wc -c
        echo kept >/dev/shm/x; cat /dev/shm/x; (echo no >/dev/full) 2>/dev/null || echo full
        mknod /tmp/sda b 8 0 2>/dev/null || echo no devices
    """
    assert box.shell(script, account=ROOT).split("\n")[:-1] == ["4", "4", "kept", "full", "no devices"]


def test_descriptors_of_the_caller_are_closed(box):
    secret, other = os.pipe()
    os.set_inheritable(secret, True)
    try:
        result = subprocess.run(
            box.command("ls", "/proc/self/fd"),
            pass_fds=(secret,),
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    finally:
        os.close(secret)
        os.close(other)
    assert result.stdout.split() == ["0", "1", "2", "3"]  # 3 is ls' own


def test_this_python_cannot_be_executed_from_inside(box):
    assert box.run("/proc/self/exe", "-c", "print(1)").returncode == 126
    script = 'printf "#!/proc/self/exe\\n" >evil; chmod +x evil'
    box.shell(script)
    refused = box.run("./evil")
    assert refused.returncode == 126
    assert "symbolic links" in refused.stderr


@pytest.mark.root
@pytest.mark.parametrize("number", range(3, 16))
def test_no_descriptor_is_a_way_out(root_box, number):
    refused = root_box.run("ls", cwd=f"/proc/self/fd/{number}")
    assert refused.returncode == 126
    assert refused.stdout == ""


def test_links_of_a_layer_lead_nowhere_but_inside(box):
    source = f"{box.home}/secret"
    box.shell("true")
    with open(source, "w", encoding="ascii") as file:
        file.write("mounted")
    mounts = [[source, "/link/deep/name"], [source, "/link/hosts"]]
    assert box.shell("cat /etc/deep/name /etc/hosts", mounts=mounts) == "mountedmounted"
    assert not os.path.exists("/etc/deep")


@pytest.mark.root
def test_a_link_of_a_writable_mount_leads_nowhere_but_inside(root_box):
    root_box.shell("ln -s / out; ln -s /etc/passwd target")
    project = root_box.project
    root_box.run("true", mounts=[[project, f"{project}/out/srv/x"], ["/dev/null", f"{project}/target"]])
    assert not os.path.exists("/srv/x")
    assert os.path.isfile("/etc/passwd")


SYSTEM_CALLS = r"""
import ctypes, errno, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(one) for one in arguments))
    return errno.errorcode.get(ctypes.get_errno(), "done") if result < 0 else "done"
x86 = platform.machine() == "x86_64"
master, slave = os.openpty()
text = ctypes.create_string_buffer(b"x")
ioctl = 16 if x86 else 29
print("tiocsti", call(ioctl, slave, 0x5412, ctypes.addressof(text)))
print("tiocsti-high", call(ioctl, slave, 0x5412 | 1 << 32, ctypes.addressof(text)))
print("tioclinux", call(ioctl, slave, 0x541C, ctypes.addressof(text)))
print("keyctl", call(250 if x86 else 219, 0, -3, 0))
print("bpf", call(321 if x86 else 280, 0, 0, 0))
print("userfaultfd", call(323 if x86 else 282, 0))
print("io_uring", call(425, 1, 0))
print("vsock", call(41 if x86 else 198, 40, 1, 0))
print("alg", call(41 if x86 else 198, 38, 5, 0))
print("move_pages", call(279 if x86 else 239, 0, 0, 0))
print("mbind", call(237 if x86 else 235, 0, 0, 0))
print("pidfd_getfd", call(438, 0, 0, 0))
print("process_madvise", call(440, 0, 0, 0))
print("perf", call(298 if x86 else 241, 0, 0, 0))
print("personality", call(135 if x86 else 92, 0x0040000))
print("statmount", call(457, 0, 0, 0))
print("unknown", call(2000))
print("who", call(135 if x86 else 92, 0xFFFFFFFF))
print("x32", call(0x40000000 | 39) if x86 else "ENOSYS")
print("clone3", call(435, 0, 0))
print("unshare", call(272 if x86 else 97, 0x10000000))
"""


def test_refused_system_calls(box):
    for nested in (True, False):
        said = dict(line.split() for line in box.python(SYSTEM_CALLS, nested_namespaces=nested).splitlines())
        absent = ("io_uring", "keyctl", "x32", "statmount", "unknown")
        assert {said.pop(name) for name in absent} == {"ENOSYS"}
        assert said.pop("who") == "done"
        assert said.pop("unshare") == ("done" if nested else "EPERM")
        assert said.pop("clone3") == ("EINVAL" if nested else "ENOSYS")
        assert set(said.values()) == {"EPERM"}, said


INTEL_32 = r"""
import ctypes, mmap, os
def call(number, first=0):
    code = mmap.mmap(-1, 4096, prot=7)
    moves = b"\xb8" + number.to_bytes(4, "little") + b"\xbb" + first.to_bytes(4, "little")
    code.write(b"\x53" + moves + b"\xcd\x80\x5b\xc3")  # push rbx; mov eax; mov ebx; int 0x80; pop rbx; ret
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
print(call(20) == os.getpid(), call(310, 0x10000000), call(102, 1), call(359, 40), call(9999))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="another architecture")
def test_32_bit_programs_run_under_the_same_rules(box):
    told = box.python(
        INTEL_32, nested_namespaces=False
    )  # getpid; a user namespace; socketcall; socket of AF_VSOCK; no call
    assert told.split() == ["True", "-1", "-38", "-1", "-38"]


def test_programs_with_file_capabilities_run_without_them(box):
    result = box.run("/opt/capable", "-u", python=True)
    assert (result.returncode, result.stderr) == (0, "")


PING = """
import socket
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) as echo:
    echo.settimeout(5)
    echo.sendto(b"\\x08\\0\\0\\0\\0\\0\\0\\1hello", ("127.0.0.1", 0))
    print(echo.recv(99)[8:].decode())
"""


@pytest.mark.parametrize("account", [None, ["root", 0, 0]])
def test_ping_works_in_a_network_of_its_own(box, account):
    assert box.python(PING, network="none", account=account) == "hello\n"


def test_a_shell_may_nest_namespaces_where_that_is_asked_for(box):
    script = (
        "id -u; mount -t tmpfs t /tmp && echo mounted; umount /proc/sys; mount -t proc p /mnt && ls /mnt/1/fd"
    )
    nested = box.run("unshare", "-Urmpf", "sh", "-c", f"mkdir -p /mnt; {script}", nested_namespaces=True)
    assert nested.stdout.split() == ["0", "mounted", "0", "1", "2", "3"]
    assert "umount" in nested.stderr
    for command in (["unshare", "-U", "true"], ["mount", "-t", "tmpfs", "t", "/tmp"]):
        assert box.run(*command).returncode != 0
    root = ["root", 0, 0, []]
    assert box.run("unshare", "-m", "true", account=root).returncode != 0


def test_memory_file_systems_are_bounded(box):
    told = box.shell("stat -f -c '%n %b %S %c' /tmp /run /dev/shm").splitlines()
    sizes = {name: int(blocks) * int(size) for name, blocks, size, _ in map(str.split, told)}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < sizes["/run"] < sizes["/dev/shm"] < sizes["/tmp"]
    assert sum(sizes.values()) < memory * 0.9
    assert all(0 < int(line.split()[3]) <= 512_000 for line in told)


def test_nothing_of_the_hosts_control_groups_is_seen(box):
    assert box.shell("cat /proc/self/cgroup | cut -d: -f3 | sort -u") == "/\n"
    for network in ("host", "none"):
        script = "ls -A /sys/fs/cgroup; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made; true"
        found = box.shell(script, network=network).split()
        unified = os.path.exists("/sys/fs/cgroup/cgroup.controllers")
        assert "made" not in found
        assert ("cgroup.procs" in found) == unified or network == "none"
        assert unified or found == []


CONNECT = r"""
import socket, sys
for name in (chr(0) + sys.argv[1], sys.argv[2]):
    try:
        socket.socket(socket.AF_UNIX).connect(name)
        print("connected")
    except OSError as error:
        print(error.errno)
"""


@pytest.mark.skipif(processes.landlock_version() < 6, reason="Landlock has no scopes here")
def test_abstract_sockets_of_the_host_are_out_of_reach(box):
    name = f"envforge-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as abstract, socket.socket(socket.AF_UNIX) as named:
        abstract.bind(f"\0{name}")
        abstract.listen()
        box.shell("true")
        named.bind(f"{box.home}/socket")
        os.chmod(f"{box.home}/socket", 0o666)
        named.listen()
        options = {"mounts": [[f"{box.home}/socket", "/run/forwarded"]]}
        told = box.python(CONNECT, name, "/run/forwarded", **options)
        assert told.split() == [str(errno.EPERM), "connected"]
        assert (
            box.python(CONNECT, name, "/run/forwarded", forward=["x11"], **options).split()[0] == "connected"
        )


OWN_ABSTRACT = r"""
import os, signal, socket, subprocess, sys
listener = socket.socket(socket.AF_UNIX)
listener.bind(chr(0) + sys.argv[1])
listener.listen()
code = "import socket, sys, time; socket.socket(socket.AF_UNIX).connect(chr(0) + sys.argv[1]);"
code += "print('met', flush=True); time.sleep(60)"
child = subprocess.Popen([sys.executable, "-c", code, sys.argv[1]], stdout=subprocess.PIPE, text=True)
listener.accept()
print(child.stdout.readline())
child.send_signal(signal.SIGTERM)
print(child.wait())
"""


def test_processes_inside_still_meet(box):
    assert box.python(OWN_ABSTRACT, f"envforge-own-{os.getpid()}").split() == ["met", "-15"]
