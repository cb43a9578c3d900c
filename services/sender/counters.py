# SPDX-License-Identifier: Apache-2.0
"""Everything a sender counts; its owner holds a lock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from services.measure.events import EventLog, StreamEvent
from services.measure.histogram import Histogram
from services.measure.measures import Limitation, Rate, wire_bytes
from services.measure.source_health import SourceHealth
from services.measure.stats import SenderSnapshot, ViewerSnapshot
from services.settings.addresses import masked

if TYPE_CHECKING:
    from services.sender.coder import Coded
    from services.wire.endpoint import WatchedGate


class Audience(Protocol):
    """The receivers of a stream, see `Broadcast` and `Board`."""

    @property
    def hostile(self) -> int: ...
    @property
    def stale(self) -> int: ...
    @property
    def peers_lost(self) -> int: ...
    @property
    def keyframe_requests(self) -> int: ...
    def recent_events(self) -> tuple[StreamEvent, ...]: ...
    def snapshot(self) -> tuple[ViewerSnapshot, ...]: ...


@dataclass(frozen=True, slots=True)
class SenderIdentity:
    """What does not change while a sender lives."""

    stream: str
    epoch: int
    started_us: int
    frame_interval_us: int


class SenderCounters:
    """Counters of one sender, from its start on."""

    def __init__(self, identity: SenderIdentity) -> None:
        self._identity = identity
        self.events = EventLog()
        self.captured = 0
        self.malformed = 0
        self.send_failures = 0
        self.refused = 0  # handshakes: keys not allowed, or another protocol
        self.psnr_db: float | None = None
        self._idle = self._encoded = self._keyframes = self._restarts = 0
        self._captured_us: int | None = None  # when the source gave its last frame
        self._lost = ""  # why the source is gone
        self._effort = ""
        self._attempts = 0
        self._skipped: dict[str, int] = {}
        self._packet_bytes = self._message_bytes = self._wire_bytes = 0
        self._byte_rate, self._wire_rate, self._frame_rate = Rate(), Rate(), Rate()
        self._encode_times = Histogram()
        self._quality = -1
        self._target_bytes = 0
        self._size = (0, 0)
        self._resized = 0
        self._limits = Limitation(identity.started_us)

    def skipped(self, reason: str, now_us: int) -> None:
        """A captured frame was not encoded; "idle" when nobody watched."""
        if reason == "idle":
            self._idle += 1
            return
        self._skipped[reason] = self._skipped.get(reason, 0) + 1
        self._limited("bandwidth" if reason == "keyframe" else reason, now_us)

    def encoded(
        self,
        coded: Coded,
        *,
        size: tuple[int, int],
        reduced: bool,
        target_bytes: int | None,
        encode_us: int,
        effort: str,
        now_us: int,
    ) -> None:
        """A frame was encoded at this size; `reduced`: for the link, below the source's own."""
        self._size = size
        self._encoded += 1
        self._keyframes += coded.keyframe
        self._quality = coded.quality
        if effort != self._effort and self._effort:
            self.events.add(now_us, "effort", effort)
        self._effort = effort
        self._target_bytes = target_bytes or len(coded.packet)
        self._encode_times.add(encode_us)
        self._frame_rate.add(1, now_us)
        # W3C: a smaller picture is a limitation too, however fine.
        limited = reduced and coded.limit == "none"
        self._limited("bandwidth" if limited else coded.limit, now_us)

    def resized(self, size: tuple[int, int], now_us: int) -> None:
        """The link asked for another size of the picture, from the next frame on."""
        self._resized += 1
        self.events.add(now_us, "resolution", f"{size[0]}x{size[1]}")

    def repeated(self, packet_bytes: int, *, keyframe: bool, quality: int, now_us: int) -> None:
        """A packet of a recording is due."""
        self.captured += 1
        self._captured_us = now_us
        self._encoded += 1
        self._keyframes += keyframe
        self._quality = quality
        self._target_bytes = packet_bytes
        self._frame_rate.add(1, now_us)

    def began(self, epoch: int) -> None:
        """The stream has another epoch from now on."""
        self._identity = replace(self._identity, epoch=epoch)

    def refused_some(self, count: int, now_us: int) -> None:
        """Handshakes were refused."""
        self.refused += count
        if count:
            self.events.handshakes_refused(now_us, self.refused)

    def sent(self, message_bytes: int, *, encrypted: bool, now_us: int) -> None:
        """A message of any kind went out."""
        wire = wire_bytes(message_bytes, encrypted=encrypted)
        self._message_bytes += message_bytes
        self._wire_bytes += wire
        self._wire_rate.add(wire, now_us)

    def packet_sent(self, packet_bytes: int, now_us: int) -> None:
        """All messages of a packet went out to one receiver."""
        self._packet_bytes += packet_bytes
        self._byte_rate.add(packet_bytes, now_us)

    def captured_one(self, now_us: int) -> None:
        """The source gave a frame."""
        self.captured += 1
        self._captured_us = now_us
        if self._lost:
            self._lost = ""
            self.events.add(now_us, "source_back")

    def source_failed(self, reason: str, now_us: int) -> None:
        """The source is gone for the moment; told once for each loss, however often it fails."""
        self._attempts += 1
        if not self._lost:
            self._restarts += 1
            self.events.add(now_us, "source_lost", reason)
        self._lost = masked(reason)

    def source_attempted(self, attempts: int) -> None:
        """How often a source that is gone was opened again so far."""
        self._attempts = attempts

    def snapshot(
        self,
        audience: Audience,
        *,
        endpoint: str,
        width: int,
        height: int,
        now_us: int,
        source_waits: bool = False,
        gate: WatchedGate | None = None,
        source: SourceHealth | None = None,
    ) -> SenderSnapshot:
        """An immutable copy of everything."""
        identity = self._identity
        health = source or SourceHealth()
        spent = self._limits.durations.spent_us(now_us)
        events = (*self.events.snapshot(), *audience.recent_events())
        if gate is not None:
            events += gate.recent_events()
        return SenderSnapshot(
            at_us=now_us,
            uptime_us=now_us - identity.started_us,
            stream=identity.stream,
            endpoint=endpoint,
            epoch=identity.epoch,
            width=width,
            height=height,
            frame_width=self._size[0] or width,
            frame_height=self._size[1] or height,
            resolution_changes=self._resized,
            frames_captured=self.captured,
            frames_idle=self._idle,
            frames_encoded=self._encoded,
            key_frames_encoded=self._keyframes,
            frames_skipped=dict(self._skipped),
            bytes_sent=self._packet_bytes,
            header_bytes_sent=self._message_bytes - self._packet_bytes,
            wire_bytes_sent=self._wire_bytes,
            kbps=self._byte_rate.per_second(now_us) * 8 / 1000,
            wire_kbps=self._wire_rate.per_second(now_us) * 8 / 1000,
            fps=self._frame_rate.per_second(now_us),
            target_kbps=self._target_bytes * 8000 / identity.frame_interval_us,
            psnr_db=self.psnr_db,
            quality=self._quality,
            encode=self._encode_times.snapshot(),
            effort=self._effort,
            quality_limitation_reason=self._limits.reason,
            quality_limitation_s={why: us / 1e6 for why, us in spent.items()},
            keyframe_requests=audience.keyframe_requests,
            send_failures=self.send_failures,
            refused_connections=self.refused,
            hostile_messages=audience.hostile + self.malformed,
            stale_messages=audience.stale,
            peers_lost=audience.peers_lost,
            source_restarts=self._restarts,
            frames_damaged=health.frames_damaged,
            source_dropped=health.frames_dropped,
            source_buffer_us=health.buffered_us,
            source_waits=source_waits,
            source_lost=self._lost,
            source_attempts=self._attempts,
            since_capture_us=None if self._captured_us is None else now_us - self._captured_us,
            frame_interval_us=identity.frame_interval_us,
            keys_trouble=gate.trouble if gate else "",
            viewers=audience.snapshot(),
            events=tuple(sorted(events, key=lambda event: event.at_us)),
        )

    def _limited(self, reason: str, now_us: int) -> None:
        if self._limits.vote(reason, now_us):
            self.events.add(now_us, "quality_limited", self._limits.reason)
