# SPDX-License-Identifier: Apache-2.0
"""The socket towards a sender, driven by an `Upstream`: receives messages, sends what is due."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from services.protocol.intake import Results
from services.protocol.upstream import Upstream
from services.wire.endpoint import Endpoint
from services.wire.spare import SparePort
from services.wire.transport import ConnectionEvent

_POLL_MS = 50


class Inlet:
    """Takes one stream for a receiver or a relay, through restarts of its sender.

    `turn` and `say_farewell` belong to one thread, in which `take` is called with what a message
    led to; `post` and `wake` may be called by any. The upstream is shared under `lock`.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        upstream: Upstream,
        *,
        take: Callable[[Results], None],
        lock: threading.Lock,
        clock_us: Callable[[], int],
    ) -> None:
        self._port = SparePort(endpoint)
        self._binds = endpoint.bind
        self._upstream = upstream
        self._take = take
        self._lock = lock
        self._now_us = clock_us
        self._posted: deque[tuple[bytes, bytes]] = deque()

    @property
    def url(self) -> str:
        """The address in use; after binding to port 0, with the real port."""
        return self._port.url

    def open(self) -> None:
        """Bind or connect. Raises ConfigError when the address cannot be used."""
        self._port.open()

    def close(self) -> None:
        """Close the socket; safe to call twice."""
        self._port.close()

    def wake(self) -> None:
        """End the present wait of `turn`."""
        self._port.wake()

    def post(self, results: Results) -> None:
        """Have messages sent in the next turn, which comes at once."""
        if results.messages:
            self._posted.extend(results.messages)
            self._port.wake()

    def turn(self) -> None:
        """Wait for messages, answer them, send what is due."""
        received = self._port.poll(_POLL_MS)
        now = self._now_us()
        for event in () if self._binds else received.events:
            self._link_event(event, now)
        with self._lock:
            self._upstream.malformed += received.malformed
            self._upstream.cut(received.cuts, now)
        for peer, data in received.messages:
            # Stamped as soon as this thread gets to it: the spacing of messages is the link's.
            now = self._now_us()
            with self._lock:
                results = self._upstream.message(peer, data, now, encrypted=self._port.encrypted)
            self._act(results)
        while self._posted:
            self._port.send(*self._posted.popleft())
        if now >= self._upstream.wake_us:
            with self._lock:
                results = self._upstream.tick(now)
            self._act(results)

    def say_farewell(self) -> None:
        """BYE, before the socket is closed."""
        with self._lock:
            results = self._upstream.farewell()
        self._act(results)

    def _link_event(self, event: ConnectionEvent, now: int) -> None:
        results = Results()
        with self._lock:
            if event is ConnectionEvent.CONNECTED:
                results = self._upstream.connected(now)
            elif event is ConnectionEvent.DISCONNECTED:
                self._upstream.disconnected(now)
            elif event is ConnectionEvent.SPARE_CONNECTED:
                self._upstream.spare_connected(now)
            else:
                self._upstream.refused(now)
        self._act(results)

    def _act(self, results: Results) -> None:
        if results.started is not None:
            self._posted.clear()  # feedback of a former session
            if results.sender is not None:
                self._port.trust(results.sender)
        for peer, data in results.messages:
            self._port.send(peer, data)  # refused ones are repeated by the timers
        self._take(results)
        if results.standby is not None:
            self._port.move(results.standby, round_trip_us=self._upstream.intake.round_trip_us)
        if results.rebuild:
            self._port.rebuild()
