# SPDX-License-Identifier: Apache-2.0
"""A receiver that decodes nothing: it acknowledges, and can be told to behave badly."""

from __future__ import annotations

import secrets
import threading
import time

from services.protocol import messages as m
from services.protocol.intake import Intake, Results
from services.protocol.profile import Profile
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from services.wire.transport import Port


class NullViewer:
    """Takes frames in a thread of its own, as a context manager."""

    def __init__(self, url: str) -> None:
        self.frames = 0
        self._url = url
        self._port = Port(Endpoint(url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES))
        self._intake = Intake(
            Profile(b"", b"", "", "null", secrets.randbits(64), b""), connects=True, now_us=_now()
        )
        self._stop = threading.Event()
        self._stalled = False
        self._flood = b""
        self._thread = threading.Thread(target=self._work, name="null viewer", daemon=True)

    def stall(self) -> None:
        """Read no more, and answer nothing."""
        self._stalled = True

    def kill(self) -> None:
        """Vanish without a word."""
        self._stop.set()
        self._thread.join()

    def flood(self, data: bytes) -> None:
        """Send this as fast as it goes, beside everything else."""
        self._flood = data

    def __enter__(self) -> NullViewer:
        self._port.open()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._port.close()

    def _work(self) -> None:
        while not self._stop.is_set():
            if self._stalled:
                self._stop.wait(0.05)
                continue
            received = self._port.poll(1 if self._flood else 20)
            for _, data in received.messages:
                self._act(self._intake.on_message(b"", data, _now()))
            self._act(self._intake.tick(_now()))
            for _ in range(200 if self._flood else 0):
                self._port.send(b"", self._flood)

    def _act(self, results: Results) -> None:
        for peer, data in results.messages:
            self._port.send(peer, data)
        for arrival in results.arrivals:
            self.frames += 1
            self._intake.keyframe_came()
            head = arrival.head
            shown = m.FrameShown(
                head.epoch, head.sequence, m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 0, 0, 1
            )
            self._act(self._intake.shown(shown))


def _now() -> int:
    return time.monotonic_ns() // 1000
