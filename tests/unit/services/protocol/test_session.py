# SPDX-License-Identifier: Apache-2.0
"""Both state machines follow their tables and refuse everything else."""

from __future__ import annotations

import itertools

import pytest

from services.errors import RemoteProtocolError
from services.protocol.session import (
    PING_INTERVAL_US,
    RECEIVER_TABLE,
    SENDER_TABLE,
    Event,
    Liveness,
    Session,
    State,
)


def test_a_session_opens_closes_and_opens_again() -> None:
    sender, receiver = Session.of_sender(), Session.of_receiver()
    for _ in range(2):
        assert sender.step(Event.HELLO) is State.WELCOMED
        assert receiver.step(Event.WELCOME) is State.STREAMING
        assert sender.step(Event.READY) is State.STREAMING
        assert receiver.step(Event.FRAME) is State.STREAMING
        assert sender.step(Event.FEEDBACK) is State.STREAMING
        assert receiver.step(Event.LOST) is State.SEEKING
        assert sender.step(Event.LOST) is State.ABSENT


@pytest.mark.parametrize("table", [SENDER_TABLE, RECEIVER_TABLE], ids=["sender", "receiver"])
def test_an_event_off_the_table_is_refused_and_changes_nothing(
    table: dict[tuple[State, Event], State],
) -> None:
    states = {state for state, _ in table} | set(table.values())
    for state, event in itertools.product(states, Event):
        session = Session(table, state)
        if (state, event) in table:
            assert session.step(event) is table[state, event]
        else:
            with pytest.raises(RemoteProtocolError, match=event.name):
                session.step(event)
            assert session.state is state


@pytest.mark.parametrize("table", [SENDER_TABLE, RECEIVER_TABLE], ids=["sender", "receiver"])
def test_streaming_can_be_reached_from_everywhere(
    table: dict[tuple[State, Event], State],
) -> None:
    reaching = {State.STREAMING}
    for _ in table:
        reaching |= {state for (state, _), after in table.items() if after in reaching}
    assert reaching >= {state for state, _ in table}


def test_a_silent_peer_is_given_up_after_ten_seconds() -> None:
    liveness = Liveness(0)
    assert not liveness.silent(10_000_000)
    assert liveness.silent(10_000_001)
    liveness.heard(10_000_000)
    assert liveness.silent_us(11_000_000) == 1_000_000
    assert not liveness.silent(20_000_000)


def test_pings_are_due_at_once_and_then_at_intervals() -> None:
    liveness = Liveness(0)
    assert liveness.ping_due(0)
    assert not liveness.ping_due(PING_INTERVAL_US - 1)
    assert liveness.ping_due(PING_INTERVAL_US)
