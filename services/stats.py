# SPDX-License-Identifier: Apache-2.0
"""What both ends count, with the names of W3C webrtc-stats; pure, read as immutable snapshots.

Latency runs from capture to display and is the sum of seven legs, each stamped once: capture (wait
before the encoder), encode, queue (wait before the socket), network, buffer (wait before the
decoder), decode, display (wait for its turn, and the sink's own work).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from services.histogram import Distribution, Histogram

LEGS = ("capture", "encode", "queue", "network", "buffer", "decode", "display")

FREEZE_FRAMES = 30  # W3C: the mean is over the last 30 rendered intervals
FREEZE_EXTRA_US = 150_000
PAUSE_US = 5_000_000
_SECOND_US = 1_000_000
_SEGMENT_BYTES = 1448  # payload of one full TCP segment
_SEGMENT_HEADER_BYTES = 52  # IP and TCP with timestamps
_CURVE_BYTES = 33


def wire_bytes(message_bytes: int, *, encrypted: bool = False) -> int:
    """Bytes that a message takes on the link: ZMTP framing, CURVE, TCP and IP headers included."""
    framed = message_bytes + (2 if message_bytes < 256 else 9) + (_CURVE_BYTES if encrypted else 0)
    return framed + -(-framed // _SEGMENT_BYTES) * _SEGMENT_HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Latency:
    """One frame's way from capture to display. The legs add up to `total_us`."""

    capture_us: int
    encode_us: int
    queue_us: int
    network_us: int
    buffer_us: int
    decode_us: int
    display_us: int
    error_us: int  # how far the clock offset in `network_us` may be off

    @property
    def total_us(self) -> int:
        """Capture to display."""
        return sum(self.legs_us)

    @property
    def legs_us(self) -> tuple[int, ...]:
        """In the order of `LEGS`."""
        return (
            self.capture_us,
            self.encode_us,
            self.queue_us,
            self.network_us,
            self.buffer_us,
            self.decode_us,
            self.display_us,
        )


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Distributions of the total and of each leg, and the mean clock error."""

    total: Distribution
    legs: Mapping[str, Distribution]
    clock_error_us: int

    def as_json(self) -> dict[str, object]:
        """`latency_ms` {p50, p95, p99}, `clock_error_ms` and `legs_ms` {leg: {p50, p95, mean}}."""
        legs = {}
        for name, leg in self.legs.items():
            percentiles = leg.percentiles_ms()
            legs[name] = {
                "p50": percentiles["p50"],
                "p95": percentiles["p95"],
                "mean": round(leg.mean_us / 1000, 3),
            }
        return {
            "latency_ms": {
                **self.total.percentiles_ms(),
                "mean": round(self.total.mean_us / 1000, 3),
                "max": round(self.total.max_us / 1000, 3),
            },
            "clock_error_ms": round(self.clock_error_us / 1000, 3),
            "legs_ms": legs,
        }


class LatencyStats:
    """Histograms of the latency of shown frames."""

    def __init__(self) -> None:
        self._total = Histogram()
        self._legs = {name: Histogram() for name in LEGS}
        self._error_us = 0

    def add(self, latency: Latency) -> None:
        """Count one shown frame."""
        self._total.add(latency.total_us)
        for name, leg_us in zip(LEGS, latency.legs_us, strict=True):
            self._legs[name].add(leg_us)
        self._error_us = latency.error_us

    def snapshot(self) -> LatencySummary:
        """An immutable copy."""
        legs = {name: leg.snapshot() for name, leg in self._legs.items()}
        return LatencySummary(self._total.snapshot(), legs, self._error_us)


class FreezeDetector:
    """Freezes and pauses by the W3C definition, from the times at which frames were rendered.

    An interval is a freeze when it is at least max(3 x mean, mean + 150 ms), the mean being that
    of the last 30 intervals; a pause when it is over 5 s.
    """

    def __init__(self) -> None:
        self._intervals_us: deque[int] = deque(maxlen=FREEZE_FRAMES)
        self._last_us: int | None = None
        self.freezes = 0
        self.frozen_us = 0
        self.pauses = 0
        self.paused_us = 0

    def rendered(self, now_us: int) -> bool:
        """A frame came on screen; True when the gap before it was a freeze."""
        last_us, self._last_us = self._last_us, now_us
        if last_us is None:
            return False
        interval_us = now_us - last_us
        frozen = False
        if interval_us > PAUSE_US:
            self.pauses += 1
            self.paused_us += interval_us
        elif self._intervals_us:
            mean_us = sum(self._intervals_us) / len(self._intervals_us)
            frozen = interval_us >= max(3 * mean_us, mean_us + FREEZE_EXTRA_US)
            if frozen:
                self.freezes += 1
                self.frozen_us += interval_us
        self._intervals_us.append(interval_us)
        return frozen


class Rate:
    """Amount per second over the last whole second or so."""

    def __init__(self, *, span_us: int = _SECOND_US) -> None:
        self._span_us = span_us
        self._samples: deque[tuple[int, int]] = deque()
        self._sum = 0
        self._first_us: int | None = None

    def add(self, amount: int, now_us: int) -> None:
        """Something happened `amount` times."""
        if self._first_us is None:
            self._first_us = now_us
        self._samples.append((now_us, amount))
        self._sum += amount
        self._expire(now_us)

    def per_second(self, now_us: int) -> float:
        """The rate now."""
        if self._first_us is None:
            return 0.0
        self._expire(now_us)
        return self._sum * 1e6 / max(1, min(self._span_us, now_us - self._first_us + 1))

    def _expire(self, now_us: int) -> None:
        while self._samples and self._samples[0][0] <= now_us - self._span_us:
            self._sum -= self._samples.popleft()[1]


class Durations:
    """How long each reason held: `set` says which one holds from now on."""

    def __init__(self, reason: str, now_us: int) -> None:
        self._reason = reason
        self._since_us = now_us
        self._spent_us: dict[str, int] = {}
        self.changes = 0

    @property
    def reason(self) -> str:
        """The reason that holds."""
        return self._reason

    def set(self, reason: str, now_us: int) -> bool:
        """Change the reason; True when it is another one than before."""
        if reason == self._reason:
            return False
        self._spent_us = dict(self.seconds_us(now_us))
        self._reason, self._since_us = reason, now_us
        self.changes += 1
        return True

    def seconds_us(self, now_us: int) -> dict[str, int]:
        """Microseconds spent in each reason so far."""
        spent = dict(self._spent_us)
        spent[self._reason] = spent.get(self._reason, 0) + now_us - self._since_us
        return spent


class Limitation:
    """W3C `qualityLimitationReason`: what held most of the frames back during the last second.

    Frames vote one by one; a second in which fewer than a tenth were limited counts as "none".
    """

    def __init__(self, now_us: int) -> None:
        self.durations = Durations("none", now_us)
        self._votes: dict[str, int] = {}
        self._since_us = now_us

    @property
    def reason(self) -> str:
        """What limits the stream now."""
        return self.durations.reason

    def vote(self, reason: str, now_us: int) -> bool:
        """One frame was limited by `reason` ("none": it was not); True when the verdict changes."""
        self._votes[reason] = self._votes.get(reason, 0) + 1
        if now_us - self._since_us < _SECOND_US:
            return False
        votes, self._votes, self._since_us = self._votes, {}, now_us
        frames, free = sum(votes.values()), votes.pop("none", 0)
        limited = frames - free > frames // 10
        verdict = max(votes, key=lambda name: votes[name]) if limited else "none"
        return self.durations.set(verdict, now_us)


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """Something worth a line in a log or a mark in a plot."""

    at_us: int
    name: str  # keyframe, freeze, connected, lost, refused, limited, source_lost, ...
    text: str = ""


class EventLog:
    """The last events, oldest first; the count tells readers how many they missed."""

    def __init__(self, capacity: int = 256) -> None:
        self._events: deque[StreamEvent] = deque(maxlen=capacity)
        self.count = 0

    def add(self, at_us: int, name: str, text: str = "") -> None:
        """Append an event."""
        self._events.append(StreamEvent(at_us, name, text))
        self.count += 1

    def snapshot(self) -> tuple[StreamEvent, ...]:
        """All that are kept."""
        return tuple(self._events)


@dataclass(frozen=True, slots=True)
class ViewerSnapshot:
    """One receiver as its sender sees it. `latency` is what the receiver reported."""

    name: str
    state: str
    frames_sent: int
    frames_acknowledged: int
    frames_displayed: int
    frames_skipped: int
    bytes_sent: int
    keyframe_requests: int
    frames_in_flight: int
    bytes_in_flight: int
    window_frames: int
    capacity_bps: int
    queue_us: int
    round_trip_us: int
    latency: LatencySummary

    def as_json(self) -> dict[str, object]:
        """With W3C names where there is one."""
        return {
            "name": self.name,
            "state": self.state,
            "framesSent": self.frames_sent,
            "framesAcknowledged": self.frames_acknowledged,
            "framesDisplayed": self.frames_displayed,
            "framesSkipped": self.frames_skipped,
            "bytesSent": self.bytes_sent,
            "pliCount": self.keyframe_requests,
            "framesInFlight": self.frames_in_flight,
            "bytesInFlight": self.bytes_in_flight,
            "windowFrames": self.window_frames,
            "availableOutgoingBitrate": self.capacity_bps,
            "queue_ms": round(self.queue_us / 1000, 3),
            "currentRoundTripTime": round(self.round_trip_us / 1e6, 6),
            **self.latency.as_json(),
        }


@dataclass(frozen=True, slots=True)
class SenderSnapshot:
    """All that a sender counted since its start. `kbps`, `fps`: over the last second."""

    at_us: int
    uptime_us: int
    stream: str
    endpoint: str
    epoch: int
    width: int
    height: int
    frames_captured: int
    frames_idle: int  # captured while nobody watched
    frames_encoded: int
    key_frames_encoded: int
    frames_skipped: Mapping[str, int]  # by reason: cpu, receiver, bandwidth, keyframe
    bytes_sent: int
    header_bytes_sent: int
    wire_bytes_sent: int
    kbps: float
    wire_kbps: float
    fps: float
    target_kbps: float
    psnr_db: float | None
    quality: int
    encode: Distribution
    quality_limitation_reason: str
    quality_limitation_s: Mapping[str, float]
    keyframe_requests: int
    send_failures: int
    hostile_messages: int
    stale_messages: int
    peers_lost: int
    source_restarts: int
    viewers: tuple[ViewerSnapshot, ...]
    events: tuple[StreamEvent, ...] = field(repr=False, default=())

    def as_json(self) -> dict[str, object]:
        """With W3C names where there is one; nested viewers, no events."""
        return {
            "role": "sender",
            "time_s": round(self.uptime_us / 1e6, 3),
            "stream": self.stream,
            "epoch": self.epoch,
            "width": self.width,
            "height": self.height,
            "framesCaptured": self.frames_captured,
            "framesIdle": self.frames_idle,
            "framesEncoded": self.frames_encoded,
            "keyFramesEncoded": self.key_frames_encoded,
            "framesSkipped": sum(self.frames_skipped.values()),
            "framesSkippedBy": dict(self.frames_skipped),
            "bytesSent": self.bytes_sent,
            "headerBytesSent": self.header_bytes_sent,
            "wireBytesSent": self.wire_bytes_sent,
            "kbps": round(self.kbps, 1),
            "wireKbps": round(self.wire_kbps, 1),
            "fps": round(self.fps, 2),
            "targetBitrate": round(self.target_kbps * 1000),
            "psnr_db": None if self.psnr_db is None else round(self.psnr_db, 2),
            "quality": self.quality,
            "encode_ms": self.encode.percentiles_ms(),
            "qualityLimitationReason": self.quality_limitation_reason,
            "qualityLimitationDurations": {
                reason: round(spent_s, 3) for reason, spent_s in self.quality_limitation_s.items()
            },
            "pliCount": self.keyframe_requests,
            "sendFailures": self.send_failures,
            "hostileMessages": self.hostile_messages,
            "staleMessages": self.stale_messages,
            "peersLost": self.peers_lost,
            "sourceRestarts": self.source_restarts,
            "viewers": [viewer.as_json() for viewer in self.viewers],
        }


@dataclass(frozen=True, slots=True)
class ReceiverSnapshot:
    """All that a receiver counted since its start. `kbps`, `fps`: over the last second."""

    at_us: int
    uptime_us: int
    stream: str
    endpoint: str
    state: str
    epoch: int
    width: int
    height: int
    frames_received: int
    frames_decoded: int
    key_frames_decoded: int
    frames_displayed: int
    frames_dropped: int  # W3C: received, but undecodable or too late to show
    frames_lost: int  # heads whose rest never came
    bytes_received: int
    wire_bytes_received: int
    kbps: float
    fps: float
    latency: LatencySummary
    clock_offset_us: int
    clock_error_us: int | None
    round_trip_us: int
    freezes: int
    frozen_us: int
    pauses: int
    paused_us: int
    since_frame_us: int | None
    keyframe_requests: int
    reconnects: int
    hostile_messages: int
    stale_messages: int
    damaged_packets: int
    decoder_failures: int
    recorder_drops: int
    refusal: str
    events: tuple[StreamEvent, ...] = field(repr=False, default=())

    def as_json(self) -> dict[str, object]:
        """With W3C names where there is one; no events."""
        return {
            "role": "receiver",
            "time_s": round(self.uptime_us / 1e6, 3),
            "stream": self.stream,
            "state": self.state,
            "epoch": self.epoch,
            "width": self.width,
            "height": self.height,
            "framesReceived": self.frames_received,
            "framesDecoded": self.frames_decoded,
            "keyFramesDecoded": self.key_frames_decoded,
            "framesDisplayed": self.frames_displayed,
            "framesRendered": self.frames_displayed,
            "framesDropped": self.frames_dropped,
            "framesLost": self.frames_lost,
            "bytesReceived": self.bytes_received,
            "wireBytesReceived": self.wire_bytes_received,
            "kbps": round(self.kbps, 1),
            "fps": round(self.fps, 2),
            **self.latency.as_json(),
            "currentRoundTripTime": round(self.round_trip_us / 1e6, 6),
            "freezeCount": self.freezes,
            "totalFreezesDuration": round(self.frozen_us / 1e6, 3),
            "pauseCount": self.pauses,
            "totalPausesDuration": round(self.paused_us / 1e6, 3),
            "sinceLastFrame_s": (
                None if self.since_frame_us is None else round(self.since_frame_us / 1e6, 3)
            ),
            "pliCount": self.keyframe_requests,
            "reconnects": self.reconnects,
            "hostileMessages": self.hostile_messages,
            "staleMessages": self.stale_messages,
            "damagedPackets": self.damaged_packets,
            "decoderFailures": self.decoder_failures,
            "recorderDrops": self.recorder_drops,
            "refusal": self.refusal,
        }


def summary(
    sender: Mapping[str, object], receiver: Mapping[str, object], *, seconds: float
) -> dict[str, object]:
    """One JSON object for a whole run, from the last `as_json` of both ends.

    Rates are averages over `seconds` of streaming; captured frames are those somebody could watch.
    """
    captured = _int(sender, "framesCaptured") - _int(sender, "framesIdle")
    displayed = _int(receiver, "framesDisplayed")
    return {
        "framesCaptured": captured,
        **{
            name: sender[name]
            for name in ("framesEncoded", "keyFramesEncoded", "framesSkipped", "framesSkippedBy")
        },
        **{
            name: receiver[name]
            for name in ("framesReceived", "framesDecoded", "framesDisplayed", "framesDropped")
        },
        "bytesSent": sender["bytesSent"],
        "wireBytesSent": sender["wireBytesSent"],
        "kbps": round(_int(sender, "bytesSent") * 8 / 1000 / max(seconds, 1e-3), 1),
        "wireKbps": round(_int(sender, "wireBytesSent") * 8 / 1000 / max(seconds, 1e-3), 1),
        "fps": round(displayed / max(seconds, 1e-3), 2),
        "psnr_db": sender["psnr_db"],
        **{
            name: receiver[name]
            for name in (
                "freezeCount",
                "totalFreezesDuration",
                "latency_ms",
                "clock_error_ms",
                "legs_ms",
            )
        },
        "qualityLimitationReason": sender["qualityLimitationReason"],
        "qualityLimitationDurations": sender["qualityLimitationDurations"],
        "pliCount": sender["pliCount"],
        "hostileMessages": _int(sender, "hostileMessages") + _int(receiver, "hostileMessages"),
        "width": sender["width"],
        "height": sender["height"],
    }


def _int(values: Mapping[str, object], name: str) -> int:
    value = values[name]
    return value if isinstance(value, int) else 0
