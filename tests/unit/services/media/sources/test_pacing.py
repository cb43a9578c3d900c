# SPDX-License-Identifier: Apache-2.0
"""Bursts are spread by their times; what arrives in real time is not held."""

from __future__ import annotations

from itertools import pairwise

from services.media.sources.pacing import BurstPacer

STEP = 40_000


def played(arrivals_us: list[int], watch_us: int = 12_000_000) -> list[int]:
    """When pictures with times 0, 40, 80 ms ... are shown that arrive at these moments."""
    pacer, shown, now = BurstPacer(watch_us=watch_us), [], 0
    for number, arrival in enumerate(arrivals_us):
        starved = arrival > now
        now = max(now, arrival)
        waiting = [a for a in arrivals_us[number + 1 :] if a <= now]
        due = pacer.due_us(
            number * STEP, now_us=now, waiting_us=len(waiting) * STEP, starved=starved
        )
        now = max(now, due)
        shown.append(now)
    return shown


def steps(times: list[int]) -> list[int]:
    return [b - a for a, b in pairwise(times)]


def test_what_comes_at_its_own_pace_is_shown_when_it_comes() -> None:
    arrivals = [n * STEP + (n * 7919) % 9_000 for n in range(100)]
    late = [s - a for s, a in zip(played(arrivals), arrivals, strict=True)]
    assert max(late) <= 9_000  # no more than the unrest of the arrivals


def test_segments_are_shown_as_they_were_filmed() -> None:
    arrivals = [2_000_000 * (n // 50) for n in range(500)]
    assert set(steps(played(arrivals))) == {STEP}


def test_a_gap_in_the_arrivals_shifts_what_follows_without_a_burst() -> None:
    arrivals = [n * STEP for n in range(50)] + [3_000_000 + n * STEP for n in range(50)]
    shown = played(arrivals)
    assert shown == arrivals


def test_a_source_that_waits_for_us_is_not_burst_through_after_we_were_late() -> None:
    for watch_us, step_us in ((None, STEP), (2_000_000, 0)):  # a file; a live stream: newest wins
        pacer = BurstPacer(watch_us=watch_us)
        assert pacer.due_us(0, now_us=0, waiting_us=3_000_000, starved=True) == 0
        now, shown = 30_000_000, []  # while the codec was loaded
        for number in range(1, 6):
            due = pacer.due_us(number * STEP, now_us=now, waiting_us=2_000_000, starved=False)
            now = max(now, due)
            shown.append(now)
        assert steps(shown) == [step_us] * 4


def test_the_delay_of_a_stall_is_worked_off() -> None:
    stall = [n * STEP for n in range(50)] + [3_000_000] * 25 + [n * STEP for n in range(75, 800)]
    shown = played(stall, watch_us=2_000_000)
    assert shown[75] - 75 * STEP > 900_000
    assert shown[-1] - 799 * STEP < 200_000
    assert min(steps(shown[76:])) >= 0.75 * STEP
