"""A system that is built in a second: busybox, dpkg and ldconfig of the host, a Python to attack with.

Real .debs in a real signed archive; hostile packages are configured over it by the real scripts.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import debs
from small_archive import Archive, host_files

VARIABLE = "ENVFORGE_ATTACK_ARCHIVE"
"""Names the directory of an archive that is made already."""
PYTHON = f"/usr/bin/python{sys.version_info[0]}.{sys.version_info[1]}"
"""Where it lies inside; only a Python that is the system's has a directory that can be packaged."""
_LIBRARY = f"/usr/lib/python{sys.version_info[0]}.{sys.version_info[1]}"
_LEFT_OUT = frozenset(
    {
        "test",
        "__pycache__",
        "idlelib",
        "lib2to3",
        "pydoc_data",
        "ensurepip",
        "distutils",
        "unittest",
        "tkinter",
    }
    | {"asyncio", "email", "html", "http", "xml", "xmlrpc", "sqlite3", "dist-packages", "curses", "urllib"}
    | {"sitecustomize.py"}  # leads to /etc
)
_DPKG = ("dpkg", "dpkg-deb", "dpkg-divert", "dpkg-query", "dpkg-split", "dpkg-statoverride", "dpkg-trigger")
_NOT_BUSYBOX = {"busybox", "sh", "ash", "dpkg", "dpkg-deb", "start-stop-daemon"}
_DIRECTORIES = ("etc", "root", "usr", "usr/bin", "usr/lib", "usr/lib64", "usr/sbin", "var")
_PASSWD = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
_GROUP = b"root:x:0:\ntty:x:5:\nnogroup:x:65534:\n"


def add_system(archive: Archive) -> None:
    """Add the essential packages, apt's own for the resolver, and `attacker`, a Python to depend on."""
    archive.add(
        "dpkg", architecture="amd64", essential="yes", priority="required",
        data=host_files(*_programs(*(f"/usr/bin/{name}" for name in _DPKG)), *_tables()),
    )  # fmt: skip
    archive.add("base-files", architecture="amd64", essential="yes", priority="required", data=_base_files())
    programs = ("/usr/bin/apt-get", "/usr/bin/apt-cache", "/usr/lib/apt/methods/http")
    archive.add("apt", architecture="amd64", data=host_files(*_programs(*programs)))
    for name in ("debian-archive-keyring", "gpgv"):
        archive.add(name)
    archive.add("attacker", architecture="amd64", data=_python())


def opened(directory: Path) -> Archive:
    """Return an archive that was made and published elsewhere."""
    archive = Archive(directory)
    text = (directory / "dists/bookworm/main/binary-amd64/Packages").read_text()
    archive.stanzas["bookworm"] = [f"{stanza.strip()}\n" for stanza in text.split("\n\n") if stanza.strip()]
    return archive


def _base_files() -> list:
    busybox = shutil.which("busybox") or "/bin/busybox"
    applets = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split()
    return [
        *(debs.member(f"./{name}/") for name in _DIRECTORIES),
        debs.member("./etc/passwd", _PASSWD),
        debs.member("./etc/group", _GROUP),
        debs.member("./usr/bin/busybox", Path(busybox).read_bytes(), mode=0o755),
        *(debs.symlink(f"./usr/bin/{name}", "busybox") for name in sorted({*applets} - _NOT_BUSYBOX)),
        debs.member("./usr/bin/sh", Path("/bin/dash").read_bytes(), mode=0o755),  # busybox runs its applets
        debs.member("./usr/sbin/ldconfig", Path("/usr/sbin/ldconfig").read_bytes(), mode=0o755),
    ]  # fmt: skip


def _programs(*paths: str) -> set[str]:
    """Return programs with what they load; packages that share a library have the same bytes of it."""
    said = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=True).stdout
    words = {word for word in said.split() if word.startswith("/") and not word.endswith(":")}
    return {*paths, *words}


def _tables() -> list[str]:
    return [str(path) for path in Path("/usr/share/dpkg").glob("*table")]


def _python() -> list:
    members, modules = [], []
    for directory, names, files in os.walk(_LIBRARY):
        names[:] = sorted(set(names) - _LEFT_OUT)
        names[:] = [name for name in names if not name.startswith("config-")]
        members.append(debs.member(f".{directory}/"))
        for name in sorted(set(files) - _LEFT_OUT):
            path = f"{directory}/{name}"
            if os.path.islink(path):
                continue
            members.append(debs.member(f".{path}", Path(path).read_bytes()))
            if name.endswith(".so"):
                modules.append(path)
    return [
        *members,
        *host_files(*_programs(PYTHON, *modules) - set(modules)),
        debs.symlink("./usr/bin/python3", PYTHON),
    ]
