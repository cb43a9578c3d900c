# SPDX-License-Identifier: Apache-2.0
"""Credit bounds what is under way, and follows the receiver."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.protocol.credit import MAX_FRAMES, MIN_FRAMES, CreditWindow

FRAME_US = 33_333


def window() -> CreditWindow:
    return CreditWindow(frame_interval_us=FRAME_US)


def run(credit: CreditWindow, *, round_trip_us: int, service_us: int, frames: int = 20) -> None:
    for sequence in range(frames):
        sent_us = sequence * 1_000_000
        credit.spend(sequence, 1000, now_us=sent_us)
        credit.arrived(sequence, now_us=sent_us + round_trip_us)
        credit.shown(sequence, service_us=service_us, now_us=sent_us + round_trip_us + service_us)


def test_credit_closes_when_the_window_is_full_and_opens_on_display() -> None:
    credit = window()
    sequence = 0
    while credit.open():
        credit.spend(sequence, 1000, now_us=0)
        sequence += 1
    assert credit.frames_in_flight == credit.window_frames
    credit.arrived(0, now_us=10_000)
    assert not credit.open()  # arrived is not shown
    credit.shown(0, service_us=10_000, now_us=20_000)
    assert credit.open()


def test_a_receiver_slower_than_the_stream_gets_only_what_it_works_on() -> None:
    slow, fast = window(), window()
    run(slow, round_trip_us=2_000, service_us=66_000)
    run(fast, round_trip_us=2_000, service_us=15_000)
    assert slow.window_frames == 2
    assert fast.window_frames > slow.window_frames


def test_frames_held_on_purpose_do_not_use_up_the_window() -> None:
    credit = CreditWindow(frame_interval_us=FRAME_US, hold_us=500_000)
    run(credit, round_trip_us=2_000, service_us=15_000)
    assert credit.window_frames * FRAME_US >= 517_000


def test_a_long_path_gets_a_window_that_fills_it() -> None:
    credit = window()
    run(credit, round_trip_us=400_000, service_us=15_000)
    assert credit.window_frames * FRAME_US >= 415_000


def test_showing_a_frame_gives_back_all_before_it() -> None:
    credit = window()
    for sequence in range(4):
        credit.spend(sequence, 1000, now_us=0)
    credit.shown(2, service_us=0, now_us=1)
    assert credit.frames_in_flight == 1
    assert credit.bytes_in_flight == 1000


def test_bytes_are_bounded_too() -> None:
    credit = CreditWindow(frame_interval_us=FRAME_US, max_bytes=5000)
    credit.spend(1, 6000, now_us=0)
    assert not credit.open()
    credit.arrived(1, now_us=1)
    assert credit.open()


def test_silence_counts_from_the_last_sign_of_life() -> None:
    credit = window()
    assert credit.silent_us(9_000_000) == 0
    credit.spend(1, 1000, now_us=0)
    credit.spend(2, 1000, now_us=100_000)
    credit.arrived(1, now_us=500_000)
    assert credit.silent_us(1_600_000) == 1_100_000
    credit.arrived(2, now_us=1_700_000)
    assert credit.silent_us(9_000_000) == 0


def test_reports_on_a_frame_that_was_sent_twice_are_counted_in_the_order_of_sending() -> None:
    credit = window()
    credit.spend(1, 1000, now_us=0)
    credit.arrived(1, now_us=30_000)
    credit.spend(1, 2000, now_us=40_000)
    assert credit.has_arrived(1)  # the sending that a report would be about
    assert credit.unacknowledged_bytes(1) == 2000
    assert credit.shown(1, service_us=0, now_us=50_000)
    assert (credit.frames_in_flight, credit.bytes_in_flight) == (1, 2000)
    assert not credit.has_arrived(1)
    credit.arrived(1, now_us=70_000)
    assert credit.round_trip_us == 30_000
    assert credit.shown(1, service_us=0, now_us=80_000)
    assert (credit.frames_in_flight, credit.bytes_in_flight) == (0, 0)
    assert not credit.shown(1, service_us=0, now_us=90_000)


def test_a_frame_that_the_transport_did_not_take_is_as_if_it_had_not_been_sent() -> None:
    credit = window()
    run(credit, round_trip_us=30_000, service_us=10_000)
    before = credit.window_frames
    credit.spend(100, 1000, now_us=50_000_000)
    credit.spend(101, 5000, now_us=50_000_000)
    credit.take_back(101)
    assert (credit.frames_in_flight, credit.bytes_in_flight) == (1, 1000)
    assert (credit.round_trip_us, credit.window_frames) == (30_000, before)
    credit.take_back(101)
    credit.arrived(100, now_us=50_030_000)
    assert credit.silent_us(90_000_000) == 0


@given(
    st.lists(
        st.tuples(st.sampled_from(["spend", "arrived", "shown"]), st.integers(0, 20)), max_size=200
    )
)
def test_accounts_stay_true_whatever_a_peer_reports(steps: list[tuple[str, int]]) -> None:
    credit = window()
    under_way: list[list[int]] = []  # sequence, bytes without an ACK; in the order of sending
    for now_us, (step, sequence) in enumerate(steps):
        same = [sending for sending in under_way if sending[0] == sequence]
        if step == "spend":
            credit.spend(sequence, sequence + 1, now_us=now_us)
            under_way.append([sequence, sequence + 1])
        elif step == "arrived":
            lacking = [sending for sending in same if sending[1]]
            assert credit.arrived(sequence, now_us=now_us) == bool(lacking)
            for sending in lacking[:1]:
                sending[1] = 0
        else:
            assert credit.shown(sequence, service_us=5, now_us=now_us) == bool(same)
            if same:
                del under_way[: under_way.index(same[0]) + 1]
        assert credit.frames_in_flight == len(under_way)
        assert credit.bytes_in_flight == sum(size for _, size in under_way)
        assert MIN_FRAMES <= credit.window_frames <= MAX_FRAMES
