# SPDX-License-Identifier: Apache-2.0
"""A source that changes its size or goes: neither end restarts, and the picture is soon back."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import pairwise

import pytest

from services.errors import SourceError
from services.media.sources.retry import RetryingSource
from services.media.sources.source import CapturedFrame, Source, WallClock
from services.protocol.planner import Rules
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon, ShownFrame
from services.sender.daemon import Sender, SenderConfig
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from streamcodec.codec import Codec
from tests.fakes import FakeCodec, FakeSource
from tests.integration.test_stream import ANY_PORT, running, wait_for

pytestmark = pytest.mark.live

FPS = 20.0
MOST_S = 1.0  # without picture, once the source is back


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture on the screen."""

    at_s: float
    width: int
    height: int


class Camera:
    """A device that can be unplugged, and be given another picture size; live."""

    def __init__(self, width: int, height: int) -> None:
        self.size = (width, height)
        self.plugged = True

    def open(self) -> Source:
        if not self.plugged:
            raise SourceError("camera:7: no such device")
        return _Plugged(self)


class _Plugged:
    name, fps, live = "camera:7", FPS, True

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.width, self.height = camera.size
        self._frames = FakeSource(width=self.width, height=self.height, fps=FPS)

    def read(self, timeout_s: float) -> CapturedFrame | None:
        if not self._camera.plugged:
            raise SourceError("camera:7: the camera stopped sending pictures; is it unplugged?")
        if (self._frames.width, self._frames.height) != self._camera.size:
            self._frames = FakeSource(
                width=self._camera.size[0], height=self._camera.size[1], fps=FPS
            )
        captured = self._frames.read(timeout_s)
        return captured and CapturedFrame(captured.frame, captured.captured_us)

    def close(self) -> None:
        self._frames.close()


class Stream:
    """A sender of that camera, a receiver, and what was on its screen."""

    def __init__(self, camera: Camera, codecs: tuple[Codec, Codec]) -> None:
        self.told: list[str] = []
        self.shown: list[Shown] = []
        source = RetryingSource(camera.open, clock=WallClock(), tell=self.told.append)
        self.sender = Sender(
            SenderConfig(Endpoint(ANY_PORT, bind=True), rules=Rules(quality=30, adaptive=False)),
            codec=codecs[0],
            source=source,
        )
        self.sender.start()
        self.receiver = ReceiverDaemon(
            ReceiverConfig(
                Endpoint(self.sender.url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
            ),
            codec=codecs[1],
        )
        self.receiver.on_frame(self._note)

    def _note(self, shown: ShownFrame) -> None:
        self.shown.append(Shown(time.monotonic(), shown.frame.width, shown.frame.height))

    def first_after(self, at_s: float, width: int) -> float:
        """When the first picture of that width was shown after a time; waits for it."""
        wait_for(lambda: any(s.at_s > at_s and s.width == width for s in self.shown), seconds=10.0)
        return next(s.at_s for s in self.shown if s.at_s > at_s and s.width == width)

    def longest_gap_s(self, from_s: float) -> float:
        """Longest time between two pictures, the first of them shown at or after that."""
        times = [shown.at_s for shown in self.shown if shown.at_s >= from_s]
        return max(after - before for before, after in pairwise(times))


@pytest.fixture(params=["fake", "S"])
def codecs(request: pytest.FixtureRequest) -> tuple[Codec, Codec]:
    """One for each end: without networks, and the real one on small pictures."""
    if request.param == "fake":
        return FakeCodec(), FakeCodec()
    ends = Codec.load("S", device="cpu"), Codec.load("S", device="cpu")
    for codec in ends:
        codec.warm_up(96, 64)  # loading and compiling are no part of what is measured
        codec.warm_up(64, 48)
    return ends


def test_a_new_size_in_mid_stream_costs_less_than_a_second(codecs: tuple[Codec, Codec]) -> None:
    camera = Camera(96, 64)
    stream = Stream(camera, codecs)
    try:
        with running(stream.receiver):
            begin_s = stream.first_after(0.0, 96)
            wait_for(lambda: len(stream.shown) >= 10)
            for width, height in ((64, 48), (96, 64)):
                camera.size = (width, height)
                switched_s = time.monotonic()
                assert stream.first_after(switched_s, width) - switched_s < MOST_S
                count = len(stream.shown)
                wait_for(lambda count=count: len(stream.shown) >= count + 5)  # type: ignore[misc]
            assert stream.longest_gap_s(begin_s) < MOST_S
    finally:
        stream.sender.stop()
    assert_nobody_restarted(stream)


def test_a_source_that_returns_is_on_the_screen_within_a_second(
    codecs: tuple[Codec, Codec],
) -> None:
    """Also after a loss that lasted, and with another camera in its place."""
    camera = Camera(96, 64)
    stream = Stream(camera, codecs)
    try:
        with running(stream.receiver):
            stream.first_after(0.0, 96)
            for away_s, size in ((0.2, (96, 64)), (2.5, (64, 48))):
                camera.plugged = False
                time.sleep(away_s)
                camera.size, camera.plugged = size, True
                back_s = time.monotonic()
                assert stream.first_after(back_s, size[0]) - back_s < MOST_S
            assert stream.sender.snapshot().width == 64
    finally:
        stream.sender.stop()
    assert [text.rpartition(": ")[2] for text in stream.told][1::2] == ["back again"] * 2
    assert_nobody_restarted(stream)


def assert_nobody_restarted(stream: Stream) -> None:
    sent, got = stream.sender.snapshot(), stream.receiver.snapshot()
    assert got.reconnects == 0
    assert got.epoch == sent.epoch
    assert got.damaged_packets == got.decoder_failures == 0
