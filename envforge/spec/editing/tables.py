"""Writes tables at the end of a spec's text: `[[files]]` and services. What is there is not touched. Pure."""

import tomllib
from collections.abc import Iterable, Sequence
from typing import Final

from attrs import frozen

from envforge.errors import SpecError
from envforge.spec.environments import TABLE
from envforge.spec.grammar import string
from envforge.spec.names import DEFAULT

_FILES: Final = "files"
_SERVICES: Final = "services"


@frozen
class NewFile:
    """One `[[files]]` to write."""

    source: str
    target: str
    mode: str = ""


@frozen
class NewService:
    """One `[services.NAME]` to write."""

    name: str
    command: tuple[str, ...]
    environment: str = ""
    publish: tuple[str, ...] = ()
    restart: str = ""
    user: str = ""


def tables(files: Iterable[NewFile], service: NewService | None, environment: str = DEFAULT) -> str:
    """Return the tables as text, each with an empty line before it."""
    blocks = [_file(file, environment) for file in files]
    if service is not None:
        blocks.append(_service(service))
    return "".join("\n" + "\n".join(lines) + "\n" for lines in blocks)


def packages(names: Sequence[str], environment: str = DEFAULT) -> str:
    """Return the table that lists packages, for people to read; `packages.add_packages` writes it."""
    header = "debian" if environment == DEFAULT else f"{TABLE}.{environment}.debian"
    return f"[{header}]\npackages = {_list(names)}\n" if names else ""


def append(
    text: str, files: Sequence[NewFile], service: NewService | None, environment: str = DEFAULT
) -> str:
    """Return a spec's text with these tables at its end.

    Raises SpecError where it writes its files or services in a way that takes no further table.
    """
    added = tables(files, service, environment)
    newline = "\r\n" if "\r\n" in text else "\n"
    gap = "" if not text or text.endswith("\n") else newline
    new = text + gap + added.replace("\n", newline)
    try:
        tomllib.loads(new)
    except ValueError as error:
        raise SpecError(
            f"the spec takes no further table at its end: {error}",
            hint="write its files as [[files]] and its services as [services.NAME]",
        ) from None
    return new


def _file(file: NewFile, environment: str) -> list[str]:
    header = _FILES if environment == DEFAULT else f"{TABLE}.{environment}.{_FILES}"
    mode = [f"mode = {string(file.mode)}"] if file.mode else []
    return [f"[[{header}]]", f"source = {string(file.source)}", f"target = {string(file.target)}", *mode]


def _service(service: NewService) -> list[str]:
    lines = [f"[{_SERVICES}.{service.name}]", f"command = {_list(service.command)}"]
    others = (("environment", service.environment), ("user", service.user), ("restart", service.restart))
    lines += [f"{key} = {string(value)}" for key, value in others if value]
    if service.publish:
        lines.append(f"publish = {_list(service.publish)}")
    return lines


def _list(values: Iterable[str]) -> str:
    return f"[{', '.join(map(string, values))}]"
