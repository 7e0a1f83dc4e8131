"""`envforge tui --web`: who has the address gets the screens, nobody else gets anything."""

import asyncio
import base64
import itertools
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import urlopen

import aiohttp
import pytest
from attrs import frozen
from commandline import COMMAND

_NUMBERS = itertools.count(1)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@frozen
class Served:
    address: str
    pid: int

    @property
    def origin(self) -> str:
        parts = urlsplit(self.address)
        return f"{parts.scheme}://{parts.netloc}"


@pytest.fixture
def served(small_store: Path) -> Iterator[Served]:
    command = [COMMAND, "--store", f"{small_store}/store", "tui", "--web"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield Served(process.stdout.readline().strip(), process.pid)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0


def fetched(address: str) -> tuple[int, str]:
    try:
        with urlopen(address, timeout=30) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def test_the_address_is_of_this_machine_and_has_a_long_secret(served: Served) -> None:
    parts = urlsplit(served.address)
    assert parts.hostname == "127.0.0.1"
    assert len(parts.path.strip("/")) >= 40


@pytest.mark.parametrize("path", ["/", "/ws", "/static/css/xterm.css", "/x/", "/x/ws", "//", "/%00/"])
def test_without_the_token_everything_is_refused(served: Served, path: str) -> None:
    status, text = fetched(served.origin + path)
    assert status in (400, 403)
    assert "app_websocket" not in text


def test_the_token_opens_the_page_and_its_parts(served: Served) -> None:
    status, page = fetched(served.address)
    assert status == 200
    token = urlsplit(served.address).path
    for path in re.findall(
        rf"{re.escape(served.origin)}({re.escape(token)}static/[^\"']+\.(?:js|css))", page
    ):
        assert fetched(served.origin + path)[0] == 200, path


def test_no_other_user_can_read_the_token_off_the_processes(served: Served) -> None:
    async def connected() -> list[str]:
        async with aiohttp.ClientSession() as session, session.ws_connect(_socket(served)) as socket:
            await _screen(socket, "environments")
            return [_command_line(pid) for pid in os.listdir("/proc") if pid.isdecimal()]

    token = urlsplit(served.address).path.strip("/")
    assert not [line for line in asyncio.run(connected()) if token in line]


def test_the_screens_come_over_the_socket_and_take_keys(served: Served) -> None:
    async def used() -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(_socket(served)) as socket:
            await _screen(socket, "8 environments")
            await socket.send_json(["stdin", "3"])
            await _screen(socket, "ASKED FOR")

    asyncio.run(used())


def test_a_taken_port_is_told(served: Served, small_store: Path) -> None:
    port = urlsplit(served.address).port
    done = subprocess.run(
        [COMMAND, "--store", f"{small_store}/store", "tui", "--web", "--port", str(port)],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "--port 0" in done.stderr


@pytest.mark.skipif(not any(map(shutil.which, BROWSERS)), reason="no Chromium is installed")
def test_a_browser_shows_it_and_takes_keys(served: Served, tmp_path: Path) -> None:
    with _browser(tmp_path, served.address) as debugger:
        first, second = asyncio.run(_looked_at(debugger))
    (tmp_path / "first.png").write_bytes(first)
    (tmp_path / "second.png").write_bytes(second)
    assert first != second, "another screen looks another way"
    assert min(len(first), len(second)) > 20_000


@contextmanager
def _browser(place: Path, address: str) -> Iterator[str]:
    """Start a browser on a page; yield the address of its debugger."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--remote-debugging-port=0",
        "--disable-extensions",
    ]
    words = [program, *options, f"--user-data-dir={place}/profile", "--window-size=1200,800", address]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "DevTools listening on" in line)
        try:
            yield line.split("ws://")[1].partition("/")[0]
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the browser is many processes


async def _looked_at(debugger: str) -> tuple[bytes, bytes]:
    """Return pictures of the first screen, and of another one after a key."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://{debugger}/json") as answer:
            page = next(one for one in await answer.json() if one["type"] == "page")
        async with session.ws_connect(page["webSocketDebuggerUrl"], max_msg_size=1 << 26) as socket:
            ask = partial(_asked, socket)
            for _ in range(200):
                script = "document.body?.classList.contains('-first-byte') ?? false"
                if (await ask("Runtime.evaluate", expression=script))["result"].get("value"):
                    break
                await asyncio.sleep(0.2)
            await asyncio.sleep(3)
            first = await ask("Page.captureScreenshot")
            await ask("Runtime.evaluate", expression="document.querySelector('textarea')?.focus()")
            for kind in ("keyDown", "keyUp"):
                await ask("Input.dispatchKeyEvent", type=kind, text="3", key="3", windowsVirtualKeyCode=51)
            await asyncio.sleep(3)
            second = await ask("Page.captureScreenshot")
    return base64.b64decode(first["data"]), base64.b64decode(second["data"])


async def _asked(
    socket: aiohttp.ClientWebSocketResponse, method: str, **parameters: object
) -> dict[str, Any]:
    """Return the answer of the browser's debugger (Chrome DevTools Protocol)."""
    number = next(_NUMBERS)
    await socket.send_json({"id": number, "method": method, "params": parameters})
    while True:
        answer = await socket.receive_json(timeout=30)
        if answer.get("id") == number:
            assert "error" not in answer, answer
            return answer["result"]


def _socket(served: Served) -> str:
    return served.address.replace("http", "ws", 1) + "ws?width=100&height=30"


async def _screen(socket: aiohttp.ClientWebSocketResponse, text: str) -> None:
    """Wait until a text was drawn."""
    seen = ""
    while text not in seen:
        message = await socket.receive(timeout=20)
        assert message.type in (aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT), message
        data = message.data if isinstance(message.data, bytes) else message.data.encode()
        seen += re.sub(r"\x1b\[[^a-zA-Z]*[a-zA-Z]", "", data.decode(errors="replace"))


def _command_line(pid: str) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
