"""Forwards host sockets that a spec names, of agents and displays. Their paths are known only at entry.

Loaded on the warm path, and only for a spec with `forward`. A socket that is missing, or that nobody
listens on, is left out with a message: it never keeps anyone from entering.
"""

import os
from _socket import AF_UNIX, SOCK_NONBLOCK, SOCK_STREAM, socket

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from envforge.sandbox.compiled import Plan
    from envforge.sandbox.relays.socket_relay import SocketRelay

    Host = Mapping[str, str]

_SOCKET = 0o140000
_FORMAT = 0o170000
_AGAIN = 11
_XAUTHORITY_MAX = 1 << 20
_FAMILY_LOCAL = 256
_FAMILY_WILD = 0xFFFF
_ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
_GNUPG_PLACES = ("/run/gnupg", "/run", "/var/run/gnupg", "/var/run")


class Forwarded:
    """Collects the mounts, files and variables that the sockets of one spec need."""

    __slots__ = (
        "binds",
        "directories",
        "files",
        "other_user",
        "relayed",
        "runtime",
        "variables",
        "warnings",
    )

    def __init__(self, plan: "Plan") -> None:
        self.runtime: str = plan["runtime"]
        self.other_user = plan["payload_owner"][0] != os.getuid()
        self.relayed: tuple[str, str] | None = None
        self.binds: list[tuple[str, str, bool, bool]] = []
        self.directories: list[str] = []
        self.files: list[tuple[str, bytes]] = []
        self.variables: list[tuple[str, str]] = []
        self.warnings: list[str] = []

    def take(self, name: str, source: str, target: str, found_by: str) -> bool:
        """Let one socket in, or warn why not; `found_by` names where its path came from."""
        fault = fault_of(source)
        if fault:
            self.warnings.append(f"{name} is not forwarded: {found_by} leads to {source}, {fault}")
            return False
        self.binds.append((source, target, False, True))
        return True

    def miss(self, name: str, why: str) -> None:
        """Warn that there is nothing to forward."""
        self.warnings.append(f"{name} is not forwarded: {why}")


def forwarded(plan: "Plan", host: "Host") -> "Plan":
    """Return the plan with what its `forward` names, as far as the host has it now."""
    found = Forwarded(plan)
    for name in plan["forward"]:
        _KINDS[name](found, host)
    return plan | {
        "mounts": (*plan["mounts"], *found.binds),
        "variables": (*plan["variables"], *found.variables),
        "runtime_directories": tuple(found.directories),
        "runtime_files": tuple(found.files),
        "relay": _relay(*found.relayed) if found.relayed else None,
        "warnings": (*plan["warnings"], *found.warnings),
    }


def _relay(source: str, target: str) -> "SocketRelay":
    from envforge.sandbox.relays.socket_relay import SocketRelay  # noqa: PLC0415  # seldom needed

    return SocketRelay(source, target)


def fault_of(path: str) -> str:
    """Return what is wrong with a socket; "" if a process listens on it."""
    try:
        if os.stat(path).st_mode & _FORMAT != _SOCKET:
            return "which is no socket"
    except OSError as error:
        return f"which cannot be used ({error.strerror})"
    client = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK)
    try:
        client.connect(path)
    except OSError as error:
        # EAGAIN: the listener's backlog is full.
        return "" if error.errno == _AGAIN else f"where nobody answers ({error.strerror})"
    finally:
        client.close()
    return ""


def _ssh_agent(found: Forwarded, host: "Host") -> None:
    source = host.get("SSH_AUTH_SOCK", "")
    if not source:
        found.miss("ssh-agent", "SSH_AUTH_SOCK is not set; eval $(ssh-agent) starts one")
        return
    target = f"{found.runtime}/ssh-agent"
    if found.take("ssh-agent", source, target, "SSH_AUTH_SOCK"):
        found.variables.append(("SSH_AUTH_SOCK", target))
        if found.other_user:
            found.relayed = found.binds.pop()[:2]


def _gpg_agent(found: Forwarded, host: "Host") -> None:
    """Let in the agent's extra socket, meant for remote use: it signs and decrypts, and exports no key."""
    places = gpg_sockets(host, os.getuid())
    source = next((place for place in places if os.path.exists(place)), "")
    if not source:
        found.miss("gpg-agent", f"there is no socket {places[-1]}; gpg-connect-agent /bye starts one")
    elif found.take("gpg-agent", source, f"{found.runtime}/gnupg/S.gpg-agent", "GnuPG's directory"):
        found.directories.append(f"{found.runtime}/gnupg")


def gpg_sockets(host: "Host", uid: int) -> "list[str]":
    """Return possible paths of the GnuPG agent's extra socket, in GnuPG's order (gpgconf(1), --list-dirs)."""
    usual = f"{os.path.expanduser('~')}/.gnupg"
    home = host.get("GNUPGHOME") or usual
    below = "gnupg"
    if home != usual:
        from _sha1 import sha1  # type: ignore[import-not-found]  # noqa: PLC0415  # `hashlib` loads OpenSSL

        below += f"/d.{_zbase32(sha1(os.fsencode(os.path.abspath(home))).digest()[:15])}"
    directories = [f"{place}/user/{uid}/{below}" for place in _GNUPG_PLACES]
    return [f"{directory}/S.gpg-agent.extra" for directory in (*directories, home)]


def _zbase32(data: bytes) -> str:
    number, count = int.from_bytes(data, "big"), len(data) * 8 // 5
    return "".join(_ZBASE32[number >> 5 * at & 31] for at in reversed(range(count)))


def _wayland(found: Forwarded, host: "Host") -> None:
    name, runtime = host.get("WAYLAND_DISPLAY", ""), host.get("XDG_RUNTIME_DIR", "")
    source = name if name.startswith("/") else f"{runtime}/{name}"
    if not name:
        found.miss("wayland", "WAYLAND_DISPLAY is not set: no compositor runs here")
    elif not (name.startswith("/") or runtime.startswith("/")):
        found.miss("wayland", "XDG_RUNTIME_DIR is not set, below which WAYLAND_DISPLAY is looked for")
    elif found.take("wayland", source, f"{found.runtime}/wayland-0", "WAYLAND_DISPLAY"):
        found.variables.append(("WAYLAND_DISPLAY", "wayland-0"))


def _x11(found: Forwarded, host: "Host") -> None:
    display = host.get("DISPLAY", "")
    machine, colon, rest = display.rpartition(":")
    number = rest.partition(".")[0]
    if not colon or not number.isdecimal():
        found.miss("x11", f"DISPLAY is {display!r}" if display else "DISPLAY is not set")
        return
    if machine in ("", "unix"):
        path = f"/tmp/.X11-unix/X{number}"  # noqa: S108  # X(7): where it is, outside and inside
        if not found.take("x11", path, path, f"DISPLAY={display}"):
            return
    found.variables.append(("DISPLAY", display))
    cookies = _cookies(host, number)
    if cookies:
        target = f"{found.runtime}/Xauthority"
        found.files.append((target, cookies))
        found.variables.append(("XAUTHORITY", target))


def _cookies(host: "Host", number: str) -> bytes:
    path = host.get("XAUTHORITY") or f"{os.path.expanduser('~')}/.Xauthority"
    try:
        with open(path, "rb", buffering=0) as file:
            return cookies_of(file.read(_XAUTHORITY_MAX), number)
    except OSError:
        return b""  # a server may let its own user in without


def cookies_of(data: bytes, number: str) -> bytes:
    """Return the cookies of an Xauthority file for a display, rewritten to match any host name.

    A cookie names its host, and the sandbox has another host name (Xsecurity(7), XauFileName(3)).
    """
    kept, position = b"", 0
    while position + 2 <= len(data):
        family = int.from_bytes(data[position : position + 2], "big")
        parts, position = _counted(data, position + 2)
        if len(parts) == 4 and parts[1].decode(errors="replace") in ("", number):
            family_is_local = family in (_FAMILY_LOCAL, _FAMILY_WILD)
            head = _FAMILY_WILD if family_is_local else family
            address = b"" if family_is_local else parts[0]
            kept += head.to_bytes(2, "big")
            kept += b"".join(len(part).to_bytes(2, "big") + part for part in (address, *parts[1:]))
    return kept


def _counted(data: bytes, position: int) -> "tuple[list[bytes], int]":
    """Return the four strings of an entry, fewer if it is truncated, and the offset of the next one."""
    parts: list[bytes] = []
    for _ in range(4):
        length = int.from_bytes(data[position : position + 2], "big")
        part = data[position + 2 : position + 2 + length]
        if position + 2 > len(data) or len(part) < length:
            return parts, len(data)
        parts.append(part)
        position += 2 + length
    return parts, position


_KINDS: "dict[str, Callable[[Forwarded, Host], None]]" = {
    "ssh-agent": _ssh_agent,
    "gpg-agent": _gpg_agent,
    "wayland": _wayland,
    "x11": _x11,
}
