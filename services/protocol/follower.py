# SPDX-License-Identifier: Apache-2.0
"""One receiver as a relay knows it: session, credit, and its place in the chain; pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass

from services.errors import RemoteProtocolError
from services.measure.latency import Latency, LatencyStats
from services.measure.stats import ViewerSnapshot
from services.protocol import messages as m
from services.protocol.chain import Chain, Link
from services.protocol.clock import ClockFilter
from services.protocol.credit import CreditWindow
from services.protocol.session import Event, Liveness, Session, State
from services.protocol.viewer import REFERENCES_HELD

_OFTEN = 4  # requests within `_OFTEN_US`: who asks that often is slow or lies
_OFTEN_US = 20_000_000
_SENT_HEADS = 320  # as many as credit lets under way


@dataclass(frozen=True, slots=True)
class Pace:
    """When a receiver leaves the chain for a newer keyframe.

    One whose next packet is older than `behind_us` waits for a keyframe that it has not had yet.
    With `jumps` it goes on at each new keyframe, however little it lags.
    """

    behind_us: int
    jumps: bool


LIVE = Pace(behind_us=500_000, jumps=True)
RECORDED = Pace(behind_us=5_000_000, jumps=False)  # late is better than not at all


class Follower:
    """State of one receiver of a relay. Everything starts anew with each HELLO."""

    def __init__(
        self,
        peer: bytes,
        hello: m.Hello,
        *,
        frame_interval_us: int,
        now_us: int,
        pace: Pace = LIVE,
        asker: bytes = b"",
    ) -> None:
        self.peer = peer
        self.asker = asker or peer  # on whose account its requests go
        self.since_us = now_us
        self.name = hello.name
        self.instance = hello.instance
        self.session = Session.of_sender()
        self.session.step(Event.HELLO)
        self.credit = CreditWindow(frame_interval_us=frame_interval_us)
        self.liveness = Liveness(now_us)
        self.clock = ClockFilter()
        self.latency = LatencyStats()
        self.wants_keyframe = True
        self.fell_behind = False  # wants it for its own slowness: others do not pay each second
        self.asked = False  # for a keyframe, by a person or a relay; its chain is whole
        self._pace = pace
        self._next = 0
        self._floor = 0  # keyframes before this number are no use to it
        self._caught_up = False
        self._held: deque[bytes] = deque(maxlen=REFERENCES_HELD)
        self._heads: OrderedDict[int, m.FrameHead] = OrderedDict()  # sent and not yet shown
        self._requests_us: deque[int] = deque(maxlen=_OFTEN)
        self._frames_sent = self._acknowledged = self._displayed = self._skipped = 0
        self._bytes_sent = self.keyframe_requests = 0

    @property
    def round_trip_us(self) -> int:
        """Best known round trip; 0 while none is."""
        known = [self.clock.round_trip_us, self.credit.round_trip_us]
        return min((value for value in known if value is not None), default=0)

    def start_over(self, *, fell_behind: bool = False) -> None:
        """Nothing it holds can be relied on: it goes on at a keyframe, the last one or the next."""
        self.wants_keyframe = True
        self.fell_behind = fell_behind
        self._caught_up = False
        self._floor = 0
        self._held.clear()

    def fall_behind(self) -> None:
        """It did not take what was there: it goes on at a keyframe that it has not had yet."""
        self.start_over(fell_behind=True)
        self._floor = self._next

    def requested(self, request: m.KeyframeRequest, *, now_us: int) -> None:
        """KEYFRAME_REQUEST. A person, or a relay for its viewers, wants a new one; who lacks the
        reference is served from the chain as well."""
        self.keyframe_requests += 1
        self._requests_us.append(now_us)
        often = len(self._requests_us) == _OFTEN and now_us - self._requests_us[0] < _OFTEN_US
        # Who asks again and again is slow or lies, whatever it calls itself: the others do not pay.
        slow = often
        if request.reason is m.KeyframeReason.USER:
            self.asked = True
            self.fell_behind = slow
        else:
            self.start_over(fell_behind=slow)

    def waits_for_new(self, chain: Chain) -> bool:
        """True when it takes frames, and only a keyframe that the chain does not hold helps it."""
        if self.session.state is not State.STREAMING or not self.credit.open():
            return False
        return self.asked or (self.wants_keyframe and not self._is_useful(chain.keyframe))

    def is_settled(self, chain: Chain) -> bool:
        """True when nothing that it could show is under way or waits for it."""
        if self.session.state is not State.STREAMING:
            return True
        waits = self.wants_keyframe or chain.get(self._next) is None
        return waits and not self.credit.frames_in_flight

    def next_link(self, chain: Chain, now_us: int, *, most_bytes: int | None = None) -> Link | None:
        """The packet it takes now, if it has credit and the chain has one that it can decode.

        `most_bytes` may be under way to it, where others share what there is.
        """
        if self.session.state is not State.STREAMING:
            return None
        keyframe = chain.keyframe
        if keyframe is not None and (
            (self.wants_keyframe and self._is_useful(keyframe))
            or (self._pace.jumps and self._next < keyframe)
        ):
            self._skipped += max(0, keyframe - self._next) if self._frames_sent else 0
            self._next = keyframe
            self.wants_keyframe = self.fell_behind = False
        if self.wants_keyframe:
            return None
        link = chain.get(self._next)
        if link is None:
            if self._next < chain.start:
                self.fall_behind()
            else:
                self._caught_up = True
            return None
        # Asked last: most calls find nothing to send.
        if not self.credit.open(most_bytes=most_bytes):
            if self._caught_up and now_us - link.arrived_us > self._pace.behind_us:
                self.fall_behind()
            return None
        if not link.keyframe and link.reference not in self._held:
            self.start_over()
            return None
        self.asked = self.asked and not link.keyframe
        self._next += 1
        self._held.append(link.digest)
        return link

    def sent(self, head: m.FrameHead, *, now_us: int) -> None:
        """The transport took a frame."""
        self.credit.spend(head.sequence, head.size_bytes, now_us=now_us)
        self._heads[head.sequence] = head
        while len(self._heads) > _SENT_HEADS:
            self._heads.popitem(last=False)
        self._frames_sent += 1
        self._bytes_sent += head.size_bytes

    def acknowledged(self, ack: m.FrameAck, *, now_us: int) -> bool:
        """ACK. False when that frame is not under way."""
        head = self._heads.get(ack.sequence)
        if head is not None and head.size_bytes != ack.size_bytes:
            raise RemoteProtocolError(
                f"ACK {ack.sequence}: {ack.size_bytes} bytes, but {head.size_bytes} were sent"
            )
        arrived = self.credit.arrived(ack.sequence, now_us=now_us)
        self._acknowledged += arrived
        return arrived

    def shown(self, shown: m.FrameShown, *, now_us: int) -> None:
        """SHOWN: returns its credit, and tells the latency as its owner measured it.

        Raises RemoteProtocolError for a frame that was not acknowledged: it cannot be shown yet.
        """
        if not self.credit.has_arrived(shown.sequence):
            raise RemoteProtocolError(f"SHOWN {shown.sequence}: it was not acknowledged before")
        if not self.credit.shown(shown.sequence, service_us=shown.service_us, now_us=now_us):
            return
        head = self._heads.get(shown.sequence)
        if head is not None:
            while self._heads and self._heads.popitem(last=False)[0] != shown.sequence:
                pass  # what was sent before it is off the way, too
        if shown.outcome is not m.Outcome.SHOWN or head is None:
            return
        self._displayed += 1
        if shown.error_us == m.MAX_SPAN_US:
            return
        known_us = head.sent_us + shown.buffer_us + shown.decode_us + shown.display_us
        self.latency.add(
            Latency(
                capture_us=head.encode_start_us,
                encode_us=head.encode_end_us - head.encode_start_us,
                queue_us=head.sent_us - head.encode_end_us,
                network_us=shown.latency_us - known_us,
                buffer_us=shown.buffer_us,
                decode_us=shown.decode_us,
                display_us=shown.display_us,
                error_us=shown.error_us,
            )
        )

    def snapshot(self) -> ViewerSnapshot:
        """An immutable copy for the statistics; a relay does not estimate capacity."""
        return ViewerSnapshot(
            name=self.name,
            state=self.session.state.name.lower(),
            frames_sent=self._frames_sent,
            frames_acknowledged=self._acknowledged,
            frames_displayed=self._displayed,
            frames_skipped=self._skipped,
            bytes_sent=self._bytes_sent,
            keyframe_requests=self.keyframe_requests,
            frames_in_flight=self.credit.frames_in_flight,
            bytes_in_flight=self.credit.bytes_in_flight,
            window_frames=self.credit.window_frames,
            capacity_bps=0,
            queue_us=0,
            round_trip_us=self.round_trip_us,
            latency=self.latency.snapshot(),
        )

    def _is_useful(self, keyframe: int | None) -> bool:
        return keyframe is not None and keyframe >= self._floor
