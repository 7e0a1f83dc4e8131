"""What must stay as it is outside, and unseen inside: files of the user that attacks are aimed at."""

import base64
import hashlib
import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

_LARGEST_BYTES = 64 << 20
_CLOCK_NS = 20_000_000
"""File systems' clocks tick by the jiffy."""


class GaveWayError(AssertionError):
    """The attack had its way. The only failure that an attack which is known to succeed may have."""


class Canary:
    """A directory of the user's. `seal` remembers it; `check` raises where it was read or changed."""

    def __init__(self, path: Path, uid: int, gid: int) -> None:
        self.path = path
        self.token = f"canary-{secrets.token_hex(12)}"
        self.secret = path / "secret"
        """A file that nobody else may read; any copy of it holds the token."""
        self.certificate = path / "secret.pem"
        self.directory = path / "directory"
        """To be written into."""
        self.precious = path / "precious"
        """To be deleted, or emptied."""
        for directory in (path, self.directory, self.precious, self.precious / "below", path / "secrets"):
            directory.mkdir()
        self.secret.write_text(f"{self.token}:x:4711:4711:{self.token}:/{self.token}:/bin/sh\n")
        (path / "secrets" / "inner").write_text(f"{self.token}\n")
        self.certificate.write_text(_pem(self.token.encode()))
        for name in ("a", "below/b"):
            (self.precious / name).write_text("precious\n")
        for place, _, names in os.walk(path):
            os.chown(place, uid, gid)
            os.chmod(place, 0o755)
            for name in names:
                os.chown(f"{place}/{name}", uid, gid)
                os.chmod(f"{place}/{name}", 0o600)
        self._made_ns = time.time_ns() - _CLOCK_NS
        self._sealed = self._state()

    def add(self, name: str, content: bytes, mode: int = 0o644) -> Path:
        """Add a file to be attacked, below the canary's directory."""
        file = self.path / name
        for parent in reversed(file.parents):
            if not parent.exists():
                parent.mkdir()
                self._give(parent)
        file.write_bytes(content)
        self._give(file)
        file.chmod(mode)
        self._sealed = self._state()
        return file

    def check(self, *places: str | Path, told: str = "") -> None:
        """Raise GaveWayError where something was changed, or the secret is in `told` or below `places`."""
        now = self._state()
        changed = [path for path in sorted({*now, *self._sealed}) if now.get(path) != self._sealed.get(path)]
        if changed:
            raise GaveWayError(f"changed outside: {', '.join(changed)}")
        if self.token in told:
            raise GaveWayError("the secret was printed")
        if found := self.copies(places):
            raise GaveWayError(f"the secret is in {', '.join(found[:5])}")

    def copies(self, places: Sequence[str | Path]) -> list[str]:
        """Return the files below `places` that hold the token."""
        token = self.token.encode()
        files = (path for place in places for path in _files(str(place), self._made_ns))
        return [path for path in files if token in Path(path).read_bytes()]

    def _give(self, path: Path) -> None:
        status = self.path.stat()
        os.chown(path, status.st_uid, status.st_gid)

    def _state(self) -> dict[str, tuple]:
        return {path: _described(path) for path in _paths(str(self.path))}


def _paths(top: str) -> Iterator[str]:
    yield top
    for place, directories, names in os.walk(top):
        for name in (*directories, *names):
            yield f"{place}/{name}"


def _described(path: str) -> tuple:
    status = os.lstat(path)
    content = ""
    if stat.S_ISREG(status.st_mode):
        content = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    elif stat.S_ISLNK(status.st_mode):
        content = os.readlink(path)
    xattrs = tuple((name, os.getxattr(path, name)) for name in os.listxattr(path, follow_symlinks=False))
    return status.st_mode, status.st_uid, status.st_gid, status.st_nlink, status.st_mtime_ns, content, xattrs


def _files(top: str, since_ns: int) -> Iterator[str]:
    """Yield the regular files below a path that are newer than that, can be read and are not too large."""
    for place, _, names in os.walk(top):
        for name in names:
            path = f"{place}/{name}"
            try:
                status = os.lstat(path)
            except OSError:
                continue
            new = stat.S_ISREG(status.st_mode) and status.st_ctime_ns >= since_ns
            if new and status.st_size <= _LARGEST_BYTES and os.access(path, os.R_OK):
                yield path


def _pem(der: bytes) -> str:
    body = base64.b64encode(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"
