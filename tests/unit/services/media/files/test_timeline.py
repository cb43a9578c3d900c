# SPDX-License-Identifier: Apache-2.0
"""One clock for sources: stamps rule, jumps are bridged, declared rates are only names."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.media.files.timeline import JUMP_US, Timeline, rate_of, usual_step_us


def placed(stamps: list[int | None], step_us: int = 40_000) -> list[int]:
    timeline = Timeline(step_us=step_us)
    return [timeline.place(stamp) for stamp in stamps]


def test_stamps_are_kept_from_the_first_on() -> None:
    assert placed([1_400_000, 1_440_000, 1_500_000]) == [0, 40_000, 100_000]


def test_a_pause_of_a_few_seconds_stays() -> None:
    assert placed([0, 40_000, 3_040_000]) == [0, 40_000, 3_040_000]


@pytest.mark.parametrize("jump_us", [3_600_000_000, -20_000, -95_443_000_000])
def test_a_jump_is_bridged_by_one_step_and_time_goes_on(jump_us: int) -> None:
    stamps = [0, 40_000, 80_000, 80_000 + jump_us, 120_000 + jump_us]
    assert placed(list(stamps)) == [0, 40_000, 80_000, 120_000, 160_000]


def test_a_time_lapse_keeps_its_steps_and_loses_its_jumps() -> None:
    step = 60_000_000
    stamps: list[int | None] = [0, step, 2 * step, 500 * step, 501 * step]
    assert placed(stamps, step_us=step) == [0, step, 2 * step, 3 * step, 4 * step]


def test_pictures_without_stamps_follow_at_the_usual_pace() -> None:
    assert placed([None, None, None]) == [0, 40_000, 80_000]
    assert placed([0, 50_000, None, 150_000]) == [0, 50_000, 100_000, 150_000]


def test_two_pictures_of_one_instant_do_not_change_the_pace() -> None:
    assert placed([0, 40_000, 40_000, 80_000]) == [0, 40_000, 60_000, 80_000]


def test_pictures_that_all_bear_one_stamp_still_follow_one_another() -> None:
    times = placed([7, 7, 7, 7])
    assert times == sorted(set(times))
    assert times[-1] - times[-2] == 40_000


@given(st.lists(st.none() | st.integers(-(10**13), 10**13), max_size=60))
def test_time_never_stands_still_and_never_jumps(stamps: list[int | None]) -> None:
    times = placed(stamps)
    steps = [b - a for a, b in pairwise(times)]
    assert all(step > 0 for step in steps)
    assert all(step <= 4 * JUMP_US * 4**8 for step in steps)


def test_a_rate_is_told_by_stamps_in_whole_milliseconds() -> None:
    stamps = [round(n * 1000 / 60) * 1000 for n in range(64)]
    told = (Fraction(1000), Fraction(60))
    assert rate_of(stamps, told=told) == 60
    assert float(rate_of(stamps) or 0) == pytest.approx(60, rel=0.002)


def test_a_varying_pace_has_the_rate_that_loses_no_picture() -> None:
    slow = [n * 100_000 for n in range(20)]
    quick = [slow[-1] + n * 20_000 for n in range(1, 10)]
    assert rate_of(slow + quick) == 50


def test_one_stamp_tells_no_rate() -> None:
    assert rate_of([5]) is None
    assert usual_step_us([5, 5]) is None
