# SPDX-License-Identifier: Apache-2.0
"""Drives a headless Chromium over its debugging WebSocket; tests skip where there is none."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-dev-shm-usage", "--remote-debugging-port=0", "--hide-scrollbars"),
)


def find_browser() -> str | None:
    """The path of a Chromium; None without one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Tab:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._number = 0

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the debugging protocol, with its result."""
        self._number += 1
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        while True:
            answer = json.loads((await self._socket.receive(timeout=30)).data)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = await self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def until(self, expression: str, *, seconds: float = 15.0) -> None:
        """Wait until an expression is true."""
        deadline = time.monotonic() + seconds
        while not await self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < deadline, f"never true: {expression}"
            await asyncio.sleep(0.05)

    async def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """Give the page this size."""
        await self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=2 if phone else 1,
            mobile=phone,
        )

    async def dark(self, on: bool) -> None:
        """Prefer dark, or light."""
        value = "dark" if on else "light"
        features = [{"name": "prefers-color-scheme", "value": value}]
        await self.call("Emulation.setEmulatedMedia", features=features)


class Browser:
    """A running Chromium."""

    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._session = session
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def open(self, url: str) -> Tab:
        """A new tab at an address."""
        async with self._session.put(f"{self._base}/json/new?{url}") as answer:
            about = await answer.json()
        socket = await self._session.ws_connect(about["webSocketDebuggerUrl"], max_msg_size=0)
        self._sockets.append(socket)
        tab = Tab(socket)
        for _ in range(100):  # until the page has begun, there is nothing to talk to
            with contextlib.suppress(AssertionError):
                if await tab.evaluate("document.readyState === 'complete'"):
                    break
            await asyncio.sleep(0.1)
        return tab

    async def close(self) -> None:
        """Let go of all tabs."""
        for socket in self._sockets:
            await socket.close()


@contextmanager
def chromium(path: str) -> Iterator[int]:
    """Run one with a fresh profile; yields its debugging port."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [path, *_FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        assert process.stderr is not None
        try:
            port = None
            for line in process.stderr:
                if found := re.search(rb"DevTools listening on ws://[^:]+:(\d+)/", line):
                    port = int(found[1])
                    break
            assert port is not None, "the browser did not start"
            yield port
        finally:
            process.terminate()
            process.wait(10)
            process.stderr.close()
