"""Calls a service over its own socket: as much of D-Bus as that takes (D-Bus Specification).

A value of the type `v` is a pair of its signature and the value itself; arrays are lists, structs tuples.
There are no other types than those that systemd's manager takes and gives here.
"""

import os
import socket
import struct
from collections.abc import Iterator
from typing import Final, Self, cast

from attrs import frozen

_CALL: Final = 1
_ERROR: Final = 3
_SIGNAL: Final = 4
_FIELDS: Final = {"path": (1, "o"), "interface": (2, "s"), "member": (3, "s"), "signature": (8, "g")}
_FIELD_MEMBER: Final = 3
_FIELD_ERROR: Final = 4
_FIELD_REPLY: Final = 5
_FIELD_SIGNATURE: Final = 8
_FIXED: Final = {"u": "<I", "b": "<I", "t": "<Q", "y": "<B"}
_ALIGNED: Final = {"y": 1, "g": 1, "v": 1, "t": 8, "(": 8}
_Fields = list[tuple[int, tuple[str, object]]]
_TIMEOUT_S: Final = 10
_HEAD: Final = 16
_BROKEN: Final = (ValueError, TypeError, IndexError, struct.error)
_LARGEST_BYTES: Final = 1 << 20
"""Of a message that is believed; ours are far shorter."""


class CallError(OSError):
    """The service refuses a call, or answers what is no D-Bus."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(text)
        self.name = name


@frozen
class Message:
    """What comes in."""

    kind: int
    member: str
    error: str
    reply_to: int
    signature: str
    body: bytes

    def values(self) -> tuple[object, ...]:
        """Return what it carries. Raises CallError."""
        found, at = [], 0
        try:
            for kind in _types(self.signature):
                value, at = _read(self.body, at, kind)
                found.append(value)
        except _BROKEN as error:
            raise CallError("", f"it answers with what is no D-Bus: {error}") from None
        return tuple(found)


class Bus:
    """A connection to a service, in which this user is known by the socket (EXTERNAL)."""

    def __init__(self, path: str) -> None:
        """Connect. Raises OSError."""
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._socket.settimeout(_TIMEOUT_S)
            self._socket.connect(path)
            self._received = b""
            self._serial = 0
            self._signals: list[Message] = []
            uid = str(os.geteuid()).encode().hex().encode()
            self._socket.sendall(b"\0AUTH EXTERNAL " + uid + b"\r\nBEGIN\r\n")
            while b"\r\n" not in self._received:
                self._receive()
            answer, _, self._received = self._received.partition(b"\r\n")
            if not answer.startswith(b"OK "):
                raise CallError("", "it does not know this user")
        except OSError:
            self._socket.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def call(
        self, path: str, interface: str, member: str, signature: str, *values: object
    ) -> tuple[object, ...]:
        """Call a method; return what it answers. Raises CallError."""
        self._serial += 1
        about = {"path": path, "interface": interface, "member": member, "signature": signature}
        self._socket.sendall(message(self._serial, about, values))
        while True:
            one = self._next()
            if one.reply_to == self._serial:
                values = one.values()
                if one.kind == _ERROR:
                    raise CallError(one.error, str(values[0]) if values else one.error)
                return values
            self._signals.append(one)

    def signals(self, member: str) -> Iterator[tuple[object, ...]]:
        """Yield the values of the signals of that name that came or come, without end."""
        while True:
            one = self._signals.pop(0) if self._signals else self._next()
            if one.kind == _SIGNAL and one.member == member:
                yield one.values()

    def _next(self) -> Message:
        while (length := length_of(self._received)) > len(self._received):
            self._receive()
        data, self._received = self._received[:length], self._received[length:]
        return parse(data)

    def _receive(self) -> None:
        data = self._socket.recv(65536)
        if not data:
            raise CallError("", "it hung up")
        self._received += data


def message(serial: int, about: dict[str, str], values: tuple[object, ...]) -> bytes:
    """Return a method call."""
    body = bytearray()
    for kind, value in zip(_types(about["signature"]), values, strict=True):
        _write(body, kind, value)
    fields = [(_FIELDS[name][0], (_FIELDS[name][1], value)) for name, value in about.items() if value]
    head = bytearray(struct.pack("<cBBBII", b"l", _CALL, 0, 1, len(body), serial))
    _write(head, "a(yv)", fields)
    _pad(head, 8)
    return bytes(head + body)


def length_of(data: bytes) -> int:
    """Return how long the message is that begins so; more than there is while that is not known."""
    if len(data) < _HEAD:
        return _HEAD
    if data[:1] != b"l":
        raise CallError("", "it answers in another byte order")
    body, fields = struct.unpack_from("<4xI4xI", data)
    length = _HEAD + -(-fields // 8) * 8 + body
    if length > _LARGEST_BYTES:
        raise CallError("", f"it answers with {length} bytes")
    return int(length)


def parse(data: bytes) -> Message:
    """Return a whole message."""
    try:
        found, at = _read(data, 12, "a(yv)")
        fields = {number: value for number, (_, value) in cast("_Fields", found)}
        reply_to = int(str(fields.get(_FIELD_REPLY, 0)))
    except _BROKEN as error:
        raise CallError("", f"it answers with what is no D-Bus: {error}") from None
    member, name, signature = (
        str(fields.get(number, "")) for number in (_FIELD_MEMBER, _FIELD_ERROR, _FIELD_SIGNATURE)
    )
    return Message(data[1], member, name, reply_to, signature, data[at + -at % 8 :])


def _types(signature: str) -> Iterator[str]:
    """Yield the complete types of a signature."""
    at = 0
    while at < len(signature):
        end = at
        while signature[end] == "a":
            end += 1
        depth = 0
        while True:
            depth += {"(": 1, ")": -1}.get(signature[end], 0)
            end += 1
            if depth == 0:
                break
        yield signature[at:end]
        at = end


def _alignment(kind: str) -> int:
    return _ALIGNED.get(kind[0], 4)


def _pad(out: bytearray, alignment: int) -> None:
    out.extend(bytes(-len(out) % alignment))


def _write(out: bytearray, kind: str, value: object) -> None:
    _pad(out, _alignment(kind))
    if kind in _FIXED:
        out.extend(struct.pack(_FIXED[kind], value))
    elif kind in ("s", "o", "g"):
        text = str(value).encode()
        out.extend(struct.pack("<B" if kind == "g" else "<I", len(text)) + text + b"\0")
    elif kind == "v":
        signature, inner = cast("tuple[str, object]", value)
        _write(out, "g", signature)
        _write(out, signature, inner)
    elif kind[0] == "(":
        for part, inner in zip(_types(kind[1:-1]), cast("tuple[object, ...]", value), strict=True):
            _write(out, part, inner)
    else:
        place = len(out)
        out.extend(bytes(4))
        _pad(out, _alignment(kind[1:]))
        begin = len(out)
        for inner in cast("list[object]", value):
            _write(out, kind[1:], inner)
        struct.pack_into("<I", out, place, len(out) - begin)


def _read(data: bytes, at: int, kind: str) -> tuple[object, int]:
    """Return a value, and where what follows it begins."""
    at += -at % _alignment(kind)
    if kind in _FIXED:
        return struct.unpack_from(_FIXED[kind], data, at)[0], at + struct.calcsize(_FIXED[kind])
    if kind in ("s", "o", "g"):
        width = 1 if kind == "g" else 4
        end = at + width + int.from_bytes(data[at : at + width], "little")
        return data[at + width : end].decode(), end + 1
    if kind == "v":
        signature, at = _read(data, at, "g")
        value, at = _read(data, at, str(signature))
        return (signature, value), at
    if kind[0] == "(":
        parts = []
        for part in _types(kind[1:-1]):
            value, at = _read(data, at, part)
            parts.append(value)
        return tuple(parts), at
    if kind[0] != "a":
        raise ValueError(f"a value of type {kind}")
    (length,) = struct.unpack_from("<I", data, at)
    at += 4
    at += -at % _alignment(kind[1:])
    end, found = at + length, []
    while at < end:
        value, at = _read(data, at, kind[1:])
        found.append(value)
    return found, at
