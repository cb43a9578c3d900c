# SPDX-License-Identifier: Apache-2.0
"""The receivers of one stream at a sender or relay: sessions, feedback, silence; pure.

A receiver joins with HELLO, and leaves with BYE, by silence, or with its connection. What a sender
and a relay do for those that are there is their own: `broadcast.py` and `fanout.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from services.errors import RemoteProtocolError
from services.measure.events import EventLog
from services.measure.latency import Latency
from services.measure.stats import ViewerSnapshot
from services.protocol import messages as m
from services.protocol.member import Member
from services.protocol.offer import Offer
from services.protocol.refusals import Refusals
from services.protocol.session import SILENCE_US, Event, State

READY_US = 3_000_000  # from WELCOME to READY: it takes a round trip
NEVER_READY = "never ready"

M = TypeVar("M", bound=Member)


class Answering(Protocol):
    """Takes the messages that are to be sent."""

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        ...


@dataclass(frozen=True, slots=True)
class Seats:
    """How many receivers there may be, and the sentence for those beyond."""

    most: int
    most_of_one_key: int
    who: str  # "the sender serves {} receivers already"


class Audience(Generic[M]):
    """Not thread-safe: the caller holds a lock.

    `name_of` tells the name of a peer's key, where there are keys, which replaces the name that
    the peer gives itself.
    """

    def __init__(self, seats: Seats, *, name_of: Callable[[bytes], str | None]) -> None:
        self._seats = seats
        self._name_of = name_of
        self._members: dict[bytes, M] = {}
        self._over = ""  # why the stream has ended
        self._ping_number = 0
        self.events = EventLog()
        self._refusals = Refusals(self.events)
        self.stale = self.peers_lost = self.keyframe_requests = 0

    def lost(self, peer: bytes, now_us: int) -> None:
        """The transport lost this peer."""
        if peer in self._members:
            self._lose(self._members[peer], now_us, "disconnected")

    def snapshot(self) -> tuple[ViewerSnapshot, ...]:
        """Every receiver, in order of arrival."""
        return tuple(member.snapshot() for member in self._members.values())

    @property
    def watching(self) -> int:
        """Receivers that take frames."""
        return sum(member.session.state is State.STREAMING for member in self._members.values())

    def _say_bye(self, code: m.ByeCode, reason: str, answers: Answering) -> None:
        """BYE to all; after the end of the stream to newcomers, too."""
        if code is m.ByeCode.END_OF_STREAM:
            self._over = reason
        for peer in self._members:
            answers.say(peer, m.Bye(code, reason))

    # -- what a sender and a relay do each in their way ------------------------------------------

    def _offered(self) -> Offer | None:
        """The stream there is; None while there is none."""
        raise NotImplementedError

    def _welcome(self, offer: Offer) -> m.Welcome:
        raise NotImplementedError

    def _admit(self, peer: bytes, hello: m.Hello, now_us: int) -> M:
        """A new receiver's state."""
        raise NotImplementedError

    def _forget(self, member: M) -> None:
        self._members.pop(member.peer, None)

    def _unknown(self, peer: bytes, answers: Answering) -> None:
        answers.say(peer, m.Bye(m.ByeCode.UNKNOWN, "say HELLO first"))

    # -- what comes in -------------------------------------------------------------------------

    def _dispatch(
        self, peer: bytes, message: m.Message, now_us: int, answers: Answering
    ) -> Latency | None:
        """Take a message; a frame's latency where it tells one. Raises RemoteProtocolError."""
        member = self._members.get(peer)
        if member is not None:
            member.liveness.heard(now_us)
        match message:
            case m.Hello():
                self._hello(peer, message, now_us, answers)
            case m.Ping():
                answers.say(peer, m.Pong(message.number, message.sent_us, now_us, now_us))
                if member is None:
                    self._unknown(peer, answers)
            case m.Pong():
                if member is not None:
                    member.pong(message, now_us=now_us)
            case m.Bye():
                if member is not None:
                    member.session.step(Event.BYE)
                    self._forget(member)
                    self.events.add(now_us, "left", f"{member.name}: {message.reason}")
            case m.Ready() | m.FrameAck() | m.FrameShown() | m.KeyframeRequest():
                offer = self._offered()
                if member is None or offer is None or message.epoch != offer.epoch:
                    self._out_of_time(peer, answers)
                else:
                    return self._feedback(member, message, now_us)
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} came to a sender or relay")
        return None

    def _out_of_time(self, peer: bytes, answers: Answering) -> None:
        """Feedback on a session that is over."""
        self.stale += 1
        answers.say(peer, m.Bye(m.ByeCode.UNKNOWN, "say HELLO first"))

    def _hello(self, peer: bytes, hello: m.Hello, now_us: int, answers: Answering) -> None:
        offer = self._offered()
        if offer is None:
            return  # it asks again, and by then there may be a stream
        hello = replace(hello, name=self._name_of(peer) or hello.name)
        refusal = offer.refusal(hello)
        known = self._members.get(peer)
        if refusal:
            if known:
                self._forget(known)
            self._refusals.refused(hello.instance, hello.name, refusal, now_us)
            answers.say(peer, m.Bye(m.ByeCode.REFUSED, refusal))
            return
        self._refusals.let_in(hello.instance)
        if self._over:
            answers.say(peer, m.Bye(m.ByeCode.END_OF_STREAM, self._over))
            return
        if known and known.instance == hello.instance and known.session.state is State.WELCOMED:
            answers.say(peer, self._welcome(offer))  # our WELCOME and its second HELLO crossed
            return
        for former in [v for v in self._members.values() if v.instance == hello.instance]:
            self._forget(former)
        if peer in self._members:
            self._forget(self._members[peer])
        busy = self._full(peer)
        if busy:
            answers.say(peer, m.Bye(m.ByeCode.BUSY, busy))
            return
        self._members[peer] = self._admit(peer, hello, now_us)
        answers.say(peer, self._welcome(offer))

    def _full(self, peer: bytes) -> str:
        """Why there is no room for another receiver; "" while there is."""
        seats = self._seats
        if len(self._members) >= seats.most:
            return seats.who.format(seats.most)
        name = self._name_of(peer)
        if name and sum(self._name_of(p) == name for p in self._members) >= seats.most_of_one_key:
            return f"the key {name} has {seats.most_of_one_key} receivers here already"
        return ""

    def _feedback(
        self,
        member: M,
        message: m.Ready | m.FrameAck | m.FrameShown | m.KeyframeRequest,
        now_us: int,
    ) -> Latency | None:
        was = member.session.state
        if isinstance(message, m.Ready):
            if member.session.step(Event.READY) is not was:
                self.events.add(now_us, "connected", member.name)
            return None
        member.session.step(Event.FEEDBACK)
        match message:
            case m.FrameAck():
                self.stale += not member.acknowledged(message, now_us=now_us)
            case m.FrameShown():
                return member.shown(message, now_us=now_us)
            case m.KeyframeRequest():
                self.keyframe_requests += 1
                member.requested(message, now_us=now_us)
        return None

    # -- timers --------------------------------------------------------------------------------

    def _tick(self, now_us: int, answers: Answering) -> list[tuple[M, str]]:
        """Refusals and PINGs that are due; who is gone, and why."""
        self._refusals.tick(now_us)
        gone = []
        for member in list(self._members.values()):
            if why := why_gone(member, now_us):
                self._lose(member, now_us, why)
                gone.append((member, why))
            elif member.liveness.ping_due(now_us):
                answers.say(member.peer, self._ping(now_us))
        return gone

    def _ping(self, now_us: int) -> m.Ping:
        self._ping_number = (self._ping_number + 1) % 2**32
        return m.Ping(self._ping_number, now_us)

    def _lose(self, member: M, now_us: int, why: str) -> None:
        member.session.step(Event.LOST)
        self._forget(member)
        self.peers_lost += 1
        self.events.add(now_us, "lost", f"{member.name}: {why}")


def why_gone(member: Member, now_us: int) -> str:
    """Why a receiver counts as lost; "" while it does not."""
    if member.credit.silent_us(now_us) > SILENCE_US:
        return "no acknowledgement"
    if member.liveness.silent(now_us):
        return "silent"
    if member.session.state is State.WELCOMED and now_us - member.since_us > READY_US:
        return NEVER_READY
    return ""
