"""The cache of compiled plans in the user's state directory. Loaded on the warm path, so it stays tiny.

    $XDG_STATE_HOME/envforge/key            32 random bytes, 0600
    $XDG_STATE_HOME/envforge/plans/<name>   0600, in a directory of the user's own with mode 0700:
                                            MAC over name and plan (32 bytes), the plan by marshal

A plan is as powerful as code: its values decide what runs on the host, and marshal trusts its input. So a
plan is trusted only for its MAC (keyed BLAKE2b, RFC 7693), whose key no sandbox ever sees; the owner and mode
of the directory are checked as well. A plan's name is a MAC too, over the bytes that the plan was made from:
nobody can craft a spec that is taken for another one.
"""

import marshal
import os
from _blake2 import blake2b  # `hashlib` would cost a millisecond

from envforge import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Watched = tuple[tuple[str, int, int, int], ...]


FORMAT = "14"
"""Of the compiled plan. Raise it when `perform` reads other values, so that no old plan is used."""
KEPT_MAX = 256
"""How many plans are kept; the least recently used go first."""
ALLOW_VARIABLE = "ENVFORGE_ALLOW"
"""Permissions for one call only: part of the plan's name, so that they count for such calls alone."""

TRUST_VARIABLES = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""They name certificates to trust inside, so a plan is made for their values."""

_SECRET_BYTES = 32
_MAC_BYTES = 32


def directory() -> str:
    """Return the directory of this user's plans."""
    usual = f"{_base('XDG_STATE_HOME', '.local/state')}/envforge"
    if os.access(usual, os.W_OK | os.X_OK):
        return f"{usual}/plans"
    from envforge.places import state_directory  # noqa: PLC0415  # only if it is missing or unusable

    return f"{state_directory()}/plans"


def project_key(
    spec_path: str,
    lock_path: str,
    store: "str | None",
    options: "Iterable[str]" = (),
    environment: "str | None" = None,
) -> "str | None":
    """Return the name of a project's plan, None if its files cannot be read, or its store is not clear.

    It is a MAC over the files' bytes on disk now, so whoever stores a plan calls this before reading them and
    again afterwards. `spec_path` is a real path. `store` is the value of `--store`; else the user's
    configuration or the usual place counts, as in `environment/projects/project.py`. `options` are the
    command-line options that shape a plan. `environment` is one of the spec's, its own one where None.
    """
    secret = _secret()
    spec, lock = _read(spec_path), _read(lock_path)
    config = _read(f"{_base('XDG_CONFIG_HOME', '.config')}/envforge/config.toml") or b""
    place = store or _configured_store(config)
    if secret is None or spec is None or lock is None or place is None:
        return None
    allowed = os.environ.get(ALLOW_VARIABLE, "")
    trusted = (os.environ.get(name, "") for name in TRUST_VARIABLES)
    own = (str(os.getuid()), __version__, FORMAT)
    named = ("environment", environment) if environment and environment != "default" else ()
    words = (spec_path, os.path.realpath(place), *own, allowed, *trusted, *named, *options)
    return key((spec, lock, config, *(os.fsencode(word) for word in words)), secret)


def store_path(named: "str | None") -> "str | None":
    """Return the real path of the store that `--store`, the configuration or the usual place means.

    None where only a TOML parser could tell.
    """
    config = b"" if named else _read(f"{_base('XDG_CONFIG_HOME', '.config')}/envforge/config.toml") or b""
    place = named or _configured_store(config)
    return None if place is None else os.path.realpath(place)


def _configured_store(config: bytes) -> "str | None":
    """Return the configured store or the usual one, None if only a TOML parser could tell."""
    for line in config.splitlines():
        words = line.split(b"=", 1)
        if words[0].strip().strip(b"\"'") == b"store":
            quoted = words[-1].strip()
            path = quoted[1:-1].decode(errors="replace")
            plain = quoted[:1] == quoted[-1:] == b'"' and not any(one in path for one in '\\"')
            return os.path.expanduser(path) if plain and path else None
    return f"{_base('XDG_DATA_HOME', '.local/share')}/envforge"


def _base(variable: str, default: str) -> str:
    """Return a directory of the XDG base directory specification."""
    value = os.environ.get(variable, "")
    return value if value.startswith("/") else f"{os.path.expanduser('~')}/{default}"


def _read(path: str) -> "bytes | None":
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # opening a fifo would block
    except OSError:
        return None
    try:
        with open(descriptor, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return None


def key(parts: "Iterable[bytes]", secret: bytes) -> str:
    """Return the name of a plan made from these bytes, in this order."""
    state = blake2b(digest_size=16, key=secret)
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def _secret_path() -> str:
    return f"{os.path.dirname(directory())}/key"


def _secret() -> "bytes | None":
    """Return the key of the MACs, None if there is none yet, or others could have read it."""
    try:
        descriptor = os.open(_secret_path(), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        status = os.fstat(descriptor)
        is_own = status.st_uid == os.geteuid() and status.st_mode & 0o170077 == 0o100000
        secret = os.read(descriptor, _SECRET_BYTES + 1) if is_own else b""
    finally:
        os.close(descriptor)
    return secret if len(secret) == _SECRET_BYTES else None


def make_secret() -> bytes:
    """Return the key of the MACs, made if there is none; the first to make it wins."""
    if found := _secret():
        return found
    from fcntl import LOCK_EX, flock  # noqa: PLC0415  # the warm path writes nothing

    from envforge import whole_file  # noqa: PLC0415  # likewise

    path = _secret_path()
    _make_private(os.path.dirname(path))
    lock = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        flock(lock, LOCK_EX)
        if _secret() is None:  # nor is there one that another has made since
            whole_file.write(path, os.urandom(_SECRET_BYTES))
    finally:
        os.close(lock)
    found = _secret()
    if found is None:
        raise OSError(1, "not a file of one's own", path)
    return found


def watch(paths: "Iterable[str]") -> "Watched":
    """Return path, mtime in ns, size and inode of each file, from which `load_plan` sees whether it changed.

    Call it before reading the files. A missing file always counts as changed.
    """
    found = []
    for path in paths:
        try:
            status = os.stat(path)
        except OSError:
            found.append((path, -1, -1, -1))
            continue
        found.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def store_plan(name: str, plan: "Any", watched: "Watched") -> None:
    """Keep a compiled plan under its name, with the files that must not have changed when it is used."""
    from envforge import whole_file  # noqa: PLC0415  # the warm path writes nothing

    place = directory()
    _make_private(place)
    whole_file.write(f"{place}/{name}", sealed(name, (plan, watched)), durable=False)
    _sweep(place)


def sealed(name: str, values: "Any") -> bytes:
    """Return plain values as bytes with a MAC over them and `name`, under which alone they are trusted."""
    secret = make_secret()
    data = marshal.dumps(values)
    return _mac(name, data, secret) + data


def unsealed(name: str, data: bytes) -> "Any":
    """Return the values that were given to `sealed`. Raises ValueError if the MAC does not match."""
    secret = _secret()
    if secret is None or data[:_MAC_BYTES] != _mac(name, data[_MAC_BYTES:], secret):
        raise ValueError(name)
    return marshal.loads(data[_MAC_BYTES:])  # noqa: S302  # nobody but us could have made it


def load_plan(name: str) -> "dict[str, Any] | None":
    """Return the plan of that name, None if there is none or a file that it watches has changed."""
    place = directory()
    data = _read(f"{place}/{name}")
    if data is None:
        return None
    try:
        if not _is_private(place):
            return None
        plan, watched = unsealed(name, data)
        for path, mtime, size, inode in watched:
            status = os.stat(path)
            if (status.st_mtime_ns, status.st_size, status.st_ino) != (mtime, size, inode):
                return None
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return plan  # type: ignore[no-any-return]


def forget_plans() -> None:
    """Remove every plan, since a permission that plans contain was revoked."""
    place = directory()
    if os.path.isdir(place):
        for name in os.listdir(place):
            os.unlink(f"{place}/{name}")


def _mac(name: str, data: bytes, secret: bytes) -> bytes:
    state = blake2b(name.encode(), digest_size=_MAC_BYTES, key=secret)
    state.update(data)
    return state.digest()


def _make_private(place: str) -> None:
    os.makedirs(place, 0o700, exist_ok=True)
    if not _is_private(place):
        os.chmod(place, 0o700)


def _is_private(place: str) -> bool:
    status = os.stat(place)
    return status.st_uid == os.geteuid() and status.st_mode & 0o077 == 0


def _sweep(place: str) -> None:
    """Remove the least recently used plans, by access times, which are exact to a day (relatime)."""
    names = os.listdir(place)
    if len(names) <= KEPT_MAX:
        return
    used = {}
    for name in names:
        path = f"{place}/{name}"
        try:
            status = os.stat(path)
        except FileNotFoundError:
            continue
        used[path] = max(status.st_atime, status.st_mtime)
    for path in sorted(used, key=lambda path: used[path])[:-KEPT_MAX]:
        try:
            os.unlink(path)
        except FileNotFoundError:
            continue  # somebody else sweeps as well
