# SPDX-License-Identifier: Apache-2.0
"""Everything a receiver counts; its owner holds a lock."""

from __future__ import annotations

from services.measure.events import EventLog
from services.measure.latency import Latency, LatencyStats
from services.measure.measures import FreezeDetector, Rate
from services.measure.stats import ReceiverSnapshot
from services.protocol.messages import Outcome
from services.protocol.upstream import Upstream
from services.receiver.decoding import Undecodable
from services.wire.endpoint import WatchedGate


class ReceiverCounters:
    """Counters of one receiver, from its start on, beside those of its `Upstream`."""

    def __init__(self, *, stream: str, started_us: int, events: EventLog) -> None:
        self._stream = stream
        self._started_us = started_us
        self._events = events
        self.dropped = 0
        self._received = self._decoded = self._keyframes = self._displayed = self._failures = 0
        self._damaged = self._packet_bytes = 0
        self._byte_rate, self._frame_rate = Rate(), Rate()
        self._latency = LatencyStats()
        self._freezes = FreezeDetector()
        self._shown_us: int | None = None
        self._size = (0, 0)

    def received(self, packet_bytes: int, now_us: int) -> None:
        """A whole packet came in."""
        self._received += 1
        self._packet_bytes += packet_bytes
        self._byte_rate.add(packet_bytes, now_us)

    def decoded(
        self, *, keyframe: bool, size: tuple[int, int], packet_bytes: int, now_us: int
    ) -> None:
        """A packet became a picture of this width and height."""
        self._decoded += 1
        self._keyframes += keyframe
        self._size = size
        if keyframe:
            self._events.add(now_us, "keyframe", f"{packet_bytes} bytes")

    def undecodable(self, verdict: Undecodable, now_us: int) -> None:
        """A packet became none: it was damaged, lacked its reference, or the decoder broke."""
        if verdict.broken:
            self._failures += 1
            self._events.add(now_us, "decoder_failed", verdict.text)
        elif verdict.outcome is Outcome.DAMAGED:
            self._damaged += 1
            self._events.add(now_us, "damaged_packet", verdict.text)

    def displayed(self, latency: Latency | None, now_us: int) -> None:
        """A picture came on screen."""
        self._displayed += 1
        self._shown_us = now_us
        self._frame_rate.add(1, now_us)
        if self._freezes.rendered(now_us):
            self._events.add(now_us, "freeze", f"{self._freezes.frozen_us // 1000} ms in all")
        if latency is not None:
            self._latency.add(latency)

    def snapshot(
        self,
        upstream: Upstream,
        *,
        endpoint: str,
        recorder_drops: int,
        now_us: int,
        gate: WatchedGate | None = None,
    ) -> ReceiverSnapshot:
        """An immutable copy of everything."""
        intake = upstream.intake
        offset, welcome = intake.offset(now_us), intake.welcome
        events = (*self._events.snapshot(), *intake.events.snapshot())
        if gate is not None:
            events += gate.recent_events()
        return ReceiverSnapshot(
            at_us=now_us,
            uptime_us=now_us - self._started_us,
            stream=welcome.stream if welcome else self._stream,
            endpoint=endpoint,
            state=intake.state.name.lower(),
            epoch=welcome.epoch if welcome else 0,
            width=self._size[0],
            height=self._size[1],
            frames_received=self._received,
            frames_decoded=self._decoded,
            key_frames_decoded=self._keyframes,
            frames_displayed=self._displayed,
            frames_dropped=self.dropped,
            frames_lost=intake.frames_incomplete,
            bytes_received=self._packet_bytes,
            wire_bytes_received=upstream.wire_bytes,
            kbps=self._byte_rate.per_second(now_us) * 8 / 1000,
            fps=self._frame_rate.per_second(now_us),
            latency=self._latency.snapshot(),
            clock_offset_us=offset.offset_us if offset else 0,
            clock_error_us=intake.clock_error_us(now_us),
            round_trip_us=intake.round_trip_us,
            freezes=self._freezes.freezes,
            frozen_us=self._freezes.frozen_us,
            pauses=self._freezes.pauses,
            paused_us=self._freezes.paused_us,
            since_frame_us=None if self._shown_us is None else now_us - self._shown_us,
            keyframe_requests=intake.keyframe_requests,
            reconnects=intake.reconnects,
            hostile_messages=intake.hostile + upstream.malformed,
            stale_messages=intake.stale,
            damaged_packets=self._damaged,
            decoder_failures=self._failures,
            recorder_drops=recorder_drops,
            refusal=intake.refusal,
            keys_trouble=gate.trouble if gate else "",
            events=tuple(sorted(events, key=lambda event: event.at_us)),
        )
