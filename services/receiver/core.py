# SPDX-License-Identifier: Apache-2.0
"""Every decision of a receiver: what happens and when comes in, what to do goes out; pure.

A shell brings what happens on the connection and the time; it sends, decodes, shows and waits as
told. The daemon does so with threads and sockets, the simulation in virtual time.

    message, tick --> Results: messages to send, packets to decode
    packet --decode--> Picture or Undecodable --decoded--> waits for its time
    due --> Ready --the shell shows it--> shown --> what is known about it

`decode` is the only slow call; it touches nothing but the references, so that a shell may hold a
lock around all others and decode without it, in one thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from services.measure.latency import Latency
from services.protocol import messages as m
from services.protocol.clock import Offset, summed_error_us
from services.protocol.intake import Results
from services.protocol.member import latency_of
from services.protocol.playout import Due, Playout
from services.protocol.profile import Profile
from services.protocol.train import Arrival
from services.protocol.upstream import Upstream
from services.receiver.counters import ReceiverCounters
from services.receiver.decoding import Decoding, Picture, Undecodable

if TYPE_CHECKING:
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame

_RESTS_US = (3_000_000, 8_000_000)  # without a session; what the screens held goes by the second
_HELD_BYTES = 256 * 1024 * 1024  # of pictures that wait for their time, with a buffer


@dataclass(frozen=True, slots=True)
class Ready:
    """A decoded frame that waits for its turn on the screen."""

    frame: Frame
    arrival: Arrival
    keyframe: bool
    quality: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class FrameMeta:
    """What is known about a shown frame. Times are on this machine's monotonic clock."""

    sequence: int
    epoch: int
    captured_us: int | None  # None while the sender's clock is not known
    shown_us: int
    latency: Latency | None
    keyframe: bool
    quality: int
    size_bytes: int

    @property
    def latency_us(self) -> int | None:
        """Capture to display."""
        return None if self.latency is None else self.latency.total_us

    @property
    def latency_error_us(self) -> int | None:
        """How far that may be off, for clocks that differ."""
        return None if self.latency is None else self.latency.error_us


class ReceiverCore(Upstream):
    """State of one receiver. Not thread-safe, see the module; `now_us` never decreases.

    `profile.hold_us` is the buffer: 0 shows the newest frame at once. `others` decode by the models
    that `profile.others` names, where the sender has one of these.
    """

    def __init__(
        self,
        profile: Profile,
        *,
        connects: bool,
        codec: Codec,
        others: Sequence[Codec] = (),
        now_us: int,
    ) -> None:
        super().__init__(profile, connects=connects, now_us=now_us)
        self.ended = False  # END_OF_STREAM came, and no new stream began
        self._sizes = {one.model_hash: one.size for one in (codec, *others)}
        self._decoding = Decoding(codec, *others)
        self._rests = len(_RESTS_US)  # no memory to give back
        self._playout: Playout[Ready] = Playout(
            buffer_us=profile.hold_us,
            weight=lambda ready: ready.frame.width * ready.frame.height * 3 // 2,
            most_weight=_HELD_BYTES,
        )
        self._session_us = now_us  # when the present session began
        self._newest: m.FrameHead | None = None  # of the frames that were shown or wait for it
        self._on_screen: m.FrameHead | None = None
        self._sink_us = 0  # what showing the last frame took
        self.counters = ReceiverCounters(
            stream=profile.stream, started_us=now_us, events=self.events
        )

    @property
    def size(self) -> str:
        """Of the model that the sender has; without one, of the first of ours."""
        offer = self.intake.welcome
        own = next(iter(self._sizes.values()))
        return own if offer is None else self._sizes.get(offer.model_hash, own)

    # -- frames --------------------------------------------------------------------------------

    def overflowed(self, arrival: Arrival, now_us: int) -> Results:
        """There was no room before the decoder: only a sender that ignores credit fills it."""
        return self._drop(arrival, m.Outcome.DAMAGED, m.KeyframeReason.OVERFLOW, now_us)

    def abandoned(self, packets: int) -> None:
        """So many waited before the decoder when a new stream began."""
        self.counters.dropped += packets

    def decode(self, packet: bytes) -> Picture | Undecodable:
        """Decode packets in order of arrival. Raises what breaks the decoder again and again."""
        self._rests = 0
        return self._decoding.decode(packet)

    def idle(self, now_us: int) -> None:
        """There is nothing to decode: memory of pictures is given back after a stream's end.

        Called where `decode` is.
        """
        rests = self._rests
        if rests < len(_RESTS_US) and now_us - self.heard_us >= _RESTS_US[rests]:
            self._rests += 1
            self._decoding.rest()

    def decoded(
        self, arrival: Arrival, result: Picture | Undecodable, *, start_us: int, end_us: int
    ) -> Results:
        """What `decode` gave, and when it began and ended."""
        if isinstance(result, Undecodable):
            self.counters.undecodable(result, start_us)
            return self._drop(arrival, result.outcome, result.reason, start_us)
        frame, head = result.frame, arrival.head
        self.counters.decoded(
            keyframe=result.keyframe,
            size=(frame.width, frame.height),
            packet_bytes=len(arrival.packet),
            now_us=end_us,
        )
        self.intake.last_sequence = head.sequence
        if result.keyframe:
            self.intake.keyframe_came()
        ready = Ready(frame, arrival, result.keyframe, result.quality, start_us, end_us)
        if self.is_repeat(arrival):
            return self.superseded(ready, end_us)
        self._newest = head
        self._playout.insert(ready, captured_us=head.captured_us, ready_us=end_us)
        return Results()

    def is_repeat(self, arrival: Arrival) -> bool:
        """Whether this frame was shown before, or is older than one that was: a relay may send its
        chain again, from the keyframe on, to one that lost its reference or its connection."""
        newest, head = self._newest, arrival.head
        if newest is None or newest.epoch != head.epoch:
            return False
        return (newest.sequence - head.sequence) % 2**32 < 2**31

    def next_due_us(self) -> int | None:
        """When to call `due`; None while nothing waits."""
        return self._playout.next_due_us()

    def due(self, now_us: int) -> Due[Ready]:
        """The frame to show now; each is told of by `shown`, or by `superseded`."""
        return self._playout.pop_due(now_us)

    def shown(self, ready: Ready, *, begin_us: int, end_us: int) -> tuple[FrameMeta, Results]:
        """A frame was given to the sinks, which took that long."""
        self._sink_us = end_us - begin_us
        head = self._on_screen = ready.arrival.head
        offset = self.intake.offset(end_us)
        report = self._report(ready, m.Outcome.SHOWN, end_us, offset)
        latency = None if report.error_us == m.MAX_SPAN_US else latency_of(head, report)
        self.counters.displayed(latency, end_us)
        meta = FrameMeta(
            sequence=head.sequence,
            epoch=head.epoch,
            captured_us=offset.to_local(head.captured_us) if offset else None,
            shown_us=end_us,
            latency=latency,
            keyframe=ready.keyframe,
            quality=ready.quality,
            size_bytes=len(ready.arrival.packet),
        )
        return meta, self._tell(ready.arrival, report)

    def superseded(self, ready: Ready, now_us: int) -> Results:
        """A newer frame came on screen instead of this one."""
        self.counters.dropped += 1
        report = self._report(ready, m.Outcome.SUPERSEDED, now_us, None)
        return self._tell(ready.arrival, report)

    # -- inside --------------------------------------------------------------------------------

    def _took(self, results: Results, now_us: int) -> None:
        if results.started is not None:  # what waits belongs to a former session
            self.ended = False
            self._session_us = now_us
            self._newest = self._on_screen
            self.counters.dropped += len(self._playout.clear())
        for arrival in results.arrivals:
            self.counters.received(len(arrival.packet), arrival.tail_us)
        if results.ended is not None:
            self.ended = True

    def _drop(
        self, arrival: Arrival, outcome: m.Outcome, reason: m.KeyframeReason, now_us: int
    ) -> Results:
        """Drop a packet, give its credit back and ask for a keyframe."""
        self.counters.dropped += 1
        head = arrival.head
        results = self._tell(
            arrival, m.FrameShown(head.epoch, head.sequence, outcome, 0, m.MAX_SPAN_US, 0, 0, 0, 0)
        )
        results.messages += self.intake.ask_keyframe(reason, now_us).messages
        return results

    def _tell(self, arrival: Arrival, report: m.FrameShown) -> Results:
        """Send a report, unless the frame came before this session: in the same epoch a relay may
        send it again."""
        return self.intake.shown(report) if arrival.tail_us >= self._session_us else Results()

    def _report(
        self, ready: Ready, outcome: m.Outcome, at_us: int, offset: Offset | None
    ) -> m.FrameShown:
        """The report of a frame for the sender, which gets its credit back."""
        head, decode_us = ready.arrival.head, ready.end_us - ready.start_us
        error_us = summed_error_us(offset, head.error_us)
        latency_us = 0
        if offset is not None and error_us is not None:
            latency_us = at_us - offset.to_local(head.captured_us)
        return m.FrameShown(
            epoch=head.epoch,
            sequence=head.sequence,
            outcome=outcome,
            latency_us=latency_us,
            error_us=m.MAX_SPAN_US if error_us is None else error_us,
            buffer_us=max(0, ready.start_us - ready.arrival.tail_us),
            decode_us=decode_us,
            display_us=max(0, at_us - ready.end_us),
            service_us=max(decode_us, self._sink_us),
        )
