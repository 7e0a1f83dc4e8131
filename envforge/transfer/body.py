"""One response body, read as it arrives; transfers that break off or are too slow are errors."""

import http.client
import re
import time
from typing import BinaryIO, Final

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,19})-\d{1,19}/")
_LEAST_BYTES_PER_S: Final = 1024
"""A slower mirror is given up for the next one."""


class TransferError(Exception):
    """An address did not deliver its file."""

    def __init__(
        self, message: str, *, passing: bool = False, missing: bool = False, unfit: bool = False
    ) -> None:
        """Classify the failure. `passing`: trying again may help. `missing`: there is no such file.

        `unfit`: the partial file here is not of the version there; a transfer from the start may succeed.
        """
        super().__init__(message)
        self.passing = passing or unfit
        self.missing = missing
        self.unfit = unfit


class Body:
    """The body of one response."""

    def __init__(
        self, url: str, source: http.client.HTTPResponse | BinaryIO, *, window_s: float = 30
    ) -> None:
        """Read from `source`, which the caller closes. Its transfer rate is checked every `window_s`."""
        self.url = url
        self._source = source
        self._window_s = window_s
        self._since = time.monotonic()
        self._came = 0

    @property
    def unchanged(self) -> bool:
        """Whether the response was 304 Not Modified: the validators that were sent are current."""
        return (
            isinstance(self._source, http.client.HTTPResponse)
            and self._source.status == http.HTTPStatus.NOT_MODIFIED
        )

    @property
    def first_byte(self) -> int:
        """Return the offset in the file at which the body begins: not 0 where a range was granted."""
        if not isinstance(self._source, http.client.HTTPResponse):
            return 0
        if self._source.status != http.HTTPStatus.PARTIAL_CONTENT:
            return 0
        found = _CONTENT_RANGE.match(self.header("Content-Range"))
        if found is None:
            raise TransferError(f"{self.url}: gives a part of the file and does not say which", unfit=True)
        return int(found[1])

    @property
    def version(self) -> str:
        """Return a validator of the file's version: a strong ETag, else Last-Modified, else an empty text."""
        tag = self.header("ETag")
        return tag if tag and not tag.startswith("W/") else self.header("Last-Modified")

    def header(self, name: str) -> str:
        """Return a header of the response, empty where it has none."""
        if isinstance(self._source, http.client.HTTPResponse):
            return self._source.headers.get(name) or ""
        return ""

    def read_into(self, buffer: memoryview) -> int:
        """Read the bytes that are available into `buffer`; return their count, 0 at the end.

        Raises TransferError where the connection breaks, ends before its Content-Length, or is too slow.
        """
        try:
            count = self._read(buffer)
        except (OSError, http.client.HTTPException) as error:
            raise TransferError(
                f"{self.url}: stopped in the middle: {reason(error)}", passing=True
            ) from error
        missing = getattr(self._source, "length", None)
        if not count and missing:
            raise TransferError(
                f"{self.url}: stopped in the middle, {missing} bytes before its end", passing=True
            )
        self._keep_pace(count)
        return count

    def _read(self, buffer: memoryview) -> int:
        """Read what has arrived: `readinto` would wait until the buffer is full, even at a byte a minute."""
        if isinstance(self._source, http.client.HTTPResponse):
            data = self._source.read1(len(buffer))
            buffer[: len(data)] = data
            return len(data)
        return int(self._source.readinto(buffer))  # type: ignore[attr-defined] # BinaryIO of open() has it

    def _keep_pace(self, count: int) -> None:
        self._came += count
        passed = time.monotonic() - self._since
        if passed < self._window_s:
            return
        if self._came < _LEAST_BYTES_PER_S * passed:
            raise TransferError(f"{self.url}: too slow: {self._came} bytes in {passed:.0f} s")
        self._since += passed
        self._came = 0


def reason(error: Exception) -> str:
    """Return the reason of a connection's failure, for messages."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__
