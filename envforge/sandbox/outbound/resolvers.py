"""What /etc/resolv.conf (resolv.conf(5)) says in a private network: the host's resolvers that it can reach.

One on the host's loopback, as systemd-resolved is, it cannot reach.
"""

import os
from _blake2 import blake2b

from envforge.sandbox import record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection

    from envforge.sandbox.compiled import Plan

PATH = "/etc/resolv.conf"
_BEHIND_RESOLVED = "/run/systemd/resolve/resolv.conf"
"""The resolvers that systemd-resolved asks, where it is the host's own (systemd-resolved.service(8))."""
FORWARDED = "169.254.1.1"
"""What pasta leads to the host's own resolver."""


def reachable(text: str, own: "Collection[str]") -> "tuple[str, bool]":
    """Return the configuration without resolvers on this host, and whether there is one left."""
    lines = text.splitlines()
    kept = [one for one in lines if not _is_here(one, own)]
    return "".join(f"{one}\n" for one in kept), any(one.split()[:1] == ["nameserver"] for one in kept)


def _is_here(line: str, own: "Collection[str]") -> bool:
    words = line.split()
    return (
        len(words) > 1
        and words[0] == "nameserver"
        and (words[1].startswith("127.") or words[1] == "::1" or words[1] in own)
    )


def configuration(own: "Collection[str]", *, forwards: bool) -> "tuple[str, bool]":
    """Return the text for inside, and whether names can be resolved with it.

    `own` are the host's addresses. `forwards`: something leads FORWARDED to the host's own resolver.
    """
    text, has_any = reachable(_read(PATH), own)
    if has_any:
        return text, True
    if forwards:
        return f"{text}nameserver {FORWARDED}\n", True
    behind, has_any = reachable(_read(_BEHIND_RESOLVED), own)
    return (behind, True) if has_any else (text, False)


def laid(plan: "Plan", text: str) -> "Plan":
    """Return the plan with that text as its /etc/resolv.conf, if it has the host's there."""
    mounts = list(plan["mounts"])
    for place, one in enumerate(mounts):
        if one[1] == PATH and one[0] == PATH and text != _read(PATH):
            mounts[place] = (_written(text), *one[1:])
    return {**plan, "mounts": tuple(mounts)}


def _written(text: str) -> str:
    """Return a file with that text: one for all whom the same text serves."""
    directory = f"{os.path.dirname(record.directory())}/resolvers"
    data = text.encode(errors="surrogateescape")
    path = f"{directory}/{blake2b(data, digest_size=8).hexdigest()}"
    if not os.path.exists(path):
        from envforge import whole_file  # noqa: PLC0415  # once for each text

        os.makedirs(directory, 0o755, exist_ok=True)
        whole_file.write(path, data, mode=0o644, durable=False)
    return path


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.read()
    except OSError:
        return ""
