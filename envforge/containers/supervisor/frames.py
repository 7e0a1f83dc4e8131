"""What goes over a connection that is attached to a container, in both directions, after the answer.

kind (1 byte), length (4 bytes, big endian), data

to the command      o   standard output, or the terminal's      e   standard error
x   the exit code in decimal; the last one
to the supervisor   i   standard input                          w   rows and columns, two bytes each
c   standard input has ended
"""

OUTPUT = b"o"
ERRORS = b"e"
EXIT = b"x"
INPUT = b"i"
SIZE = b"w"
CLOSE = b"c"
_HEAD = 5
_MAX_BYTES = 1 << 20


def frame(kind: bytes, data: bytes = b"") -> bytes:
    """Return one frame."""
    return kind + len(data).to_bytes(4, "big") + data


class Frames:
    """Takes bytes as they come, and gives whole frames."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> "list[tuple[bytes, bytes]]":
        """Return kind and data of each frame that has come. Raises ValueError for nonsense."""
        rest = self._rest + data
        found = []
        while len(rest) >= _HEAD:
            length = int.from_bytes(rest[1:_HEAD], "big")
            if length > _MAX_BYTES:
                raise ValueError(length)
            if len(rest) < _HEAD + length:
                break
            found.append((rest[:1], rest[_HEAD : _HEAD + length]))
            rest = rest[_HEAD + length :]
        self._rest = rest
        return found
