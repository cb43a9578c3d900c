# SPDX-License-Identifier: Apache-2.0
"""A port that can try a second connection beside a silent one, see `services.protocol.standby`."""

from __future__ import annotations

import threading
from dataclasses import replace

from services.protocol.standby import Move, try_us
from services.wire.endpoint import Endpoint
from services.wire.transport import ConnectionEvent, Port, Received, SendResult


class SparePort:
    """As `Port`, for an end that takes a stream; the thread that polls is the one that moves."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._port = Port(endpoint)
        self._spare: Port | None = None

    @property
    def url(self) -> str:
        """See `Port.url`."""
        return self._port.url

    @property
    def encrypted(self) -> bool:
        """See `Port.encrypted`."""
        return self._port.encrypted

    def open(self) -> None:
        """See `Port.open`."""
        self._port.open()

    def poll(self, timeout_ms: int) -> Received:
        """See `Port.poll`; the second connection comes as `SPARE_CONNECTED`."""
        received = self._port.poll(timeout_ms)
        if self._spare is not None and ConnectionEvent.CONNECTED in self._spare.poll(0).events:
            received.events.append(ConnectionEvent.SPARE_CONNECTED)
        return received

    def send(self, peer: bytes, data: bytes) -> SendResult:
        """See `Port.send`."""
        return self._port.send(peer, data)

    def trust(self, peer: bytes) -> None:
        """See `Port.trust`."""
        self._port.trust(peer)

    def wake(self) -> None:
        """See `Port.wake`."""
        self._port.wake()

    def rebuild(self) -> None:
        """See `Port.rebuild`."""
        self._port.rebuild()

    def move(self, move: Move, *, round_trip_us: int) -> None:
        """Open, drop or take the second connection."""
        if move is Move.OPEN:
            self._drop()
            try_ms = try_us(round_trip_us) // 1000
            self._spare = Port(replace(self._endpoint, connect_timeout_ms=try_ms))
            self._spare.open()
        elif move is Move.DROP or self._spare is None:
            self._drop()
        else:
            old, self._port, self._spare = self._port, self._spare, None
            _close_aside(old)

    def close(self) -> None:
        """See `Port.close`."""
        self._drop()
        self._port.close()

    def _drop(self) -> None:
        if self._spare is not None:
            _close_aside(self._spare)
            self._spare = None


def _close_aside(port: Port) -> None:
    """Closing waits for what a dead link does not take; the stream must not wait for that."""
    threading.Thread(target=port.close, name="closing", daemon=True).start()
