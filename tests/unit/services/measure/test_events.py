# SPDX-License-Identifier: Apache-2.0
"""The last events are kept, and no flood of one kind pushes the others out."""

from __future__ import annotations

from services.measure.events import EventLog


def test_of_bad_messages_the_first_ten_are_kept_and_then_one_in_a_thousand() -> None:
    log = EventLog()
    for number in range(1, 3001):
        log.bad_message(number, f"number {number}")
    kept = [event.at_us for event in log.snapshot()]
    assert kept == [*range(1, 11), 1000, 2000, 3000]
    assert {event.name for event in log.snapshot()} == {"bad_message"}


def test_cut_connections_are_counted_apart_from_bad_messages() -> None:
    log = EventLog()
    for number in range(1, 11):
        log.bad_message(number, "")
    log.connections_cut(11, ["first"] * 4 + ["second"] * 100)
    cuts = [event.text for event in log.snapshot() if event.name == "connection_cut"]
    assert cuts == ["first"] * 4 + ["second"] * 6 + ["second"]


def test_an_event_in_a_while_comes_once_in_that_time() -> None:
    log = EventLog()
    for at_us in range(0, 1_000, 100):
        log.add_seldom(at_us, "stranger", every_us=300)
    assert [event.at_us for event in log.snapshot()] == [0, 300, 600, 900]


def test_the_newest_are_kept() -> None:
    log = EventLog(capacity=2)
    for at_us in range(5):
        log.add(at_us, "keyframe")
    assert [event.at_us for event in log.snapshot()] == [3, 4]
