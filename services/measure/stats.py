# SPDX-License-Identifier: Apache-2.0
"""What both ends count, with the names of W3C webrtc-stats, as immutable snapshots; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from services.measure.events import StreamEvent
from services.measure.histogram import Distribution
from services.measure.latency import LEGS, LatencySummary

__all__ = [
    "LEGS",
    "LatencySummary",
    "ReceiverSnapshot",
    "SenderSnapshot",
    "StreamEvent",
    "ViewerSnapshot",
    "summary",
]


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
    frames_idle: int  # captured while no receiver was there
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
    frame_width: int = 0  # as coded: smaller than the source where the link asked for that
    frame_height: int = 0
    resolution_changes: int = 0  # for the link's sake
    frames_damaged: int = 0  # pictures of the source that could not be decoded
    source_dropped: int = 0  # packets of the source that came too fast to be kept
    source_buffer_us: int = 0  # of a live stream, that wait for their time
    source_waits: bool = False  # no frame is due yet, which is no fault
    refused_connections: int = 0  # by the handshake: keys not allowed, or another protocol
    since_capture_us: int | None = None  # since the source gave a frame; None before the first
    frame_interval_us: int = 0
    effort: str = ""  # how hard the encoder tries; less than asked for on a busy machine
    source_lost: str = ""  # why the source is gone, while it is opened again
    source_attempts: int = 0  # to open it again, in vain or not
    keys_trouble: str = ""  # what cannot be read in the folder of keys
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
            "frameWidth": self.frame_width,
            "frameHeight": self.frame_height,
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
            "encodeEffort": self.effort,
            "qualityLimitationReason": self.quality_limitation_reason,
            "qualityLimitationDurations": {
                reason: round(spent_s, 3) for reason, spent_s in self.quality_limitation_s.items()
            },
            "qualityLimitationResolutionChanges": self.resolution_changes,
            "pliCount": self.keyframe_requests,
            "sendFailures": self.send_failures,
            "refusedConnections": self.refused_connections,
            "hostileMessages": self.hostile_messages,
            "staleMessages": self.stale_messages,
            "peersLost": self.peers_lost,
            "sourceRestarts": self.source_restarts,
            "sourceWaits": self.source_waits,
            "frameInterval_s": round(self.frame_interval_us / 1e6, 6),
            "sourceLost": self.source_lost,
            "sourceAttempts": self.source_attempts,
            "sinceLastCapture_s": (
                None if self.since_capture_us is None else round(self.since_capture_us / 1e6, 3)
            ),
            "keysTrouble": self.keys_trouble,
            "framesDamaged": self.frames_damaged,
            "sourceDropped": self.source_dropped,
            "sourceBuffer_ms": round(self.source_buffer_us / 1000, 1),
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
    keys_trouble: str = ""  # what cannot be read in the folder of keys
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
            "frameWidth": self.width,
            "frameHeight": self.height,
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
            "keysTrouble": self.keys_trouble,
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
        "encodeEffort": sender["encodeEffort"],
        "qualityLimitationReason": sender["qualityLimitationReason"],
        "qualityLimitationDurations": sender["qualityLimitationDurations"],
        "qualityLimitationResolutionChanges": sender["qualityLimitationResolutionChanges"],
        "pliCount": sender["pliCount"],
        "hostileMessages": _int(sender, "hostileMessages") + _int(receiver, "hostileMessages"),
        "width": sender["width"],
        "height": sender["height"],
        "frameWidth": sender["frameWidth"],
        "frameHeight": sender["frameHeight"],
    }


def _int(values: Mapping[str, object], name: str) -> int:
    value = values[name]
    return value if isinstance(value, int) else 0
