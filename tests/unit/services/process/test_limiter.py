# SPDX-License-Identifier: Apache-2.0
"""No name says more than ten things at once, and nothing is left out untold."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.process.limiter import OF_A_NAME, Limiter


def test_a_burst_passes_and_what_follows_is_counted() -> None:
    limiter: Limiter[int] = Limiter()
    told = [limiter.admits("lost", n, 0) for n in range(OF_A_NAME.burst + 5)]
    assert told == [(True, 0)] * OF_A_NAME.burst + [(False, 0)] * 5
    assert limiter.admits("other", 0, 0) == (True, 0)
    assert limiter.admits("lost", 99, OF_A_NAME.refill_us) == (True, 5)


def test_the_last_of_those_left_out_is_told_by_itself() -> None:
    limiter: Limiter[int] = Limiter()
    for n in range(OF_A_NAME.burst + 5):
        limiter.admits("lost", n, 0)
    assert limiter.overdue(OF_A_NAME.refill_us - 1) == []
    assert limiter.overdue(OF_A_NAME.refill_us) == [(OF_A_NAME.burst + 4, 4)]
    assert limiter.overdue(100 * OF_A_NAME.refill_us) == []


@given(st.lists(st.integers(0, 2 * OF_A_NAME.refill_us), max_size=200))
def test_every_item_is_told_or_counted(spans: list[int]) -> None:
    limiter: Limiter[int] = Limiter()
    now = told = left_out = 0
    for span in spans:
        now += span
        admitted, before = limiter.admits("x", 0, now)
        told += admitted
        left_out += before
    rest = limiter.overdue(now + OF_A_NAME.refill_us)
    assert told + left_out + sum(1 + before for _, before in rest) == len(spans)
    assert told <= OF_A_NAME.burst + now / OF_A_NAME.refill_us
