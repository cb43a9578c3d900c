# SPDX-License-Identifier: Apache-2.0
"""Limits of a web server's connections: how many, and how long without a request.

aiohttp waits for ever for the headers of a request and takes connections while there are
descriptors, which the whole process then lacks. Here each connection has a time for its next
request, and when there are too many the one that has been idle for longest makes room; where none
is idle, the newcomer is told so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import cast

from aiohttp import web

MAX_CONNECTIONS = 64  # of one server: 32 browsers, with room for pictures and scrapers
REQUEST_S = 10.0  # from the first byte of a request, or the connection, to its last header
IDLE_S = 75.0  # between two requests
ANSWER_S = 60.0  # for an answer to be read; a WebSocket has limits of its own
_SWEEP_S = 1.0
_FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\n"
    b"Content-Type: text/plain\r\nContent-Length: 21\r\n\r\ntoo many connections\n"
)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Doors:
    """Makes the protocol of each connection; everything happens in the server's loop."""

    def __init__(self, inner: Callable[[], asyncio.Protocol]) -> None:
        self._inner = inner
        self._visitors: dict[asyncio.BaseTransport, _Visitor] = {}

    def __call__(self) -> asyncio.Protocol:
        """The protocol of a new connection."""
        return _Visitor(self, self._inner())

    @property
    def count(self) -> int:
        """How many are connected."""
        return len(self._visitors)

    @web.middleware
    async def note(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Marks connections whose request is being answered."""
        visitor = self._visitors.get(cast(asyncio.BaseTransport, request.transport))
        if visitor is None:
            return await handler(request)
        visitor.begin(request)
        try:
            return await handler(request)
        finally:
            visitor.end()

    def lasts(self, request: web.Request) -> None:
        """The answer to this request has no end: a WebSocket."""
        visitor = self._visitors.get(cast(asyncio.BaseTransport, request.transport))
        if visitor is not None:
            visitor.lasting = True

    async def sweep(self) -> None:
        """End overdue connections, for ever."""
        while True:
            await asyncio.sleep(_SWEEP_S)
            now_s = time.monotonic()
            for visitor in tuple(self._visitors.values()):
                if visitor.is_overdue(now_s):
                    visitor.abort()

    def enter(self, visitor: _Visitor, transport: asyncio.BaseTransport) -> bool:
        """Count a new connection; False where there is no room."""
        if len(self._visitors) >= MAX_CONNECTIONS:
            idle = [other for other in self._visitors.values() if other.request is None]
            if not idle:
                return False
            min(idle, key=lambda other: other.since_s).abort()
        self._visitors[transport] = visitor
        return True

    def leave(self, transport: asyncio.BaseTransport | None) -> None:
        """A connection is gone."""
        if transport is not None:
            self._visitors.pop(transport, None)


class _Visitor(asyncio.Protocol):
    """One connection: passes everything on to the protocol behind it, and checks its deadlines."""

    def __init__(self, doors: Doors, inner: asyncio.Protocol) -> None:
        self._doors = doors
        self._behind = inner
        self._inside = False
        self._transport: asyncio.Transport | None = None
        self._first_byte_s: float | None = None  # of a request that is not whole
        self._served = False
        self.request: web.Request | None = None
        self.lasting = False
        self.since_s = time.monotonic()  # when the last request began or ended

    def begin(self, request: web.Request) -> None:
        """A whole request came."""
        self.request, self._first_byte_s = request, None
        self.since_s = time.monotonic()

    def end(self) -> None:
        """It was answered."""
        self.request, self._served, self.lasting = None, True, False
        self.since_s = time.monotonic()

    def is_overdue(self, now_s: float) -> bool:
        """True when a deadline of this connection is over."""
        if self.request is not None:
            return not self.lasting and now_s - self.since_s > ANSWER_S
        if self._first_byte_s is not None:
            return now_s - self._first_byte_s > REQUEST_S
        return now_s - self.since_s > (IDLE_S if self._served else REQUEST_S)

    def abort(self) -> None:
        """End it at once."""
        self._doors.leave(self._transport)
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._inside = self._doors.enter(self, transport)
        if self._inside:
            self._behind.connection_made(transport)
        else:
            self._transport.write(_FULL)
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        if self._inside:
            if self.request is None and self._first_byte_s is None:
                self._first_byte_s = time.monotonic()
            self._behind.data_received(data)

    def eof_received(self) -> bool | None:
        return self._behind.eof_received() if self._inside else None

    def connection_lost(self, exc: Exception | None) -> None:
        self._doors.leave(self._transport)
        if self._inside:
            self._behind.connection_lost(exc)

    def pause_writing(self) -> None:
        if self._inside:
            self._behind.pause_writing()

    def resume_writing(self) -> None:
        if self._inside:
            self._behind.resume_writing()
