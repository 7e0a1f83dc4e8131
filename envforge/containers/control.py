r"""How commands and supervisors talk: a socket in the container's directory. Loaded on the warm path.

    command     {"do": "stop", "signal": 15, "seconds": 10}\n
    supervisor  {"exit_code": 0}\n                            or {"error": [class, message, hint]}

One JSON object a line, one question a connection. The name of a socket is short, so it is reached through its
directory's descriptor. Nobody but the same user (or root) is answered.
"""

import os
from _socket import AF_UNIX, SO_PEERCRED, SOCK_STREAM, SOL_SOCKET, socket

from envforge.containers import plain_json
from envforge.errors import EnvforgeError, from_plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SOCKET = "control"
LINE_MAX_BYTES = 1 << 16


class GoneError(Exception):
    """Nobody answers: the supervisor has ended."""


def address(directory: int) -> str:
    """Return the socket's address, by the descriptor of the container's directory."""
    return f"/proc/self/fd/{directory}/{SOCKET}"


def connect(directory: str) -> socket:
    """Return a connection to a container's supervisor. Raises GoneError."""
    connection = socket(AF_UNIX, SOCK_STREAM)
    try:
        descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(address(descriptor))
        finally:
            os.close(descriptor)
    except OSError:
        connection.close()
        raise GoneError(directory) from None
    return connection


def ask(directory: str, question: "dict[str, Any]") -> "dict[str, Any]":
    """Ask a supervisor; return its answer, which may take as long as the container runs.

    Raises GoneError if it ends before it answers, and the error that it answers with.
    """
    connection = connect(directory)
    try:
        send(connection, question)
        return receive(connection)
    finally:
        connection.close()


def send(connection: socket, values: "dict[str, Any]") -> None:
    """Send one line. Raises GoneError."""
    try:
        connection.sendall(f"{plain_json.dumps(values)}\n".encode())
    except OSError:
        raise GoneError from None


def receive(connection: socket) -> "dict[str, Any]":
    """Return the answer, byte by byte up to its end: what follows is not part of it. Raises as `ask`."""
    line = b""
    while not line.endswith(b"\n"):
        try:
            piece = connection.recv(1)
        except OSError:
            piece = b""
        if not piece:
            raise GoneError
        line += piece
    values = plain_json.loads(line.decode())
    if "error" in values:
        kind, message, hint = values["error"]
        raise from_plain(kind, (message, hint)) or EnvforgeError(message, hint=hint)
    return values  # type: ignore[no-any-return]


def peer_uid(connection: socket) -> int:
    """Return the uid of the process at the other end (unix(7), SO_PEERCRED)."""
    return int.from_bytes(connection.getsockopt(SOL_SOCKET, SO_PEERCRED, 12)[4:8], "little")
