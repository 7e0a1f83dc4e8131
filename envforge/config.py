"""The user's own configuration, and where state lies. What a project is made of never stands here.

`$XDG_CONFIG_HOME/envforge/config.toml`; a missing file means all defaults.

    store = "/srv/envforge"
    workers = 4

    [mirrors]
    debian = ["http://mirror.example.org/debian"]

    [keys]
    debian = "/etc/envforge/our-mirror.asc"
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import field, fields, frozen

from envforge import places
from envforge.errors import ConfigError

DEFAULT_SNAPSHOT: Final = "https://snapshot.debian.org/archive"


@frozen
class Config:
    """What a user can set for all of their projects."""

    store: str = ""
    """Where the store lies; empty: `$XDG_DATA_HOME/envforge`. `--store` comes before it."""
    cache: str = ""
    """A directory where layers are looked for that the store lacks, and put once they are made: for CI, say.
    Empty: none. `--cache` comes before it."""
    workers: int = 0
    """How many archives are unpacked at once; 0: as many as there are processors."""
    connections: int = 6
    """How many downloads run at once, over all mirrors."""
    timeout_s: int = 30
    """How long a mirror may be silent before the next one is tried."""
    script_timeout_s: int = 1800
    """How long the scripts of one package may take while it is configured; 0: as long as they like."""
    proxy: str = ""
    """A proxy for http and https, if neither `http_proxy` nor `https_proxy` is set. Empty: as apt is told."""
    ca_file: str = ""
    """Certificates to trust besides the system's, in PEM. Empty: the system's, or `SSL_CERT_FILE`."""
    check_valid_until: bool = True
    """Whether an index that says it has expired is refused; false is for mirrors of an earlier day. What the
    host's apt is told of that does not count. Signatures are checked all the same."""
    snapshot: str = DEFAULT_SNAPSHOT
    """Where files are looked for that every mirror has dropped. Empty: nowhere."""
    mirrors: Mapping[str, tuple[str, ...]] = field(factory=dict, hash=False)
    """Addresses to fetch from, by archive: `debian`, `debian-security`, or the URI that a spec names."""
    keys: Mapping[str, str] = field(factory=dict, hash=False)
    """Files with further signing keys, by archive like `mirrors`: for mirrors that sign by themselves."""


def config_path() -> str:
    """Return where the user's configuration is looked for."""
    return os.path.join(places.base("XDG_CONFIG_HOME", ".config"), "envforge", "config.toml")


def state_directory() -> str:
    """Return `$XDG_STATE_HOME/envforge`: homes and the plan cache. It may not exist yet.

    Another place where the home is of no use; see `places`.
    """
    return places.state_directory()


def load(path: str | None = None) -> Config:
    """Return the configuration of `path`, or of the user's own file.

    Raises ConfigError, with every mistake of the file, one a line.
    """
    name = path or config_path()
    try:
        with open(name, "rb") as file:
            values = tomllib.load(file)
    except FileNotFoundError:
        if path is not None:
            raise ConfigError(f"{name} does not exist") from None
        return Config()
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{name}: {error}", hint=f"mend or remove {name}") from error
    return parse(values, name)


def parse(values: Mapping[str, Any], name: str) -> Config:
    """Return the configuration that `values` say. Raises ConfigError like `load`."""
    problems: list[str] = []
    known = {_written(attribute.name): attribute.name for attribute in fields(Config)}
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
}
