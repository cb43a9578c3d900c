# SPDX-License-Identifier: Apache-2.0
"""One receiver as its sender knows it: session, credit, rate control, references held; pure."""

from __future__ import annotations

from collections import OrderedDict, deque

from services.errors import RemoteProtocolError
from services.measure.latency import Latency, LatencyStats
from services.measure.stats import ViewerSnapshot
from services.protocol.clock import ClockFilter
from services.protocol.credit import CreditWindow
from services.protocol.messages import (
    MAX_SPAN_US,
    FrameAck,
    FrameHead,
    FrameShown,
    Hello,
    Outcome,
    Pong,
)
from services.protocol.session import Event, Liveness, Session
from services.rate.budget import Congestion
from services.rate.congestion import Ack

REFERENCES_HELD = 6  # both ends keep this many; what is sent moves the window at both alike
_SENT_HEADS = 128
_HELD_PIXELS = 12_500_000  # six pictures of 1920x1080: larger ones are fewer
_LEAST_HELD = 2


def references_held(pixels: int) -> int:
    """How many references both ends keep of pictures of that size: with its state one takes three
    bytes a pixel, so that six of the largest size would be 170 MB."""
    return max(_LEAST_HELD, min(REFERENCES_HELD, _HELD_PIXELS // max(1, pixels)))


class Viewer:
    """State of one receiver. Everything but the session starts anew with each HELLO.

    `held` is a reference that this receiver surely holds from a former session: it goes on from
    there. Where it says otherwise, it gets a keyframe.
    """

    def __init__(
        self,
        peer: bytes,
        hello: Hello,
        *,
        congestion: Congestion,
        frame_interval_us: int,
        now_us: int,
        held: bytes | None = None,
        asker: bytes = b"",
    ) -> None:
        self.peer = peer
        self.asker = asker or peer  # on whose account its requests go
        self.since_us = now_us
        self.name = hello.name
        self.instance = hello.instance
        self.session = Session.of_sender()
        self.session.step(Event.HELLO)
        self.congestion = congestion
        self.credit = CreditWindow(frame_interval_us=frame_interval_us, hold_us=hello.hold_us)
        self.liveness = Liveness(now_us)
        self.clock = ClockFilter()
        self.held: deque[bytes] = deque(maxlen=REFERENCES_HELD)
        self.needs_keyframe = held is None
        self.asked = False  # for a keyframe, and lacks nothing
        self.aside = False  # its chain has left that of the others
        if held is not None:
            self.held.append(held)
        self._resumes = held is not None
        self._digests: OrderedDict[int, bytes] = OrderedDict()  # of frames sent, by sequence
        self.decoded: bytes | None = held  # the newest reference that it told us it has
        self.keyframe_requests = 0
        self.frames_sent = 0
        self.frames_acknowledged = 0
        self.frames_displayed = 0
        self.frames_skipped = 0
        self.bytes_sent = 0
        self.latency = LatencyStats()
        self._heads: deque[FrameHead] = deque(maxlen=_SENT_HEADS)

    @property
    def round_trip_us(self) -> int:
        """Best known round trip; 0 while none is."""
        known = [self.clock.round_trip_us, self.credit.round_trip_us]
        return min((value for value in known if value is not None), default=0)

    def sent(self, sequence: int, digest: bytes, size_bytes: int, *, now_us: int) -> None:
        """A frame for this viewer goes to the transport; it will hold the reference after it."""
        self.credit.spend(sequence, size_bytes, now_us=now_us)
        self.congestion.on_sent(sequence, size_bytes, now_us)
        self.held.append(digest)
        self._digests[sequence] = digest
        while len(self._digests) > _SENT_HEADS:
            self._digests.popitem(last=False)
        self.frames_sent += 1
        self.bytes_sent += size_bytes

    def handed_over(self, head: FrameHead) -> None:
        """The transport took the frame; its head tells the legs up to here."""
        self._heads.append(head)

    def acknowledged(self, ack: FrameAck, *, now_us: int) -> bool:
        """ACK. False when that frame is not under way. Raises RemoteProtocolError on a lie."""
        head = self._find(ack.sequence)
        if head is not None and head.size_bytes != ack.size_bytes:
            raise RemoteProtocolError(
                f"ACK {ack.sequence}: {ack.size_bytes} bytes, but {head.size_bytes} were sent"
            )
        if not self.credit.arrived(ack.sequence, now_us=now_us):
            return False
        self.frames_acknowledged += 1
        self.congestion.on_ack(Ack(ack.sequence, ack.size_bytes, ack.head_us, ack.tail_us), now_us)
        return True

    def shown(self, shown: FrameShown, *, now_us: int) -> Latency | None:
        """SHOWN: returns its credit; the frame's latency by leg when it came on screen.

        Raises RemoteProtocolError for a frame that was not acknowledged: it cannot be shown yet.
        """
        if not self.credit.has_arrived(shown.sequence):
            raise RemoteProtocolError(f"SHOWN {shown.sequence}: it was not acknowledged before")
        if not self.credit.shown(shown.sequence, service_us=shown.service_us, now_us=now_us):
            return None
        self._learn(shown)
        head = self._find(shown.sequence)
        if shown.outcome is not Outcome.SHOWN or head is None:
            return None
        self.frames_displayed += 1
        if shown.error_us == MAX_SPAN_US:  # the receiver does not know the time of our clock yet
            return None
        known_us = head.sent_us + shown.buffer_us + shown.decode_us + shown.display_us
        latency = Latency(
            capture_us=head.encode_start_us,
            encode_us=head.encode_end_us - head.encode_start_us,
            queue_us=head.sent_us - head.encode_end_us,
            network_us=shown.latency_us - known_us,
            buffer_us=shown.buffer_us,
            decode_us=shown.decode_us,
            display_us=shown.display_us,
            error_us=shown.error_us,
        )
        self.latency.add(latency)
        return latency

    def pong(self, pong: Pong, *, now_us: int) -> None:
        """PONG: another sample of the round trip."""
        self.clock.add(
            sent_us=pong.ping_us,
            received_us=pong.received_us,
            returned_us=pong.sent_us,
            now_us=now_us,
        )

    def ask_keyframe(self) -> None:
        """Nothing this viewer holds can be relied on."""
        self.needs_keyframe = True
        self.held.clear()
        self.decoded = None

    @property
    def wants_keyframe(self) -> bool:
        """True for one that lacks its reference, and for one that only asked."""
        return self.needs_keyframe or self.asked

    def snapshot(self) -> ViewerSnapshot:
        """An immutable copy for the statistics."""
        return ViewerSnapshot(
            name=self.name,
            state=self.session.state.name.lower(),
            frames_sent=self.frames_sent,
            frames_acknowledged=self.frames_acknowledged,
            frames_displayed=self.frames_displayed,
            frames_skipped=self.frames_skipped,
            bytes_sent=self.bytes_sent,
            keyframe_requests=self.keyframe_requests,
            frames_in_flight=self.credit.frames_in_flight,
            bytes_in_flight=self.credit.bytes_in_flight,
            window_frames=self.credit.window_frames,
            capacity_bps=self.congestion.capacity_bps,
            queue_us=self.congestion.queue_us,
            round_trip_us=self.round_trip_us,
            latency=self.latency.snapshot(),
        )

    def _learn(self, shown: FrameShown) -> None:
        """What an outcome says about the references at the other end."""
        digest = self._digests.get(shown.sequence)
        if shown.outcome in (Outcome.SHOWN, Outcome.SUPERSEDED):
            self._resumes = False
            if not self.needs_keyframe:
                self.decoded = digest
        elif self._resumes:
            self._resumes = False
            self.ask_keyframe()  # receivers do not ask in their first second

    def _find(self, sequence: int) -> FrameHead | None:
        return next((head for head in reversed(self._heads) if head.sequence == sequence), None)
