"""A small tree of the host's own programs that belongs to a user with a single id, and commands run in it.

Built by copying, so that it needs no network; `Tree.run` starts a command under the supervisor of owners.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Mapping
from typing import Any

import users
from attrs import frozen

PROGRAMS = (
    *("sh", "cat", "chgrp", "chmod", "chown", "chroot", "cp", "id", "install", "ln", "ls", "mkdir", "mkfifo"),
    *("mknod", "mv", "rm", "rmdir", "sed", "sleep", "stat", "tar", "touch", "setpriv", "find", "env", "seq"),
)
OPTIONAL = ("setfacl", "getfacl", "setcap", "getcap", "rsync", "perl", "su", "useradd", "dpkg-deb")
_FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nmailer:x:6:12::/:/bin/sh\n",
    "etc/group": "root:x:0:\ntty:x:5:\nmail:x:8:mailer\nmailer:x:12:\nshadow:x:42:\n",
    "etc/shadow": "root:*:19000:0:99999:7:::\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\n",
    "usr/bin/reader": "plays a set-group-id program\n",
    "usr/share/data": "a file of root\n",
    **{f"usr/share/owned/{number}": "not root's\n" for number in range(10)},
}
_MODES = {"etc/shadow": 0o640, "usr/bin/reader": 0o2755}
OWNERS = {"/etc/shadow": (0, 42), "/usr/bin/reader": (0, 42), "/var/local": (0, 50), "/var/mail": (0, 8)}
OWNERS |= {f"/usr/share/owned/{number}": (5, 60 + number) for number in range(10)}
"""What is true of the tree although the user owns everything: uid and gid by path."""

_DRIVER = """
import json, os, sys
from envforge.sandbox.ids import identity, worker
from envforge.sandbox.owners import Owner
from envforge.sandbox.owners.run import run_supervised

task = json.load(sys.stdin)
base = task.pop("base")
identity = identity.detect()
assert identity.held == "flat", identity.held
owners = {os.fsencode(path): Owner(uid, gid) for path, (uid, gid) in task.pop("owners").items()}
output = os.open(f"{base}/output", os.O_CREAT | os.O_RDWR | os.O_TRUNC, 0o600)

def work():
    os.system(f"rm -rf {base}/upper {base}/work")
    os.mkdir(f"{base}/upper", 0o755)
    os.mkdir(f"{base}/work")
    places = {"upper": f"{base}/upper", "work": f"{base}/work"}
    return run_supervised(**places, **task, owners=owners, output=output)

code, found = worker.call_in_namespace(identity, work)
told = {
    os.fsdecode(path): {
        "owner": [owner.uid, owner.gid],
        "type": owner.type,
        "device": owner.device,
        "xattrs": {name.decode(): value.hex() for name, value in owner.xattrs},
    }
    for path, owner in found.items()
}
text = os.pread(output, 1 << 22, 0).decode(errors="surrogateescape")
print(json.dumps({"code": code, "output": text, "owners": told}))
"""


@frozen
class Outcome:
    """What a command printed, how it ended, and what the supervisor told."""

    code: int
    output: str
    owners: dict[str, dict[str, Any]]

    def owner(self, path: str) -> tuple[int, int]:
        """Return the true owner of a path of the upper layer."""
        return tuple(self.owners.get(path, {"owner": (0, 0)})["owner"])


@frozen
class Tree:
    """The tree, its user, and which programs it has."""

    user: users.TestUser
    lower: str

    def has(self, program: str) -> bool:
        """Say if the host lent the program."""
        return any(os.path.exists(f"{self.lower}/usr/{place}/{program}") for place in ("bin", "sbin"))

    def run(
        self, command: Iterable[str], owners: Mapping[str, tuple[int, int]] = OWNERS, *, before: str = ""
    ) -> Outcome:
        """Run a command as the user's uid 0, supervised."""
        return Outcome(**json.loads(self.drive(command, owners, check=True, before=before).stdout))

    def drive(
        self,
        command: Iterable[str],
        owners: Mapping[str, tuple[int, int]] = OWNERS,
        *,
        check: bool = False,
        before: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run likewise, after the code `before`; return how the process ended that called the supervisor."""
        environment = {"PATH": "/usr/sbin:/usr/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
        task = {"base": self.user.home, "lowers": [self.lower], "command": list(command)}
        task |= {"environment": environment, "owners": {path: list(owner) for path, owner in owners.items()}}
        return self.user.run([sys.executable, "-c", before + _DRIVER], stdin=json.dumps(task), check=check)

    def shell(self, script: str) -> list[str]:
        """Run a shell script that must end well; return its lines."""
        outcome = self.run(["sh", "-ec", f"umask 022; cd /; {script}"])
        assert outcome.code == 0, outcome.output
        return outcome.output.splitlines()

    def python(self, script: str) -> Outcome:
        """Run Python code that must end well."""
        outcome = self.run([interpreter(), "-c", _PRELUDE + script])
        assert outcome.code == 0, outcome.output
        return outcome

    def lines(self, script: str) -> list[str]:
        """Run Python code that must end well; return its lines."""
        return self.python(script).output.splitlines()


_PRELUDE = """
import ctypes, errno, os, signal, socket, stat, struct, sys, threading
libc = ctypes.CDLL(None, use_errno=True)
os.umask(0o022)
os.chdir("/")

def make(path, mode=0o644):
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, mode))

def seen(path, **options):
    status = os.stat(path, **options)
    return f"{status.st_uid}:{status.st_gid} {status.st_mode:o}"

def told(function, *arguments, **options):
    try:
        return function(*arguments, **options)
    except OSError as error:
        return errno.errorcode[error.errno]

def in_child(function):
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            function()
            sys.stdout.flush()
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0, "the child failed"

"""


def interpreter() -> str:
    """Return the path of the interpreter inside the tree: that of the host."""
    return os.path.realpath(sys.executable)


def build(user: users.TestUser) -> Tree:
    """Copy the programs, their libraries and Python's own into a tree that the user owns, as a farm's is."""
    stage, lower = f"{user.home}/stage", f"{user.home}/lower"
    _make_skeleton(stage)
    for program in PROGRAMS + OPTIONAL:
        path = shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin")
        if path is None and program in PROGRAMS:
            raise AssertionError(f"the host has no {program}")
        if path is not None:
            _copy_program(path, stage)
    _copy_python(stage)
    os.chmod(f"{stage}/etc/shadow", _MODES["etc/shadow"])
    os.chmod(f"{stage}/usr/bin/reader", _MODES["usr/bin/reader"])
    if os.geteuid() != user.uid:
        subprocess.run(["chown", "-hR", f"{user.uid}:{user.gid}", stage], check=True)
        os.chmod(f"{stage}/usr/bin/reader", _MODES["usr/bin/reader"])
    user.run(["cp", "-al", stage, lower])  # links, as a farm's files are
    return Tree(user, lower)


def _make_skeleton(stage: str) -> None:
    for name in ("bin", "sbin", "lib", "lib64"):
        os.makedirs(f"{stage}/usr/{name}")
        os.symlink(f"usr/{name}", f"{stage}/{name}")
    for name in (
        "etc",
        "root",
        "var/mail",
        "var/local",
        "var/tmp",
        "usr/share/owned",
        "proc",
        "dev",
        "run",
        "tmp",
    ):
        os.makedirs(f"{stage}/{name}")
    for path, text in _FILES.items():
        with open(f"{stage}/{path}", "w", encoding="ascii") as file:
            file.write(text)
    os.symlink("data", f"{stage}/usr/share/link")
    os.chmod(f"{stage}/var/local", 0o2775)
    os.chmod(f"{stage}/var/mail", 0o2775)


def _copy_program(path: str, stage: str) -> None:
    _copy(path, stage)
    said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
    for word in said.split():
        if word.startswith("/"):
            _copy(word, stage)


def _copy(path: str, stage: str) -> None:
    """Copy a file to where the merged /usr has it."""
    place = path if path.startswith("/usr/") else f"/usr{path}"
    target = stage + place
    if os.path.lexists(target):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(path, target)
    os.chmod(target, 0o755)


def _copy_python(stage: str) -> None:
    _copy_program(interpreter(), stage)
    library = sysconfig.get_path("stdlib")
    left_out = shutil.ignore_patterns(
        "__pycache__", "test", "idlelib", "site-packages", "dist-packages", "config-*"
    )
    shutil.copytree(library, stage + library, ignore=left_out, symlinks=False, ignore_dangling_symlinks=True)
    for name in os.listdir(f"{library}/lib-dynload"):
        if name.startswith(("_ctypes", "_struct", "_socket", "_posix", "_hashlib", "_bz2", "_lzma")):
            _copy_program(f"{library}/lib-dynload/{name}", stage)
