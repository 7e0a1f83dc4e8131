"""Mounts the root file system of a sandbox, in a safe order.

Sources are opened as detached mounts while the host's tree is the root. Once the root has changed, /proc and
/sys are mounted, which the kernel allows only while the host's are still mounted. Then the host's tree is
unmounted, and only then are the sources attached (`binds.py`).

Loaded on the warm path: it imports nothing but `os` and `syscalls`.
"""

import os

from envforge.kernel import syscalls
from envforge.kernel.syscalls import (
    AT_EMPTY_PATH,
    AT_RECURSIVE,
    MNT_DETACH,
    MOUNT_ATTR_NODEV,
    MOUNT_ATTR_NOEXEC,
    MOUNT_ATTR_NOSUID,
    MOUNT_ATTR_RDONLY,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    OPEN_TREE_CLONE,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


SCRATCH = "/dev"
"""Mount point of the scratch file system over the host's tree: every Linux has it, and nothing in it is
needed once the device nodes are open."""

STANDARD = ("/dev", "/proc", "/run", "/sys", "/tmp")  # noqa: S108  # inside the sandbox

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")

# What Docker hides, with the disks that podman hides, and what it makes read-only (moby, oci/defaults.go).
MASKED = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/dev/block",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

# Each tmpfs is bounded, all together to less than the machine's memory, as their pages are charged to no
# process; an inode costs the kernel about a kilobyte.
TMP_BOUNDS = "size=50%,nr_inodes=500k"
RUN_BOUNDS = "size=10%,nr_inodes=50k"
SHM_BOUNDS = "size=25%,nr_inodes=50k"

_CGROUPS = "/sys/fs/cgroup"
_UNTRUSTED = MS_NOSUID | MS_NODEV | MS_NOEXEC
_PAGE = 4096


def open_devices() -> list[tuple[str, int]]:
    """Return the six harmless device nodes of the host as detached mounts, by name."""
    return [(name, syscalls.open_tree(f"/dev/{name}", OPEN_TREE_CLONE)) for name in DEVICES]


def open_console() -> int:
    """Return the caller's terminal as a detached mount, -1 if there is none, or it has no name here."""
    for descriptor in (0, 1, 2):
        if not os.isatty(descriptor):
            continue
        try:
            tree = syscalls.open_tree(os.readlink(f"/proc/self/fd/{descriptor}"), OPEN_TREE_CLONE)
        except OSError:
            continue
        if os.fstat(tree).st_rdev == os.fstat(descriptor).st_rdev:
            return tree
        os.close(tree)
    return -1


def make_scratch(directories: "Iterable[str]") -> None:
    """Mount the scratch file system, with a skeleton of mount points that becomes the lowest layer.

    `directories` are absolute and sorted, so that parents come first. The skeleton keeps mount points out of
    the upper directory, and gives overlay the second lower directory that it wants.
    """
    syscalls.mount("scratch", SCRATCH, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755")
    os.mkdir(f"{SCRATCH}/root")
    os.mkdir(f"{SCRATCH}/skeleton")
    for path in directories:
        os.mkdir(f"{SCRATCH}/skeleton{path}")


def topmost_once(layers: "Iterable[str]") -> list[str]:
    """Return layers without repetitions: overlayfs refuses one that is given twice, and shows the topmost."""
    return list(dict.fromkeys(layers))


def overlay_options(
    lowers: "Sequence[str]", upper: str | None, work: str | None, *, volatile: bool = False
) -> bytes:
    """Return the options of the overlay over the skeleton, topmost lower first.

    Raises OSError (E2BIG) if they do not fit in the page that mount(2) takes.
    """
    options = "lowerdir=" + ":".join([_escape(name) for name in lowers] + [f"{SCRATCH}/skeleton"])
    if upper is not None:
        options += f",upperdir={_escape(upper)},workdir={_escape(work or '')}"
    options += ",userxattr" + (",volatile" if volatile and upper is not None else "")
    data = os.fsencode(options)
    if len(data) >= _PAGE:
        raise OSError(7, "too many layers for one overlay mount")
    return data


def _escape(name: str) -> str:
    if ":" in name or "," in name or "\\" in name:
        return name.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
    return name


def mount_overlay(options: bytes, *, read_only: bool = False, no_set_id: bool = False) -> None:
    """Mount the overlay on the scratch file system; names in `options` are relative to the cwd.

    `no_set_id` (nosuid) is for payloads that gain nothing by set-id bits and file capabilities: without it
    execve(2) refuses a program with a file capability that nobody can have here, as `ping` is one.
    """
    flags = (MS_RDONLY if read_only else 0) | (MS_NOSUID if no_set_id else 0)
    syscalls.mount("envforge", f"{SCRATCH}/root", "overlay", flags, options)


def allow_ping(group: int) -> None:
    """Let a group make ICMP sockets in this network namespace, as distributions do on the host. icmp(7)."""
    try:
        descriptor = os.open("/proc/sys/net/ipv4/ping_group_range", os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return  # the caller's /proc is bound here, or there is no IPv4
    try:  # noqa: SIM105  # contextlib costs a millisecond
        os.write(descriptor, f"{group} {group}".encode())
    except OSError:
        pass  # ping says what it lacks
    os.close(descriptor)


def enter_root() -> None:
    """Make the overlay the root. The host's tree stays mounted until `leave_host`, but out of reach."""
    os.chdir(f"{SCRATCH}/root")
    syscalls.pivot_root(".", ".")


def leave_host() -> None:
    """Unmount the host's tree."""
    syscalls.umount(".", MNT_DETACH)
    os.chdir("/")


def place(tree: int, target: str) -> None:
    """Attach a detached mount at a path where only this module can have put anything."""
    syscalls.move_mount(tree, target)
    os.close(tree)


def mount_dev(devices: list[tuple[str, int]], *, tty_group: bool) -> None:
    """Fill /dev: the nodes, pseudo-terminals of its own, shared memory, message queues, the usual links.

    `tty_group` says that gid 5 is mapped.
    """
    syscalls.mount("dev", "/dev", "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=64k")
    for name, tree in devices:
        os.mknod(f"/dev/{name}", 0o666)
        place(tree, f"/dev/{name}")
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"/dev/{name}")
    pts = "newinstance,ptmxmode=0666,mode=0620" + (",gid=5" if tty_group else "")
    syscalls.mount("devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, pts)
    shm = f"mode=1777,{SHM_BOUNDS}"
    syscalls.mount("shm", "/dev/shm", "tmpfs", _UNTRUSTED, shm)  # noqa: S108
    syscalls.mount("mqueue", "/dev/mqueue", "mqueue", _UNTRUSTED)
    os.symlink("pts/ptmx", "/dev/ptmx")
    os.symlink("/proc/self/fd", "/dev/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.symlink(f"/proc/self/fd/{number}", f"/dev/{name}")


def attach_console(terminal: int) -> None:
    """Attach a detached mount of a terminal at /dev/console, where programs find its name (ttyname(3))."""
    os.close(os.open("/dev/console", os.O_WRONLY | os.O_CREAT, 0o600))
    place(terminal, "/dev/console")


def mount_proc(host_proc: int) -> bool:
    """Mount the proc of this pid namespace; says whether that was allowed.

    If the caller's own /proc is partly covered (nested containers) the kernel refuses, and the caller's is
    bound instead: `host_proc`, an O_PATH descriptor opened in this mount namespace.
    """
    if _mount_own("proc", "/proc", _UNTRUSTED):
        return True
    place(_copied(host_proc), "/proc")
    return False


def mount_system(host_system: int, *, own_network: bool) -> None:
    """Mount /sys read-only: the one of this network namespace, or the host's.

    `host_system` is an O_PATH descriptor of that, opened in this mount namespace. It is copied only where it
    is bound: closing a copy that was not takes the kernel 2 ms.
    """
    if not own_network or not _mount_own("sysfs", "/sys", _UNTRUSTED | MS_RDONLY):
        tree = _copied(host_system)
        attributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC
        syscalls.mount_setattr(tree, attributes, path="/sys")
        place(tree, "/sys")
    _show_own_cgroups()


def _mount_own(kind: str, target: str, flags: int) -> bool:
    """Mount what these namespaces have of a kind; says whether that was allowed."""
    try:
        syscalls.mount(kind, target, kind, flags)
    except PermissionError:
        return False
    return True


def _copied(host: int) -> int:
    """Return a detached copy of one of the host's mounts, with all below it, by its O_PATH descriptor."""
    return syscalls.open_tree("", OPEN_TREE_CLONE | AT_RECURSIVE | AT_EMPTY_PATH, directory=host)


def _show_own_cgroups() -> None:
    """Mount this namespace's cgroup2 over the host's whole tree; hide that if v1 or refused.

    Language runtimes read their limits there (cgroups(7), cgroup_namespaces(7)).
    """
    if os.access(f"{_CGROUPS}/cgroup.controllers", os.F_OK):
        try:
            syscalls.mount("cgroup2", _CGROUPS, "cgroup2", _UNTRUSTED | MS_RDONLY)
        except OSError:
            pass  # an outer container may forbid it
        else:
            return
    cover(_CGROUPS, _CGROUPS)


def mount_empty(target: str, *, mode: str = "755", bounds: str = "", read_only: bool = False) -> None:
    """Mount an empty tmpfs."""
    flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0)
    syscalls.mount("tmpfs", target, "tmpfs", flags, f"mode={mode},{bounds}" if bounds else f"mode={mode}")


def mount_temporary(*, nested: bool = False) -> None:
    """Mount /tmp and /run.

    For `nested` namespaces a second proc is mounted out of reach below /run: the kernel lets them mount a new
    one only if the mount namespace has one of which nothing is covered (mount_too_revealing in
    fs/namespace.c).
    """
    mount_empty("/tmp", mode="1777", bounds=TMP_BOUNDS)  # noqa: S108  # inside the sandbox
    if nested:
        mount_empty("/run", bounds="size=4k")
        os.mkdir("/run/proc")
        _mount_own("proc", "/run/proc", _UNTRUSTED)  # else the caller's is partly covered, and bound instead
    mount_empty("/run", bounds=RUN_BOUNDS)


def restrict(masked: "Iterable[str]" = MASKED, read_only: "Iterable[str]" = READ_ONLY) -> None:
    """Hide the paths of `masked` and make those of `read_only` read-only, as far as they exist."""
    for path in masked:
        cover(path, path)
    for path in read_only:
        try:
            tree = syscalls.open_tree(path, OPEN_TREE_CLONE | AT_RECURSIVE)
        except FileNotFoundError:
            continue
        syscalls.mount_setattr(tree, MOUNT_ATTR_RDONLY, path=path)
        place(tree, path)


def cover(where: str, path: str) -> None:
    """Cover what is at `where`, a directory with an empty one, a file with /dev/null; errors name `path`."""
    try:
        mount_empty(where, read_only=True)
    except FileNotFoundError:
        return
    except NotADirectoryError:
        place(syscalls.open_tree("/dev/null", OPEN_TREE_CLONE), where)
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
