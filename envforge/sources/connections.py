"""Connections to mirrors: kept open per host, through proxies, with the host's own CA settings.

Opens one address and gives its bytes; which addresses to try, and what the bytes must be, is `http.py`'s.
"""

import base64
import http.client
import os
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO, Final
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from envforge import __version__

_REDIRECTS: Final = 6
_AGENT: Final = f"envforge/{__version__}"
_Where = tuple[str, str, int, str]
"""Scheme, host, port, and the proxy or nothing: what a kept connection can be used again for."""


class TransferError(Exception):
    """An address did not give its file."""

    def __init__(self, message: str, *, passing: bool = False, missing: bool = False) -> None:
        """Say whether trying again may help, and whether the mirror says that it has no such file."""
        super().__init__(message)
        self.passing = passing
        self.missing = missing


class Body:
    """The bytes of one answer."""

    def __init__(self, url: str, source: http.client.HTTPResponse | BinaryIO) -> None:
        """Take bytes from `source`, which stays the caller's to close."""
        self.url = url
        self._source = source

    @property
    def unchanged(self) -> bool:
        """Whether the answer was 304: what the condition named is still current."""
        return (
            isinstance(self._source, http.client.HTTPResponse)
            and self._source.status == http.HTTPStatus.NOT_MODIFIED
        )

    def header(self, name: str) -> str:
        """Return a header of the answer, empty where it has none."""
        if isinstance(self._source, http.client.HTTPResponse):
            return self._source.headers.get(name) or ""
        return ""

    def read_into(self, buffer: memoryview) -> int:
        """Fill `buffer` as far as bytes are there; return their count, 0 at the end.

        Raises TransferError where the connection breaks, or ends before the length that was announced.
        """
        try:
            count = self._source.readinto(buffer)  # type: ignore[union-attr] # BinaryIO of open() has it
        except (OSError, http.client.HTTPException) as error:
            raise TransferError(
                f"{self.url}: stopped in the middle: {_reason(error)}", passing=True
            ) from error
        missing = getattr(self._source, "length", None)
        if not count and missing:
            raise TransferError(
                f"{self.url}: stopped in the middle, {missing} bytes before its end", passing=True
            )
        return int(count)


class Pool:
    """Connections kept open between requests. May be used by several threads at once."""

    def __init__(self, *, timeout_s: float, proxies: Mapping[str, str], ca_file: str) -> None:
        """Make no connection yet. `proxies`: addresses for `http` and `https`, a list of hosts for `no`."""
        self._timeout_s = timeout_s
        self._proxies = proxies
        self._ca_file = ca_file
        self._tls: ssl.SSLContext | None = None
        self._idle: dict[_Where, list[http.client.HTTPConnection]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for connection in [item for items in self._idle.values() for item in items]:
                connection.close()
            self._idle.clear()

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[Body]:
        """Give the answer to a GET of `url` (http, https or file). Raises TransferError."""
        for _ in range(_REDIRECTS):
            parts = urlsplit(url)
            if parts.scheme == "file":
                with _open_file(url, parts) as file:
                    yield Body(url, file)
                return
            with self._answer(url, parts, headers) as response:
                location = response.headers.get("Location")
                if response.status not in {301, 302, 303, 307, 308} or not location:
                    _check_status(url, response)
                    yield Body(url, response)
                    return
                url = _redirected(url, location)
                _drain(response)
        raise TransferError(f"{url}: too many redirections")

    @contextmanager
    def _answer(
        self, url: str, parts: SplitResult, headers: Mapping[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        where = self._where(url, parts)
        connection, response = self._request(url, where, _target(parts, where), headers)
        try:
            yield response
            if response.length == 0:
                response.read()
        except BaseException:
            connection.close()
            raise
        if response.isclosed():
            self._keep(where, connection)
        else:
            connection.close()

    def _request(
        self, url: str, where: _Where, target: str, headers: Mapping[str, str]
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        """Send the request; a kept connection that the other side has closed meanwhile is replaced."""
        while True:
            connection, kept = self._take(where)
            try:
                connection.request("GET", target, headers=self._headers(where, headers))
                return connection, connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if not kept:
                    raise TransferError(f"{url}: {_reason(error)}", passing=not _is_final(error)) from error

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
        return parts.scheme, parts.hostname, port, self._proxy(parts.scheme, parts.hostname)

    def _proxy(self, scheme: str, host: str) -> str:
        """Return the proxy for a host. `no` names hosts and domains, as curl reads `no_proxy`."""
        for item in self._proxies.get("no", "").split(","):
            name = item.strip().lstrip(".").lower()
            if name and (name in {"*", host} or host.endswith(f".{name}")):
                return ""
        return self._proxies.get(scheme, "")

    def _take(self, where: _Where) -> tuple[http.client.HTTPConnection, bool]:
        with self._lock:
            idle = self._idle.get(where)
            if idle:
                return idle.pop(), True
        return self._connect(where), False

    def _keep(self, where: _Where, connection: http.client.HTTPConnection) -> None:
        with self._lock:
            self._idle.setdefault(where, []).append(connection)

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


def _target(parts: SplitResult, where: _Where) -> str:
    """Return what stands in the request line: a path, or all of the address for a proxy (RFC 9112, 3.2)."""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if where[3] and where[0] == "http":
        return f"http://{parts.netloc.rpartition('@')[2]}{path}"
    return path


def _authorization(proxy: SplitResult) -> dict[str, str]:
    if not proxy.username:
        return {}
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}


def _redirected(url: str, location: str) -> str:
    target = urljoin(url, location)
    if urlsplit(target).scheme not in {"http", "https"}:
        raise TransferError(f"{url}: redirects to {target}")
    if url.startswith("https:") and not target.startswith("https:"):
        raise TransferError(f"{url}: redirects away from https, to {target}")
    return target


def _check_status(url: str, response: http.client.HTTPResponse) -> None:
    if response.status not in {200, 304}:
        _drain(response)
        raise TransferError(
            f"{url}: {response.status} {response.reason}",
            passing=response.status in {408, 429, 500, 502, 503, 504},
            missing=response.status in {404, 410},
        )


def _drain(response: http.client.HTTPResponse) -> None:
    """Read a short page about an error or a redirection, so that its connection can be used again."""
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


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def host_proxies(environment: Mapping[str, str], fallback: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies of the usual variables; `fallback` counts where none is set for a scheme.

    `HTTP_PROXY` in capitals does not count where `REQUEST_METHOD` is set (httpoxy), as curl and urllib do.
    """
    found = {scheme: fallback.get(scheme, "") for scheme in ("http", "https", "no")}
    for scheme in found:
        capitals = "" if scheme == "http" and "REQUEST_METHOD" in environment else f"{scheme.upper()}_PROXY"
        value = environment.get(f"{scheme}_proxy") or environment.get(capitals)
        value = value or (environment.get("all_proxy") if scheme != "no" else None)
        if value:
            found[scheme] = value
    return found


def trusted_file(environment: Mapping[str, str], configured: str) -> str:
    """Return a file with certificates to trust besides OpenSSL's own settings, or nothing."""
    if configured:
        return configured
    if "SSL_CERT_FILE" in environment or "SSL_CERT_DIR" in environment:
        return ""
    for variable in ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"):
        if os.path.isfile(environment.get(variable, "")):
            return environment[variable]
    return ""
