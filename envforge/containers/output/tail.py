"""Reads the end of a container's log and what comes, a bounded piece at a time: for screens."""

import os

from envforge.containers.output import logs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from envforge.containers.output.logs import Entry
    from envforge.containers.records import Container

_MOST_BYTES = 1 << 20


class Tail:
    """The end of one log. `read` gives what came since; where that is too much, only the end of it."""

    def __init__(self, container: "Container", *, most_bytes: int = _MOST_BYTES) -> None:
        self._directory = container.directory
        self._most_bytes = most_bytes
        self._file = -1
        self.is_cut = False
        """Some of the log was left out before what `read` gave last."""

    def read(self) -> "list[Entry]":
        """Return the entries that came since the last call, at the first call the last ones."""
        self.is_cut = False
        first = self._file < 0
        data = b"" if first else self._rest()
        files = logs.open_all(self._directory)
        inodes = [os.fstat(file).st_ino for file in files]
        mine = -1 if first else os.fstat(self._file).st_ino
        newer = files[inodes.index(mine) + 1 :] if mine in inodes else files
        if newer and not first:
            data += self._rest()  # written between our last look and the rotation
        data = self._end_of(newer, data)
        for file in files:
            if file not in newer:
                os.close(file)
        return list(logs.entries_of(self._bounded(data)))

    def _end_of(self, newer: "list[int]", data: bytes) -> bytes:
        """Return what the newer files add; the last of them is the one to go on with."""
        for number, file in enumerate(newer):
            rest = sum(os.fstat(one).st_size for one in newer[number + 1 :])
            if self._file >= 0:
                os.close(self._file)
            self._file = file
            if rest >= self._most_bytes:
                self.is_cut = True
                continue
            data += self._rest()
        return data

    def _rest(self) -> bytes:
        """Return the whole lines that were not read yet of the file that is read, the last ones of many."""
        at = os.lseek(self._file, 0, os.SEEK_CUR)
        begin = max(at, os.fstat(self._file).st_size - self._most_bytes)
        os.lseek(self._file, begin, os.SEEK_SET)
        data = logs.read(self._file)
        if begin == at:
            return data
        self.is_cut = True
        return data[data.find(b"\n") + 1 :]

    def _bounded(self, data: bytes) -> bytes:
        if len(data) <= self._most_bytes:
            return data
        self.is_cut = True
        data = data[-self._most_bytes :]
        return data[data.find(b"\n") + 1 :]

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
