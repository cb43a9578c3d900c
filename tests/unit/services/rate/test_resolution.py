# SPDX-License-Identifier: Apache-2.0
"""The picture gets smaller on a link that stays too thin, and does not flicker between sizes."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest

from services.rate.resolution import (
    DOWN_S,
    MAX_UP_S,
    POOR_QUALITY,
    SETTLE_US,
    UP_S,
    Resolution,
    Step,
)

FPS = 30
SETTLE_S = SETTLE_US // 1_000_000
FRAMING_BYTES = 115


class Stream:
    """A link and a codec around a `Resolution`: bytes per frame become a quality, or a skip.

    `coarse_bytes` is what `POOR_QUALITY` costs at full size; 9% of the bytes are a quality, each
    step down is worth five of them, as measured.
    """

    def __init__(self, *, coarse_bytes: float = 1000.0, finest: int = 63) -> None:
        self.resolution = Resolution(0)
        self.now_us = 0
        self._coarse_bytes = coarse_bytes
        self._finest = finest
        self._saved_bytes = 0.0
        self.steps: list[Step] = []

    def run(self, seconds: float, kbps: float | Callable[[float], float]) -> list[Step]:
        """The step at each frame of these seconds."""
        first = len(self.steps)
        for _ in range(round(seconds * FPS)):
            rate = kbps if isinstance(kbps, int | float) else kbps(self.now_us / 1e6)
            self._frame(rate * 125 / FPS)
            self.steps.append(self.resolution.step)
        return self.steps[first:]

    def _frame(self, link_bytes: float) -> None:
        self.now_us += round(1e6 / FPS)
        most_bytes = max(2 * link_bytes, 600 + FRAMING_BYTES)
        self._saved_bytes = min(self._saved_bytes + link_bytes, most_bytes)
        budget = int(self._saved_bytes) - FRAMING_BYTES
        if budget < (self.resolution.least_bytes or 600):
            self.resolution.skipped(self.now_us)
            return
        self._saved_bytes = 0.0
        affordable = POOR_QUALITY + math.log(budget / self._coarse_bytes) / math.log(1.09)
        affordable += 5 * (4 - self.resolution.step.value)
        quality = max(0, min(self._finest, int(affordable)))
        self.resolution.coded(
            quality=quality,
            limit="bandwidth" if affordable < self._finest else "none",
            size_bytes=round(budget * 1.09 ** min(0, self._finest - affordable)),
            budget_bytes=budget,
            now_us=self.now_us,
        )


@pytest.mark.parametrize(
    ("step", "sides", "coded"),
    [
        (Step.FULL, (641, 359), (641, 359)),
        (Step.THREE_QUARTERS, (640, 360), (480, 270)),
        (Step.HALF, (640, 360), (320, 180)),
        (Step.HALF, (641, 359), (320, 180)),
        (Step.HALF, (40, 20), (20, 16)),
        (Step.HALF, (12, 100), (12, 50)),
    ],
)
def test_smaller_sides_are_even_and_never_below_the_least(
    step: Step, sides: tuple[int, int], coded: tuple[int, int]
) -> None:
    assert step.size(*sides) == coded


def test_a_coarse_but_useful_picture_keeps_its_size() -> None:
    stream = Stream(coarse_bytes=1000)
    assert set(stream.run(60, 400)) == {Step.FULL}


def test_quality_near_the_floor_for_some_seconds_makes_the_picture_smaller() -> None:
    stream = Stream(coarse_bytes=3000)
    assert set(stream.run(DOWN_S, 300)) == {Step.FULL}
    assert stream.run(2, 300)[-1] is Step.THREE_QUARTERS


def test_a_dip_shorter_than_that_changes_nothing() -> None:
    stream = Stream(coarse_bytes=3000)
    stream.run(10, 2000)
    stream.run(DOWN_S - 1, 200)
    assert set(stream.run(10, 2000)) == {Step.FULL}


def test_a_link_that_leaves_most_frames_no_room_makes_the_picture_smaller() -> None:
    stream = Stream(coarse_bytes=100)  # what is sent looks fine
    assert stream.run(10, 60)[-1] is not Step.FULL
    assert stream.resolution.least_bytes is not None


def test_half_the_sides_is_the_least() -> None:
    stream = Stream(coarse_bytes=50_000)
    assert stream.run(60, 200)[-1] is Step.HALF
    assert stream.resolution.changes == 2


def test_back_up_only_when_the_budget_stood_well_above_for_longer() -> None:
    stream = Stream(coarse_bytes=3000)
    stream.run(60, 300)
    assert stream.resolution.step is not Step.FULL
    assert set(stream.run(UP_S - 1, 3000)) == {stream.resolution.step}
    assert stream.run(3 * UP_S, 3000)[-1] is Step.FULL


def test_a_little_more_than_was_too_little_is_not_enough_to_go_back() -> None:
    stream = Stream(coarse_bytes=1500)
    stream.run(30, 300)
    assert stream.resolution.step is Step.THREE_QUARTERS
    assert set(stream.run(120, 390)) == {Step.THREE_QUARTERS}


@pytest.mark.parametrize("coarse_bytes", [200, 600, 1500, 4000, 12_000])
def test_no_steady_link_makes_it_swing(coarse_bytes: int) -> None:
    for kbps in [round(40 * 1.15**n) for n in range(36)]:
        stream = Stream(coarse_bytes=coarse_bytes)
        stream.run(20, kbps)
        assert len(set(stream.run(120, kbps))) == 1, f"{kbps} kbit/s"


def test_a_link_that_comes_and_goes_is_given_up_on() -> None:
    stream = Stream(coarse_bytes=3000)
    steps = stream.run(600, lambda at_s: 3000 if at_s % 18 < 12 else 200)
    changes = sum(a is not b for a, b in pairwise(steps))
    assert changes <= 10
    assert len(set(steps[-100 * FPS :])) == 1


def test_patience_returns_once_a_larger_size_has_proved_itself() -> None:
    stream = Stream(coarse_bytes=3000)
    stream.run(200, lambda at_s: 3000 if at_s % 18 < 12 else 200)
    stream.run(3 * MAX_UP_S, 3000)
    stream.run(DOWN_S + SETTLE_S, 300)
    assert stream.resolution.step is Step.THREE_QUARTERS
    assert stream.run(UP_S + SETTLE_S + 2, 3000)[-1] is Step.FULL


def test_an_outage_is_no_thin_link() -> None:
    resolution = Resolution(0)
    for frame in range(60 * FPS):
        resolution.skipped(frame * 33_333)
    assert resolution.step is Step.FULL


def test_the_few_frames_of_an_overloaded_machine_say_nothing_of_the_link() -> None:
    resolution = Resolution(0)
    for frame in range(60 * 4):
        if frame % 3:
            resolution.skipped(frame * 250_000)
        else:
            resolution.coded(
                quality=3,
                limit="bandwidth",
                size_bytes=600,
                budget_bytes=600,
                now_us=frame * 250_000,
            )
    assert resolution.step is Step.FULL


def test_a_picture_that_is_coarse_because_asked_for_is_not_made_smaller() -> None:
    stream = Stream(coarse_bytes=1000, finest=8)
    assert set(stream.run(60, 2000)) == {Step.FULL}


def test_a_picture_that_is_coarse_because_asked_for_comes_back_to_its_size() -> None:
    stream = Stream(coarse_bytes=3000, finest=12)
    stream.run(30, 200)
    assert stream.resolution.step is not Step.FULL
    assert stream.run(60, 8000)[-1] is Step.FULL


def test_without_adaptation_the_size_stays() -> None:
    resolution = Resolution(0, follows=False)
    for frame in range(60 * FPS):
        resolution.coded(
            quality=0, limit="bandwidth", size_bytes=600, budget_bytes=600, now_us=frame * 33_333
        )
    assert resolution.step is Step.FULL
    assert resolution.changes == 0
