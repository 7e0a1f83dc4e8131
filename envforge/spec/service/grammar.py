"""The grammar of single values in `[services.NAME]`, as `grammar.py` has that of the other tables."""

from typing import Final

from envforge.spec.grammar import SEGMENT, Rule, name_advice, quoted


def _duration_advice(value: str) -> str:
    return f"write {quoted(f'{value}s')}" if value.isdecimal() else ""


def _published_advice(value: str) -> str:
    if value.isdecimal():
        return f"write {quoted(f'{value}:{value}')}, or {quoted(f'auto:{value}')} for a free port"
    return ""


def _volume_advice(value: str) -> str:
    if value.startswith((".", "/", "~")):
        return "a directory of the host belongs in the service's mounts"
    return ""


DURATION: Final = Rule(
    r"[0-9]+(?:\.[0-9]+)?(?:ms|s|min|m|h)", 'a duration, such as "500ms", "2s" or "1min"', _duration_advice
)
SERVICE: Final = Rule(
    r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?",
    "a service's name: up to 32 lower-case letters, digits and hyphens, no hyphen first or last",
    name_advice,
)
DEPENDENCY: Final = Rule(
    r"[a-z0-9][a-z0-9-]*(?::(?:started|healthy|completed))?",
    "a service's name, with :started, :healthy or :completed behind it where you want",
)
RESTART: Final = Rule(
    r"no|always|unless-stopped|on-failure(?::[1-9][0-9]{0,3})?",
    '"no", "on-failure", "on-failure:5", "always" or "unless-stopped"',
)
PUBLISHED: Final = Rule(
    r"(?:(?:[0-9.]+|\[[0-9A-Fa-f:]+\]):)?(?:auto|[0-9]{1,5}(?:-[0-9]{1,5})?):[0-9]{1,5}(?:-[0-9]{1,5})?(?:/(?:tcp|udp))?",
    "[ADDRESS:]PORT:PORT[/udp], the host's port first; auto for a free one",
    _published_advice,
)
VOLUME: Final = Rule(
    rf"[a-z0-9][a-z0-9_.-]{{0,62}}:(?:/{SEGMENT})+?(?::(?:ro|rw))?",
    "a volume: NAME:/PATH, with :ro behind it for reading only",
    _volume_advice,
)
SECRET: Final = Rule(
    r"file:(?![/~])[^\u0000-\u001f\u007f]+|variable:[A-Za-z_][A-Za-z0-9_]*",
    '"file:PATH", relative to the spec, or "variable:NAME"',
)
SIGNAL: Final = Rule(r"(?:SIG)?[A-Z][A-Z0-9+-]{1,8}|[1-9][0-9]?", 'a signal, such as "TERM" or "INT"')
HEALTH_HTTP: Final = Rule(
    r"http://(?:localhost|127\.0\.0\.1)(?::[0-9]{1,5})?(?:/[^\s#]*)?",
    "an address inside: http://localhost:PORT/PATH",
)
