# SPDX-License-Identifier: Apache-2.0
"""A relay: receives a stream once and serves it to many. It knows packets, not pictures.

Two threads, each with its own socket: upstream receives and acknowledges, downstream serves. The
decisions are in `protocol.intake` (towards the sender) and `protocol.fanout` (towards receivers).
A relay may stand behind a relay. Times of frames are moved to this machine's clock at each hop.
"""

from __future__ import annotations

import math
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from services import logs
from services.errors import PeerLost
from services.events import EventLog, StreamEvent
from services.measures import Rate, wire_bytes
from services.protocol import messages as m
from services.protocol.fanout import Fanout, Replies
from services.protocol.intake import Intake, Profile, Results
from services.protocol.session import State
from services.protocol.train import Arrival
from services.stats import ViewerSnapshot
from services.threads import Crew, boot_id
from services.transport import Endpoint, LinkEvent, Port, SendResult

_POLL_MS = 50
_TICK_US = 50_000


@dataclass(frozen=True, slots=True)
class RelayConfig:
    """Where the stream comes from, and where it is served."""

    upstream: Endpoint
    downstream: Endpoint
    stream: str = ""  # "" takes any
    name: str = "relay"
    patience_s: float | None = None  # without a sender for this long, `wait` raises PeerLost
    ends_with_stream: bool = False


@dataclass(frozen=True, slots=True)
class RelaySnapshot:
    """All that a relay counted since its start. Rates: over the last second."""

    at_us: int
    uptime_us: int
    stream: str
    endpoint: str
    upstream: str
    state: str
    frames_received: int
    bytes_received: int
    wire_bytes_received: int
    bytes_sent: int
    wire_bytes_sent: int
    kbps_received: float
    kbps_sent: float
    fps: float
    cached_bytes: int
    since_frame_us: int | None
    clock_error_us: int | None
    keyframe_requests: int  # of receivers
    keyframe_requests_sent: int
    reconnects: int
    hostile_messages: int
    flooded_messages: int
    stale_messages: int
    damaged_packets: int
    refused_connections: int
    peers_lost: int
    viewers: tuple[ViewerSnapshot, ...]
    events: tuple[StreamEvent, ...] = field(repr=False, default=())

    def as_json(self) -> dict[str, object]:
        """With W3C names where there is one; nested viewers, no events."""
        return {
            "role": "relay",
            "time_s": round(self.uptime_us / 1e6, 3),
            "stream": self.stream,
            "state": self.state,
            "framesReceived": self.frames_received,
            "bytesReceived": self.bytes_received,
            "wireBytesReceived": self.wire_bytes_received,
            "bytesSent": self.bytes_sent,
            "wireBytesSent": self.wire_bytes_sent,
            "kbpsReceived": round(self.kbps_received, 1),
            "kbpsSent": round(self.kbps_sent, 1),
            "fps": round(self.fps, 2),
            "cachedBytes": self.cached_bytes,
            "sinceLastFrame_s": (
                None if self.since_frame_us is None else round(self.since_frame_us / 1e6, 3)
            ),
            "pliCount": self.keyframe_requests,
            "pliCountSent": self.keyframe_requests_sent,
            "reconnects": self.reconnects,
            "hostileMessages": self.hostile_messages,
            "floodedMessages": self.flooded_messages,
            "staleMessages": self.stale_messages,
            "damagedPackets": self.damaged_packets,
            "refusedConnections": self.refused_connections,
            "peersLost": self.peers_lost,
            "viewers": [viewer.as_json() for viewer in self.viewers],
        }


def now_us() -> int:
    """The monotonic clock that all processes of one boot share."""
    return time.monotonic_ns() // 1000


class Relay:
    """Relays one stream for as long as it lives, through restarts of the sender.

    Errors: ConfigError when an address cannot be used, at `start`; what broke a thread, or
    PeerLost, is raised by `wait`.
    """

    def __init__(self, config: RelayConfig, *, clock_us: Callable[[], int] = now_us) -> None:
        self._config = config
        self._now_us = clock_us
        self._log = logs.get("relay")
        self._started_us = self._heard_us = clock_us()
        self._lock = threading.Lock()
        self._up, self._down = Port(config.upstream), Port(config.downstream)
        boot = boot_id()
        self._intake = Intake(
            Profile(b"", b"", config.stream, config.name, secrets.randbits(64), boot),
            connects=not config.upstream.bind,
            now_us=self._started_us,
        )
        self._fanout = Fanout(boot_id=boot, name_of=self._down.name_of)
        self._crew = Crew()
        self._events = EventLog()
        self._ended = threading.Event()
        self._replies: list[tuple[bytes, bytes]] = []  # from upstream's thread to downstream's
        self._ask_keyframe = False
        self._frames = self._bytes_in = self._wire_in = self._bytes_out = self._wire_out = 0
        self._refused = self._malformed = self._damaged = 0
        self._in_rate, self._out_rate, self._frame_rate = Rate(), Rate(), Rate()
        self._frame_us: int | None = None

    @property
    def url(self) -> str:
        """Where receivers find it; after binding to port 0, with the real port."""
        return self._down.url

    @property
    def ended(self) -> bool:
        """True when the stream has ended and no new one has begun."""
        return self._ended.is_set()

    def start(self) -> None:
        """Open the sockets and start the threads; returns at once."""
        try:
            self._up.open()
            self._down.open()
        except BaseException:
            self._up.close()
            self._down.close()
            raise
        self._crew.start("upstream", self._upstream)
        self._crew.start("downstream", self._downstream)

    def stop(self) -> None:
        """Say BYE to both sides, stop the threads, close the sockets."""
        self._crew.stopping.set()
        self._up.wake()
        self._down.wake()
        self._crew.join()
        self._up.close()
        self._down.close()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until the time is over; raises what broke a thread, or PeerLost."""
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        while not self._crew.stopping.is_set():
            self._check()
            left = deadline - time.monotonic()
            if left <= 0 or (self._ended.is_set() and self._config.ends_with_stream):
                break
            self._crew.stopping.wait(min(left, 0.1))
        self._check()

    def snapshot(self) -> RelaySnapshot:
        """All statistics as of now, immutable."""
        with self._lock:
            now, intake, fanout = self._now_us(), self._intake, self._fanout
            offset, welcome = intake.offset(now), intake.welcome
            events = (
                *self._events.snapshot(),
                *intake.events.snapshot(),
                *fanout.events.snapshot(),
            )
            return RelaySnapshot(
                at_us=now,
                uptime_us=now - self._started_us,
                stream=welcome.stream if welcome else self._config.stream,
                endpoint=self._down.url,
                upstream=self._up.url,
                state=intake.state.name.lower(),
                frames_received=self._frames,
                bytes_received=self._bytes_in,
                wire_bytes_received=self._wire_in,
                bytes_sent=self._bytes_out,
                wire_bytes_sent=self._wire_out,
                kbps_received=self._in_rate.per_second(now) * 8 / 1000,
                kbps_sent=self._out_rate.per_second(now) * 8 / 1000,
                fps=self._frame_rate.per_second(now),
                cached_bytes=fanout.cached_bytes,
                since_frame_us=None if self._frame_us is None else now - self._frame_us,
                clock_error_us=offset.error_us if offset else None,
                keyframe_requests=fanout.keyframe_requests,
                keyframe_requests_sent=intake.keyframe_requests,
                reconnects=intake.reconnects,
                hostile_messages=fanout.hostile + intake.hostile + self._malformed,
                flooded_messages=fanout.flooded,
                stale_messages=fanout.stale + intake.stale,
                damaged_packets=self._damaged,
                refused_connections=self._refused,
                peers_lost=fanout.peers_lost,
                viewers=fanout.snapshot(),
                events=tuple(sorted(events, key=lambda event: event.at_us)),
            )

    def _check(self) -> None:
        if self._crew.error is not None:
            raise self._crew.error
        patience_s, alone_s = self._config.patience_s, (self._now_us() - self._heard_us) / 1e6
        if patience_s is not None and alone_s > patience_s:
            raise PeerLost(f"no sender at {self._up.url} for {alone_s:.0f} s: is it running?")

    # -- upstream thread -----------------------------------------------------------------------

    def _upstream(self) -> None:
        ticked_us = 0
        while not self._crew.stopping.is_set():
            received = self._up.poll(_POLL_MS)
            now = self._now_us()
            if not self._config.upstream.bind:
                for event in received.events:
                    self._link_event(event, now)
            for peer, data in received.messages:
                now = self._now_us()
                with self._lock:
                    self._wire_in += wire_bytes(len(data), encrypted=self._up.encrypted)
                    results = self._intake.on_message(peer, data, now)
                self._act(results)
            with self._lock:
                self._malformed += received.malformed
                results = self._timers(now) if now - ticked_us >= _TICK_US else Results()
                if self._ask_keyframe:
                    self._ask_keyframe = False
                    asked = self._intake.ask_keyframe(m.KeyframeReason.REFERENCE_MISSING, now)
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
            self._heard_us = now
        return results

    def _link_event(self, event: LinkEvent, now: int) -> None:
        with self._lock:
            if event is LinkEvent.DISCONNECTED:
                if self._intake.state is State.STREAMING:
                    self._intake.lost(now, "disconnected")
            elif event is LinkEvent.CONNECTED:
                self._intake.rebuilt(now)
            else:
                self._events.add(now, "handshake_refused", "keys or protocol do not fit")

    def _act(self, results: Results) -> None:
        if results.started is not None:
            self._ended.clear()
            with self._lock:
                self._replies += self._fanout.started(results.started).messages
        for peer, data in results.messages:
            self._up.send(peer, data)
        for arrival in results.arrivals:
            self._arrived(arrival)
        if results.ended is not None:
            self._ended.set()
            with self._lock:
                over = self._fanout.ended(m.ByeCode.END_OF_STREAM, results.ended)
                self._replies += over.messages
        if results.arrivals or results.started is not None or results.ended is not None:
            self._down.wake()
        if results.rebuild:
            self._up.rebuild()
            with self._lock:
                self._intake.rebuilt(self._now_us())

    def _arrived(self, arrival: Arrival) -> None:
        head = arrival.head
        with self._lock:
            offset = self._intake.offset(arrival.tail_us)
            # Before the first PONG the way here counts as nothing: better than another clock.
            captured_us = (
                offset.to_local(head.captured_us) if offset else arrival.head_us - head.sent_us
            )
            whole = self._fanout.arrived(arrival, captured_us=max(0, captured_us))
            self._frames += 1
            self._damaged += not whole
            self._bytes_in += head.size_bytes
            self._in_rate.add(head.size_bytes, arrival.tail_us)
            self._frame_rate.add(1, arrival.tail_us)
            self._frame_us = arrival.tail_us
            self._intake.last_sequence = head.sequence
            self._intake.keyframe_came()
            outcome = m.Outcome.SHOWN if whole else m.Outcome.DAMAGED
            taken = self._intake.shown(
                m.FrameShown(head.epoch, head.sequence, outcome, 0, m.MAX_SPAN_US, 0, 0, 0, 1)
            )
        self._act(taken)

    # -- downstream thread ---------------------------------------------------------------------

    def _downstream(self) -> None:
        ticked_us = 0
        while not self._crew.stopping.is_set():
            received = self._down.poll(_POLL_MS)
            now = self._now_us()
            with self._lock:
                self._malformed += received.malformed
                self._refused += received.events.count(LinkEvent.REFUSED)
                answers, self._replies = self._replies, []
                for peer, data in received.messages:
                    answers += self._fanout.on_message(peer, data, now).messages
                ticked = Replies()
                if now - ticked_us >= _TICK_US:
                    ticked_us = now
                    ticked = self._fanout.tick(now)
                    self._ask_keyframe |= ticked.wants_keyframe
            if ticked.wants_keyframe:
                self._up.wake()
            for peer, data in (*answers, *ticked.messages):
                self._send(peer, data)
            self._serve()
        with self._lock:
            farewell = self._fanout.ended(m.ByeCode.LEAVING, "the relay stops")
        for peer, data in farewell.messages:
            self._send(peer, data)

    def _serve(self) -> None:
        """Send what receivers take; a few rounds, so that newcomers catch up and nobody waits."""
        for _ in range(4):
            with self._lock:
                due = self._fanout.due(self._now_us())
            if not due:
                return
            for outgoing in due:
                sent = self._send(outgoing.peer, m.pack(outgoing.head))
                if sent is SendResult.SENT and outgoing.rest is not None:
                    sent = self._send(outgoing.peer, m.pack(outgoing.rest))
                self._handed_over(outgoing.peer, outgoing.head.size_bytes, sent)

    def _handed_over(self, peer: bytes, size_bytes: int, sent: SendResult) -> None:
        with self._lock:
            now = self._now_us()
            if sent is SendResult.SENT:
                self._bytes_out += size_bytes
                self._out_rate.add(size_bytes, now)
            elif sent is SendResult.FULL:
                self._fanout.refused(peer)
            else:
                self._fanout.lost(peer, now)

    def _send(self, peer: bytes, data: bytes) -> SendResult:
        sent = self._down.send(peer, data)
        if sent is SendResult.SENT:
            self._wire_out += wire_bytes(len(data), encrypted=self._down.encrypted)
        return sent
