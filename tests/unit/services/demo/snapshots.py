# SPDX-License-Identifier: Apache-2.0
"""Snapshots with chosen values, for tests of what shows them."""

from __future__ import annotations

from services.measure.histogram import Histogram
from services.measure.latency import Latency, LatencyStats, LatencySummary
from services.measure.stats import ReceiverSnapshot, SenderSnapshot, StreamEvent


def latencies(*totals_ms: float) -> LatencySummary:
    """A summary of frames whose time went half to encoding and half to the network."""
    stats = LatencyStats()
    for total_ms in totals_ms:
        half_us = round(total_ms * 500)
        stats.add(Latency(0, half_us, 0, half_us, 0, 0, 0, error_us=100))
    return stats.snapshot()


def receiver(
    *totals_ms: float, state: str = "streaming", events: tuple[StreamEvent, ...] = ()
) -> ReceiverSnapshot:
    """A receiver that has shown a frame for each latency."""
    shown = len(totals_ms)
    return ReceiverSnapshot(
        at_us=0,
        uptime_us=1_000_000,
        stream="main",
        endpoint="tcp://127.0.0.1:5555",
        state=state,
        epoch=1,
        width=640,
        height=360,
        frames_received=shown,
        frames_decoded=shown,
        key_frames_decoded=1,
        frames_displayed=shown,
        frames_dropped=0,
        frames_lost=0,
        bytes_received=1000 * shown,
        wire_bytes_received=1100 * shown,
        kbps=240.0,
        fps=30.0,
        latency=latencies(*totals_ms),
        clock_offset_us=0,
        clock_error_us=100,
        round_trip_us=300,
        freezes=0,
        frozen_us=0,
        pauses=0,
        paused_us=0,
        since_frame_us=10_000,
        keyframe_requests=0,
        reconnects=0,
        hostile_messages=0,
        stale_messages=0,
        damaged_packets=0,
        decoder_failures=0,
        recorder_drops=0,
        refusal="",
        events=events,
    )


def sender(
    *, kbps: float = 250.0, psnr_db: float | None = 38.5, reason: str = "none"
) -> SenderSnapshot:
    """A sender that streams."""
    return SenderSnapshot(
        at_us=0,
        uptime_us=1_000_000,
        stream="main",
        endpoint="tcp://127.0.0.1:5555",
        epoch=1,
        width=640,
        height=360,
        frames_captured=30,
        frames_idle=0,
        frames_encoded=29,
        key_frames_encoded=1,
        frames_skipped={"cpu": 1},
        bytes_sent=30_000,
        header_bytes_sent=1000,
        wire_bytes_sent=33_000,
        kbps=kbps,
        wire_kbps=kbps * 1.1,
        fps=29.0,
        target_kbps=500.0,
        psnr_db=psnr_db,
        quality=32,
        encode=Histogram().snapshot(),
        quality_limitation_reason=reason,
        quality_limitation_s={},
        keyframe_requests=0,
        send_failures=0,
        hostile_messages=0,
        stale_messages=0,
        peers_lost=0,
        source_restarts=0,
        viewers=(),
    )
