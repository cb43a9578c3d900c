# SPDX-License-Identifier: Apache-2.0
"""A tape gives each packet when it is due, round after round."""

from __future__ import annotations

from collections.abc import Iterator

from services.protocol.tape import Due, Tape
from streamcodec.container import Record

TIMES_US = (0, 30_000, 70_000)


def rounds() -> Iterator[Record]:
    for number, time_us in enumerate(TIMES_US):
        yield Record(number, time_us, b"%d" % number)


def playing(start_us: int = 1_000_000) -> Tape:
    tape = Tape(rounds, frame_interval_us=33_000)
    tape.start(start_us)
    return tape


def test_packets_are_due_at_their_own_times() -> None:
    tape = playing()
    assert list(tape.pop_due(1_000_000)) == [Due(b"0", 1_000_000)]
    assert tape.next_us == 1_030_000
    assert list(tape.pop_due(1_029_999)) == []
    assert list(tape.pop_due(1_030_000)) == [Due(b"1", 1_030_000)]


def test_who_comes_late_gets_all_that_is_due_with_its_right_times() -> None:
    tape = playing()
    assert [due.at_us for due in tape.pop_due(5_000_000)] == [1_000_000, 1_030_000, 1_070_000]
    assert tape.at_end
    assert tape.next_us is None


def test_the_next_round_follows_at_the_usual_interval() -> None:
    tape = playing()
    list(tape.pop_due(1_070_000))
    tape.start(1_070_000)
    assert tape.next_us == 1_103_000


def test_a_round_that_begins_late_begins_now() -> None:
    tape = playing()
    list(tape.pop_due(1_070_000))
    tape.start(9_000_000)
    assert tape.next_us == 9_000_000


def test_nothing_is_due_before_a_round_and_after_the_tape_is_closed() -> None:
    tape = Tape(rounds, frame_interval_us=33_000)
    assert tape.at_end
    assert list(tape.pop_due(10**9)) == []
    tape.start(0)
    tape.close()
    assert list(tape.pop_due(10**9)) == []
