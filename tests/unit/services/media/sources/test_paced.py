# SPDX-License-Identifier: Apache-2.0
"""Frames come at their times, whatever the reader does."""

from __future__ import annotations

import numpy as np
import pytest

from services.errors import EndOfSource, SourceError
from services.media.scene import Scene
from services.media.sources.paced import SceneSource
from tests.unit.services.media.sources.clocks import ManualClock, paced, read


def test_frames_come_when_their_timestamps_say() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 40_000, 90_000)
    start_us = clock.now_us()
    assert [read(source).captured_us - start_us for _ in range(3)] == [0, 40_000, 90_000]
    with pytest.raises(EndOfSource):
        source.read(1)


def test_nothing_within_the_timeout_is_none_and_loses_nothing() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 100_000)
    read(source)
    assert source.read(0.06) is None
    assert clock.now_us() == 10_060_000
    assert read(source, 0.06).captured_us == 10_100_000


def test_a_loop_goes_round_at_the_pace_of_the_clip() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 40_000, loop=True)
    times = [read(source).captured_us for _ in range(5)]
    assert np.diff(times).tolist() == [40_000] * 4


def test_a_reader_that_slept_gets_no_burst() -> None:
    clock = ManualClock()
    source = paced(clock, 0, 40_000, 80_000, 120_000)
    read(source)
    clock.sleep_us(2_000_000)
    assert np.diff([read(source).captured_us for _ in range(3)]).tolist() == [40_000] * 2


def test_an_empty_deck_is_an_error_and_a_closed_one_is_at_its_end() -> None:
    with pytest.raises(SourceError, match="no frame"):
        paced(ManualClock())
    source = paced(ManualClock(), 0, 40_000, loop=True)
    read(source)
    source.close()
    with pytest.raises(EndOfSource):
        source.read(1)


def test_the_scene_leaves_out_what_was_not_read_in_time() -> None:
    clock = ManualClock()
    scene = Scene(32, 32, fps=10)
    source = SceneSource(scene, clock=clock)
    assert read(source).frame.same_pixels(Scene(32, 32, fps=10).frame(0))
    clock.sleep_us(450_000)
    assert read(source).frame.same_pixels(Scene(32, 32, fps=10).frame(4))
    captured = read(source)
    assert captured.frame.same_pixels(Scene(32, 32, fps=10).frame(5))
    assert captured.captured_us == 10_500_000
    assert source.read(0.05) is None
