"""Brings the files of `[[fetch]]` into the store: downloads, or copies of files of the project."""

import os
import stat
from collections.abc import Callable, Iterator
from functools import cache
from typing import Final

from attrs import frozen

from envforge.build.site import ProjectFiles
from envforge.build.workers import Report
from envforge.config import Config
from envforge.errors import IntegrityError, NetworkError, SpecError
from envforge.progress.events import Bytes, to_json
from envforge.sources.fetch.model import Fetched, Pin
from envforge.sources.project_files import explained, open_source, reopened
from envforge.spec.grammar import local_path
from envforge.store import blobs
from envforge.store.layout import Store
from envforge.transfer.host import open_fetcher
from envforge.transfer.http import Fetcher

_FILE_MAX_BYTES: Final = 64 << 30
_CHUNK: Final = 1 << 20
_fetcher: Final = cache(open_fetcher)
"""Gives this worker process's connections, which are kept between its jobs."""


@frozen
class Bringer:
    """Brings files into the store."""

    store: Store
    fetcher: Fetcher
    project: ProjectFiles

    def bring(self, url: str, wanted: Pin | str, came: Callable[[int], None]) -> Pin:
        """Bring a file into the store's blobs, unless it is there; return its pin.

        `wanted` is the pin that it must have, or its SHA-256 alone; "" takes any bytes. Raises NetworkError,
        IntegrityError; SpecError for a file that is missing or not of the project.
        """
        sha256, size = (wanted.sha256, wanted.size) if isinstance(wanted, Pin) else (wanted, None)
        if sha256 and blobs.has(self.store, sha256):
            with blobs.opened(self.store, sha256) as descriptor:
                return Pin(sha256, os.fstat(descriptor).st_size)
        if local_path(url):
            return self._copy(url, sha256, came)
        try:
            return self._download(url, sha256, size, came)
        except NetworkError as error:
            raise type(error)(
                error.message, hint="is the address in [[fetch]] right, and can it be reached from here?"
            ) from error

    def _download(self, url: str, sha256: str, size: int | None, came: Callable[[int], None]) -> Pin:
        store, limit = self.store, _FILE_MAX_BYTES
        if not sha256:
            return Pin(*self.fetcher.fetch_unknown(store, url, limit=limit, progress=came))
        path = self.fetcher.fetch_blob(store, [url], sha256=sha256, size=size, limit=limit, progress=came)
        return Pin(sha256, os.stat(path).st_size)

    def _copy(self, url: str, sha256: str, came: Callable[[int], None]) -> Pin:
        with blobs.writing(self.store, sha256, size=None, name=url, limit=_FILE_MAX_BYTES) as sink:
            for data in self._pieces(url):
                sink.write(data)
                came(len(data))
        return Pin(sink.sha256, sink.size)

    def _pieces(self, url: str) -> Iterator[bytes]:
        """Yield the bytes of the file at a `file:` address. Raises SpecError if it cannot be read."""
        what = f"[[fetch]] url {url!r}"
        try:
            place = open_source(self.project, local_path(url))
            try:
                if not stat.S_ISREG(os.fstat(place).st_mode):
                    raise SpecError(f"{what} is no file", hint="a directory is taken in by [[files]]")
                with open(reopened(place), "rb", buffering=0) as file:
                    while data := file.read(_CHUNK):
                        yield data
            finally:
                os.close(place)
        except OSError as error:
            raise explained(what, error) from error


def fetch(
    report: Report, _place: str, store: Store, config: Config, project: ProjectFiles, one: Fetched
) -> None:
    """Bring a file that the lock pins; a worker's job. Raises like `bring`."""
    try:
        Bringer(store, _fetcher(config), project).bring(
            one.url, one.pin, lambda count: report(to_json(Bytes(count, one.name)))
        )
    except IntegrityError as error:
        raise IntegrityError(
            f"what lies there is not the file that was locked: {error.message}",
            hint=f"if the new one is right: envforge lock --upgrade-package {one.name}",
        ) from error
