# SPDX-License-Identifier: Apache-2.0
"""A receiver asks those who are there, seldom those who refuse it, with one model after another."""

from __future__ import annotations

from services.protocol.callers import MAX_REFUSED_PAUSE_US, REFUSED_PAUSE_US, Callers

A, B = b"a", b"b"
HERE = b""


def test_one_that_connects_always_asks_its_one_peer() -> None:
    callers = Callers(models=1, connects=True)
    callers.called(A)
    assert callers.take_due(0) == callers.take_due(1) == [HERE]


def test_one_that_listens_asks_each_caller_once_for_each_call() -> None:
    callers = Callers(models=1, connects=False)
    assert callers.take_due(0) == []
    callers.called(A)
    callers.called(B)
    callers.called(A)
    assert callers.take_due(1) == [A, B]
    assert callers.take_due(2) == []


def test_pauses_double_up_to_half_a_minute_and_end_with_a_new_connection() -> None:
    callers, now_us, pauses_us = Callers(models=1, connects=True), 0, []
    for _ in range(7):
        callers.pause(HERE, now_us)
        assert callers.take_due(now_us + callers.pause_us - 1) == []
        now_us += callers.pause_us
        assert callers.take_due(now_us) == [HERE]
        pauses_us.append(callers.pause_us)
    doubled = [REFUSED_PAUSE_US << number for number in range(7)]
    assert pauses_us == [min(MAX_REFUSED_PAUSE_US, pause_us) for pause_us in doubled]
    callers.pause(HERE, now_us)
    callers.end_pauses()
    assert callers.take_due(now_us) == [HERE]
    callers.pause(HERE, now_us)
    assert callers.pause_us == REFUSED_PAUSE_US


def test_the_models_are_tried_in_turn_and_then_from_the_first_again() -> None:
    callers = Callers(models=3, connects=True)
    assert callers.model_of(HERE) == 0
    assert [callers.next_model(HERE, 0) for _ in range(3)] == [True, True, False]
    assert callers.model_of(HERE) == 0
    callers.next_model(HERE, 0)
    assert callers.model_of(HERE) == 1
    callers.first_model(HERE)
    assert callers.model_of(HERE) == 0


def test_strangers_push_out_the_oldest_and_take_bounded_room() -> None:
    callers = Callers(models=2, connects=False)
    for number in range(100):
        callers.called(b"%d" % number)
        callers.next_model(b"%d" % number, 0)
    assert callers.take_due(0) == [b"%d" % number for number in range(92, 100)]
    assert [callers.model_of(b"%d" % number) for number in (91, 92)] == [0, 1]
