# SPDX-License-Identifier: Apache-2.0
"""The two state machines of a session as tables, and the timers that tell when a peer is gone.

The receiver opens: HELLO, answered by WELCOME, answered by READY; then frames flow. A sender that
connects announces itself with PINGs, so that a receiver that listens learns of it. A peer without a
session here gets BYE and starts again at HELLO, so either end may start first, die and come back.
An event that the table does not list breaks the rules.

    sender, per receiver                     receiver
    ABSENT   --HELLO--> WELCOMED             SEEKING   --WELCOME--> STREAMING
    WELCOMED --READY--> STREAMING            STREAMING --BYE, LOST--> SEEKING
    any      --BYE, LOST--> ABSENT           SEEKING   --REFUSED--> REFUSED --LOST--> SEEKING
"""

from __future__ import annotations

from enum import Enum, auto

from services.errors import RemoteProtocolError

PING_INTERVAL_US = 500_000
HELLO_INTERVAL_US = 200_000
SILENCE_US = 10_000_000  # a link that is away for less than that is waited for


class State(Enum):
    """State of a session; the first two belong to the sender, the next two to the receiver."""

    ABSENT = auto()
    WELCOMED = auto()
    SEEKING = auto()
    REFUSED = auto()
    STREAMING = auto()  # both


class Event(Enum):
    """What can happen to a session."""

    HELLO = auto()
    WELCOME = auto()
    READY = auto()
    REFUSED = auto()
    FEEDBACK = auto()  # ACK, SHOWN or KEYFRAME_REQUEST
    FRAME = auto()
    BYE = auto()
    LOST = auto()  # silence, or the connection broke


SENDER_TABLE = {
    (State.ABSENT, Event.HELLO): State.WELCOMED,
    (State.WELCOMED, Event.HELLO): State.WELCOMED,
    (State.STREAMING, Event.HELLO): State.WELCOMED,
    (State.WELCOMED, Event.READY): State.STREAMING,
    (State.STREAMING, Event.READY): State.STREAMING,
    (State.STREAMING, Event.FEEDBACK): State.STREAMING,
    (State.WELCOMED, Event.FEEDBACK): State.WELCOMED,  # from before its new HELLO
    (State.WELCOMED, Event.BYE): State.ABSENT,
    (State.STREAMING, Event.BYE): State.ABSENT,
    (State.WELCOMED, Event.LOST): State.ABSENT,
    (State.STREAMING, Event.LOST): State.ABSENT,
}

RECEIVER_TABLE = {
    (State.SEEKING, Event.WELCOME): State.STREAMING,
    (State.STREAMING, Event.WELCOME): State.STREAMING,
    (State.REFUSED, Event.WELCOME): State.STREAMING,
    (State.SEEKING, Event.REFUSED): State.REFUSED,
    (State.STREAMING, Event.REFUSED): State.REFUSED,
    (State.REFUSED, Event.REFUSED): State.REFUSED,
    (State.STREAMING, Event.FRAME): State.STREAMING,
    (State.SEEKING, Event.FRAME): State.SEEKING,  # on its way since before we lost the session
    (State.REFUSED, Event.FRAME): State.REFUSED,
    (State.SEEKING, Event.BYE): State.SEEKING,
    (State.STREAMING, Event.BYE): State.SEEKING,
    (State.REFUSED, Event.BYE): State.REFUSED,
    (State.SEEKING, Event.LOST): State.SEEKING,
    (State.STREAMING, Event.LOST): State.SEEKING,
    (State.REFUSED, Event.LOST): State.SEEKING,
}


class Session:
    """One end's state; `step` follows the table and raises RemoteProtocolError off it."""

    def __init__(self, table: dict[tuple[State, Event], State], start: State) -> None:
        self._table = table
        self.state = start

    @classmethod
    def of_sender(cls) -> Session:
        """A sender's session with one receiver."""
        return cls(SENDER_TABLE, State.ABSENT)

    @classmethod
    def of_receiver(cls) -> Session:
        """A receiver's session with its sender."""
        return cls(RECEIVER_TABLE, State.SEEKING)

    def step(self, event: Event) -> State:
        """Take an event; return the state after it."""
        following = self._table.get((self.state, event))
        if following is None:
            raise RemoteProtocolError(f"{event.name} is out of place in state {self.state.name}")
        self.state = following
        return following


class Announcer:
    """PINGs of an end that connects, so that one that listens learns of it and asks."""

    def __init__(self) -> None:
        self._sent_us: int | None = None

    def is_due(self, now_us: int) -> bool:
        """True at most once per interval; the caller then sends a PING."""
        if self._sent_us is not None and now_us - self._sent_us < HELLO_INTERVAL_US:
            return False
        self._sent_us = now_us
        return True


class Liveness:
    """Tells when to PING and when the peer has been silent for too long."""

    def __init__(self, now_us: int) -> None:
        self._heard_us = now_us
        self._pinged_us = now_us - PING_INTERVAL_US

    def heard(self, now_us: int) -> None:
        """Anything valid came from the peer."""
        self._heard_us = now_us

    def ping_due(self, now_us: int) -> bool:
        """True at most once per interval; the caller then sends a PING."""
        if now_us - self._pinged_us < PING_INTERVAL_US:
            return False
        self._pinged_us = now_us
        return True

    def silent_us(self, now_us: int) -> int:
        """For how long nothing came."""
        return now_us - self._heard_us

    def silent(self, now_us: int) -> bool:
        """True when a peer would have answered by now, were it and the link there."""
        return self.silent_us(now_us) > SILENCE_US
