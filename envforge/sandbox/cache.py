"""Compiled plans in the user's state directory, for the warm path, which loads this module: it stays tiny.

    $XDG_STATE_HOME/envforge/plans/<key>    0600, in a directory of the user's own with mode 0700

A plan is code by another name (its values decide what runs, and marshal trusts its input), so the directory's
owner and mode are checked each time, and it is never shown to a sandbox. The key is xxh3_128 over the bytes
that the plan was made from: nobody but this user has to believe it.
"""

import marshal
import os

from xxhash import xxh3_128

from envforge import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    Watched = tuple[tuple[str, int, int, int], ...]


FORMAT = "2"
"""Of the compiled plan. Raise it when `perform` reads other values, so that no old plan is used."""


def directory() -> str:
    """Return where this user's plans lie."""
    return f"{_base('XDG_STATE_HOME', '.local/state')}/envforge/plans"


def project_key(spec_path: str, lock_path: str, store: "str | None") -> "str | None":
    """Return the key of a project's plan, None where its files cannot be read, or its store is not clear.

    `spec_path` is a real path. `store` is what `--store` says; else the user's configuration or the usual
    place counts, as in `environment/project.py`. Over the bytes as they are on disk now: whoever keeps a plan
    asks before reading them and again afterwards.
    """
    spec, lock = _read(spec_path), _read(lock_path)
    config = _read(f"{_base('XDG_CONFIG_HOME', '.config')}/envforge/config.toml") or b""
    place = store or _configured_store(config)
    if spec is None or lock is None or place is None:
        return None
    words = (spec_path, os.path.realpath(place), str(os.getuid()), __version__, FORMAT)
    return key((spec, lock, config, *(os.fsencode(word) for word in words)))


def _configured_store(config: bytes) -> "str | None":
    """Return the store that the configuration means, None where it takes a TOML parser to say."""
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
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return None


def key(parts: "Iterable[bytes]") -> str:
    """Return the key of a plan made from these bytes, in this order."""
    state = xxh3_128()
    for part in parts:
        state.update(len(part).to_bytes(8, "little"))
        state.update(part)
    return state.hexdigest()


def watch(paths: "Iterable[str]") -> "Watched":
    """Return what tells later whether one of these files has changed: path, mtime in ns, size, inode."""
    found = []
    for path in paths:
        status = os.stat(path)
        found.append((path, status.st_mtime_ns, status.st_size, status.st_ino))
    return tuple(found)


def store_plan(name: str, plan: "dict[str, Any]", watched: "Watched") -> None:
    """Keep a compiled plan under its key, with the files that must not have changed when it is used."""
    place = directory()
    os.makedirs(place, 0o700, exist_ok=True)
    if not _is_private(place):
        os.chmod(place, 0o700)
    temporary = f"{place}/.{name}.{os.getpid()}"
    with open(temporary, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        marshal.dump((plan, watched), file)
    os.replace(temporary, f"{place}/{name}")


def load_plan(name: str) -> "dict[str, Any] | None":
    """Return the plan of that key, None where there is none or a file that it watches has changed."""
    place = directory()
    try:
        if not _is_private(place):
            return None
        with open(f"{place}/{name}", "rb", buffering=0) as file:
            plan, watched = marshal.loads(file.read())  # noqa: S302  # the directory is the user's own, 0700
        for path, mtime, size, inode in watched:
            status = os.stat(path)
            if (status.st_mtime_ns, status.st_size, status.st_ino) != (mtime, size, inode):
                return None
    except (OSError, ValueError, EOFError, TypeError):
        return None
    return plan  # type: ignore[no-any-return]


def _is_private(place: str) -> bool:
    status = os.stat(place)
    return status.st_uid == os.geteuid() and status.st_mode & 0o077 == 0
