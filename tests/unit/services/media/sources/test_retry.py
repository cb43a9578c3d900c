# SPDX-License-Identifier: Apache-2.0
"""A source that is gone is opened again, ever more rarely, and told."""

from __future__ import annotations

from collections import deque

import numpy as np
import pytest

from services.errors import SourceError
from services.measure.source_health import SourceHealth
from services.media.sources import CapturedFrame
from services.media.sources.retry import OF_ADDRESSES, OF_DEVICES, RetryingSource
from tests.unit.services.media.sources.clocks import ManualClock, grey, read


class Flaky:
    """A live source that gives frames until it fails."""

    name, height, fps, live = "camera:7", 32, 30.0, True

    def __init__(self, frames: int) -> None:
        self.width = 32
        self.frames = frames
        self.closed = False

    def read(self, timeout_s: float) -> CapturedFrame | None:
        if not self.frames:
            raise SourceError("camera:7: unplugged")
        self.frames -= 1
        return CapturedFrame(grey(self.frames), 0)

    def close(self) -> None:
        self.closed = True


def test_a_source_that_goes_is_opened_again_and_both_are_told() -> None:
    clock, told = ManualClock(), list[str]()
    opened: list[Flaky | None] = [Flaky(1), None, Flaky(2)]
    first = opened[0]

    def opener() -> Flaky:
        source = opened.pop(0)
        if source is None:
            raise SourceError("still gone")
        return source

    source = RetryingSource(opener, clock=clock, tell=told.append)
    read(source)
    while source.read(0.1) is None:
        assert clock.now_us() < 20_000_000
    assert told == [
        "camera:7: unplugged; trying again until it is back",
        "camera:7: back again",
    ]
    assert first is not None
    assert first.closed


def test_a_source_that_returns_with_another_size_tells_it() -> None:
    clock, sizes = ManualClock(), [32, 48]

    def opener() -> Flaky:
        source = Flaky(1)
        source.width = sizes.pop(0)
        return source

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None)
    read(source)
    assert source.width == 32
    while source.read(0.1) is None:
        assert clock.now_us() < 20_000_000
    assert source.width == 48


def test_retries_become_rarer_and_never_stop() -> None:
    clock, tries = ManualClock(), list[int]()

    def opener() -> Flaky:
        tries.append(clock.now_us())
        if len(tries) > 1:
            raise SourceError("gone")
        return Flaky(0)

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None)
    while clock.now_us() < 100_000_000:
        assert source.read(0.05) is None
        clock.sleep_us(1)
    pauses = np.diff(tries[1:])
    assert pauses.max() <= OF_DEVICES.longest_us + 100_000
    assert (np.diff(pauses) >= -100_000).all()
    assert len(tries) > 10


def test_the_first_opening_is_not_retried() -> None:
    def opener() -> Flaky:
        raise SourceError("no such device")

    with pytest.raises(SourceError, match="no such device"):
        RetryingSource(opener, clock=ManualClock(), tell=lambda _text: None)


def test_a_lost_address_is_tried_ever_more_rarely_until_it_gave_frames_for_a_while() -> None:
    clock, tries = ManualClock(), list[int]()

    def opener() -> Flaky:
        tries.append(clock.now_us())
        return Flaky(1)

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None, pauses=OF_ADDRESSES)
    while clock.now_us() < 100_000_000:
        source.read(0.05)
    pauses = np.diff(tries)
    assert np.allclose(pauses[:4], (500_000, 1_000_000, 2_000_000, 4_000_000), atol=60_000)
    assert np.allclose(pauses[4:], 5_000_000, atol=60_000)


def test_a_file_of_a_server_that_breaks_off_for_good_is_an_error() -> None:
    clock = ManualClock()

    class Half(Flaky):
        live = False

    opened = [Half(1)]

    def opener() -> Half:
        if not opened:
            raise SourceError("camera:7: gone")
        return opened.pop()

    source = RetryingSource(opener, clock=clock, tell=lambda _text: None, pauses=OF_ADDRESSES)
    read(source)
    with pytest.raises(SourceError, match="gone"):
        deque((source.read(0.5) for _ in range(400)), maxlen=0)


def test_the_health_of_a_source_outlives_its_openings() -> None:
    clock = ManualClock()

    class Sick(Flaky):
        health = SourceHealth(frames_damaged=2)

    source = RetryingSource(lambda: Sick(1), clock=clock, tell=lambda _text: None)
    while clock.now_us() < 12_000_000:
        source.read(0.05)
    lost = source.health.restarts
    assert lost > 2
    assert source.health.frames_damaged in (2 * lost, 2 * lost + 2)  # one may be open
