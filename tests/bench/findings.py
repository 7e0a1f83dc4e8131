"""What can be found from inside a container, as checkers look for it: prints JSON, name -> what was found.

Runs inside with nothing but a Python; it imports no module of the tests. What is refused is not in the list.
"""

import contextlib
import ctypes
import errno
import json
import os
import platform
import signal
import socket
import stat
import sys

REFUSED = (errno.EPERM, errno.ENOSYS, errno.EACCES)
# Names are those of capabilities(7), by their numbers.
CAPABILITIES = """
chown dac_override dac_read_search fowner fsetid kill setgid setuid setpcap linux_immutable
net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner sys_module sys_rawio sys_chroot
sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource sys_time sys_tty_config mknod lease
audit_write audit_control setfcap mac_override mac_admin syslog wake_alarm block_suspend audit_read
perfmon bpf checkpoint_restore
"""
HIDDEN = """
/proc/kcore /proc/keys /proc/timer_list /proc/timer_stats /proc/sched_debug /proc/latency_stats
/proc/interrupts /proc/kmsg /proc/kpagecount /proc/kpageflags /proc/kpagecgroup /proc/vmallocinfo
/proc/slabinfo /proc/pagetypeinfo /proc/iomem /proc/ioports /proc/modules /proc/kallsyms /proc/config.gz
/proc/diskstats /proc/partitions /proc/key-users /proc/scsi/scsi /proc/acpi/wakeup /sys/kernel/vmcoreinfo
/sys/kernel/notes /dev/kmsg /dev/mem /dev/fuse /dev/net/tun /dev/kvm /dev/vhost-net
"""
LISTED = """
/sys/firmware /sys/kernel/debug /sys/kernel/tracing /sys/kernel/security /sys/fs/bpf /sys/fs/cgroup
/proc/acpi /proc/scsi /proc/asound /sys/devices/virtual/powercap /sys/dev/block /sys/class/net
/sys/class/block /sys/module
"""
# Calls of x86_64 that wait, or end or copy the caller: nothing is learned from them.
LEFT_OUT = {
    *(
        15,
        23,
        34,
        35,
        56,
        57,
        58,
        60,
        61,
        73,
        130,
        202,
        219,
        230,
        231,
        232,
        247,
        270,
        271,
        281,
        435,
        441,
        449,
    ),
}
LAST_CALL = 462
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
found = {}


def call(number, *arguments):
    """Return the result of a system call, or minus its errno."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return -ctypes.get_errno() if result == -1 else result


def apart(action):
    """Do something in a process of its own; return its exit code, minus a signal's number."""
    child = os.fork()
    if child == 0:
        signal.alarm(2)
        for number in range(3):
            with contextlib.suppress(OSError):
                os.dup2(NULL, number)
        try:
            code = action()
        except OSError as error:
            code = error.errno in REFUSED
        os._exit(int(code))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


NULL = os.open("/dev/null", os.O_RDWR)


def status():
    with open("/proc/self/status", encoding="ascii") as file:
        lines = {line.partition(":")[0]: line.partition(":")[2].strip() for line in file}
    for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"):
        mask = int(lines[f"Cap{kind}"], 16)
        for number, name in enumerate(CAPABILITIES.split()):
            if mask >> number & 1:
                found[f"capability {name}, {kind.lower()}"] = "yes"
    if lines["NoNewPrivs"] == "0":
        found["set-id programs and file capabilities work"] = "no_new_privs is off"
    if lines["Seccomp"] == "0":
        found["system calls are not filtered"] = "seccomp is off"


def calls():
    """Every call, without arguments: let through to the kernel, it finds something else wrong, or nothing."""
    if platform.machine() != "x86_64":
        return
    for number in (set(range(LAST_CALL + 1)) - LEFT_OUT) | {0x40000000 + 39}:
        if apart(lambda: call(number, 0, 0, 0, 0, 0, 0) in [-one for one in REFUSED]) != 1:  # noqa: B023
            found[f"system call {number}"] = "let through"
    for name, flag in (
        ("user", 0x10000000),
        ("mount", 0x20000),
        ("network", 0x40000000),
        ("pid", 0x20000000),
        ("ipc", 0x08000000),
        ("uts", 0x04000000),
        ("cgroup", 0x02000000),
    ):
        if apart(lambda: call(272, flag) < 0) == 0:  # noqa: B023
            found[f"a {name} namespace can be made"] = "unshare"
    if apart(lambda: call(250, 0, -3, 1) < 0) == 0:
        found["a keyring can be read"] = "keyctl"
    if apart(lambda: call(135, 0x0040000) < 0) == 0:
        found["addresses can be made predictable"] = "personality"
    if os.getpid() != 1 and apart(lambda: call(101, 0x4206, 1, 0, 0) < 0) == 0:
        found["the first process can be traced"] = "ptrace"


def mounts():
    for kind in ("tmpfs", "proc", "sysfs", "cgroup2", "mqueue", "devpts", "overlay", "fuse"):
        if apart(lambda: call(165, b"x", b"/tmp", kind.encode(), 0, None) < 0) == 0:  # noqa: B023
            found[f"{kind} can be mounted"] = "mount"
    for place in (b"/proc/sys", b"/sys", b"/"):
        if apart(lambda: call(165, None, place, None, 0x1000 | 32, None) < 0) == 0:  # noqa: B023
            found[f"{place.decode()} can be mounted anew"] = "mount"
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        lines = [line.split(" - ") for line in file]
    for before, _ in lines:
        words = before.split()
        if words[6:]:
            found[f"mounts of the host propagate to {words[4]}"] = " ".join(words[6:])
        if apart(lambda: call(166, words[4].encode(), 2) < 0) == 0:  # noqa: B023
            found[f"{words[4]} can be unmounted"] = "umount2"


def files():
    for path in HIDDEN.split():
        with contextlib.suppress(OSError):
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as file:
                content = file.read(4096)
            if path == "/proc/kallsyms":
                content = content.replace(b"0", b"").split(b" ")[0]
            if content:
                found[f"{path} is read"] = f"{len(content)} bytes"
    for path in LISTED.split():
        with contextlib.suppress(OSError):
            if names := os.listdir(path):
                found[f"{path} is listed"] = f"{len(names)} entries"
    for top in ("/proc/sys", "/sys", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/sysrq-trigger", "/proc/1"):
        count = sum(1 for path in below(top) if is_written(path))
        if count:
            found[f"{top} has files that can be written"] = str(count)


def below(top):
    if os.path.isfile(top):
        yield top
    for directory, names, inside in os.walk(top):
        if directory.count("/") > 7:
            names.clear()
        yield from (f"{directory}/{name}" for name in inside)


def is_written(path):
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            return False
        os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
    except OSError:
        return False
    return True


def devices():
    for name, kind, major, minor in (("disk", stat.S_IFBLK, 8, 0), ("memory", stat.S_IFCHR, 1, 1)):
        with contextlib.suppress(OSError):
            os.mknod(f"/tmp/{name}", kind | 0o666, os.makedev(major, minor))
            found[f"a node of a {name} can be made"] = "mknod"
    usual = ["null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"]
    for name in os.listdir("/dev"):
        mode = os.lstat(f"/dev/{name}").st_mode
        if (stat.S_ISCHR(mode) or stat.S_ISBLK(mode)) and name not in usual:
            found[f"/dev/{name} is there"] = "device"


def surroundings():
    for name, family, kind in (
        ("packet", socket.AF_PACKET, socket.SOCK_RAW),
        ("raw", socket.AF_INET, socket.SOCK_RAW),
        ("vsock", 40, socket.SOCK_STREAM),
        ("alg", 38, socket.SOCK_SEQPACKET),
        ("netlink", socket.AF_NETLINK, socket.SOCK_RAW),
        ("bluetooth", 31, socket.SOCK_RAW),
        ("rds", 21, socket.SOCK_SEQPACKET),
        ("tipc", 30, socket.SOCK_STREAM),
    ):
        with contextlib.suppress(OSError):
            socket.socket(family, kind).close()
            found[f"a {name} socket can be made"] = "socket"
    with open("/proc/net/unix", encoding="ascii", errors="replace") as file:
        if names := [line.split()[-1] for line in file if "@" in line]:
            found["abstract sockets are seen"] = f"{len(names)}"


def descriptors():
    for number in range(3, 256):
        if number != NULL:
            with contextlib.suppress(OSError):
                os.fstat(number)
                found[f"a descriptor was left open: {number}"] = os.readlink(f"/proc/self/fd/{number}")


def processes():
    own = {os.getpid(), os.getppid(), 1}
    if others := [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in own]:
        found["other processes are seen"] = str(len(others))
    for name in ("environ", "maps", "auxv"):
        with contextlib.suppress(OSError), open(f"/proc/1/{name}", "rb") as file:
            if os.getpid() != 1 and file.read(1):
                found[f"the first process shows its {name}"] = "yes"
    for name in ("exe", "root", "cwd"):
        with contextlib.suppress(OSError):
            if os.getpid() != 1 and os.readlink(f"/proc/1/{name}"):
                found[f"the first process shows its {name}"] = "yes"
    for path in sys.argv[1:]:
        for shown in ("/proc/self/mountinfo", "/proc/self/cgroup", "/proc/self/environ", "/proc/1/cmdline"):
            with contextlib.suppress(OSError), open(shown, "rb") as file:
                if path.encode() in file.read():
                    found[f"a path of the host is shown by {shown}"] = path


def main():
    for look in (descriptors, processes, surroundings, status, files, devices, mounts, calls):
        look()
    print(json.dumps(found))


main()
