"""Boot Debian 12's own kernel in qemu over a root file system that is made here, and run a script in it.

    DIRECTORY/            one machine, made by `make_machine` and used for any number of runs
      kernel/             linux-image-…-cloud-amd64, unpacked
      vmlinuz  initrd.img busybox, the modules in MODULES, and the few lines that mount the root
      root.img            ext4; runs write to a throw-away copy

A run gets a second disk with its files, mounted at FILES. Both disks are plain ext4 made by `mke2fs -d`, so
that nothing is mounted on the host. The guest has no network but its own `lo`. A machine for `systemd` starts
it, with D-Bus and logind, and the run is one of its units.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence

import mirror
import pytest
from attrs import frozen

FILES = "/files"
"""Where a run finds its files in the guest."""
KERNEL_SUITE = "bookworm"
MODULES = ("virtio_pci", "virtio_blk", "ext4", "overlay", "veth", "bridge", "nf_tables", "tun")
_DISK = "if=none,format=raw,cache=unsafe"
_DEVICE = "virtio-blk-pci"
_KERNEL = "linux-image-cloud-amd64"
_PACKAGES = ("python3", "uidmap", "passwd", "mount", "iproute2", "ca-certificates", "tmux", "acl")
_SYSTEMD = ("systemd-sysv", "dbus-user-session", "libpam-systemd")
_EXIT = re.compile(r"^@exit (\d+)@$", re.MULTILINE)

_INITRD = """#!/bin/sh
busybox mount -t proc proc /proc
busybox mount -t devtmpfs dev /dev
for module in $(busybox cat /modules); do busybox insmod /$module || echo "no module $module"; done
busybox mount -t ext4 /dev/vda /root
busybox mount --move /dev /root/dev
busybox umount /proc
exec busybox switch_root /root /sbin/guest
"""

_GUEST = """#!/bin/sh
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs -o mode=0755 run /run
mkdir -p /dev/pts /dev/shm /run/lock
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 shm /dev/shm
ip link set lo up
exec /sbin/guest-run
"""

_RUN = f"""#!/bin/sh
mount /dev/vdb {FILES}
cd {FILES}
sh {FILES}/.script </dev/null
echo "@exit $?@"
sync
echo o >/proc/sysrq-trigger
sleep 60
"""

_UNIT = """[Unit]
After=systemd-user-sessions.service systemd-logind.service dbus.service

[Service]
Type=oneshot
Environment=HOME=/root LANG=C.UTF-8
ExecStart=/sbin/guest-run
TTYPath=/dev/ttyS0
StandardOutput=tty
StandardError=tty
"""
_NOT_STARTED = (
    *("getty.target", "timers.target", "serial-getty@ttyS0.service", "systemd-networkd.service"),
    *("systemd-networkd-wait-online.service", "systemd-udev-settle.service", "e2scrub_reap.service"),
)


@frozen
class Machine:
    """A kernel, an initrd and a root disk."""

    kernel: str
    initrd: str
    disk: str
    release: str
    """As `uname -r` gives it in the guest."""


def make_machine(directory: str, root: str = "", *, systemd: bool = False) -> Machine:
    """Return the machine of that directory, made if it is not complete yet; `root` is another root disk."""
    os.makedirs(directory, exist_ok=True)
    release = _unpack_kernel(directory)
    disk = root or f"{directory}/{'systemd' if systemd else 'root'}.img"
    machine = Machine(f"{directory}/vmlinuz", f"{directory}/initrd.img", disk, release)
    if not os.path.exists(machine.initrd):
        _make_initrd(f"{directory}/kernel/lib/modules/{release}", machine.initrd)
    if not os.path.exists(machine.disk):
        _make_root(machine.disk, systemd=systemd)
    return machine


def kept_machine(cache: pytest.Cache, *, systemd: bool = False) -> Machine:
    """Return the machine that this harness makes, kept for later runs."""
    with open(__file__, "rb") as file:
        version = hashlib.sha256(file.read()).hexdigest()[:12]
    return make_machine(str(cache.mkdir(f"envforge-vm-{version}")), systemd=systemd)


def run_in_vm(
    machine: Machine,
    script: str,
    files: Mapping[str, str],
    *,
    timeout_s: float = 300,
    free_mib: int = 1024,
    features: Sequence[str] = (),
) -> tuple[int, str]:
    """Run a shell script as root in the guest and return its exit code and what it printed.

    `files` maps names under FILES to files or directories of the host, owners kept; `features` are of that
    disk's ext4, besides the usual ones. Raises AssertionError with the guest's output where it ends without
    having run the script to its end.
    """
    with tempfile.TemporaryDirectory(prefix="envforge-vm-", dir="/var/tmp") as directory:
        content = f"{directory}/content"
        os.mkdir(content)
        for name, source in files.items():
            os.makedirs(os.path.dirname(f"{content}/{name}"), exist_ok=True)
            _run("cp", "-a", "--reflink=auto", source, f"{content}/{name}")
        with open(f"{content}/.script", "w", encoding="utf-8") as file:
            file.write(script)
        make_disk(content, f"{directory}/files.img", free_mib, features)
        output = _boot(machine, f"{directory}/files.img", directory, timeout_s)
    ending = _EXIT.search(output)
    if ending is None:
        raise AssertionError(f"the guest ended early; its last words:\n{output[-6000:]}")
    return int(ending[1]), output[: ending.start()]


def _boot(machine: Machine, files_disk: str, directory: str, timeout_s: float) -> str:
    environment = os.environ | {"TMPDIR": directory}
    try:
        result = subprocess.run(
            [
                *command(machine),
                "-drive",
                f"file={files_disk},id=files,{_DISK}",
                "-device",
                f"{_DEVICE},drive=files",
            ],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
            check=False,
        )
        output = result.stdout
    except subprocess.TimeoutExpired as error:
        output = (error.stdout or b"") + b"\n(the time was up)\n"
    return output.decode(errors="replace").replace("\r", "")


def command(
    machine: Machine, memory: str = "2G", accelerator: Sequence[str] = ("-accel", "tcg,thread=multi")
) -> list[str]:
    """Return qemu's command line for that machine; what is written to its root disk is thrown away."""
    return [
        "qemu-system-x86_64",
        *(*accelerator, "-M", "q35", "-cpu", "max", "-smp", "2", "-m", memory),
        *("-nodefaults", "-no-reboot", "-display", "none", "-serial", "stdio"),
        *("-kernel", machine.kernel, "-initrd", machine.initrd),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on"),
        *("-drive", f"file={machine.disk},id=root,snapshot=on,{_DISK}", "-device", f"{_DEVICE},drive=root"),
    ]


def _unpack_kernel(directory: str) -> str:
    """Fetch and unpack the kernel where that is not done; return its release."""
    target = f"{directory}/kernel"
    if not os.path.isdir(target):
        with tempfile.TemporaryDirectory(dir=directory) as apt:
            _run("dpkg-deb", "-x", _download(apt), f"{apt}/kernel")
            os.rename(f"{apt}/kernel", target)
    release = next(name for name in os.listdir(f"{target}/lib/modules"))
    if not os.path.exists(f"{directory}/vmlinuz"):
        shutil.copy(f"{target}/boot/vmlinuz-{release}", f"{directory}/vmlinuz")
    return release


def _download(directory: str) -> str:
    """Download the newest kernel package of KERNEL_SUITE with an apt of its own, and return its path."""
    for name in ("lists/partial", "cache/archives/partial", "parts", "trusted"):
        os.makedirs(f"{directory}/{name}")
    with open(f"{directory}/sources.list", "w", encoding="utf-8") as file:
        file.write(mirror.sources(KERNEL_SUITE))
    with open(f"{directory}/status", "w", encoding="utf-8"):
        pass
    settings = {
        "Dir::Etc::SourceList": f"{directory}/sources.list",
        "Dir::Etc::SourceParts": f"{directory}/parts",
        "Dir::State::Lists": f"{directory}/lists",
        "Dir::State::Status": f"{directory}/status",
        "Dir::Cache": f"{directory}/cache",
        "APT::Sandbox::User": "root",
        "APT::Architecture": "amd64",
    }
    apt = [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
    _run("apt-get", *apt, "-q", "update")
    depends = _run("apt-cache", *apt, "show", "--no-all-versions", _KERNEL)
    found = re.search(r"^Depends: (linux-image-\S+)", depends, re.MULTILINE)
    if found is None:
        raise AssertionError(f"{_KERNEL} names no kernel:\n{depends}")
    _run("apt-get", *apt, "-q", "download", found[1], cwd=directory)
    return next(f"{directory}/{name}" for name in os.listdir(directory) if name.endswith(".deb"))


def _make_initrd(modules: str, target: str) -> None:
    with tempfile.TemporaryDirectory() as tree:
        for name in ("bin", "proc", "dev", "root"):
            os.mkdir(f"{tree}/{name}")
        shutil.copy(shutil.which("busybox") or "/bin/busybox", f"{tree}/bin/busybox")
        os.symlink("busybox", f"{tree}/bin/sh")
        names = []
        for path in _module_order(modules):
            names.append(os.path.basename(path))
            shutil.copy(f"{modules}/{path}", f"{tree}/{names[-1]}")
        _write(f"{tree}/modules", "\n".join(names) + "\n")
        _write(f"{tree}/init", _INITRD)
        _run("sh", "-c", f"find . | busybox cpio -o -H newc | gzip -1 >{shlex.quote(target)}.new", cwd=tree)
    os.rename(f"{target}.new", target)


def _module_order(modules: str) -> list[str]:
    """Return the files of MODULES and what they need, in an order in which they load."""
    _run("depmod", "-b", modules.partition("/lib/modules/")[0], os.path.basename(modules))
    with open(f"{modules}/modules.dep", encoding="utf-8") as file:
        depends = {path: needs.split() for path, needs in (line.rstrip().split(":", 1) for line in file)}
    files = {os.path.basename(path).split(".")[0].replace("-", "_"): path for path in depends}
    order: list[str] = []
    for name in MODULES:
        if name in files:  # else built in
            order += [*reversed(depends[files[name]]), files[name]]
    return list(dict.fromkeys(order))


def _make_root(target: str, *, systemd: bool) -> None:
    """Make the root disk: the host's own release of Debian, so that its python3 is the tests' one."""
    suite = mirror.host_suite()
    options = [f"--aptopt={option}" for option in mirror.apt_options()]
    with tempfile.TemporaryDirectory(prefix="envforge-vm-", dir="/var/tmp") as directory:
        tree = f"{directory}/root"
        _run(
            *(
                "mmdebstrap",
                "--mode=root",
                "--variant=essential",
                f"--include={','.join((*_PACKAGES, *(_SYSTEMD if systemd else ())))}",
                *options,
            ),
            *(suite, tree, "-"),
            stdin=mirror.sources(suite),
        )
        os.makedirs(f"{tree}{FILES}")
        _write(f"{tree}/sbin/guest-run", _RUN)
        _write(f"{tree}/sbin/guest", "#!/bin/sh\nexec /sbin/init\n" if systemd else _GUEST)
        if systemd:
            _have_started(tree)
        make_disk(tree, f"{target}.new", 1024)
    os.rename(f"{target}.new", target)


def _have_started(tree: str) -> None:
    """Have systemd start the run, and nothing that waits for what a guest has not."""
    units = f"{tree}/etc/systemd/system"
    _write(f"{units}/guest.service", _UNIT)
    os.makedirs(f"{units}/multi-user.target.wants", exist_ok=True)
    os.symlink("/etc/systemd/system/guest.service", f"{units}/multi-user.target.wants/guest.service")
    for name in _NOT_STARTED:
        os.symlink("/dev/null", f"{units}/{name}")


def make_disk(tree: str, target: str, free_mib: int, features: Sequence[str] = ()) -> None:
    """Write a tree to an ext4 image with that much room left."""
    used_kib = int(_run("du", "-skx", "--apparent-size", tree).split()[0])
    on_disk_kib = int(_run("du", "-skx", tree).split()[0])
    size_mib = max(used_kib, on_disk_kib) * 5 // 4 // 1024 + free_mib
    chosen = ",".join(("^has_journal", *features))
    _run("mke2fs", "-q", "-t", "ext4", "-O", chosen, "-m", "0", "-d", tree, target, f"{size_mib}M")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


def _run(*command: str, cwd: str | None = None, stdin: str = "") -> str:
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    result = subprocess.run(
        command, cwd=cwd, input=stdin, env=environment, capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise AssertionError(
            f"{shlex.join(command)} gave {result.returncode}:\n{result.stdout}{result.stderr}"
        )
    return result.stdout
