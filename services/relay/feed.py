# SPDX-License-Identifier: Apache-2.0
"""One stream that a relay takes in: its socket, its session upstream, and the fan-out behind it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.measure.events import EventLog, StreamEvent
from services.measure.measures import Rate, wire_bytes
from services.measure.relay_stats import FeedSnapshot
from services.protocol import messages as m
from services.protocol.fanout import Fanout
from services.protocol.intake import Intake, Profile, Results
from services.protocol.session import State
from services.protocol.standby import Move
from services.protocol.train import Arrival
from services.wire.outlet import Outlet
from services.wire.spare import SparePort
from services.wire.transport import Endpoint, LinkEvent

_POLL_MS = 50
_TICK_US = 50_000


@dataclass(frozen=True, slots=True)
class Feed:
    """Where a stream comes from. An empty name takes any."""

    endpoint: Endpoint
    stream: str = ""


class FeedLine:
    """Receives one stream and gives its packets to a fan-out, through restarts of the sender.

    `run` is the work of a thread of its own, which owns the socket; the rest is shared under
    `lock`. `outlet` is set before the thread starts.
    """

    outlet: Outlet

    def __init__(
        self,
        feed: Feed,
        profile: Profile,
        fanout: Fanout,
        *,
        lock: threading.Lock,
        stopping: threading.Event,
        clock_us: Callable[[], int],
    ) -> None:
        self.port = SparePort(feed.endpoint)
        self.fanout = fanout
        self.ended = threading.Event()
        self._binds = feed.endpoint.bind
        self._lock = lock
        self._stopping = stopping
        self._now_us = clock_us
        self.heard_us = clock_us()  # when a session last existed
        self._intake = Intake(profile, connects=not feed.endpoint.bind, now_us=self.heard_us)
        self._events = EventLog()
        self._frames = self._bytes = self._wire_bytes = self._malformed = self._damaged = 0
        self._byte_rate, self._frame_rate = Rate(), Rate()
        self._frame_us: int | None = None

    @property
    def hostile(self) -> int:
        """Messages from upstream that are none."""
        return self._intake.hostile + self._malformed

    @property
    def stale(self) -> int:
        """Messages from upstream of former sessions."""
        return self._intake.stale

    def recent_events(self) -> tuple[StreamEvent, ...]:
        """What happened upstream lately."""
        return (*self._events.snapshot(), *self._intake.events.snapshot())

    def snapshot(self, now: int) -> FeedSnapshot:
        """All statistics as of now; the caller holds the lock."""
        intake = self._intake
        return FeedSnapshot(
            stream=self.fanout.stream,
            upstream=self.port.url,
            state=intake.state.name.lower(),
            frames_received=self._frames,
            bytes_received=self._bytes,
            wire_bytes_received=self._wire_bytes,
            kbps_received=self._byte_rate.per_second(now) * 8 / 1000,
            fps=self._frame_rate.per_second(now),
            cached_bytes=self.fanout.cached_bytes,
            since_frame_us=None if self._frame_us is None else now - self._frame_us,
            clock_error_us=intake.clock_error_us(now),
            keyframe_requests_sent=intake.keyframe_requests,
            reconnects=intake.reconnects,
            damaged_packets=self._damaged,
            viewers=self.fanout.snapshot(),
        )

    def run(self) -> None:
        """Receive until told to stop, then say BYE."""
        ticked_us = 0
        while not self._stopping.is_set():
            received = self.port.poll(_POLL_MS)
            now = self._now_us()
            if not self._binds:
                for event in received.events:
                    self._link_event(event, now)
            for peer, data in received.messages:
                now = self._now_us()
                with self._lock:
                    self._wire_bytes += wire_bytes(len(data), encrypted=self.port.encrypted)
                    results = self._intake.on_message(peer, data, now)
                self._act(results)
            with self._lock:
                self._malformed += received.malformed
                for reason in received.cuts:
                    self._events.add(now, "connection_cut", reason)
                results = self._timers(now) if now - ticked_us >= _TICK_US else Results()
                if self.fanout.take_keyframe_request():
                    # Our own chain is whole: it is our receivers who need a new one.
                    asked = self._intake.ask_keyframe(m.KeyframeReason.USER, now)
                    results.messages += asked.messages
            if now - ticked_us >= _TICK_US:
                ticked_us = now
            self._act(results)
        with self._lock:
            farewell = self._intake.farewell()
        self._act(farewell)

    def _timers(self, now: int) -> Results:
        results = self._intake.tick(now)
        if self._intake.welcome is not None:
            self.heard_us = now
        return results

    def _link_event(self, event: LinkEvent, now: int) -> None:
        with self._lock:
            if event is LinkEvent.DISCONNECTED:
                if self._intake.state is State.STREAMING:
                    self._intake.lost(now, "disconnected")
            elif event is LinkEvent.SPARE_CONNECTED:
                self._intake.standby_connected(now)
            elif event is LinkEvent.CONNECTED:
                self._intake.rebuilt(now)
            else:
                self._events.add(now, "handshake_refused", "keys or protocol do not fit")

    def _act(self, results: Results) -> None:
        if results.started is not None:
            self.ended.clear()
            if results.sender is not None:
                self.port.trust(results.sender)
            with self._lock:
                self.outlet.post(self.fanout.started(results.started))
        for peer, data in results.messages:
            self.port.send(peer, data)
        for arrival in results.arrivals:
            self._arrived(arrival)
        if results.ended is not None:
            self.ended.set()
            with self._lock:
                self.outlet.post(self.fanout.ended(m.ByeCode.END_OF_STREAM, results.ended))
        if results.arrivals or results.started is not None or results.ended is not None:
            self.outlet.wake()
        if results.standby is not None:
            self.port.move(results.standby, round_trip_us=self._intake.round_trip_us)
        if results.rebuild:
            self.port.rebuild()
        if results.rebuild or results.standby is Move.TAKE:
            with self._lock:
                self._intake.rebuilt(self._now_us())

    def _arrived(self, arrival: Arrival) -> None:
        head = arrival.head
        with self._lock:
            offset = self._intake.offset(arrival.tail_us)
            error_us = self._intake.clock_error_us(arrival.tail_us)
            # Before the first PONG the way here counts as nothing: better than another clock.
            captured_us = (
                offset.to_local(head.captured_us)
                if offset
                else arrival.head_us - head.until_sent_us
            )
            whole = self.fanout.arrived(
                arrival,
                captured_us=max(0, captured_us),
                error_us=m.MAX_SPAN_US if error_us is None else error_us,
            )
            self._frames += 1
            self._damaged += not whole
            self._bytes += head.size_bytes
            self._byte_rate.add(head.size_bytes, arrival.tail_us)
            self._frame_rate.add(1, arrival.tail_us)
            self._frame_us = arrival.tail_us
            self._intake.last_sequence = head.sequence
            self._intake.keyframe_came()
            outcome = m.Outcome.SHOWN if whole else m.Outcome.DAMAGED
            taken = self._intake.shown(
                m.FrameShown(head.epoch, head.sequence, outcome, 0, m.MAX_SPAN_US, 0, 0, 0, 1)
            )
        self._act(taken)
