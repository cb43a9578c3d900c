# SPDX-License-Identifier: Apache-2.0
"""A receiver towards its sender: messages in; answers and whole packets out; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.errors import RemoteProtocolError
from services.measure.events import EventLog
from services.protocol import messages as m
from services.protocol.callers import Callers
from services.protocol.clock import ClockFilter, Offset, shares_clock, summed_error_us
from services.protocol.packing import pack, unpack
from services.protocol.profile import Profile
from services.protocol.session import HELLO_INTERVAL_US, Event, Liveness, Session, State
from services.protocol.standby import Move, Standby
from services.protocol.train import Arrival, Assembler

KEYFRAME_REPEAT_US = 1_000_000  # ask again when none came, or after a round trip if longer
STRANGER_TOLD_US = 5_000_000
REBUILD_US = 5_000_000  # without a session for this long: a fresh socket may find the sender


@dataclass(slots=True)
class Results:
    """What one message or tick led to."""

    messages: list[tuple[bytes, bytes]] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    started: m.Welcome | None = None  # a stream (re)starts: drop everything that waits
    sender: bytes | None = None  # whose stream that is
    ended: str | None = None  # the sender ended the stream, with its reason
    rebuild: bool = False  # close the socket and make a new one
    standby: Move | None = None  # of the second connection

    def say(self, peer: bytes, message: m.Message) -> None:
        """Queue a message."""
        self.messages.append((peer, pack(message)))


class Intake:
    """State of the receiver towards its sender. Not thread-safe: the transport thread owns it.

    `connects`: this end has exactly one peer, b"", and speaks first. Otherwise it listens, learns
    of senders from their PINGs, and takes the first that welcomes it until that one is lost.
    Anybody may refuse it there: only that caller is asked less often from then on.
    """

    def __init__(self, profile: Profile, *, connects: bool, now_us: int) -> None:
        self._profile = profile
        self._connects = connects
        self._session = Session.of_receiver()
        self._peer: bytes | None = None
        self._callers = Callers(models=len(profile.models), connects=connects)
        self._welcome: m.Welcome | None = None
        self._assembler = Assembler()
        self._standby = Standby()
        self._liveness = Liveness(now_us)
        self._clock = ClockFilter()
        self._hello_us = now_us - HELLO_INTERVAL_US
        self._sought_us = now_us
        self._ping_number = 0
        self._key_asked_us: int | None = None
        self._behind_error_us = 0  # of the clocks of the hops before our peer, by the last frame
        self.last_sequence = 0
        self.events = EventLog()
        self.hostile = 0
        self.stale = 0
        self.reconnects = 0
        self.keyframe_requests = 0
        self.refusal = ""
        self.busy = ""  # why there is no room for us at the sender

    @property
    def state(self) -> State:
        """The state of the session."""
        return self._session.state

    @property
    def welcome(self) -> m.Welcome | None:
        """What the sender offered; None without a session."""
        return self._welcome

    @property
    def frames_incomplete(self) -> int:
        """Heads whose rest never came."""
        return self._assembler.incomplete

    @property
    def round_trip_us(self) -> int:
        """Least round trip of the recent PINGs; 0 before the first."""
        return self._clock.round_trip_us or 0

    def offset(self, now_us: int) -> Offset | None:
        """The sender's clock against ours."""
        return self._clock.offset(now_us)

    def clock_error_us(self, now_us: int) -> int | None:
        """How far times of capture may be off on our clock, all hops together; None: unknown."""
        offset = self._clock.offset(now_us)
        return None if offset is None else summed_error_us(offset, self._behind_error_us)

    def on_message(self, peer: bytes, data: bytes, now_us: int) -> Results:
        """Take one message that was received at `now_us`. Never raises: bad ones are counted."""
        results = Results()
        try:
            self._dispatch(peer, unpack(data), now_us, results)
        except RemoteProtocolError as error:
            self.hostile += 1
            self.events.bad_message(now_us, str(error))
        return results

    def tick(self, now_us: int) -> Results:
        """Timers: HELLO while seeking, PING while streaming, silence. Call ten times a second."""
        results = Results()
        if self._session.state is State.STREAMING:
            self._tend(now_us, results)
        else:
            self._seek(now_us, results)
        if results.rebuild or results.standby is Move.TAKE:
            self.rebuilt(now_us)
        return results

    def standby_connected(self, now_us: int) -> None:
        """The second connection is established."""
        self._standby.connected(now_us)

    def lost(self, now_us: int, why: str) -> None:
        """The session is over; look for the sender again."""
        if self._session.state is State.STREAMING:
            self.reconnects += 1
            self.events.add(now_us, "lost", why)
        self._session.step(Event.LOST)
        self._leave(now_us)

    def rebuilt(self, now_us: int) -> None:
        """A new connection: send HELLO at once, also to an end that refused us before. A tick that
        asks for a new socket, or for the second connection, has done this."""
        self._assembler.clear()
        self._callers.end_pauses()
        self._hello_us = now_us - HELLO_INTERVAL_US

    def ask_keyframe(self, reason: m.KeyframeReason, now_us: int) -> Results:
        """Ask for a keyframe, unless one was asked for a moment ago."""
        results = Results()
        if self._peer is None or self._welcome is None:
            return results
        wait_us = max(KEYFRAME_REPEAT_US, 2 * self.round_trip_us)
        if self._key_asked_us is not None and now_us - self._key_asked_us < wait_us:
            return results
        self._key_asked_us = now_us
        self.keyframe_requests += 1
        self.events.add(now_us, "keyframe_request", reason.name.lower())
        request = m.KeyframeRequest(self._welcome.epoch, self.last_sequence, reason)
        results.say(self._peer, request)
        return results

    def keyframe_came(self) -> None:
        """A keyframe was decoded: the next request need not wait."""
        self._key_asked_us = None

    def shown(self, report: m.FrameShown) -> Results:
        """Tell the sender what became of a frame; nothing when it is of a former session."""
        results = Results()
        if self._peer is not None and self._welcome and self._welcome.epoch == report.epoch:
            results.say(self._peer, report)
        return results

    def farewell(self) -> Results:
        """BYE, before closing."""
        results = Results()
        if self._peer is not None:
            results.say(self._peer, m.Bye(m.ByeCode.LEAVING, "the receiver stops"))
        return results

    # -- inside --------------------------------------------------------------------------------

    def _tend(self, now_us: int, results: Results) -> None:
        """There is a session: is the sender still there?"""
        assert self._peer is not None
        if self._connects:
            silent_us = self._liveness.silent_us(now_us)
            results.standby = self._standby.tick(now_us, silent_us=silent_us)
        if results.standby is Move.TAKE:
            self.lost(now_us, "the link is back, the connection is not")
        elif self._liveness.silent(now_us):
            self.lost(now_us, "silent")
            results.rebuild = self._connects
            results.standby = self._standby.ended()
        elif self._liveness.ping_due(now_us):
            self._ping_number = (self._ping_number + 1) % 2**32
            results.say(self._peer, m.Ping(self._ping_number, now_us))

    def _seek(self, now_us: int, results: Results) -> None:
        """No session: send HELLO, and try a fresh socket now and then."""
        # A peer that refuses us is there: a fresh socket helps only where nobody answers.
        if now_us - self._sought_us >= REBUILD_US + self._callers.pause_us and self._connects:
            self._sought_us = now_us
            results.rebuild = True
        if now_us - self._hello_us >= HELLO_INTERVAL_US:
            self._hello_us = now_us
            for caller in self._callers.take_due(now_us):
                self._ask(caller, results)

    def _dispatch(self, peer: bytes, message: m.Message, now_us: int, results: Results) -> None:
        if peer == self._peer:
            self._liveness.heard(now_us)
            results.standby = self._standby.heard()
        match message:
            case m.Welcome():
                self._on_welcome(peer, message, now_us, results)
            case m.FrameHead() | m.FrameRest():
                self._on_frame(peer, message, now_us, results)
            case m.Ping():
                results.say(peer, m.Pong(message.number, message.sent_us, now_us, now_us))
                if self._peer is None:
                    self._callers.called(peer)
            case m.Pong():
                if peer == self._peer:
                    self._clock.add(
                        sent_us=message.ping_us,
                        received_us=message.received_us,
                        returned_us=message.sent_us,
                        now_us=now_us,
                    )
            case m.Bye():
                self._on_bye(peer, message, now_us, results)
            case _:
                raise RemoteProtocolError(f"{type(message).__name__} came to a receiver")

    def _on_welcome(self, peer: bytes, offer: m.Welcome, now_us: int, results: Results) -> None:
        if self._peer not in (None, peer):
            results.say(peer, m.Bye(m.ByeCode.BUSY, "this receiver has a sender already"))
            return
        refusal = self._profile.refusal(offer)
        if refusal:
            results.say(peer, m.Bye(m.ByeCode.REFUSED, refusal))
            self._callers.pause(peer, now_us)
            if self._connects:
                self._refused(refusal, now_us)
                return
            self._note_stranger(refusal, now_us)  # another sender may fit
            if peer == self._peer:
                self.lost(now_us, refusal)
            return
        self._session.step(Event.WELCOME)
        self._callers.fits(peer)
        again = self._welcome is not None and self._welcome.epoch == offer.epoch
        results.say(peer, m.Ready(offer.epoch))
        if again:
            return
        self._peer, self._welcome, self.refusal, self.busy = peer, offer, "", ""
        self._assembler.clear()
        self._behind_error_us = 0
        self._clock = ClockFilter(shared=shares_clock(self._profile.boot_id, offer.boot_id))
        self._liveness = Liveness(now_us)
        self._key_asked_us = now_us  # the sender opens with a keyframe unasked
        self.events.add(now_us, "connected", offer.stream)
        results.started, results.sender = offer, peer

    def _on_frame(
        self, peer: bytes, message: m.FrameHead | m.FrameRest, now_us: int, results: Results
    ) -> None:
        self._session.step(Event.FRAME)
        if peer != self._peer or self._welcome is None or message.epoch != self._welcome.epoch:
            self.stale += 1
            return
        if isinstance(message, m.FrameHead):
            self._behind_error_us = message.error_us
            arrival = self._assembler.head(message, now_us=now_us)
        else:
            arrival = self._assembler.rest(message, now_us=now_us)
        if arrival is not None:
            results.arrivals.append(arrival)
            results.say(peer, arrival.ack())

    def _on_bye(self, peer: bytes, bye: m.Bye, now_us: int, results: Results) -> None:
        if bye.code is m.ByeCode.REFUSED:
            if self._asks_with_another(peer, now_us):
                self._ask(peer, results)
                return
            self._callers.pause(peer, now_us)
        if peer != self._peer and not self._connects:
            # Anybody may send this to an end that listens: it waits for a sender that fits.
            self._note_stranger(f"{bye.code.name.lower()}: {bye.reason}", now_us)
            return
        if bye.code is m.ByeCode.REFUSED and self._connects:
            self._refused(bye.reason, now_us)
            return
        if bye.code is m.ByeCode.BUSY:
            self.busy = bye.reason
        if self._peer is None and bye.code is m.ByeCode.END_OF_STREAM:
            results.ended = bye.reason  # it ended before we came
            return
        if peer != self._peer:
            return
        self._session.step(Event.BYE)
        self._leave(now_us)
        self.reconnects += 1
        self.events.add(now_us, "bye", f"{bye.code.name.lower()}: {bye.reason}")
        if bye.code is m.ByeCode.UNKNOWN:
            self._hello_us = now_us - HELLO_INTERVAL_US
        if bye.code is m.ByeCode.END_OF_STREAM:
            results.ended = bye.reason

    def _note_stranger(self, text: str, now_us: int) -> None:
        # An event now and then: it may come back at will, and must not push out other events.
        self.events.add_seldom(now_us, "stranger", text, every_us=STRANGER_TOLD_US)

    def _ask(self, peer: bytes, results: Results) -> None:
        model = self._profile.models[self._callers.model_of(peer)]
        results.say(peer, self._profile.hello(model))

    def _asks_with_another(self, peer: bytes, now_us: int) -> bool:
        if self._peer is None:
            return self._callers.next_model(peer, now_us)
        self._callers.first_model(peer)
        return False

    def _refused(self, reason: str, now_us: int) -> None:
        if reason != self.refusal:
            self.events.add(now_us, "refused", reason)
        self.refusal = reason
        self._session.step(Event.REFUSED)
        self._leave(now_us)

    def _leave(self, now_us: int) -> None:
        self._peer = None
        self._welcome = None
        self._assembler.clear()
        self._sought_us = now_us
