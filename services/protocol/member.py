# SPDX-License-Identifier: Apache-2.0
"""One receiver of a sender or relay: session, credit, what it acknowledged; pure."""

from __future__ import annotations

from collections import deque

from services.errors import RemoteProtocolError
from services.measure.latency import Latency, LatencyStats
from services.measure.stats import ViewerSnapshot
from services.protocol import messages as m
from services.protocol.clock import ClockFilter
from services.protocol.credit import CreditWindow
from services.protocol.session import Event, Liveness, Session

_SENT_HEADS = 320  # as many as credit lets under way


class Member:
    """What a sender's `Viewer` and a relay's `Follower` have in common.

    Each HELLO makes a new one.
    """

    def __init__(
        self, peer: bytes, hello: m.Hello, *, credit: CreditWindow, now_us: int, asker: bytes = b""
    ) -> None:
        self.peer = peer
        self.asker = asker or peer  # the key or peer whose keyframe requests are counted
        self.since_us = now_us
        self.name = hello.name
        self.instance = hello.instance
        self.session = Session.of_sender()
        self.session.step(Event.HELLO)
        self.credit = credit
        self.liveness = Liveness(now_us)
        self.clock = ClockFilter()
        self.latency = LatencyStats()
        self.asked = False  # for a keyframe, though it lacks no reference
        self.keyframe_requests = 0
        self.frames_sent = 0
        self.frames_acknowledged = 0
        self.frames_displayed = 0
        self.frames_skipped = 0
        self.bytes_sent = 0
        self._heads: deque[m.FrameHead] = deque(maxlen=_SENT_HEADS)  # under way, oldest first

    @property
    def round_trip_us(self) -> int:
        """Best known round trip; 0 while none is."""
        known = [self.clock.round_trip_us, self.credit.round_trip_us]
        return min((value for value in known if value is not None), default=0)

    def handed_over(self, head: m.FrameHead) -> None:
        """The transport took the frame; its head holds the legs of latency up to here."""
        self._heads.append(head)

    def not_taken(self, sequence: int) -> None:
        """The transport had no room for the frame: it is not under way."""
        self.credit.take_back(sequence)
        if self._heads and self._heads[-1].sequence == sequence:
            self._heads.pop()

    def new_epoch(self) -> None:
        """What was sent belongs to another stream: reports on it are ignored."""
        self.credit.clear()
        self._heads.clear()

    def acknowledged(self, ack: m.FrameAck, *, now_us: int) -> bool:
        """ACK. False when that frame is not under way. Raises RemoteProtocolError on a lie."""
        sent_bytes = self.credit.unacknowledged_bytes(ack.sequence)
        if sent_bytes is not None and sent_bytes != ack.size_bytes:
            raise RemoteProtocolError(
                f"ACK {ack.sequence}: {ack.size_bytes} bytes, but {sent_bytes} were sent"
            )
        arrived = self.credit.arrived(ack.sequence, now_us=now_us)
        self.frames_acknowledged += arrived
        return arrived

    def shown(self, shown: m.FrameShown, *, now_us: int) -> Latency | None:
        """SHOWN: returns its credit; the frame's latency by leg when it came on screen.

        Raises RemoteProtocolError for a frame that was not acknowledged: it cannot be shown yet.
        """
        if not self.credit.has_arrived(shown.sequence):
            raise RemoteProtocolError(f"SHOWN {shown.sequence}: it was not acknowledged before")
        if not self.credit.shown(shown.sequence, service_us=shown.service_us, now_us=now_us):
            return None
        head = self._take_head(shown.sequence)
        self._learn(shown)
        if shown.outcome is not m.Outcome.SHOWN or head is None:
            return None
        self.frames_displayed += 1
        if shown.error_us == m.MAX_SPAN_US:  # the receiver does not know the time of our clock yet
            return None
        latency = latency_of(head, shown)
        self.latency.add(latency)
        return latency

    def requested(self, request: m.KeyframeRequest, *, now_us: int) -> None:
        """KEYFRAME_REQUEST."""
        raise NotImplementedError

    def pong(self, pong: m.Pong, *, now_us: int) -> None:
        """PONG: another sample of the round trip."""
        self.clock.add(
            sent_us=pong.ping_us,
            received_us=pong.received_us,
            returned_us=pong.sent_us,
            now_us=now_us,
        )

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
            capacity_bps=self._capacity_bps,
            queue_us=self._queue_us,
            round_trip_us=self.round_trip_us,
            latency=self.latency.snapshot(),
        )

    def _take_head(self, sequence: int) -> m.FrameHead | None:
        """Of the oldest frame of that number; those sent before it are no longer under way."""
        while self._heads:
            head = self._heads.popleft()
            if head.sequence == sequence:
                return head
        return None

    def _learn(self, shown: m.FrameShown) -> None:
        """What an outcome tells beside the latency."""

    @property
    def _capacity_bps(self) -> int:
        """Estimated; 0 where it is not."""
        return 0

    @property
    def _queue_us(self) -> int:
        """Delay by waiting on the link, estimated; 0 where it is not."""
        return 0


def latency_of(head: m.FrameHead, shown: m.FrameShown) -> Latency:
    """The legs of a frame's latency: those of its head, and those that SHOWN adds."""
    known_us = head.until_sent_us + shown.buffer_us + shown.decode_us + shown.display_us
    return Latency(
        capture_us=head.until_encode_us,
        encode_us=head.until_encoded_us - head.until_encode_us,
        queue_us=head.until_sent_us - head.until_encoded_us,
        network_us=shown.latency_us - known_us,
        buffer_us=shown.buffer_us,
        decode_us=shown.decode_us,
        display_us=shown.display_us,
        error_us=shown.error_us,
    )
