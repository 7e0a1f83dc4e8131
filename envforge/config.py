"""The user's configuration file, and the state directory. What an environment contains is never set here.

`$XDG_CONFIG_HOME/envforge/config.toml`; a missing file means all defaults.

    store = "/srv/envforge"
    workers = 4

    [mirrors]
    debian = ["http://mirror.example.org/debian"]

    [keys]
    debian = "/etc/envforge/our-mirror.asc"

    [gc]
    max-size = "20GB"
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from envforge import places
from envforge.errors import ConfigError, UsageError
from envforge.units import bytes_of

DEFAULT_SNAPSHOT: Final = "https://snapshot.debian.org/archive"


class Gc(NamedTuple):
    """When garbage is collected after a build, in the background. Off unless one of them is set."""

    max_size_bytes: int | None = None
    """The store is brought down to this size, the least recently used going first."""
    keep: int | None = None
    """How many generations of each environment stay."""

    def __bool__(self) -> bool:
        return any(value is not None for value in self)


class Config(NamedTuple):
    """One user's settings for all projects."""

    store: str = ""
    """The store's directory; empty: `$XDG_DATA_HOME/envforge`. `--store` overrides it."""
    cache: str = ""
    """A directory of layers, for CI for example: those that the store lacks are taken from it, and built ones
    are put there. Empty: none. `--cache` overrides it."""
    workers: int = 0
    """How many archives are unpacked at once; 0: one per processor."""
    connections: int = 6
    """How many downloads run at once, over all mirrors."""
    timeout_s: int = 30
    """How long a mirror may be silent before the next one is tried."""
    script_timeout_s: int = 1800
    """How long a package's maintainer scripts may take while it is configured; 0: without limit."""
    proxy: str = ""
    """A proxy for each of http and https that no variable (`http_proxy`, `https_proxy`, `all_proxy`) sets one
    for. Empty: as apt is configured."""
    ca_file: str = ""
    """Certificates to trust besides the system's, in PEM. Empty: the system's, or `SSL_CERT_FILE`."""
    check_valid_until: bool = True
    """Whether an index past its Valid-Until is refused; false is for mirrors of an earlier day. What apt is
    told of that does not count. Signatures are checked all the same."""
    snapshot: str = DEFAULT_SNAPSHOT
    """The archive of snapshots that is asked for files that every mirror has dropped. Empty: none."""
    mirrors: Mapping[str, tuple[str, ...]] = {}
    """Addresses to fetch from, by archive: `debian`, `debian-security`, or the URI that a spec names."""
    keys: Mapping[str, str] = {}
    """Files with further signing keys, by archive like `mirrors`: for mirrors that sign their own indexes."""
    gc: Gc = Gc()
    """Garbage collections after builds: `max-size`, `keep`."""

    def __hash__(self) -> int:
        return hash((self.store, self.cache, self.workers, self.gc))  # the tables cannot be hashed


def config_path() -> str:
    """Return the path of the user's configuration file, which may not exist."""
    return os.path.join(places.base("XDG_CONFIG_HOME", ".config"), "envforge", "config.toml")


def state_directory() -> str:
    """Return the directory for private homes, cached plans and consent. It may not exist yet.

    Usually `$XDG_STATE_HOME/envforge`; see `places` for users without a usable home.
    """
    return places.state_directory()


def store_path(named: str | None, settings: Config) -> str:
    """Return the real path of the store to use: `named`, else the configuration's, else the usual one."""
    if named == "":
        raise UsageError("--store needs a directory")
    usual = os.path.join(places.base("XDG_DATA_HOME", ".local/share"), "envforge")
    return os.path.realpath(named or settings.store or usual)


def load(path: str | None = None) -> Config:
    """Return the configuration in `path`, by default the user's own file, which may be missing.

    Raises ConfigError with every mistake in the file, one per line.
    """
    name = path or config_path()
    try:
        with open(name, "rb") as file:
            data = file.read()
    except FileNotFoundError:
        if path is not None:
            raise ConfigError(f"{name} does not exist") from None
        return Config()
    except OSError as error:
        raise _broken(name, error) from error
    import tomllib  # noqa: PLC0415 - few users have such a file

    try:
        values = tomllib.loads(data.decode())
    except ValueError as error:  # no TOML, or no UTF-8
        raise _broken(name, error) from error
    return parse(values, name)


def _broken(name: str, error: Exception) -> ConfigError:
    return ConfigError(f"{name}: {error}", hint=f"mend or remove {name}")


def parse(values: Mapping[str, Any], name: str) -> Config:
    """Return the configuration in parsed TOML; messages call its file `name`. Raises ConfigError."""
    problems: list[str] = []
    known = {_written(attribute): attribute for attribute in Config._fields}
    taken: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            problems.append(f"{name}: {key}: unknown key{_suggest(key, known)}")
            continue
        try:
            taken[known[key]] = _READERS[known[key]](value)
        except ValueError as error:
            problems.append(f"{name}: {key}: {error}")
    if problems:
        raise ConfigError("\n".join(problems), hint=f"known keys: {', '.join(known)}")
    return Config(**taken)


def _written(attribute: str) -> str:
    return attribute.removesuffix("_s").replace("_", "-")


def _suggest(key: str, known: Mapping[str, str]) -> str:
    import difflib  # noqa: PLC0415 - only after a mistake

    near = difflib.get_close_matches(key, known, 1)
    return f", do you mean {near[0]}?" if near else ""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be text")  # noqa: TRY004 - one kind of error for all readers
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"must be true or false, not {value!r}")  # noqa: TRY004 - as above
    return value


def _path(value: Any) -> str:
    path = os.path.expanduser(_text(value))
    if not os.path.isabs(path):
        raise ValueError(f"must be an absolute path, not {value!r}")
    return path


def _number(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise ValueError(f"must be a whole number from {low} to {high}, not {value!r}")
        return value

    return read


def _address(value: Any) -> str:
    text = _text(value)
    if not text.startswith(("http://", "https://", "file:/")):
        raise ValueError(f"must start with http://, https:// or file:/, not {value!r}")
    return text.rstrip("/")


def _proxy(value: Any) -> str:
    text = _text(value)
    if text and not text.startswith("http://"):
        raise ValueError(f"must start with http://, not {value!r}")
    return text


def _snapshot(value: Any) -> str:
    return _address(value) if value != "" else ""


def _mirrors(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError('must be a table: debian = ["http://…"]')  # noqa: TRY004 - as above
    return {
        name: tuple(map(_address, item if isinstance(item, list) else [item])) for name, item in value.items()
    }


def _keys(value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ValueError('must be a table: debian = "/a/file.asc"')  # noqa: TRY004 - as above
    return {name: _path(item) for name, item in value.items()}


def _gc(value: Any) -> Gc:
    if not isinstance(value, dict):
        raise ValueError('must be a table: max-size = "20GB"')  # noqa: TRY004 - as above
    if unknown := sorted(value.keys() - {"max-size", "keep"}):
        raise ValueError(f"has max-size and keep, no {', '.join(unknown)}")
    size, keep = value.get("max-size"), value.get("keep")
    return Gc(
        None if size is None else bytes_of(_text(size)), None if keep is None else _number(1, 1_000_000)(keep)
    )


_READERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "store": _path,
    "cache": _path,
    "workers": _number(0, 1024),
    "connections": _number(1, 64),
    "timeout_s": _number(1, 3600),
    "script_timeout_s": _number(0, 7 * 24 * 3600),
    "proxy": _proxy,
    "ca_file": _path,
    "check_valid_until": _flag,
    "snapshot": _snapshot,
    "mirrors": _mirrors,
    "keys": _keys,
    "gc": _gc,
}
