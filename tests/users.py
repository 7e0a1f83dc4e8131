"""Unprivileged users to test as: made when the tests run as root and they are missing, kept for the next run.

`envforge-test-single` has no subordinate ids, `envforge-test-ranges` has 65,536 of each kind. Run by a plain
user, that user itself stands in for the one that it is like. `python tests/users.py NAME COMMAND…` runs a
command as one of them, in an empty home.
"""

import fcntl
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from attrs import frozen

SINGLE = "envforge-test-single"
RANGES = "envforge-test-ranges"
_RANGE_SIZE = 65536
_FIRST_RANGE = 100_000
_ACCOUNTS_LOCK = "/run/lock/envforge-test-accounts"


@frozen
class TestUser:
    """An account with a home of its own, empty when the test starts."""

    __test__ = False

    name: str
    uid: int
    gid: int
    home: str
    """On a disk, owned by the user, reached by everyone; gone after the test."""

    def command(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> list[str]:
        """Return `command` as root starts it to run as this user, with a clean environment."""
        variables = {
            "HOME": self.home,
            "USER": self.name,
            "LOGNAME": self.name,
            "LANG": "C.UTF-8",
            "PATH": f"{sysconfig.get_path('scripts')}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
            **{key: os.environ[key] for key in _PASSED if key in os.environ},
            **(environment or {}),
        }
        words = ["env", "-i", *(f"{key}={value}" for key, value in variables.items()), *command]
        if os.geteuid() == self.uid:
            return words
        return ["runuser", "-u", self.name, "--", *words]

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: str | None = None,
        environment: Mapping[str, str] | None = None,
        check: bool = True,
        timeout_s: float = 600,
        stdin: str = "",
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user and return what it printed; its home is the default directory."""
        result = subprocess.run(
            self.command(command, environment),
            cwd=cwd or self.home,
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
            timeout=timeout_s,
        )
        if check and result.returncode:
            raise AssertionError(f"{command} gave {result.returncode}\n{result.stdout}\n{result.stderr}")
        return result

    def python(self, code: str, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run Python code as this user, with the interpreter of the tests."""
        return self.run([sys.executable, "-c", code, *arguments], check=check)


_PASSED = ("http_proxy", "https_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "CI")


@contextmanager
def lend(name: str) -> Iterator[TestUser]:
    """Lend the account of that name, made if need be, with a fresh home."""
    account = _account(name)
    home = tempfile.mkdtemp(prefix=f"{name}-", dir="/var/tmp")
    os.chmod(home, 0o755)
    if account.pw_uid != os.geteuid():
        os.chown(home, account.pw_uid, account.pw_gid)
    user = TestUser(account.pw_name, account.pw_uid, account.pw_gid, home)
    try:
        yield user
    finally:
        _remove(user)


def stands_in(name: str) -> bool:
    """Say whether the account `name` can be had: always as root, else if the own one is of its kind."""
    if os.geteuid() == 0:
        return True
    return has_range(pwd.getpwuid(os.geteuid()).pw_name) == (name == RANGES)


def has_range(name: str) -> bool:
    """Say whether /etc/subuid and /etc/subgid give that account a range."""
    return all(
        any(owner == name for owner, _, _ in _ranges_of(path)) for path in ("/etc/subuid", "/etc/subgid")
    )


def _account(name: str) -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    with open(_ACCOUNTS_LOCK, "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            pwd.getpwnam(name)
        except KeyError:
            _create(name)
        if name == RANGES and not has_range(name):
            _grant_range(name)
    return pwd.getpwnam(name)


def _create(name: str) -> None:
    none = ("-K", "SUB_UID_COUNT=0", "-K", "SUB_GID_COUNT=0")
    subprocess.run(
        ["useradd", *none, "--no-create-home", "--home-dir", f"/var/tmp/{name}", "--shell", "/bin/sh", name],
        check=True,
    )


def _grant_range(name: str) -> None:
    taken = []
    for path in ("/etc/subuid", "/etc/subgid"):
        with open(path, "a", encoding="ascii"):
            taken += [first + count for _, first, count in _ranges_of(path)]
    first = max([_FIRST_RANGE, *taken])
    span = f"{first}-{first + _RANGE_SIZE - 1}"
    subprocess.run(["usermod", "--add-subuids", span, "--add-subgids", span, name], check=True)


def _ranges_of(path: str) -> list[tuple[str, int, int]]:
    try:
        with open(path, encoding="utf-8") as file:
            fields = [line.strip().split(":") for line in file]
    except FileNotFoundError:
        return []
    return [
        (owner, int(first), int(count)) for owner, first, count in (line for line in fields if len(line) == 3)
    ]


def _remove(user: TestUser) -> None:
    """Remove a home, with what belongs to the user's subordinate ids in it."""
    if user.uid == os.geteuid() != 0:
        subprocess.run(reaching_all("rm", "-rf", user.home), check=False)
    shutil.rmtree(user.home, ignore_errors=True)


def reaching_all(*command: str) -> list[str]:
    """Return a command so that it reaches files of the own subordinate ids too, which are not the user's."""
    if os.geteuid() == 0:
        return [*command]
    mapped = ["--map-auto"] if has_range(pwd.getpwuid(os.geteuid()).pw_name) else []
    return ["unshare", "--user", "--map-root-user", *mapped, *command]


def _main() -> int:
    name, *command = sys.argv[1:]
    with lend(name) as user:
        return subprocess.run(user.command(command), cwd=user.home, check=False).returncode


if __name__ == "__main__":
    raise SystemExit(_main())
