"""Fetches files: several at once, hashed on the way, from the next address when one fails.

A file is a blob with a known SHA-256, a blob whose SHA-256 is found out (`fetch_unknown`), or a small text
that carries its own signature. http.client with 256 KiB buffers was the fastest of all that was measured.
"""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, Self, TypeVar

from attrs import frozen

from envforge.errors import EnvforgeError, IntegrityError, NetworkError
from envforge.store import blobs, partial
from envforge.store.layout import Store
from envforge.store.partial import Arriving
from envforge.transfer.body import Body, TransferError
from envforge.transfer.connections import Pool

CHUNK: Final = 256 * 1024
_ATTEMPTS: Final = 2
"""How often one address is tried where the failure may pass."""
_CONDITIONS: Final = {"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since"}
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class FileMissingError(NetworkError):
    """All mirrors answer, and none has the file."""


@frozen
class Answer:
    """A small file that was fetched."""

    url: str
    """Where it came from."""
    data: bytes
    validators: Mapping[str, str]
    """`ETag` and `Last-Modified`, as far as the mirror gave them."""
    unchanged: bool = False
    """The file is still the one that the sent validators name; `data` is empty."""


class Fetcher:
    """Fetches files. May be used by several threads at once; `connections` bounds how many do so."""

    def __init__(
        self,
        *,
        connections: int = 6,
        timeout_s: float = 30,
        proxies: Mapping[str, str] | None = None,
        ca_file: str = "",
    ) -> None:
        """Make no connection yet. `proxies` are as `connections.Pool` takes them."""
        self._connections = connections
        self._slots = threading.BoundedSemaphore(connections)
        self._pool = Pool(timeout_s=timeout_s, proxies=dict(proxies or {}), ca_file=ca_file)

    def __enter__(self) -> Self:
        """Return itself; leaving closes what is open."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; transfers of other threads fail at once, and so do later ones."""
        self._pool.close()

    def all_at_once(self, fetch: Callable[[_Item], _Result], items: Sequence[_Item]) -> list[_Result]:
        """Return `fetch` of each item, called in threads. The first failure, or Ctrl-C, ends them all."""
        threads = ThreadPoolExecutor(max_workers=max(1, min(len(items), self._connections)))
        try:
            return list(threads.map(fetch, items))
        except BaseException:
            self._pool.pause()
            raise
        finally:
            threads.shutdown(cancel_futures=True)
            self._pool.go_on()

    def fetch_blob(
        self,
        store: Store,
        urls: Sequence[str],
        *,
        sha256: str,
        size: int | None,
        limit: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> str:
        """Fetch a file whose SHA-256 is known into the store, unless it is there, and return its path.

        `limit` is for a file of unknown size. `progress` gets counts of received bytes, and a negative count
        for those of a failed attempt.
        Raises NetworkError where no address has it, IntegrityError where wrong bytes came.
        """
        if not blobs.has(store, sha256):
            report = progress or (lambda _: None)

            def blob(url: str) -> None:
                if size is not None and size < partial.WORTH_BYTES:
                    self._blob(store, url, sha256, size, report)
                else:
                    self._resumed(store, url, report, sha256=sha256, size=size, limit=limit)

            self._first_of(urls, blob)
        return store.blob(sha256)

    def fetch_small(
        self, urls: Sequence[str], *, limit: int, validators: Mapping[str, str] | None = None
    ) -> Answer:
        """Return a file of at most `limit` bytes; `validators` of an earlier answer may save its transfer.

        Raises NetworkError, IntegrityError where it is larger.
        """
        known = validators or {}
        conditions = {header: known[field] for field, header in _CONDITIONS.items() if known.get(field)}
        return self._first_of(urls, lambda url: self._small(url, limit, conditions))

    def _first_of(self, urls: Sequence[str], fetch: Callable[[str], _Result]) -> _Result:
        failures: list[EnvforgeError] = []
        for url in urls:
            for attempt in range(_ATTEMPTS):
                try:
                    with self._slots:
                        return fetch(url)
                except IntegrityError as error:
                    failures.append(error)
                    break
                except TransferError as error:
                    if error.passing and attempt + 1 < _ATTEMPTS:
                        continue
                    failures.append((FileMissingError if error.missing else NetworkError)(str(error)))
                    break
        raise _summary(failures)

    def fetch_unknown(
        self, store: Store, url: str, *, limit: int, progress: Callable[[int], None] | None = None
    ) -> tuple[str, int]:
        """Fetch a file of unknown SHA-256 and size into the store; return both.

        Raises NetworkError; IntegrityError where it has more than `limit` bytes.
        """
        report = progress or (lambda _: None)
        return self._first_of([url], lambda url: self._resumed(store, url, report, limit=limit))

    def _blob(self, store: Store, url: str, sha256: str, size: int, report: Callable[[int], None]) -> None:
        received = 0
        buffer = memoryview(bytearray(CHUNK))
        try:
            with blobs.writing(store, sha256, size=size, name=url) as sink, self._pool.open(url, {}) as body:
                while count := body.read_into(buffer):
                    sink.write(buffer[:count])
                    received += count
                    report(count)
        except BaseException:
            report(-received)
            raise

    def _resumed(
        self,
        store: Store,
        url: str,
        report: Callable[[int], None],
        *,
        sha256: str = "",
        size: int | None = None,
        limit: int | None = None,
    ) -> tuple[str, int]:
        """Resume an earlier attempt at the same version, or at any version where the SHA-256 is promised."""
        received, went_on = 0, False
        buffer = memoryview(bytearray(CHUNK))
        key = sha256 or hashlib.sha256(url.encode()).hexdigest()
        try:
            with partial.arriving(store, key, sha256, name=url, size=size, limit=limit) as blob:
                if size is None or blob.size != size:
                    with self._opened(url, blob, promised=bool(sha256)) as body:
                        received, went_on = blob.size, blob.size > 0
                        report(received)
                        while count := body.read_into(buffer):
                            blob.write(buffer[:count])
                            received += count
                            report(count)
                return blob.sha256, blob.size
        except BaseException as error:
            report(-received)
            if isinstance(error, IntegrityError) and went_on:  # the partial file is gone: start over
                return self._resumed(store, url, report, sha256=sha256, size=size, limit=limit)
            raise

    @contextmanager
    def _opened(self, url: str, blob: Arriving, *, promised: bool) -> Iterator[Body]:
        """Yield the rest of a file; or all of it, and forget the partial file (RFC 9110, 14)."""
        headers = {}
        if blob.size and (promised or blob.version):
            headers = {"Range": f"bytes={blob.size}-"} | ({} if promised else {"If-Range": blob.version})
        try:
            with self._pool.open(url, headers) as body:
                if body.first_byte != blob.size or not headers:
                    if body.first_byte:
                        raise TransferError(f"{url}: gives another part than was asked for", unfit=True)
                    blob.restart(body.version)
                yield body
        except TransferError as error:
            if error.unfit:
                blob.restart("")
            raise

    def _small(self, url: str, limit: int, conditions: Mapping[str, str]) -> Answer:
        data = bytearray()
        buffer = memoryview(bytearray(CHUNK))
        with self._pool.open(url, conditions) as body:
            while not body.unchanged and (count := body.read_into(buffer)):
                data += buffer[:count]
                if len(data) > limit:
                    raise IntegrityError(f"{url}: more than {limit} bytes came")
            validators = {field: body.header(field) for field in _CONDITIONS if body.header(field)}
            return Answer(url, bytes(data), validators, unchanged=body.unchanged)


def _summary(failures: Sequence[EnvforgeError]) -> EnvforgeError:
    """Return one error for all addresses: wrong bytes count more than an unreachable mirror."""
    kinds = {type(failure) for failure in failures}
    kind = next((kind for kind in (IntegrityError, NetworkError) if kind in kinds), FileMissingError)
    messages = dict.fromkeys(failure.message for failure in failures)
    return kind(
        "\n".join(messages),
        hint=next(
            (failure.hint for failure in failures if failure.hint), "envforge doctor checks the mirrors"
        ),
    )
