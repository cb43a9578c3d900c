# SPDX-License-Identifier: Apache-2.0
"""Counters say what W3C webrtc-stats says they do."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.measure.latency import LEGS, Latency, LatencyStats
from services.measure.measures import Durations, FreezeDetector, Limitation, Rate, wire_bytes

FRAME_US = 33_333


def shown_steadily(detector: FreezeDetector, *, frames: int = 60, from_us: int = 0) -> int:
    for index in range(frames):
        assert not detector.rendered(from_us + index * FRAME_US)
    return from_us + (frames - 1) * FRAME_US


def test_a_gap_of_mean_plus_150_ms_is_a_freeze_and_less_is_none() -> None:
    detector = FreezeDetector()
    last_us = shown_steadily(detector)
    assert not detector.rendered(last_us + FRAME_US + 149_000)
    detector = FreezeDetector()
    last_us = shown_steadily(detector)
    assert detector.rendered(last_us + FRAME_US + 150_001)
    assert detector.freezes == 1
    assert detector.frozen_us == FRAME_US + 150_001


def test_at_a_low_rate_a_freeze_is_three_times_the_mean() -> None:
    detector = FreezeDetector()
    for index in range(40):
        detector.rendered(index * 500_000)
    assert not detector.rendered(39 * 500_000 + 1_400_000)
    assert detector.rendered(39 * 500_000 + 1_400_000 + 1_600_000)


def test_a_gap_over_five_seconds_is_a_pause_not_a_freeze() -> None:
    detector = FreezeDetector()
    last_us = shown_steadily(detector)
    assert not detector.rendered(last_us + 5_000_001)
    assert (detector.freezes, detector.pauses, detector.paused_us) == (0, 1, 5_000_001)


LEG = st.integers(0, 10**7)


@given(st.lists(st.builds(Latency, LEG, LEG, LEG, st.integers(-1000, 10**7), LEG, LEG, LEG, LEG)))
def test_the_legs_add_up_to_the_total(frames: list[Latency]) -> None:
    stats = LatencyStats()
    for frame in frames:
        stats.add(frame)
    summary = stats.snapshot()
    assert set(summary.legs) == set(LEGS)
    assert sum(leg.sum_us for leg in summary.legs.values()) == summary.total.sum_us
    assert summary.total.count == len(frames)


def test_a_rate_covers_the_last_second() -> None:
    rate = Rate()
    assert rate.per_second(0) == 0.0
    for index in range(100):
        rate.add(10, index * 20_000)
    assert rate.per_second(99 * 20_000) == 500.0
    assert rate.per_second(99 * 20_000 + 5_000_000) == 0.0


def test_durations_add_up_to_the_time_passed() -> None:
    durations = Durations("none", 0)
    assert durations.set("cpu", 1_000)
    assert not durations.set("cpu", 1_500)
    assert durations.set("none", 3_000)
    assert durations.spent_us(10_000) == {"none": 8_000, "cpu": 2_000}
    assert durations.changes == 2


def test_what_limits_the_stream_is_what_held_most_frames_back() -> None:
    limits = Limitation(0)
    for index in range(60):
        limits.vote("cpu" if index % 3 else "none", index * FRAME_US)
    assert limits.reason == "cpu"
    for index in range(60, 120):
        limits.vote("none" if index % 30 else "bandwidth", index * FRAME_US)
    assert limits.reason == "none"
    assert limits.durations.changes == 2


def test_wire_bytes_count_framing_and_packets() -> None:
    assert wire_bytes(40) == 40 + 2 + 52
    assert wire_bytes(1400) == 1400 + 9 + 52
    assert wire_bytes(3000) == 3000 + 9 + 3 * 52
    assert wire_bytes(40, encrypted=True) == 40 + 2 + 33 + 52
