# SPDX-License-Identifier: Apache-2.0
"""A stream with its page, to be looked at or asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from services.measure.history import History, LinkState, Moment
from services.media.sinks.latest_picture import LatestPicture
from services.receiver.daemon import ReceiverDaemon
from services.sender.daemon import Sender
from services.settings.config import Settings, WebSettings
from services.view.opening import open_page
from services.view.page import Page
from tests.fakes import FakeSource
from tests.integration.browser import Browser, Tab, chromium, find_browser
from tests.integration.test_stream import make_receiver, make_sender, running

CHROMIUM = find_browser()
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")


class Show:
    """A stream with its page, and a thread that tells the page how things are."""

    def __init__(self, sender: Sender, receiver: ReceiverDaemon, page: Page) -> None:
        self.sender, self.receiver, self.page = sender, receiver, page
        self._history = History()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._tell, name="tell", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _tell(self) -> None:
        link = LinkState(2_000_000, 500_000, 4000, 20_000)
        while not self._stop.wait(0.1):
            seen = self.receiver.snapshot()
            moment = Moment(seen.at_us, self.sender.snapshot(), seen, link)
            self._history.add(moment)
            self.page.show(moment, self._history.samples)


@contextmanager
def showing(folder: Path, **web: str) -> Iterator[Show]:
    settings = Settings(web=WebSettings(listen="127.0.0.1:0", recordings=str(folder), **web))
    picture = LatestPicture()
    source = FakeSource(width=320, height=192, fps=20.0)
    with running(sender := make_sender(source=source)):
        receiver = make_receiver(sender.url)
        receiver.add_sink(picture)
        with running(receiver):
            page = open_page(settings, receiver, picture)
            show = Show(sender, receiver, page)
            try:
                yield show
            finally:
                show.stop()
                page.close()


def browse(work: Callable[[Browser], Awaitable[None]]) -> None:
    """Do something in a browser."""
    assert CHROMIUM is not None

    async def run(port: int) -> None:
        async with aiohttp.ClientSession() as session:
            browser = Browser(port, session)
            try:
                await work(browser)
            finally:
                await browser.close()

    with chromium(CHROMIUM) as port:
        asyncio.run(run(port))


def look(
    show: Show,
    work: Callable[[Tab], Awaitable[None]],
    width: int = 1280,
    height: int = 800,
    *,
    phone: bool = False,
) -> None:
    """Do something with the page in one tab of that size."""

    async def in_a_tab(browser: Browser) -> None:
        tab = await browser.open(show.page.url)
        await tab.size(width, height, phone=phone)
        await work(tab)

    browse(in_a_tab)
