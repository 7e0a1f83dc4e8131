"""Parses the values of `run`'s options (`-e`, `--env-file`, `-v`, `-w`, `-p`), written as for Docker.

The warm path loads it where a command line has such options, so it imports only `os`.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from envforge.containers.network.published import Published

    Volume = tuple[str, str, bool]
    """Source, target, read-only."""


class OptionError(ValueError):
    """An invalid option value. Not an EnvforgeError: the warm path may not import `envforge.errors`."""

    def __init__(self, message: str, *, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def environment_of(
    files: "Sequence[str]", variables: "Sequence[str]", host: "Mapping[str, str]" = os.environ
) -> "tuple[tuple[str, str], ...]":
    """Return the variables of `--env-file` and `-e`, later ones over earlier ones.

    A name without a value takes the host's, and is left out where the host has none, as Docker does.
    """
    found: dict[str, str] = {}
    for path in files:
        for number, line in enumerate(_lines(path), start=1):
            text = line.strip()
            if text and not text.startswith("#"):
                found.update(_variable(line.lstrip(), host, f"{path}:{number}"))
    for text in variables:
        found.update(_variable(text, host, "-e"))
    return tuple(found.items())


def _lines(path: str) -> "Sequence[str]":
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()
    except OSError as error:
        raise OptionError(f"--env-file {path}: {error.strerror}", hint="check the name") from error
    except UnicodeDecodeError as error:
        raise OptionError(f"--env-file {path} is not UTF-8 text", hint="write NAME=VALUE lines") from error


def _variable(text: str, host: "Mapping[str, str]", where: str) -> "Iterator[tuple[str, str]]":
    name, equals, value = text.partition("=")
    if not name or name != name.strip() or "\0" in text:
        raise OptionError(
            f"{where}: {text!r} is no variable", hint="write NAME=VALUE, or NAME for the host's"
        )
    if equals:
        yield name, value
    elif name in host:
        yield name, host[name]


def volume_of(text: str) -> "Volume":
    """Parse Docker's `SOURCE:TARGET[:ro]`; return source, target and whether it is read-only."""
    hint = "write -v SOURCE:TARGET or -v SOURCE:TARGET:ro, with a path as source"
    parts = text.split(":")
    access = parts.pop() if len(parts) == 3 and parts[2] in {"ro", "rw"} else "rw"
    if len(parts) != 2 or not all(parts):
        raise OptionError(f"-v {text!r} is no volume", hint=hint)
    source, target = parts
    if _is_name(source):
        raise OptionError(f"-v {text!r} is a named volume", hint=f"for a directory: ./{source}:{target}")
    if not target.startswith("/"):
        raise OptionError(f"-v {text!r}: the target must be an absolute path", hint=hint)
    source = os.path.abspath(source)
    if not os.path.exists(source):
        raise OptionError(f"-v {text!r}: {source} does not exist", hint="make it, or name another")
    return source, os.path.normpath(target), access == "ro"


def _is_name(source: str) -> bool:
    return "/" not in source and source not in {".", ".."}


def named_volume_of(text: str) -> "Volume | None":
    """Return name, target and whether it is read-only of `-v NAME:/path`; None for a path."""
    source, _, rest = text.partition(":")
    if not rest or not source or not _is_name(source):
        return None
    _, target, read_only = volume_of(f"/:{rest}")
    return source, target, read_only


def workdir_of(text: "str | None") -> "str | None":
    """Return the directory to start in unchanged. Raises OptionError where it is not absolute."""
    if text is not None and not text.startswith("/"):
        raise OptionError(f"-w {text!r}: the directory must be an absolute path", hint="begin it with /")
    return text


def ports_of(texts: "Sequence[str]") -> "tuple[Published, ...]":
    """Return the ports that `-p` publishes. Raises OptionError."""
    if not texts:
        return ()
    from envforge.containers.network import published  # noqa: PLC0415  # few command lines publish ports

    try:
        return published.all_of(texts)
    except published.PublishError as error:
        raise OptionError(f"-p {error.message}", hint=error.hint) from error


def plan_words(
    volumes: "Iterable[Volume]",
    user: "str | None",
    limits: "Iterable[tuple[str, str]]" = (),
    *,
    is_private: bool = False,
) -> "list[str]":
    """Return the words that options add to a plan's key; a volume's real path is one of them.

    Of the ports it only matters that there are some: then the network is private.
    """
    words = ["user", user] if user else []
    words += ["private"] if is_private else []
    for name, value in sorted(limits, key=lambda one: one[0]):
        words += ["limit", name, value]
    for source, target, read_only in volumes:
        words += ["volume", source, os.path.realpath(source), target, "ro" if read_only else "rw"]
    return words


def container_of(options: "Iterable[tuple[str, str]]", *, remove: bool) -> "dict[str, Any]":
    """Return what `--restart`, `--stop-signal`, `--stop-timeout`, `--label` and `--rm` ask of a container.

    As fields of its record. Raises OptionError.
    """
    asked: dict[str, Any] = {"remove": remove}
    stop: dict[str, Any] = {}
    for name, text in options:
        if name == "restart":
            asked["restart"] = _restarts(text)
        elif name == "stop-signal":
            stop["signal"] = signal_of(text)
        elif name == "stop-timeout":
            stop["seconds"] = _seconds(text)
        else:
            key, _, value = text.partition("=")
            asked.setdefault("labels", {})[key] = value
    if remove and asked.get("restart", {"policy": "no"})["policy"] != "no":
        raise OptionError(
            "--rm and --restart contradict each other: what starts again is not removed", hint="leave one out"
        )
    return {**asked, "stop": {"signal": 15, "seconds": 10, **stop}} if stop else asked


def _restarts(text: str) -> "dict[str, Any]":
    policy, colon, retries = text.partition(":")
    known = policy in {"no", "always", "unless-stopped", "on-failure"}
    if not known or (colon and (policy != "on-failure" or not retries.isdecimal())):
        hint = "write no, on-failure, on-failure:5, always or unless-stopped"
        raise OptionError(f"--restart {text!r} is no policy", hint=hint)
    return {"policy": policy, "retries": int(retries or 0)}


def _seconds(text: str) -> int:
    if not text.removeprefix("-").isdecimal():
        raise OptionError(f"--stop-timeout {text!r} is no number of seconds", hint="10, say; -1 for no limit")
    return int(text)


def signal_of(text: str) -> int:
    """Return the number of a signal, as `containers/signals.py` reads it. Raises OptionError."""
    from envforge.containers.signals import number_of  # noqa: PLC0415  # few command lines name one

    try:
        return number_of(text)
    except ValueError as error:
        raise OptionError(str(error), hint="write TERM, SIGTERM or 15: `kill -l` lists them") from None
