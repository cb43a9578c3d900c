# SPDX-License-Identifier: Apache-2.0
"""The clock filter finds the offset, and the true one is always within its error."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.protocol.clock import ClockFilter, Offset, shares_clock


def exchange(clock: ClockFilter, *, at_us: int, offset_us: int, out_us: int, back_us: int) -> int:
    arrived_us = at_us + out_us
    clock.add(
        sent_us=at_us,
        received_us=arrived_us + offset_us,
        returned_us=arrived_us + offset_us + 50,
        now_us=arrived_us + 50 + back_us,
    )
    return arrived_us + 50 + back_us


def test_a_symmetric_path_gives_the_exact_offset() -> None:
    clock = ClockFilter()
    now_us = exchange(clock, at_us=0, offset_us=5_000_000, out_us=700, back_us=700)
    assert clock.offset(now_us) == Offset(5_000_000, 700)
    assert clock.round_trip_us == 1_400


@given(
    st.integers(-(10**12), 10**12),
    st.lists(st.tuples(st.integers(0, 200_000), st.integers(0, 200_000)), min_size=1, max_size=40),
    st.integers(-40, 40),
)
def test_the_true_offset_is_within_the_error(
    offset_us: int, ways: list[tuple[int, int]], drift_ppm: int
) -> None:
    clock, at_us, now_us = ClockFilter(), 10**13, 0
    for out_us, back_us in ways:
        drifted_us = offset_us + (at_us - 10**13) * drift_ppm // 1_000_000
        now_us = exchange(clock, at_us=at_us, offset_us=drifted_us, out_us=out_us, back_us=back_us)
        at_us = now_us + 500_000
    found = clock.offset(now_us)
    assert found is not None
    true_us = offset_us + (now_us - 10**13) * drift_ppm // 1_000_000
    assert abs(found.offset_us - true_us) <= found.error_us + 25  # the drift within one exchange


def test_the_quickest_exchange_wins_and_ages() -> None:
    clock = ClockFilter()
    at_us = exchange(clock, at_us=0, offset_us=1_000, out_us=500, back_us=500)
    late_us = exchange(clock, at_us=at_us, offset_us=1_000, out_us=90_000, back_us=2_000)
    quick = clock.offset(late_us)
    assert quick is not None
    assert quick.offset_us == 1_000
    later = clock.offset(late_us + 60_000_000)
    assert later is not None
    assert later.error_us == quick.error_us + 3_000  # 50 ppm is 3 ms a minute


def test_a_step_of_the_clock_forgets_what_was_before() -> None:
    clock = ClockFilter()
    at_us = exchange(clock, at_us=0, offset_us=0, out_us=100, back_us=100)
    now_us = exchange(clock, at_us=at_us, offset_us=5_000_000, out_us=9_000, back_us=9_000)
    found = clock.offset(now_us)
    assert found is not None
    assert found.offset_us == 5_000_000


def test_an_answer_before_its_question_is_ignored() -> None:
    clock = ClockFilter()
    clock.add(sent_us=100, received_us=0, returned_us=0, now_us=50)
    clock.add(sent_us=0, received_us=0, returned_us=500, now_us=100)
    assert clock.offset(100) is None


def test_one_boot_is_one_clock() -> None:
    assert ClockFilter(shared=True).offset(0) == Offset(0, 0)
    assert shares_clock(b"a" * 16, b"a" * 16)
    assert not shares_clock(b"a" * 16, b"b" * 16)
    assert not shares_clock(b"", b"")
