# SPDX-License-Identifier: Apache-2.0
"""No name says more than ten things at once, and nothing is left out untold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.process.limiter import BURST, REFILL_US, Limiter


def test_a_burst_passes_and_what_follows_is_counted() -> None:
    limiter: Limiter[int] = Limiter()
    told = [limiter.admits("lost", n, 0) for n in range(BURST + 5)]
    assert told == [(True, 0)] * BURST + [(False, 0)] * 5
    assert limiter.admits("other", 0, 0) == (True, 0)
    assert limiter.admits("lost", 99, REFILL_US) == (True, 5)


def test_the_last_of_those_left_out_is_told_by_itself() -> None:
    limiter: Limiter[int] = Limiter()
    for n in range(BURST + 5):
        limiter.admits("lost", n, 0)
    assert limiter.overdue(REFILL_US - 1) == []
    assert limiter.overdue(REFILL_US) == [(BURST + 4, 4)]
    assert limiter.overdue(100 * REFILL_US) == []


@given(st.lists(st.integers(0, 2 * REFILL_US), max_size=200))
def test_every_item_is_told_or_counted(spans: list[int]) -> None:
    limiter: Limiter[int] = Limiter()
    now = told = left_out = 0
    for span in spans:
        now += span
        admitted, before = limiter.admits("x", 0, now)
        told += admitted
        left_out += before
    rest = limiter.overdue(now + REFILL_US)
    assert told + left_out + sum(1 + before for _, before in rest) == len(spans)
    assert told <= BURST + now / REFILL_US
