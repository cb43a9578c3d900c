# SPDX-License-Identifier: Apache-2.0
"""What a relay counts, stream by stream and in all, as immutable snapshots; pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.measure.events import StreamEvent
from services.measure.stats import ViewerSnapshot


@dataclass(frozen=True, slots=True)
class FeedSnapshot:
    """One stream that a relay takes in and hands out. Rates: over the last second."""

    stream: str
    upstream: str
    state: str
    frames_received: int
    bytes_received: int
    wire_bytes_received: int
    kbps_received: float
    fps: float
    cached_bytes: int
    since_frame_us: int | None
    clock_error_us: int | None  # of the times of capture, all hops to here together
    keyframe_requests_sent: int
    reconnects: int
    damaged_packets: int
    viewers: tuple[ViewerSnapshot, ...]

    def as_json(self) -> dict[str, object]:
        """With W3C names where there is one."""
        return {
            "stream": self.stream,
            "upstream": self.upstream,
            "state": self.state,
            "framesReceived": self.frames_received,
            "bytesReceived": self.bytes_received,
            "wireBytesReceived": self.wire_bytes_received,
            "kbpsReceived": round(self.kbps_received, 1),
            "fps": round(self.fps, 2),
            "cachedBytes": self.cached_bytes,
            "sinceLastFrame_s": _seconds(self.since_frame_us),
            "clock_error_ms": (
                None if self.clock_error_us is None else round(self.clock_error_us / 1e3, 3)
            ),
            "pliCountSent": self.keyframe_requests_sent,
            "reconnects": self.reconnects,
            "damagedPackets": self.damaged_packets,
            "viewers": len(self.viewers),
        }


@dataclass(frozen=True, slots=True)
class RelaySnapshot:
    """All that a relay counted since its start. Rates: over the last second."""

    at_us: int
    uptime_us: int
    endpoint: str
    feeds: tuple[FeedSnapshot, ...]
    bytes_sent: int
    wire_bytes_sent: int
    kbps_sent: float
    keyframe_requests: int  # of receivers
    hostile_messages: int
    flooded_messages: int
    stale_messages: int
    refused_connections: int
    send_failures: int
    peers_lost: int
    keys_trouble: str = ""  # what cannot be read in the folder of keys
    events: tuple[StreamEvent, ...] = field(repr=False, default=())

    @property
    def stream(self) -> str:
        """The names of its streams."""
        return ", ".join(feed.stream for feed in self.feeds)

    @property
    def frames_received(self) -> int:
        """Packets of all streams."""
        return sum(feed.frames_received for feed in self.feeds)

    @property
    def bytes_received(self) -> int:
        """Of all streams."""
        return sum(feed.bytes_received for feed in self.feeds)

    @property
    def keyframe_requests_sent(self) -> int:
        """To all senders."""
        return sum(feed.keyframe_requests_sent for feed in self.feeds)

    @property
    def since_frame_us(self) -> int | None:
        """Since the last frame of any stream; None before the first."""
        known = [feed.since_frame_us for feed in self.feeds]
        return min((age for age in known if age is not None), default=None)

    @property
    def viewers(self) -> tuple[ViewerSnapshot, ...]:
        """Every receiver of every stream."""
        return tuple(viewer for feed in self.feeds for viewer in feed.viewers)

    def as_json(self) -> dict[str, object]:
        """With W3C names where there is one; nested streams and viewers, no events."""
        streaming = any(feed.state == "streaming" for feed in self.feeds)
        return {
            "role": "relay",
            "time_s": round(self.uptime_us / 1e6, 3),
            "stream": self.stream,
            "state": "streaming" if streaming else self.feeds[0].state,
            "framesReceived": self.frames_received,
            "bytesReceived": self.bytes_received,
            "wireBytesReceived": sum(feed.wire_bytes_received for feed in self.feeds),
            "bytesSent": self.bytes_sent,
            "wireBytesSent": self.wire_bytes_sent,
            "kbpsReceived": round(sum(feed.kbps_received for feed in self.feeds), 1),
            "kbpsSent": round(self.kbps_sent, 1),
            "fps": round(sum(feed.fps for feed in self.feeds), 2),
            "cachedBytes": sum(feed.cached_bytes for feed in self.feeds),
            "sinceLastFrame_s": _seconds(self.since_frame_us),
            "pliCount": self.keyframe_requests,
            "pliCountSent": self.keyframe_requests_sent,
            "reconnects": sum(feed.reconnects for feed in self.feeds),
            "hostileMessages": self.hostile_messages,
            "floodedMessages": self.flooded_messages,
            "staleMessages": self.stale_messages,
            "damagedPackets": sum(feed.damaged_packets for feed in self.feeds),
            "refusedConnections": self.refused_connections,
            "sendFailures": self.send_failures,
            "peersLost": self.peers_lost,
            "keysTrouble": self.keys_trouble,
            "streams": [feed.as_json() for feed in self.feeds],
            "viewers": [viewer.as_json() for viewer in self.viewers],
        }


def _seconds(span_us: int | None) -> float | None:
    return None if span_us is None else round(span_us / 1e6, 3)
