# SPDX-License-Identifier: Apache-2.0
"""A small web server in a thread of its own, so that no browser can hold up the stream."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable

from aiohttp import web

from services.errors import ConfigError
from services.view.access import Listen
from services.view.doors import IDLE_S, Doors

_START_S = 10.0
_BACKLOG = 32  # connections that wait to be accepted
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class WebServer:
    """Serves an application until closed. Raises ConfigError when the address is in use."""

    def __init__(self, make_app: Callable[[], web.Application], listen: Listen) -> None:
        self._make_app = make_app
        self._listen = listen
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._error: OSError | None = None
        self._doors: Doors | None = None
        self.port = 0
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()
        self._ready.wait(_START_S)
        if self._error is not None:
            self._thread.join(_START_S)
            code = self._error.errno
            reason = os.strerror(code).lower() if code and code > 0 else str(self._error)
            raise ConfigError(
                f"cannot listen on {listen.host}:{listen.port}: {reason}; choose another address"
            )

    @property
    def url(self) -> str:
        """Where it is; after listening on port 0, with the real port."""
        host = f"[{self._listen.host}]" if ":" in self._listen.host else self._listen.host
        return f"http://{host}:{self.port}/"

    def call(self, function: Callable[[], None]) -> None:
        """Run a function in the server's loop soon; any thread may ask."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            try:
                loop.call_soon_threadsafe(function)
            except RuntimeError:
                return  # closed in this very moment

    def lasts(self, request: web.Request) -> None:
        """The answer to this request has no end; call it in the server's loop."""
        if self._doors is not None:
            self._doors.lasts(request)

    def close(self) -> None:
        """Close all connections and end the thread."""
        if self._stopping is not None:
            self.call(self._stopping.set)
        self._thread.join(_START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except OSError as error:
            self._error = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        # A cancelled handler frees what it holds when its browser is gone.
        runner = web.AppRunner(
            self._guarded_app(),
            access_log=None,
            shutdown_timeout=1.0,
            handler_cancellation=True,
            keepalive_timeout=IDLE_S,
            lingering_time=0,
        )
        await runner.setup()
        assert runner.server is not None
        self._doors = Doors(runner.server)
        sweeping = asyncio.create_task(self._doors.sweep())
        server: asyncio.Server | None = None
        try:
            server = await self._loop.create_server(
                self._doors, self._listen.host, self._listen.port, backlog=_BACKLOG
            )
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._stopping.wait()
        finally:
            sweeping.cancel()
            if server is not None:
                server.close()
            await runner.cleanup()

    def _guarded_app(self) -> web.Application:
        app = self._make_app()
        app.middlewares.insert(0, self._note)
        return app

    @web.middleware
    async def _note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._doors is None:
            return await handler(request)
        return await self._doors.note(request, handler)
