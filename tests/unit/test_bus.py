"""The D-Bus messages that systemd's user manager is asked with, and a peer that answers with anything."""

import contextlib
import socket
import struct
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envforge.sandbox.limits.bus import Bus, CallError, length_of, message, parse

ABOUT = {"path": "/p", "interface": "i.f", "member": "M", "signature": "ssa(sv)a(sa(sv))"}
PROPERTIES = [("PIDs", ("au", [1, 70000])), ("Delegate", ("b", True)), ("TasksMax", ("t", (1 << 64) - 1))]


def test_a_call_as_the_protocol_has_it():
    """The bytes that `busctl` sends for the same call."""
    data = message(7, {"path": "/p", "interface": "i.f", "member": "M", "signature": "su"}, ("ab", 3))
    fields = (
        b"\1\1o\0\2\0\0\0/p\0\0\0\0\0\0\2\1s\0\3\0\0\0i.f\0\0\0\0\0\3\1s\0\1\0\0\0M\0\0\0\0\0\0\0"
        b"\x08\1g\0\2su\0"
    )  # fmt: skip
    body = b"\2\0\0\0ab\0\0\3\0\0\0"
    assert data == b"l\1\0\1" + struct.pack("<III", len(body), 7, len(fields)) + fields + body


def test_nested_values_are_read_as_they_were_written():
    values = ("name", "fail", PROPERTIES, [("other.service", [])])
    data = message(1, ABOUT, values)
    assert length_of(data) == len(data)
    one = parse(data)
    assert (one.member, one.values()) == ("M", values)


@given(st.binary(min_size=16, max_size=300))
def test_any_bytes_are_a_message_or_refused(data):
    with contextlib.suppress(CallError):
        parse(b"l" + data[1:]).values()


def test_a_length_that_nobody_sends_is_refused():
    with pytest.raises(CallError):
        length_of(b"l\2\0\1" + struct.pack("<III", 1 << 30, 1, 0))


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b"REJECTED EXTERNAL\r\n", "does not know this user"),
        (b"", "hung up"),
        (b"OK 0\r\nB" + bytes(20), "byte order"),
    ],
)
def test_a_peer_that_refuses_hangs_up_or_talks_otherwise(tmp_path, answer, told):
    path = str(tmp_path / "socket")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()

        def serve() -> None:
            with listening.accept()[0] as peer:
                peer.recv(1000)
                peer.sendall(answer)
                if answer.startswith(b"OK"):
                    peer.recv(1000)

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(CallError, match=told), Bus(path) as bus:
            bus.call("/p", "i.f", "M", "")
        thread.join()
