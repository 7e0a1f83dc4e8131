"""Serves the screens to a browser on this machine. Whoever does not know the address gets nothing.

    http://127.0.0.1:PORT/TOKEN/

The token is part of the path and not a cookie: browsers send a cookie of 127.0.0.1 to every port there, other
users' servers too. Each page starts an app of its own, as this user.
"""

import asyncio
import hmac
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from aiohttp import web
from textual_serve.server import Server

from envforge.errors import UsageError

ADDRESS: Final = "127.0.0.1"
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline';"
        " img-src 'self'; font-src 'self'; connect-src 'self' ws:; form-action 'none';"
        " frame-ancestors 'none'; base-uri 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class GuardedServer(Server):
    """Serves below a secret path only."""

    def __init__(
        self, command: str, listening: socket.socket, token: str, say: Callable[[str], None]
    ) -> None:
        port = listening.getsockname()[1]
        super().__init__(command, host=ADDRESS, port=port, title="envforge")
        self._listening, self._token, self._say = listening, token, say

    @property
    def address(self) -> str:
        """Return what a browser has to ask for."""
        return f"{self.public_url}/{self._token}/"

    async def _make_app(self) -> web.Application:
        guarded = web.Application(middlewares=[self._guard])
        guarded.add_subapp(f"/{self._token}", await super()._make_app())
        return guarded

    @property
    def _guard(self) -> Callable[..., Awaitable[web.StreamResponse]]:
        token = self._token

        @web.middleware
        async def guard(
            request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
        ) -> web.StreamResponse:
            given = request.path.split("/")[1]
            if not hmac.compare_digest(given.encode(), token.encode()):
                return web.Response(status=403, text="envforge: the address lacks its token\n")
            response = await handler(request)
            if not response.prepared:
                response.headers.update(_HEADERS)
            return response

        return guard

    async def on_startup(self, app: web.Application) -> None:  # noqa: ARG002 (Textual's signature)
        """Say the address, once it can be asked for and signals end the server in order."""
        self._say(self.address)

    def initialize_logging(self) -> None:
        """Log nothing: requests have the token in them."""

    def serve(self, debug: bool = False) -> None:  # noqa: FBT001, FBT002 (Textual's signature)
        """Serve until SIGINT or SIGTERM."""
        self.debug = debug
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.request_exit)
        web.run_app(
            self._make_app(),
            sock=self._listening,
            handle_signals=False,
            loop=loop,
            print=lambda *_text: None,
            access_log=None,
        )


def serve(arguments: Sequence[str], port: int, say: Callable[[str], None]) -> None:
    """Serve the TUI that these arguments of `envforge` start; `say` gets the address. Raises UsageError."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    with listening:
        try:
            listening.bind((ADDRESS, port))
        except OSError as error:
            raise UsageError(
                f"port {port} of {ADDRESS} cannot be used: {error.strerror}",
                hint="`--port 0` takes a free one",
            ) from error
        listening.listen()
        command = shlex.join([sys.executable, "-m", "envforge", *arguments])
        GuardedServer(command, listening, secrets.token_urlsafe(32), say).serve()
