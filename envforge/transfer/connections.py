"""A pool of HTTP connections: keep-alive per host, through proxies, with the host's own CA settings.

Opens one address and yields its body; `http.py` decides which addresses to try, and what the bytes must be.
"""

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from envforge import __version__
from envforge.transfer.body import Body, TransferError, reason
from envforge.transfer.network import basic_credentials, proxy_for, without_password

_REDIRECTS: Final = 6
_AGENT: Final = f"envforge/{__version__}"
_Where = tuple[str, str, int, str]
"""Scheme, host, port, and the proxy or nothing: a kept connection is used again for the same four."""


class Pool:
    """Connections kept open between requests. May be used by several threads at once."""

    def __init__(self, *, timeout_s: float, proxies: Mapping[str, str], ca_file: str) -> None:
        """Make no connection yet. `proxies`: addresses for `http` and `https`, a list of hosts for `no`."""
        self._timeout_s = timeout_s
        self._proxies = proxies
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[_Where, list[http.client.HTTPConnection]] = {}
        self._busy: set[http.client.HTTPConnection] = set()
        self._closed = self._paused = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all connections for good, also those that other threads wait on: they get a TransferError."""
        self._closed = True
        self.pause()

    def pause(self) -> None:
        """Close all connections likewise; nothing is opened any more until `go_on`."""
        with self._lock:
            self._paused = True
            for connection in [item for items in self._idle.values() for item in items]:
                connection.close()
            self._idle.clear()
            for connection in self._busy:
                _interrupt(connection)

    def go_on(self) -> None:
        """Let connections be opened again, once the threads that `pause` has interrupted are gone."""
        with self._lock:
            self._paused = self._closed

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[Body]:
        """Yield the body of the response to a GET of `url` (http, https or file). Raises TransferError."""
        url, password = without_password(url)
        headers = {**headers, **password}
        for _ in range(_REDIRECTS):
            parts = urlsplit(url)
            if parts.scheme == "file":
                with _open_file(url, parts) as file:
                    yield Body(url, file)
                return
            with self._answer(url, parts, headers) as response:
                location = response.headers.get("Location")
                if response.status not in {301, 302, 303, 307, 308} or not location:
                    _check_status(url, response, is_range="Range" in headers)
                    yield Body(url, response, window_s=self._timeout_s)
                    return
                _drain(response)
            target = _redirected(url, location)
            if urlsplit(target).netloc != parts.netloc:
                headers = {name: value for name, value in headers.items() if name not in password}
            url = target
        raise TransferError(f"{url}: too many redirections")

    @contextmanager
    def _answer(
        self, url: str, parts: SplitResult, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        where = self._where(url, parts)
        connection, response = self._request(url, where, _target(parts, where), headers)
        whole = False
        try:
            yield response
            if response.length == 0:
                response.read()
            whole = response.isclosed()
        finally:
            self._give_back(where, connection, keep=whole)

    def _request(
        self, url: str, where: _Where, target: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send the request; a kept connection that the other side has closed meanwhile is replaced."""
        while True:
            connection, kept = self._take(url, where)
            try:
                if connection.sock is None:
                    connection.connect()
                self._check_open(url)
                connection.request("GET", target, headers=self._headers(where, headers))
                return connection, self._response(url, connection)
            except TransferError:
                self._give_back(where, connection, keep=False)
                raise
            except (OSError, http.client.HTTPException) as error:
                self._give_back(where, connection, keep=False)
                if not kept:
                    raise TransferError(f"{url}: {reason(error)}", passing=not _is_final(error)) from error

    def _response(self, url: str, connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
        """Return the response. Its head has twice the time limit in all: a socket's timeout is per read."""
        late = threading.Event()

        def interrupt() -> None:
            late.set()
            _interrupt(connection)

        timer = threading.Timer(2 * self._timeout_s, interrupt)
        timer.start()
        try:
            response = connection.getresponse()
        finally:
            timer.cancel()
            timer.join()  # no thread may be left when a process is cloned
        if late.is_set():  # http.client takes a head that breaks off for a whole one
            response.close()
            raise TransferError(f"{url}: no answer in time")
        return response

    def _headers(self, where: _Where, headers: Mapping[str, str]) -> dict[str, str]:
        sent = {"User-Agent": _AGENT, "Accept-Encoding": "identity", **headers}
        if where[3] and where[0] == "http":
            sent.update(_authorization(urlsplit(where[3])))
        return sent

    def _where(self, url: str, parts: SplitResult) -> _Where:
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise TransferError(f"{url}: only http, https and file addresses can be fetched")
        try:
            port = parts.port or (443 if parts.scheme == "https" else 80)
        except ValueError as error:
            raise TransferError(f"{url}: {error}") from error
        return parts.scheme, parts.hostname, port, proxy_for(self._proxies, parts.scheme, parts.hostname)

    def _check_open(self, url: str) -> None:
        with self._lock:
            if self._paused:
                raise TransferError(f"{url}: given up")

    def _take(self, url: str, where: _Where) -> tuple[http.client.HTTPConnection, bool]:
        self._check_open(url)
        with self._lock:
            idle = self._idle.get(where)
            kept = idle.pop() if idle else None
        connection = kept or self._connect(where)
        with self._lock:
            self._busy.add(connection)
        return connection, kept is not None

    def _give_back(self, where: _Where, connection: http.client.HTTPConnection, *, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            if keep and not self._paused:
                self._idle.setdefault(where, []).append(connection)
                return
        connection.close()

    def _connect(self, where: _Where) -> http.client.HTTPConnection:
        scheme, host, port, proxy = where
        through = urlsplit(proxy if "://" in proxy else f"http://{proxy}") if proxy else None
        near = (through.hostname or "", through.port or 3128) if through else (host, port)
        connection: http.client.HTTPConnection
        if scheme == "https":
            connection = http.client.HTTPSConnection(*near, timeout=self._timeout_s, context=self._context())
            if through:
                connection.set_tunnel(host, port, headers=_authorization(through))
        else:
            connection = http.client.HTTPConnection(*near, timeout=self._timeout_s)
        return connection

    def _context(self) -> ssl.SSLContext:
        """Return the TLS settings, made once: OpenSSL's own, which keep SSL_CERT_FILE and SSL_CERT_DIR."""
        with self._lock:
            if self._tls is None:
                self._tls = ssl.create_default_context()
                if self._ca_file:
                    self._tls.load_verify_locations(cafile=self._ca_file)
            return self._tls


def _interrupt(connection: http.client.HTTPConnection) -> None:
    """Wake a thread that waits on the connection."""
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _target(parts: SplitResult, where: _Where) -> str:
    """Return the request target: a path, or the absolute address for an http proxy (RFC 9112, 3.2)."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if where[3] and where[0] == "http":
        return f"http://{parts.netloc.rpartition('@')[2]}{path}"
    return path


def _authorization(proxy: SplitResult) -> dict[str, str]:
    return {"Proxy-Authorization": basic_credentials(proxy)} if proxy.username else {}


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    if urlsplit(target).scheme not in {"http", "https"}:
        raise TransferError(f"{url}: redirects to {target}")
    if url.startswith("https:") and not target.startswith("https:"):
        raise TransferError(f"{url}: redirects away from https, to {target}")
    return target


def _check_status(url: str, response: http.client.HTTPResponse, *, is_range: bool) -> None:
    if response.status not in {200, 304} and not (is_range and response.status == 206):
        _drain(response)
        raise TransferError(
            f"{url}: {response.status} {response.reason}",
            passing=response.status in {408, 429, 500, 502, 503, 504},
            missing=response.status in {404, 410},
            unfit=is_range and response.status == 416,
        )


def _drain(response: http.client.HTTPResponse) -> None:
    """Read the short body of an error or a redirection, so that its connection can be used again."""
    with suppress(OSError, http.client.HTTPException):
        response.read(64 * 1024)


@contextmanager
def _open_file(url: str, parts: SplitResult) -> Iterator[BinaryIO]:
    if parts.netloc not in {"", "localhost"}:
        raise TransferError(f"{url}: a file address must not name a host")
    try:
        file = open(unquote(parts.path), "rb", buffering=0)  # noqa: SIM115 - closed below, but errors while it is used are the caller's
    except OSError as error:
        raise TransferError(
            f"{url}: {error.strerror}", missing=isinstance(error, FileNotFoundError)
        ) from error
    with file:
        yield file


def _is_final(error: Exception) -> bool:
    return isinstance(error, ssl.SSLCertVerificationError | http.client.InvalidURL)
