# SPDX-License-Identifier: Apache-2.0
"""Playout shows the newest frame, or every frame after its buffer."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.protocol.playout import Playout


def test_without_buffer_the_newest_frame_wins() -> None:
    playout: Playout[int] = Playout()
    for item in (1, 2, 3):
        playout.insert(item, captured_us=item * 33_000, ready_us=500_000)
    due = playout.pop_due(500_000)
    assert (due.item, due.superseded) == (3, (1, 2))
    assert playout.pop_due(600_000).item is None
    assert playout.next_due_us() is None


def test_a_buffer_evens_out_jitter() -> None:
    playout: Playout[int] = Playout(buffer_us=50_000)
    playout.insert(1, captured_us=0, ready_us=10_000)
    playout.insert(2, captured_us=33_000, ready_us=33_000 + 45_000)  # 35 ms late
    playout.insert(3, captured_us=66_000, ready_us=66_000 + 10_000)
    assert playout.pop_due(59_999).item is None
    assert playout.pop_due(60_000).item == 1
    assert playout.pop_due(92_999).item is None
    assert playout.pop_due(93_000).item == 2
    assert playout.pop_due(126_000).item == 3


def test_a_frame_later_than_the_buffer_is_shown_at_once() -> None:
    playout: Playout[int] = Playout(buffer_us=20_000)
    playout.insert(1, captured_us=0, ready_us=5_000)
    assert playout.pop_due(25_000).item == 1
    playout.insert(2, captured_us=33_000, ready_us=90_000)
    assert playout.pop_due(90_000).item == 2


def test_clearing_forgets_the_old_clock() -> None:
    playout: Playout[int] = Playout(buffer_us=20_000)
    playout.insert(1, captured_us=0, ready_us=5_000)
    assert playout.clear() == (1,)
    playout.insert(2, captured_us=10**9, ready_us=50_000)  # a sender with another clock
    assert playout.next_due_us() == 70_000


@given(st.lists(st.integers(0, 200_000), max_size=120), st.sampled_from([0, 20_000, 100_000]))
def test_every_frame_comes_out_once_and_in_order(delays: list[int], buffer_us: int) -> None:
    playout: Playout[int] = Playout(buffer_us=buffer_us)
    ready_us, out = 0, []
    for item, delay_us in enumerate(delays):
        ready_us = max(ready_us, item * 33_000 + delay_us)
        playout.insert(item, captured_us=item * 33_000, ready_us=ready_us)
        due = playout.pop_due(ready_us)
        out += [*due.superseded, *([due.item] if due.item is not None else [])]
    due = playout.pop_due(10**12)
    out += [*due.superseded, *([due.item] if due.item is not None else [])]
    assert out == list(range(len(delays)))


def test_no_time_that_a_sender_claims_holds_a_frame_longer_than_the_buffer() -> None:
    playout: Playout[int] = Playout(buffer_us=50_000)
    for number, captured_us in enumerate((0, 3_600_000_000, 7, 10**15, 0)):
        ready_us = 1_000 + 200_000 * number
        playout.insert(number, captured_us=captured_us, ready_us=ready_us)
        assert playout.pop_due(ready_us + 50_000).item == number


def test_frames_that_wait_are_bounded_by_their_weight() -> None:
    playout: Playout[bytes] = Playout(buffer_us=50_000, weight=len, most_weight=1000)
    for _ in range(9):
        playout.insert(bytes(300), captured_us=0, ready_us=0)
    assert len(playout.pop_due(1).superseded) == 6
    playout.insert(bytes(5000), captured_us=0, ready_us=0)
    assert len(playout.pop_due(1).superseded) == 3  # one of any weight is kept
    assert playout.pop_due(10_000_000).item == bytes(5000)
