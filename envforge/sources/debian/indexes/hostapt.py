"""Reads the configuration of the host's apt: mirrors, proxies, whether it checks dates. Runs no program.

sources.list(5), apt.conf(5). A host without apt has nothing to read, which is no error.
"""

import os
import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import frozen

APT_DIRECTORY: Final = "/etc/apt"
_TOKEN: Final = re.compile(
    r"""\s+|//[^\n]*|\#(?!clear|include)[^\n]*|/\*.*?\*/|(?P<text>"[^"\n]*"|[{};]|(?:(?!//)[^\s{};"])+)""",
    re.DOTALL,
)


@frozen
class Entry:
    """One archive that the host uses."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str = ""


def read_sources(directory: str = APT_DIRECTORY) -> tuple[Entry, ...]:
    """Return the archives of sources.list and sources.list.d, in apt's order, as far as they can be read."""
    found: list[Entry] = []
    for path in (f"{directory}/sources.list", *_parts(f"{directory}/sources.list.d")):
        text = _text_of(path)
        if path.endswith(".sources"):
            found += parse_deb822(text)
        elif path.endswith(".list"):
            found += parse_one_line(text)
    return tuple(found)


def parse_one_line(text: str) -> Iterator[Entry]:
    """Yield the entries of `deb [options] uri suite components` lines."""
    for line in text.splitlines():
        match = re.fullmatch(
            r"deb\s+(?:\[([^]]*)\]\s*)?(\S+)\s+(\S+)((?:\s+\S+)*)", line.partition("#")[0].strip()
        )
        if match:
            options = dict(item.split("=", 1) for item in (match[1] or "").split() if "=" in item)
            yield Entry(match[2].rstrip("/"), match[3], tuple(match[4].split()), options.get("signed-by", ""))


def parse_deb822(text: str) -> Iterator[Entry]:
    """Yield the entries of a `.sources` file: each of its URIs with each of its suites."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = _fields(paragraph)
        if fields.get("enabled", "yes").lower() in {"no", "false", "0", "off"}:
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        signed_by = fields.get("signed-by", "")
        components = tuple(fields.get("components", "").split())
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield Entry(uri.rstrip("/"), suite, components, "" if "\n" in signed_by else signed_by)


def read_proxies(directory: str = APT_DIRECTORY) -> dict[str, str]:
    """Return apt's proxies by scheme, `http` and `https`, as far as it has any."""
    settings = read_settings(directory)
    found = {scheme: settings.get(f"acquire::{scheme}::proxy", "") for scheme in ("http", "https")}
    found["https"] = found["https"] or found["http"]
    return {scheme: proxy for scheme, proxy in found.items() if proxy and proxy.upper() != "DIRECT"}


def checks_dates(directory: str = APT_DIRECTORY) -> bool:
    """Return whether apt refuses expired indexes: yes, unless Acquire::Check-Valid-Until says no."""
    setting = read_settings(directory).get("acquire::check-valid-until", "true").lower()
    return setting not in {"false", "no", "off", "without", "disable", "0"}


def read_settings(directory: str = APT_DIRECTORY) -> dict[str, str]:
    """Return all of apt's settings in `directory`, by their full names in lower case."""
    settings: dict[str, str] = {}
    for path in (*_parts(f"{directory}/apt.conf.d"), f"{directory}/apt.conf"):
        settings.update(parse_settings(_text_of(path)))
    return settings


def parse_settings(text: str) -> dict[str, str]:
    """Return the settings of an apt.conf, by their full names in lower case. Lists keep their last item."""
    settings: dict[str, str] = {}
    scopes: list[str] = []
    words: list[str] = []
    for match in _TOKEN.finditer(text):
        word = match["text"]
        if word == "{":
            scopes.append(words[0].lower() if words else "")
            words = []
        elif word == "}":
            scopes = scopes[:-1]
            words = []
        elif word == ";":
            if len(words) == 2:
                settings["::".join([*scopes, words[0].lower()])] = words[1]
            words = []
        elif word:
            words.append(word.strip('"'))
    return settings


def _fields(paragraph: str) -> Mapping[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in paragraph.splitlines():
        if line.startswith("#"):
            continue
        if line[:1].isspace():
            fields[name] = f"{fields.get(name, '')}\n{line.strip()}"
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def _parts(directory: str) -> Iterator[str]:
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return
    yield from (f"{directory}/{name}" for name in names if not name.startswith("."))


def _text_of(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
