# SPDX-License-Identifier: Apache-2.0
"""Every decision about one stream that a relay takes in; pure.

It acknowledges like a receiver, but gives packets to a fan-out instead of a decoder. Shells are
`relay.feed` with its socket, and the model of a tree in virtual time.
"""

from __future__ import annotations

from services.measure.measures import Rate
from services.measure.relay_stats import FeedSnapshot
from services.protocol import messages as m
from services.protocol.fanout import Fanout, Replies
from services.protocol.intake import Results
from services.protocol.profile import Profile
from services.protocol.train import Arrival
from services.protocol.upstream import Upstream


class FeedCore(Upstream):
    """State of one stream. Not thread-safe: the caller holds the lock of the fan-out."""

    def __init__(self, profile: Profile, fanout: Fanout, *, connects: bool, now_us: int) -> None:
        super().__init__(profile, connects=connects, now_us=now_us)
        self.fanout = fanout
        self.ended = False  # END_OF_STREAM came, and no new stream began
        self._replies = Replies()
        self._frames = self._bytes = self._damaged = 0
        self._byte_rate, self._frame_rate = Rate(), Rate()
        self._frame_us: int | None = None

    def take_replies(self) -> Replies:
        """Messages for receivers since the last call."""
        replies, self._replies = self._replies, Replies()
        return replies

    def request_keyframe(self, now_us: int) -> Results:
        """Ask for a keyframe where the receivers need a new one: our own chain is whole."""
        if not self.fanout.take_keyframe_request():
            return Results()
        return self.ask_keyframe(m.KeyframeReason.USER, now_us)

    def snapshot(self, now_us: int, *, url: str) -> FeedSnapshot:
        """All statistics as of now."""
        intake = self.intake
        return FeedSnapshot(
            stream=self.fanout.stream,
            upstream=url,
            state=intake.state.name.lower(),
            frames_received=self._frames,
            bytes_received=self._bytes,
            wire_bytes_received=self.wire_bytes,
            kbps_received=self._byte_rate.per_second(now_us) * 8 / 1000,
            fps=self._frame_rate.per_second(now_us),
            cached_bytes=self.fanout.cached_bytes,
            since_frame_us=None if self._frame_us is None else now_us - self._frame_us,
            clock_error_us=intake.clock_error_us(now_us),
            keyframe_requests_sent=intake.keyframe_requests,
            reconnects=intake.reconnects,
            damaged_packets=self._damaged,
            viewers=self.fanout.snapshot(),
        )

    def _took(self, results: Results, now_us: int) -> None:
        if results.started is not None:
            self.ended = False
            self._replies.add(self.fanout.started(results.started))
        for arrival in results.arrivals:
            results.messages += self._arrived(arrival).messages
        if results.ended is not None:
            self.ended = True
            self._replies.add(self.fanout.ended(m.ByeCode.END_OF_STREAM, results.ended))

    def _arrived(self, arrival: Arrival) -> Results:
        head, at_us = arrival.head, arrival.tail_us
        offset, error_us = self.intake.offset(at_us), self.intake.clock_error_us(at_us)
        # Before the first PONG the transit counts as 0, which is better than another clock.
        captured_us = (
            offset.to_local(head.captured_us) if offset else arrival.head_us - head.until_sent_us
        )
        whole = self.fanout.arrived(
            arrival,
            captured_us=max(0, captured_us),
            error_us=m.MAX_SPAN_US if error_us is None else error_us,
        )
        self._frames += 1
        self._damaged += not whole
        self._bytes += head.size_bytes
        self._byte_rate.add(head.size_bytes, at_us)
        self._frame_rate.add(1, at_us)
        self._frame_us = at_us
        self.intake.last_sequence = head.sequence
        self.intake.keyframe_came()
        outcome = m.Outcome.SHOWN if whole else m.Outcome.DAMAGED
        return self.intake.shown(
            m.FrameShown(head.epoch, head.sequence, outcome, 0, m.MAX_SPAN_US, 0, 0, 0, 1)
        )
