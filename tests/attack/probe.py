"""A program that looks for a way out from where it runs, and prints as JSON what it found: name and how.

    probe.py WANTED FORBIDDEN PORT    a file of the host's, text that tells of the host's paths, a port there

Runs inside with nothing but a Python: it imports no module of the tests.
"""
# ruff: noqa: E501 - tables of calls

import contextlib
import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import signal
import socket
import stat
import struct
import sys

WANTED, FORBIDDEN, PORT = sys.argv[1], sys.argv[2].encode(), int(sys.argv[3])
UP = "../" * 40
REFUSED = (errno.EPERM, errno.ENOSYS, errno.EACCES)
AT_START = []
for number in range(3, 256):
    try:
        os.fstat(number)
        AT_START.append(f"{number} {os.readlink(f'/proc/self/fd/{number}')}")
    except OSError:
        continue
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def call(number, *arguments):
    """Return the result of a system call, or minus its errno."""
    ctypes.set_errno(0)
    result = libc.syscall(
        ctypes.c_long(number), *(ctypes.c_void_p(one) if isinstance(one, int) else one for one in arguments)
    )
    return -ctypes.get_errno() if result == -1 else result


def processes():
    return [name for name in os.listdir("/proc") if name.isdigit()]


def foreign():
    """Yield processes that are neither this one nor its children."""
    return [pid for pid in processes() if pid not in (str(os.getpid()), str(os.getppid()))]


def read(path, size=1 << 20):
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        return os.read(descriptor, size)
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def the_file_itself():
    places = [WANTED, f"/{UP}{WANTED}"]
    for pid in processes():
        places += [f"/proc/{pid}/root{WANTED}", f"/proc/{pid}/cwd/{UP}{WANTED}"]
        try:
            places += [f"/proc/{pid}/fd/{number}/{UP}{WANTED}" for number in os.listdir(f"/proc/{pid}/fd")]
        except OSError:
            continue
    return next((f"{place}: {content!r}" for place in places if (content := read(place))), None)


def out_of_a_chroot():
    os.makedirs("/tmp/jail", exist_ok=True)
    top = os.open("/", os.O_RDONLY)
    os.chroot("/tmp/jail")
    os.fchdir(top)
    for _ in range(40):
        os.chdir("..")
    os.chroot(".")
    return read(WANTED).decode() or None


def paths_of_the_host():
    names = (
        "cmdline",
        "environ",
        "mountinfo",
        "mounts",
        "mountstats",
        "maps",
        "cgroup",
        "comm",
        "stat",
        "smaps",
    )
    places = [f"/proc/{pid}/{name}" for pid in foreign() for name in names]
    places += [f"/proc/self/{name}" for name in ("mountinfo", "mounts", "mountstats", "maps", "cgroup")]
    found = [place for place in places if FORBIDDEN in read(place)]
    for pid in foreign():
        for name in ("exe", "cwd", "root"):
            try:
                target = os.readlink(f"/proc/{pid}/{name}")
            except OSError:
                continue
            if FORBIDDEN.decode() in target or "envforge" in target:
                found.append(f"/proc/{pid}/{name}: {target}")
    return ", ".join(found) or None


def descriptors_at_start():
    return str(AT_START) if AT_START else None


def trace_the_first_process():
    for request in (16, 0x4206):
        if call(101, request, 1, 0, 0) >= 0:
            return f"ptrace({request:#x})"
    buffer = ctypes.create_string_buffer(16)
    local = struct.pack("QQ", ctypes.addressof(buffer), 8)
    remote = struct.pack("QQ", 0x400000, 8)
    if call(310, 1, local, 1, remote, 1, 0) > 0 or call(310, 1, local, 1, remote, 1, 0) == -errno.EFAULT:
        return "process_vm_readv"
    pidfd = call(434, 1, 0)
    if pidfd >= 0:
        taken = [number for number in range(20) if call(438, pidfd, number, 0) >= 0]
        if taken:
            return f"pidfd_getfd {taken}"
    return None


def look_into_the_first_process():
    found = []
    for name in ("mem", "environ", "maps", "syscall", "stack", "auxv", "map_files", "fd/0", "io"):
        try:
            os.close(os.open(f"/proc/1/{name}", os.O_RDONLY))
            content = os.listdir(f"/proc/1/{name}") if name == "map_files" else read(f"/proc/1/{name}")
            if name == "mem" or content:
                found.append(name)
        except OSError:
            continue
    with contextlib.suppress(OSError):
        found += [f"fd {number} {os.readlink(f'/proc/1/fd/{number}')}" for number in os.listdir("/proc/1/fd")]
    return ", ".join(found) or None


def join_namespaces():
    found = []
    for pid in foreign():
        for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            try:
                descriptor = os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY)
            except OSError:
                continue
            own = os.stat(f"/proc/self/ns/{name}").st_ino == os.fstat(descriptor).st_ino
            if call(308, descriptor, 0) >= 0 and not own:
                found.append(f"{pid} {name}")
    return ", ".join(found) or None


def _writable(top, deep=7):
    for directory, names, files in os.walk(top):
        if directory.count("/") > deep:
            names.clear()
        for name in files:
            path = f"{directory}/{name}"
            try:
                if stat.S_ISREG(os.lstat(path).st_mode):
                    os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK))
                    yield path
            except OSError:
                continue


def settings_of_the_kernel():
    found = list(_writable("/proc/sys"))
    for place in (
        "/proc/sysrq-trigger",
        "/proc/irq",
        "/proc/bus",
        "/proc/fs",
        "/proc/acpi",
        "/sys/kernel",
        "/sys/fs",
        "/sys/module",
        "/sys/class/net",
    ):
        found += _writable(place)
        try:
            os.close(os.open(place, os.O_WRONLY))
            found.append(place)
        except OSError:
            continue
    return ", ".join(found[:8]) or None


def what_is_masked():
    found = [
        name
        for name in ("kcore", "keys", "sched_debug", "timer_list", "kmsg", "latency_stats", "interrupts")
        if read(f"/proc/{name}", 64)
    ]
    for place in (
        "/sys/firmware",
        "/sys/dev/block",
        "/proc/acpi",
        "/proc/scsi",
        "/sys/devices/virtual/powercap",
    ):
        try:
            found += [place] if os.listdir(place) else []
        except OSError:
            continue
    return ", ".join(found) or None


CALLS = {
    "acct": (163, 0), "add_key": (248, b"user\0", b"x\0", b"x", 1, 0xFFFFFFFD), "bpf": (321, 0, 0, 0),
    "clock_settime": (227, 0, 0), "delete_module": (176, b"x\0", 0), "fanotify_init": (300, 0, 0),
    "finit_module": (313, -1, b"\0", 0), "fsconfig": (431, -1, 0, 0, 0, 0), "fsmount": (432, -1, 0, 0),
    "fsopen": (430, b"tmpfs\0", 0), "fspick": (433, -100, b"/\0", 0), "init_module": (175, 0, 0, b"\0"),
    "io_uring_enter": (426, -1, 0, 0, 0, 0, 0), "io_uring_register": (427, -1, 0, 0, 0), "io_uring_setup": (425, 1, 0),
    "ioperm": (173, 0, 1, 1), "iopl": (172, 3), "kcmp": (312, 1, 1, 0, 0, 0), "kexec_file_load": (320, -1, -1, 0, 0, 0),
    "kexec_load": (246, 0, 0, 0, 0), "keyctl": (250, 0, 0xFFFFFFFD, 1), "listmount": (458, 0, 0, 0, 0),
    "lookup_dcookie": (212, 0, 0, 0), "mbind": (237, 0, 0, 0, 0, 0, 0), "migrate_pages": (256, 0, 0, 0, 0),
    "mount": (165, b"x\0", b"/tmp\0", b"tmpfs\0", 0, 0), "mount_setattr": (442, -1, b"\0", 0, 0, 0),
    "move_mount": (429, -1, b"\0", -1, b"\0", 0), "move_pages": (279, 0, 0, 0, 0, 0, 0), "nfsservctl": (180, 0, 0, 0),
    "open_by_handle_at": (304, -100, b"\0" * 128, 0), "open_tree": (428, -100, b"/\0", 1), "open_tree_attr": (467, -100, b"/\0", 1, 0, 0),
    "perf_event_open": (298, 0, 0, -1, -1, 0), "personality": (135, 0x0400000), "pidfd_getfd": (438, -1, 0, 0),
    "pivot_root": (155, b".\0", b".\0"), "process_madvise": (440, -1, 0, 0, 0, 0),
    "quotactl": (179, 0, 0, 0, 0), "quotactl_fd": (443, -1, 0, 0, 0), "reboot": (169, 0, 0, 0, 0), "request_key": (249, b"user\0", b"x\0", 0, 0),
    "set_mempolicy": (238, 0, 0, 0), "set_mempolicy_home_node": (450, 0, 0, 0, 0), "setns": (308, -1, 0), "settimeofday": (164, 0, 0),
    "statmount": (457, 0, 0, 0, 0), "swapoff": (168, b"/x\0"), "swapon": (167, b"/x\0", 0), "sysfs": (139, 3), "syslog": (103, 3, 0, 0),
    "umount2": (166, b"/tmp\0", 2), "unshare of user namespaces": (272, 0x10000000), "unshare of mounts": (272, 0x20000), "uselib": (134, b"/x\0"),
    "userfaultfd": (323, 1), "userfaultfd with privilege": (323, 0), "ustat": (136, 0, 0), "vhangup": (153,), "a call of tomorrow": (999,),
    "a call of x32": (0x40000000 + 39,), "clone3 with a user namespace": (435, struct.pack("Q", 0x10000000) + bytes(80), 88),
}  # fmt: skip


def calls_that_are_not_refused():
    """A call that is let through to the kernel finds something else wrong: its arguments."""
    found = []
    for name, (number, *arguments) in CALLS.items():
        result = _apart(lambda: str(call(number, *arguments)))  # noqa: B023
        if result is not None and -int(result) not in REFUSED:
            found.append(f"{name} ({result})")
    return ", ".join(found) or None


OF_I386 = {"mount": 21, "add_key": 286, "keyctl": 288, "bpf": 357, "unshare": 310, "io_uring_setup": 425, "umount2": 52,
           "init_module": 128, "personality": 136, "kexec_load": 283, "setns": 346, "perf_event_open": 336, "move_pages": 317, "pivot_root": 217, "open_by_handle_at": 342, "userfaultfd": 374, "swapon": 87, "unknown": 999}  # fmt: skip


def calls_of_i386():
    """The other table of calls that an x86 processor offers: int 0x80."""
    found = []
    for name, number in OF_I386.items():
        first = {"personality": 0x0400000, "unshare": 0x10000000}.get(name, 0)
        result = _apart(lambda: str(_interrupt(number, first)))  # noqa: B023
        if result is not None and -int(result) not in REFUSED:
            found.append(f"{name} ({result})")
    return ", ".join(found) or None


def _interrupt(number, first):
    code = b"\x53\xbb" + first.to_bytes(4, "little") + b"\x31\xc9\x31\xd2\x31\xf6\x31\xff\xb8"
    code += number.to_bytes(4, "little") + b"\xcd\x80\x5b\xc3"
    memory = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    memory.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    return ctypes.CFUNCTYPE(ctypes.c_int)(address)()


def type_into_a_terminal():
    leader, follower = os.openpty()
    if os.fork():
        return os.wait()[1] and "TIOCSTI"
    os.setsid()
    fcntl.ioctl(follower, 0x540E, 0)
    for request in (0x5412, 0x5412 | 1 << 32, 0x541C, 0x541C | 7 << 32):
        ctypes.set_errno(0)
        if libc.ioctl(ctypes.c_int(follower), ctypes.c_ulong(request), b"\x03x") == 0:
            os._exit(1)
    os.close(leader)
    os._exit(0)


def the_callers_terminal():
    descriptor = os.open("/dev/tty", os.O_RDWR)
    os.write(descriptor, b"(a script speaks)")
    return "/dev/tty"


def namespaces_of_its_own():
    found = []
    for name, flags in (("user", 0x10000000), ("mounts", 0x20000), ("user and net", 0x50000000)):
        pid = call(56, flags | signal.SIGCHLD, 0, 0, 0, 0)
        if pid == 0:
            os._exit(0)
        if pid > 0:
            os.waitpid(pid, 0)
            found.append(name)
    return ", ".join(found) or None


def devices():
    known = {
        "null",
        "zero",
        "full",
        "random",
        "urandom",
        "tty",
        "console",
        "pts",
        "shm",
        "mqueue",
        "ptmx",
        "fd",
        "stdin",
        "stdout",
        "stderr",
        "core",
    }
    found = [f"/dev/{name}" for name in os.listdir("/dev") if name not in known]
    for name, kind, major, minor in (
        ("disk", stat.S_IFBLK, 8, 0),
        ("memory", stat.S_IFCHR, 1, 1),
        ("loop", stat.S_IFBLK, 7, 0),
        ("fuse", stat.S_IFCHR, 10, 229),
    ):
        try:
            os.mknod(f"/tmp/{name}", kind | 0o666, os.makedev(major, minor))
            descriptor = os.open(f"/tmp/{name}", os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            continue
        if stat.S_IFMT(os.fstat(descriptor).st_mode) == kind:
            found.append(name)
    return ", ".join(found) or None


def sockets():
    found = []
    for name, family, kind in (
        ("vsock", 40, socket.SOCK_STREAM),
        ("packets", 17, socket.SOCK_RAW),
        ("key", 15, socket.SOCK_RAW),
    ):
        try:
            socket.socket(family, kind)
        except OSError:
            continue
        found.append(name)
    return ", ".join(found) or None


def a_server_of_the_host():
    socket.create_connection(("127.0.0.1", PORT), timeout=2)
    return str(PORT)


def groups_of_other_processes():
    found = []
    for directory, names, _ in os.walk("/sys/fs/cgroup"):
        if directory.count("/") > 5:
            names.clear()
        found += [f"{directory}/{name}" for name in names if directory.count("/") >= 4]
    lines = read("/proc/self/cgroup").decode().splitlines()
    found += [line for line in lines if line.rsplit(":", 1)[-1] not in ("/", "")]
    return ", ".join(found[:6]) or None


def memory_without_a_bound():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    found = []
    for place in ("/tmp", "/run", "/dev/shm", "/dev"):
        try:
            status = os.statvfs(place)
        except OSError:
            continue
        if status.f_bfree == status.f_blocks == 0 and not os.access(place, os.W_OK):
            continue
        if not status.f_blocks or status.f_blocks * status.f_frsize > memory or not status.f_files:
            found.append(place)
    return ", ".join(found) or None


def files_of_the_host_that_are_shown():
    found = []
    for line in read("/proc/self/mountinfo").decode().splitlines():
        place = line.split(" ")[4]
        if (
            place.startswith(("/etc/", "/usr/", "/opt/", "/sys", "/proc/"))
            and os.path.isfile(place)
            and place != "/proc/kcore"
        ):
            try:
                os.close(os.open(place, os.O_WRONLY))
                found.append(place)
            except OSError:
                continue
    return ", ".join(found) or None


def more_than_its_share():
    found = []
    for name, act in {
        "oom_score_adj": lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"),
        "nice": lambda: os.nice(-5),
        "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        "open files": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 30, 1 << 30)),
        "all capabilities": lambda: (
            (_ for _ in ()).throw(OSError) if int(_status("CapBnd"), 16) < 1 << 40 else None
        ),
        "SYS_ADMIN": lambda: (
            (_ for _ in ()).throw(OSError) if not int(_status("CapBnd"), 16) >> 21 & 1 else None
        ),
    }.items():
        try:
            act()
        except (OSError, ValueError):
            continue
        found.append(name)
    return ", ".join(found) or None


def _status(name):
    return next(line.split()[1] for line in open("/proc/self/status") if line.startswith(name))


def no_filter():
    return None if _status("Seccomp:") == "2" else _status("Seccomp:")


PROBES = [
    the_file_itself, out_of_a_chroot, paths_of_the_host, descriptors_at_start, trace_the_first_process,
    look_into_the_first_process, join_namespaces, settings_of_the_kernel, what_is_masked, calls_that_are_not_refused,
    calls_of_i386, type_into_a_terminal, the_callers_terminal, namespaces_of_its_own, devices, sockets,
    a_server_of_the_host, groups_of_other_processes, memory_without_a_bound, files_of_the_host_that_are_shown,
    more_than_its_share, no_filter,
]  # fmt: skip


def _apart(probe):
    """Return what a probe finds, in a process of its own: it may be killed, or stuck."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        signal.alarm(20)
        try:
            os.write(writing, (probe() or "").encode(errors="replace")[:4000])
        except Exception:  # noqa: BLE001  # what fails has found no way
            pass
        finally:
            os._exit(0)
    os.close(writing)
    content = b""
    while piece := os.read(reading, 4096):
        content += piece
    os.waitpid(pid, 0)
    os.close(reading)
    return content.decode() or None


if __name__ == "__main__":
    print(json.dumps({probe.__name__: _apart(probe) for probe in PROBES}))
