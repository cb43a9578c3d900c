# SPDX-License-Identifier: Apache-2.0
"""The page: a live picture and plots for any number of browsers, and four buttons.

Each browser gets the newest picture once it has drawn the one before, so that a slow one skips
pictures and holds up nobody. A hidden or paused tab gets nothing at all.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from http.cookies import CookieError
from importlib import resources
from pathlib import Path
from typing import Protocol

from aiohttp import WSMsgType, web

from services.errors import ServiceError
from services.measure.history import Moment, Sample
from services.media.sinks.latest_picture import LatestPicture
from services.media.sinks.sink import Sink
from services.receiver.daemon import ReceiverDaemon
from services.view import feed
from services.view.access import COOKIE, Access, is_foreign
from services.view.server import Handler, WebServer

_STATS_S = 0.25
_ACK_S = 5.0  # a browser that lost a picture gets the next one all the same
_MAX_BROWSERS = 32
_FILES = {
    "page.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "plot.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Controls(Protocol):
    """What the buttons act on."""

    def request_keyframe(self) -> None: ...
    def start_recording(self) -> str: ...
    def stop_recording(self) -> None: ...


class Page:
    """Serves the page until closed; `show` takes what the plots draw. Raises ConfigError."""

    def __init__(
        self,
        access: Access,
        picture: LatestPicture,
        controls: Controls,
        *,
        quality: Callable[[], int | None] = lambda: None,
        extra: Sequence[tuple[str, Handler]] = (),
    ) -> None:
        self._access = access
        self._picture = picture
        self._controls = controls
        self._quality = quality
        self._extra = extra
        self._moment: Moment | None = None
        self._points: list[tuple[int, list[float | None]]] = []  # numbered
        self._count = 0
        self._last_s = -1.0
        self._recording = ""
        self._notice = ""
        self._browsers: set[_Browser] = set()
        self._coding = asyncio.Lock()
        self._server = WebServer(self._app, access.listen)
        picture.on_new = lambda: self._server.call(self._new_picture)

    @property
    def url(self) -> str:
        """Where to point a browser."""
        return self._server.url

    @property
    def pictures_sent(self) -> int:
        """By all browsers that are connected now."""
        return sum(browser.sent for browser in tuple(self._browsers))

    def show(self, moment: Moment, samples: Sequence[Sample]) -> None:
        """Take the present state; called a few times a second, costs next to nothing."""
        self._moment = moment
        if samples and samples[-1].seconds != self._last_s:
            fresh = [sample for sample in samples[-10:] if sample.seconds > self._last_s]
            self._last_s = samples[-1].seconds
            for point in feed.points(fresh, quality=self._quality()):
                self._count += 1
                self._points.append((self._count, point))
            self._points = self._points[-feed.MAX_SAMPLES :]

    def close(self) -> None:
        """Close the connections of all browsers."""
        self._picture.on_new = lambda: None
        self._server.close()

    # -- in the server's thread ----------------------------------------------------------------

    def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._file("page.html"))
        for name in _FILES:
            app.router.add_get(f"/{name}", self._file(name))
        app.router.add_get("/live", self._live)
        app.router.add_get("/snapshot.png", self._snapshot)
        for path, handler in self._extra:
            app.router.add_get(path, handler)
        app.on_shutdown.append(self._goodbye)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            offered = self._refuse(request)
        except (ValueError, CookieError):  # UnicodeError is one
            raise web.HTTPBadRequest(text="a header of this request cannot be read\n") from None
        if offered is not None:
            welcome = web.HTTPFound("/")
            welcome.set_cookie(COOKIE, offered, httponly=True, samesite="Strict")
            raise welcome
        response = await handler(request)
        if not response.prepared:
            response.headers.update(_HEADERS)
        return response

    def _refuse(self, request: web.Request) -> str | None:
        """Raise what a request is refused with; a token that is new here comes back.

        Raises ValueError or CookieError where a header makes no sense.
        """
        headers, access = request.headers, self._access
        if not access.host_fits(headers.get("Host", "")):
            raise web.HTTPForbidden(text="this page is served under its own address only\n")
        foreign = is_foreign(headers, page=request.path == "/")
        if foreign or not access.origin_fits(headers):
            raise web.HTTPForbidden(text="another site's page may not come here\n")
        offered = request.query.get("token")
        if access.token is not None and offered and access.knows(offered):
            return offered
        bearer = headers.get("Authorization", "").removeprefix("Bearer ")
        if not access.knows(request.cookies.get(COOKIE) or bearer or None):
            raise web.HTTPUnauthorized(text="open this page with ?token= and its token\n")
        return None

    def _file(self, name: str) -> Handler:
        async def send(request: web.Request) -> web.StreamResponse:
            text = resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
            return web.Response(text=text, content_type=_FILES[name])

        return send

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        async with self._coding:  # one at a time, for the sake of the stream
            data = await asyncio.to_thread(self._picture.png)
        if not data:
            raise web.HTTPNotFound(text="there is no picture yet\n")
        stamp = time.strftime("%Y%m%d-%H%M%S")
        return web.Response(
            body=data,
            content_type="image/png",
            headers={"Content-Disposition": f'attachment; filename="streamcodec-{stamp}.png"'},
        )

    async def _live(self, request: web.Request) -> web.StreamResponse:
        if len(self._browsers) >= _MAX_BROWSERS:
            raise web.HTTPServiceUnavailable(text="enough browsers are watching\n")
        socket = web.WebSocketResponse(heartbeat=10.0, max_msg_size=4096, compress=False)
        await socket.prepare(request)
        self._server.lasts(request)
        browser = _Browser(socket)
        self._browsers.add(browser)
        work = [
            asyncio.create_task(self._pictures(browser)),
            asyncio.create_task(self._numbers(browser)),
        ]
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._heard(browser, message.data)
        finally:
            self._browsers.discard(browser)
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        return socket

    async def _heard(self, browser: _Browser, text: str) -> None:
        try:
            message = json.loads(text)
            kind = message["kind"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return  # our page does not send that
        if kind == "drawn":
            browser.drawn.set()
        elif kind == "watching":
            browser.watches(
                pictures=bool(message.get("pictures")), numbers=bool(message.get("numbers"))
            )
        elif kind == "keyframe":
            self._controls.request_keyframe()
        elif kind == "record":
            await asyncio.to_thread(self._record)

    def _record(self) -> None:
        try:
            if self._recording:
                self._controls.stop_recording()
                self._notice, self._recording = f"recorded {self._recording}", ""
            else:
                self._recording = self._controls.start_recording()
        except ServiceError as error:
            self._notice, self._recording = str(error), ""

    async def _pictures(self, browser: _Browser) -> None:
        while True:
            browser.new.clear()
            if self._picture.number == browser.number or not browser.pictures.is_set():
                await browser.new.wait()
                continue
            number, data = await asyncio.to_thread(self._picture.jpeg)
            browser.number = number
            browser.drawn.clear()
            await browser.socket.send_bytes(data)
            browser.sent += 1
            try:
                await asyncio.wait_for(browser.drawn.wait(), _ACK_S)
            except TimeoutError:
                continue

    async def _numbers(self, browser: _Browser) -> None:
        told = 0
        while True:
            await browser.numbers.wait()
            moment = self._moment
            if moment is not None:
                fresh = [point for number, point in self._points if number > told]
                told = self._count
                message = {
                    **feed.state(moment, recording=self._recording, quality=self._quality()),
                    "points": fresh,
                    "events": feed.events(moment),
                    "notice": self._notice,
                }
                await browser.socket.send_str(json.dumps(message))
            await asyncio.sleep(_STATS_S)

    def _new_picture(self) -> None:
        for browser in self._browsers:
            browser.new.set()

    async def _goodbye(self, app: web.Application) -> None:
        for browser in tuple(self._browsers):
            await browser.socket.close()


class _Browser:
    """One tab: what it wants, and whether it has drawn the last picture."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self.number = 0
        self.sent = 0
        self.new = asyncio.Event()
        self.drawn = asyncio.Event()
        self.pictures = asyncio.Event()
        self.numbers = asyncio.Event()

    def watches(self, *, pictures: bool, numbers: bool) -> None:
        """What the tab wants from now on."""
        for event, wanted in ((self.pictures, pictures), (self.numbers, numbers)):
            if wanted:
                event.set()
            else:
                event.clear()
        self.new.set()


class RecordingControls:
    """The buttons of a receiver: recordings go into a folder, named by when they began."""

    def __init__(
        self, receiver: ReceiverDaemon, folder: Path, open_sink: Callable[[str], Sink]
    ) -> None:
        self._receiver = receiver
        self._folder = folder
        self._open_sink = open_sink
        self._sink: Sink | None = None

    def request_keyframe(self) -> None:
        """Ask the sender for a keyframe."""
        self._receiver.request_keyframe()

    def start_recording(self) -> str:
        """Begin a recording; returns its name. Raises SinkError."""
        path = self._folder / time.strftime("streamcodec-%Y%m%d-%H%M%S.scv")
        self._sink = self._open_sink(str(path))
        self._receiver.add_sink(self._sink, name=path.name)
        return path.name

    def stop_recording(self) -> None:
        """End the recording and close its file."""
        if self._sink is not None:
            self._receiver.remove_sink(self._sink)
            self._sink = None
