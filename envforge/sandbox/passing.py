"""What a payload gets of its caller: variables, sockets, the directory. Loaded on the warm path."""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

ALWAYS = ("TERM", "COLORTERM", "LANG", "LC_*")


def payload_environment(plan: "dict[str, Any]", host: "Mapping[str, str]") -> "dict[str, str]":
    """Return the payload's whole environment: what the plan sets, over what it lets through."""
    passed = {name: value for name, value in host.items() if is_passed(name, plan["passed"])}
    if passed.get("LC_CTYPE") == "C.UTF-8" and not _was_set("LC_CTYPE"):
        del passed["LC_CTYPE"]
    return passed | dict(plan["variables"])


def _was_set(name: str) -> bool:
    """Say whether the caller set that variable: without a locale Python sets LC_CTYPE itself (PEP 538)."""
    with open("/proc/self/environ", "rb", buffering=0) as file:
        return f"\0{name}=".encode() in b"\0" + file.read()


def is_passed(name: str, patterns: "Iterable[str]") -> bool:
    """Say whether a host variable is let through, always or by one of these patterns."""
    return any(_matches(name, pattern) for pattern in (*ALWAYS, *patterns))


def _matches(name: str, pattern: str) -> bool:
    # `fnmatch` would import `re`.
    first, *rest = pattern.split("*")
    if not rest:
        return name == pattern
    if not name.startswith(first):
        return False
    position = len(first)
    for part in rest[:-1]:
        found = name.find(part, position)
        if found < 0:
            return False
        position = found + len(part)
    return len(name) - len(rest[-1]) >= position and name.endswith(rest[-1])


def with_sockets(plan: "dict[str, Any]", host: "Mapping[str, str]") -> "dict[str, Any]":
    """Return the plan with the host's sockets that it asks for: they move at each login."""
    if not plan["forward"]:
        return plan
    from envforge.sandbox import forwarding  # noqa: PLC0415  # few specs forward anything

    return forwarding.forwarded(plan, host)


def start_directory(plan: "dict[str, Any]") -> str:
    """Return the caller's own directory where it is the same inside and wanted, else the plan's."""
    try:
        here = os.getcwd()
    except FileNotFoundError:
        return str(plan["cwd"])
    for source, target, _, _ in plan["mounts"]:
        if (
            plan["follow"]
            and source == target
            and (here == source or here.startswith(source.rstrip("/") + "/"))
        ):
            return here
    return str(plan["cwd"])
