"""What a payload inherits from its caller: variables, sockets, working directory. Loaded on the warm path."""

import os

from envforge.sandbox.masks import is_inside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envforge.sandbox.compiled import Plan

ALWAYS = ("TERM", "COLORTERM", "NO_COLOR", "LANG", "LC_*", "TZ")
PROXIES = (
    "http_proxy",
    "https_proxy",
    "ftp_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
)
"""Passed if the environment has the host's network and trusts the host (`trust = "host"`)."""


def payload_environment(plan: "Plan", host: "Mapping[str, str]") -> "dict[str, str]":
    """Return the payload's whole environment: what the plan sets, over what it lets through."""
    passed = {name: value for name, value in host.items() if is_passed(name, plan["passed"])}
    if passed.get("LC_CTYPE") == "C.UTF-8" and not _was_set("LC_CTYPE"):
        del passed["LC_CTYPE"]
    if plan["locales"] is not None:
        for name in unknown_locales(passed, plan["locales"]):
            passed[name] = "C.UTF-8"
    return passed | dict(plan["variables"])


def unknown_locales(variables: "Mapping[str, str]", known: "Iterable[str]") -> "list[str]":
    """Return the names of the variables that ask for an unknown locale. locale(7)."""
    return [
        name
        for name, value in variables.items()
        if (name == "LANG" or name.startswith("LC_"))
        and plain_locale(value) not in _ALWAYS_THERE
        and plain_locale(value) not in known
    ]


def plain_locale(name: str) -> str:
    """Return the name of a locale as glibc compares it: `de_DE.UTF-8` and `de_DE.utf8` are one."""
    head, _, modifier = name.partition("@")
    language, _, codeset = head.partition(".")
    plain = "".join(one for one in codeset.lower() if one.isalnum())
    return f"{language}.{plain}@{modifier}"


def _was_set(name: str) -> bool:
    """Say whether the caller set that variable: without a locale Python sets LC_CTYPE itself (PEP 538)."""
    with open("/proc/self/environ", "rb", buffering=0) as file:
        return f"\0{name}=".encode() in b"\0" + file.read()


_ALWAYS_THERE = ("C.@", "POSIX.@", "C.utf8@", ".@")


def is_passed(name: str, patterns: "Iterable[str]") -> bool:
    """Say whether a host variable is let through, always or by one of these patterns."""
    return is_asked_for(name, (*ALWAYS, *patterns))


def is_asked_for(name: str, patterns: "Iterable[str]") -> bool:
    """Say whether a name matches one of these patterns."""
    first = ("*", "?", name[:1])
    return any(pattern[:1] in first and _matches(name, pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    # `fnmatch` would import `re`. At a mismatch the last `*` takes one character more.
    at = position = 0
    star = again = -1
    while at < len(name):
        wanted = pattern[position : position + 1]
        if wanted == "*":
            star, again = position, at
            position += 1
        elif wanted in (name[at], "?"):
            at, position = at + 1, position + 1
        elif star >= 0:
            again += 1
            at, position = again, star + 1
        else:
            return False
    return not pattern[position:].strip("*")


def with_sockets(plan: "Plan", host: "Mapping[str, str]") -> "Plan":
    """Return the plan with what changes between entries: the caller's name for its directory, sockets."""
    plan = _with_own_name(plan, host.get("PWD", ""))
    if not plan["forward"]:
        return plan
    from envforge.sandbox.relays import forwarding  # noqa: PLC0415  # few specs forward anything

    return forwarding.forwarded(plan, host)


def _with_own_name(plan: "Plan", named: str) -> "Plan":
    """Return the plan with the symbolic link inside by which the caller came to the project, if any.

    So `pwd` prints the same path inside. POSIX: PWD of sh.
    """
    try:
        here = os.getcwd()
        if not plan["follow"] or named == here or not os.path.samefile(named, "."):
            return plan
    except OSError:
        return plan
    source = next((one[0] for one in plan["mounts"] if one[0] == one[1] and is_inside(here, one[0])), "")
    below = here[len(source) :]
    link = named.removesuffix(below)
    home = dict(plan["variables"]).get("HOME")
    covered = any(is_inside(link, one[1]) for one in plan["mounts"] if one[1] != home)
    plain = named == f"{link}{below}" == os.path.normpath(named)
    if not source or covered or not plain or os.path.realpath(link) != source:
        return plan
    return plan | {"links": ((link, source),), "variables": (*plan["variables"], ("PWD", named))}


def start_directory(plan: "Plan") -> str:
    """Return the caller's directory if the plan follows it and it is mounted at its own path; else `cwd`."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return str(plan["cwd"])
    for source, target, _, _ in plan["mounts"]:
        if plan["follow"] and source == target and is_inside(here, source):
            return here
    return str(plan["cwd"])
