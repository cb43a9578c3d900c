# SPDX-License-Identifier: Apache-2.0
"""A machine too slow for the wanted quality gets coarser frames, and finer ones in time."""

from __future__ import annotations

from itertools import pairwise

from services.rate.cpu import BUSY_SHARE, LEAST_QUALITY, CpuGovernor

FRAME_US = 33_333
FINEST = 48


def run(governor: CpuGovernor, *, base_us: int, us_per_index: int, frames: int = 300) -> float:
    """Encode frames as fine as they may be; returns what the last took, in periods."""
    spent_us = 0
    for _ in range(frames):
        spent_us = base_us + us_per_index * governor.ceiling
        governor.encoded(encode_us=spent_us, quality=governor.ceiling)
    return spent_us / FRAME_US


def governor() -> CpuGovernor:
    return CpuGovernor(frame_interval_us=FRAME_US, finest=FINEST)


def test_frames_get_coarser_until_they_fit_their_period() -> None:
    slow = governor()
    assert run(slow, base_us=10_000, us_per_index=600) <= BUSY_SHARE + 0.05
    assert LEAST_QUALITY < slow.ceiling < FINEST


def test_a_fast_machine_is_not_held_back() -> None:
    fast = governor()
    run(fast, base_us=5_000, us_per_index=100)
    assert fast.ceiling == FINEST


def test_quality_grows_back_when_the_machine_is_free_again() -> None:
    governed = governor()
    run(governed, base_us=30_000, us_per_index=600)
    assert governed.ceiling == LEAST_QUALITY
    run(governed, base_us=8_000, us_per_index=100)
    assert governed.ceiling == FINEST


def test_below_the_least_quality_frames_are_skipped_instead() -> None:
    hopeless = governor()
    run(hopeless, base_us=80_000, us_per_index=600)
    assert hopeless.ceiling == LEAST_QUALITY


def test_less_effort_comes_before_coarser_frames_and_goes_after_them() -> None:
    costs = {"best": 1.9, "normal": 1.4, "fast": 1.0}
    governed = CpuGovernor(
        frame_interval_us=FRAME_US, finest=FINEST, efforts=("best", "normal", "fast")
    )

    def frames(count: int, base_us: int) -> None:
        for _ in range(count):
            spent_us = int(costs[governed.effort] * base_us)
            governed.encoded(encode_us=spent_us, quality=governed.ceiling)

    assert governed.effort == "best"
    frames(30, base_us=20_000)
    assert (governed.effort, governed.ceiling) == ("normal", FINEST)
    frames(30, base_us=25_000)
    assert (governed.effort, governed.ceiling) == ("fast", FINEST)
    frames(60, base_us=35_000)
    assert governed.effort == "fast"
    assert governed.ceiling < FINEST
    frames(300, base_us=9_000)
    assert (governed.effort, governed.ceiling) == ("best", FINEST)


def test_effort_does_not_swing_where_the_next_one_would_not_fit() -> None:
    governed = CpuGovernor(frame_interval_us=FRAME_US, finest=FINEST, efforts=("normal", "fast"))
    changes, before = 0, governed.effort
    for _ in range(1000):
        governed.encoded(
            encode_us=int(24_000 * (1.4 if governed.effort == "normal" else 1.0)),
            quality=governed.ceiling,
        )
        changes += governed.effort != before
        before = governed.effort
    assert changes == 1


def test_more_effort_is_tried_the_less_often_the_more_often_it_failed() -> None:
    """A machine that says it has time, and has not: `normal` takes three times as long here."""
    governed = CpuGovernor(frame_interval_us=FRAME_US, finest=FINEST, efforts=("normal", "fast"))
    tried_at: list[int] = []
    before = governed.effort
    for frame in range(3000):
        effort = governed.effort
        if (before, effort) == ("fast", "normal"):
            tried_at.append(frame)
        before = effort
        governed.encoded(
            encode_us=13_000 * (3 if effort == "normal" else 1), quality=governed.ceiling
        )
    apart = [later - sooner for sooner, later in pairwise(tried_at)]
    assert len(tried_at) <= 6
    assert all(later > 1.5 * sooner for sooner, later in pairwise(apart))


def test_effort_comes_back_soon_after_one_that_fitted() -> None:
    governed = CpuGovernor(frame_interval_us=FRAME_US, finest=FINEST, efforts=("normal", "fast"))
    load = 1.0

    def frames(count: int) -> None:
        for _ in range(count):
            spent_us = int(8_000 * load * (1.9 if governed.effort == "normal" else 1))
            governed.encoded(encode_us=spent_us, quality=governed.ceiling)

    for _ in range(3):
        load = 3.0
        frames(10)
        assert governed.effort == "fast"
        load = 1.0
        frames(100)
        assert governed.effort == "normal"
        frames(200)


def test_a_first_keyframe_that_took_long_lowers_the_effort_of_the_next_frame() -> None:
    for encode_us, effort in ((60_000, "normal"), (120_000, "fast")):
        governed = CpuGovernor(
            frame_interval_us=FRAME_US, finest=FINEST, efforts=("normal", "fast")
        )
        governed.began(encode_us=encode_us)
        assert governed.effort == effort


def test_one_frame_that_was_held_up_changes_nothing() -> None:
    governed = CpuGovernor(frame_interval_us=FRAME_US, finest=FINEST, efforts=("normal", "fast"))
    for frame in range(300):
        governed.encoded(encode_us=200_000 if frame % 10 == 0 else 20_000, quality=governed.ceiling)
        assert (governed.effort, governed.ceiling) == ("normal", FINEST)


def test_quality_is_back_within_two_seconds_where_there_is_much_time() -> None:
    governed = governor()
    run(governed, base_us=40_000, us_per_index=0)
    assert governed.ceiling == LEAST_QUALITY
    run(governed, base_us=10_000, us_per_index=100, frames=60)
    assert governed.ceiling == FINEST
