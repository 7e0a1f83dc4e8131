"""A web server on loopback for a directory, with faults that a test asks for."""

import threading
import time
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar


class Server(ThreadingHTTPServer):
    """`faults` maps a path to what goes wrong there: see `Handler.do_GET`."""

    daemon_threads = True

    def __init__(self, directory: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.directory = directory
        self.faults: dict[str, str] = {}
        self.asked: Counter[str] = Counter()
        self.connections = 0
        self.halfway = threading.Event()
        self.validators = False
        self.ranges = False
        self.headers: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def finish_request(self, request, client_address):
        self.connections += 1
        super().finish_request(request, client_address)

    def handle_error(self, request, client_address):
        """Stay silent: clients that stop in the middle are part of the tests."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server
    redirects: ClassVar[int] = 0

    def log_message(self, *_args):
        pass

    def do_GET(self):  # noqa: C901, PLR0911 - a return for each fault
        path = self.path.removeprefix(self.server.url)
        self.server.asked[path] += 1
        self.server.headers.append(dict(self.headers))
        fault = self.server.faults.get(path, "")
        file = self.server.directory / path.partition("?")[0].lstrip("/")
        if fault.startswith("to "):
            return self._answer(302, b"", Location=fault.removeprefix("to "))
        if fault.isdigit():
            return self._answer(int(fault), b"no")
        if not file.is_file():
            return self._answer(404, b"not here")
        data = file.read_bytes()
        if fault == "once 503" and self.server.asked[path] == 1:
            return self._answer(503, b"later")
        if fault == "wrong bytes":
            data = bytes(len(data) - 1) + b"!"
        if fault == "too long":
            data += b"more"
        if fault == "too short":
            data = data[:-1]
        tag = f'"{len(data)}-{file.stat().st_mtime_ns}"'
        if self.server.validators and self.headers.get("If-None-Match") == tag:
            return self._answer(304, b"", ETag=tag)
        if fault == "trickles":
            return self._trickle(data)
        if fault == "has no end of head":
            return self._drip_head()
        if fault == "waits in the middle":
            return self._wait_in_the_middle(data)
        stops = fault == "stops" or (fault == "once stops" and self.server.asked[path] == 1)
        headers = {"ETag": tag} if self.server.validators else {}
        if self.server.ranges and "Range" in self.headers and self.headers.get("If-Range", tag) == tag:
            return self._answer_range(data, fault, stops=stops, **headers)
        self._answer(200, data, stops=stops, **headers)
        return None

    def _answer_range(self, data, fault, *, stops, **headers):
        first = int(self.headers["Range"].removeprefix("bytes=").rstrip("-"))
        if first >= len(data):
            return self._answer(416, b"")
        said = first + 1 if fault == "another range" else first
        headers["Content-Range"] = f"bytes {said}-{len(data) - 1}/{len(data)}"
        return self._answer(206, data[first:], stops=stops, **headers)

    def _wait_in_the_middle(self, data):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2])
        self.wfile.flush()
        self.server.halfway.set()
        time.sleep(5)
        self.close_connection = True

    def _answer(self, status, data, *, stops=False, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if stops:
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        self.wfile.write(data)

    def _drip_head(self):
        """Say one thing after the other about a file that never begins."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(200):
            self.wfile.write(b"x")
            time.sleep(0.1)

    def _trickle(self, data):
        """Give a few bytes now and then: never silent for long, and never done."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        for start in range(0, len(data), 5):
            self.wfile.write(data[start : start + 5])
            time.sleep(0.1)


@contextmanager
def serving(directory: Path):
    server = Server(directory)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
