# SPDX-License-Identifier: Apache-2.0
"""Prometheus metrics and health of a process: /metrics, /healthz, /readyz.

`/healthz` answers as long as the process can take a snapshot; `/readyz` only while frames flow.
Times are seconds, sizes bytes. Labels are bounded: stream, reason, leg, and the viewers' names.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol, TypeAlias

from aiohttp import web
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from services.measure.histogram import STEPS_PER_OCTAVE, Distribution
from services.measure.relay_stats import FeedSnapshot, RelaySnapshot
from services.measure.stats import ReceiverSnapshot, SenderSnapshot, ViewerSnapshot
from services.rate.cpu import EFFORTS
from services.view.access import Listen, is_foreign, names_loopback
from services.view.server import Handler, WebServer
from streamcodec import __version__

Snapshot: TypeAlias = SenderSnapshot | ReceiverSnapshot | RelaySnapshot

READY_US = 3_000_000  # without a frame for this long the stream does not flow
_BOUNDS_S = (0.005, 0.01, 0.02, 0.033, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_PREFIX = "streamcodec"


class _Collector:
    """Turns a snapshot into metrics at each request."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterable[Metric]:
        """All metrics as of now."""
        found = self._snapshot()
        yield _gauge("build_info", "Version of the program.", {"version": __version__}, 1)
        yield _gauge("uptime_seconds", "Since the start.", _label(found), found.uptime_us / 1e6)
        match found:
            case SenderSnapshot():
                yield from _sender(found)
            case ReceiverSnapshot():
                yield from _receiver(found)
            case RelaySnapshot():
                yield from _relay(found)


class _Label(Protocol):
    @property
    def stream(self) -> str: ...


def render(snapshot: Callable[[], Snapshot]) -> bytes:
    """The text that Prometheus reads."""
    registry = CollectorRegistry()
    registry.register(_Collector(snapshot))
    return generate_latest(registry)


def is_ready(snapshot: Snapshot) -> tuple[bool, str]:
    """Whether frames flow, and one sentence about it."""
    match snapshot:
        case SenderSnapshot():
            return _sends(snapshot)
        case ReceiverSnapshot() | RelaySnapshot():
            age_us = snapshot.since_frame_us
            if age_us is None:
                return False, "no frame has come yet"
            if age_us > READY_US:
                return False, f"no frame for {age_us / 1e6:.0f} s"
            return True, "frames flow"


def _sends(sender: SenderSnapshot) -> tuple[bool, str]:
    """Whether a sender's source gives frames; one that is slow by nature gets its time."""
    if sender.source_lost:
        return False, f"the source is gone: {sender.source_lost}"
    if sender.source_waits:
        return True, "the next frame is not due yet"
    age_us = sender.since_capture_us
    if age_us is None:
        return False, "no frame has come from the source yet"
    if age_us > max(READY_US, 3 * sender.frame_interval_us):
        return False, f"no frame from the source for {age_us / 1e6:.0f} s"
    return True, f"{sender.frames_captured} frames captured"


def metrics_routes(snapshot: Callable[[], Snapshot]) -> Sequence[tuple[str, Handler]]:
    """The three paths and what answers them."""

    async def metrics(request: web.Request) -> web.StreamResponse:
        body = await asyncio.to_thread(render, snapshot)
        kind = {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        return web.Response(body=body, headers=kind)

    async def healthz(request: web.Request) -> web.StreamResponse:
        await asyncio.to_thread(snapshot)
        return web.Response(text="alive\n")

    async def readyz(request: web.Request) -> web.StreamResponse:
        ready, why = is_ready(await asyncio.to_thread(snapshot))
        return web.Response(text=f"{why}\n", status=200 if ready else 503)

    return ("/metrics", metrics), ("/healthz", healthz), ("/readyz", readyz)


class MetricsServer:
    """Serves nothing but metrics and health. They hold no secret, so they ask for no token."""

    def __init__(self, listen: Listen, snapshot: Callable[[], Snapshot]) -> None:
        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            # On loopback a name that leads here is another site's (DNS rebinding); elsewhere
            # scrapers come by whatever name their network has for us.
            host = request.headers.get("Host", "")
            if (listen.loopback and not names_loopback(host)) or is_foreign(request.headers):
                raise web.HTTPForbidden(text="other sites may not read this\n")
            response = await handler(request)
            response.headers["Cross-Origin-Resource-Policy"] = "same-origin"
            return response

        def app() -> web.Application:
            made = web.Application(middlewares=[guard])
            for path, handler in metrics_routes(snapshot):
                made.router.add_get(path, handler)
            return made

        self._server = WebServer(app, listen)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    def close(self) -> None:
        """Stop serving."""
        self._server.close()


def _sender(found: SenderSnapshot) -> Iterable[Metric]:
    label = _label(found)
    yield _counter("frames_captured", "Frames the source gave.", label, found.frames_captured)
    yield _counter("frames_encoded", "Frames coded.", label, found.frames_encoded)
    yield _counter("keyframes_encoded", "Keyframes coded.", label, found.key_frames_encoded)
    yield _by(
        "frames_skipped", "Frames not coded, by reason.", label, "reason", found.frames_skipped
    )
    yield _counter("sent_bytes", "Bytes of packets sent.", label, found.bytes_sent)
    yield _counter("sent_wire_bytes", "The same with all headers.", label, found.wire_bytes_sent)
    target = found.target_kbps * 1000 / 8
    yield _gauge("target_bytes_per_second", "Asked of the coder.", label, target)
    yield _gauge("quality_index", "Of the last frame, 0 to 63.", label, found.quality)
    yield _gauge("frame_width_pixels", "Of the coded picture.", label, found.frame_width)
    yield _gauge("frame_height_pixels", "Of the coded picture.", label, found.frame_height)
    changes = found.resolution_changes
    yield _counter("resolution_changes", "Of the picture size, for the link.", label, changes)
    if found.psnr_db is not None:
        yield _gauge("psnr_decibels", "Of a recent frame.", label, found.psnr_db)
    yield _histogram("encode_seconds", "Time to code a frame.", label, found.encode)
    if found.effort:
        efforts = {name: int(name == found.effort) for name in EFFORTS}
        yield _states("encode_effort", "1 for how hard it tries.", label, "effort", efforts)
    yield _by(
        "quality_limitation_seconds",
        "Time spent limited, by reason.",
        label,
        "reason",
        found.quality_limitation_s,
    )
    yield _counter("keyframe_requests", "By receivers.", label, found.keyframe_requests)
    yield _counter("send_failures", "Messages refused by a queue.", label, found.send_failures)
    yield _counter("refused_connections", "Handshakes refused.", label, found.refused_connections)
    yield _counter("hostile_messages", "Messages not ours.", label, found.hostile_messages)
    yield _counter("peers_lost", "Receivers that vanished.", label, found.peers_lost)
    yield _counter("frames_damaged", "Undecodable source frames.", label, found.frames_damaged)
    yield _gauge("source_buffer_seconds", "Waits in a source.", label, found.source_buffer_us / 1e6)
    yield _counter("source_restarts", "Times the source was lost.", label, found.source_restarts)
    if found.since_capture_us is not None:
        age_s = found.since_capture_us / 1e6
        yield _gauge("capture_age_seconds", "Since the source gave a frame.", label, age_s)
    yield _gauge("source_lost", "1 while the source is gone.", label, int(bool(found.source_lost)))
    yield _keys(label, found.keys_trouble)
    yield from _viewers([(label, found.viewers)])


def _receiver(found: ReceiverSnapshot) -> Iterable[Metric]:
    label = _label(found)
    connected = found.state == "streaming"
    yield _gauge("connected", "1 while a sender is there.", label, int(connected))
    yield _counter("frames_received", "Packets that came.", label, found.frames_received)
    yield _counter("frames_decoded", "Packets decoded.", label, found.frames_decoded)
    yield _counter("frames_displayed", "Frames shown.", label, found.frames_displayed)
    yield _counter("frames_dropped", "Frames not shown.", label, found.frames_dropped)
    yield _counter("received_bytes", "Bytes of packets.", label, found.bytes_received)
    yield _counter("received_wire_bytes", "With all headers.", label, found.wire_bytes_received)
    yield _histogram(
        "capture_to_display_seconds", "Latency of shown frames.", label, found.latency.total
    )
    legs = HistogramMetricFamily(
        f"{_PREFIX}_leg_seconds", "Latency by leg.", labels=[*label, "leg"]
    )
    for name, leg in found.latency.legs.items():
        legs.add_metric([*label.values(), name], _buckets(leg), leg.sum_us / 1e6)
    yield legs
    if found.clock_error_us is not None:
        error_s = found.clock_error_us / 1e6
        yield _gauge("clock_error_seconds", "Bound on latency's error.", label, error_s)
        offset_s = found.clock_offset_us / 1e6
        yield _gauge("clock_offset_seconds", "Sender's clock to ours.", label, offset_s)
    yield from _age(label, found.since_frame_us)
    yield _counter("freezes", "W3C freezes.", label, found.freezes)
    yield _counter("frozen_seconds", "Time in freezes.", label, found.frozen_us / 1e6)
    yield _counter("keyframe_requests", "Sent by us.", label, found.keyframe_requests)
    yield _counter("reconnects", "Sessions lost.", label, found.reconnects)
    yield _counter("hostile_messages", "Messages not ours.", label, found.hostile_messages)
    yield _counter("damaged_packets", "Packets not decodable.", label, found.damaged_packets)
    yield _counter("recorder_drops", "Frames not recorded.", label, found.recorder_drops)
    yield _keys(label, found.keys_trouble)


def _relay(found: RelaySnapshot) -> Iterable[Metric]:
    label = {"stream": found.stream or "any"}
    feeds = found.feeds
    yield _feeds(GaugeMetricFamily, "connected", "1 while a sender is there.", feeds, _is_connected)
    counts: tuple[tuple[str, str, Callable[[FeedSnapshot], float]], ...] = (
        ("frames_received", "Packets that came.", lambda feed: feed.frames_received),
        ("received_bytes", "Bytes of packets.", lambda feed: feed.bytes_received),
        ("received_wire_bytes", "With all headers.", lambda feed: feed.wire_bytes_received),
        ("keyframe_requests_sent", "By us.", lambda feed: feed.keyframe_requests_sent),
        ("reconnects", "Sessions lost.", lambda feed: feed.reconnects),
        ("damaged_packets", "Packets that are none.", lambda feed: feed.damaged_packets),
    )
    for name, text, value in counts:
        yield _feeds(CounterMetricFamily, name, text, feeds, value)
    yield _feeds(
        GaugeMetricFamily, "cached_bytes", "Of the chain kept.", feeds, lambda f: f.cached_bytes
    )
    yield _feeds(
        GaugeMetricFamily,
        "clock_error_seconds",
        "Bound on the error of times of capture, all hops to here.",
        [feed for feed in feeds if feed.clock_error_us is not None],
        lambda feed: (feed.clock_error_us or 0) / 1e6,
    )
    aged = [feed for feed in feeds if feed.since_frame_us is not None]
    yield _feeds(
        GaugeMetricFamily,
        "frame_age_seconds",
        "Since the last frame.",
        aged,
        lambda feed: (feed.since_frame_us or 0) / 1e6,
    )
    yield _feeds(
        GaugeMetricFamily,
        "last_frame_timestamp_seconds",
        "Unix time of it.",
        aged,
        lambda feed: time.time() - (feed.since_frame_us or 0) / 1e6,
    )
    yield _counter("sent_bytes", "Bytes of packets sent.", label, found.bytes_sent)
    yield _counter("sent_wire_bytes", "The same with all headers.", label, found.wire_bytes_sent)
    yield _counter("keyframe_requests", "By receivers.", label, found.keyframe_requests)
    yield _counter("send_failures", "Messages refused by a queue.", label, found.send_failures)
    yield _counter("refused_connections", "Handshakes refused.", label, found.refused_connections)
    yield _counter("hostile_messages", "Messages not ours.", label, found.hostile_messages)
    yield _counter("flooded_messages", "Messages above the bound.", label, found.flooded_messages)
    yield _counter("peers_lost", "Receivers that vanished.", label, found.peers_lost)
    yield _keys(label, found.keys_trouble)
    yield from _viewers([(_label(feed), feed.viewers) for feed in feeds])


def _keys(label: dict[str, str], trouble: str) -> Metric:
    text = "1 while the folder of keys cannot be read: the keys read before stay in force."
    return _gauge("keys_unreadable", text, label, int(bool(trouble)))


def _is_connected(feed: FeedSnapshot) -> float:
    return float(feed.state == "streaming")


def _feeds(
    kind: type[GaugeMetricFamily | CounterMetricFamily],
    name: str,
    text: str,
    feeds: Sequence[FeedSnapshot],
    value: Callable[[FeedSnapshot], float],
) -> Metric:
    """One series for each stream of a relay."""
    family = kind(f"{_PREFIX}_{name}", text, labels=["stream"])
    for feed in feeds:
        family.add_metric([feed.stream or "any"], value(feed))
    return family


def _viewers(
    streams: Sequence[tuple[dict[str, str], Sequence[ViewerSnapshot]]],
) -> Iterable[Metric]:
    there = GaugeMetricFamily(f"{_PREFIX}_viewers", "Receivers that are there.", labels=["stream"])
    labels = ["stream", "viewer"]
    sent = CounterMetricFamily(
        f"{_PREFIX}_viewer_sent_bytes", "Packets to a receiver.", labels=labels
    )
    shown = CounterMetricFamily(
        f"{_PREFIX}_viewer_frames_displayed", "Shown by a receiver.", labels=labels
    )
    flight = GaugeMetricFamily(
        f"{_PREFIX}_viewer_frames_in_flight", "Sent and not shown.", labels=labels
    )
    for label, viewers in streams:
        there.add_metric(list(label.values()), len(viewers))
        # Names may repeat; one series each, summed.
        for name in dict.fromkeys(viewer.name for viewer in viewers):
            of_name = [viewer for viewer in viewers if viewer.name == name]
            values = [*label.values(), name]
            sent.add_metric(values, sum(viewer.bytes_sent for viewer in of_name))
            shown.add_metric(values, sum(viewer.frames_displayed for viewer in of_name))
            flight.add_metric(values, sum(viewer.frames_in_flight for viewer in of_name))
    yield from (there, sent, shown, flight)


def _age(label: dict[str, str], since_us: int | None) -> Iterable[Metric]:
    if since_us is not None:
        yield _gauge("frame_age_seconds", "Since the last frame.", label, since_us / 1e6)
        last_s = time.time() - since_us / 1e6
        yield _gauge("last_frame_timestamp_seconds", "Unix time of it.", label, last_s)


def _label(found: _Label) -> dict[str, str]:
    return {"stream": found.stream or "any"}


def _gauge(name: str, text: str, label: dict[str, str], value: float) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=list(label))
    family.add_metric(list(label.values()), value)
    return family


def _counter(name: str, text: str, label: dict[str, str], value: float) -> Metric:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=list(label))
    family.add_metric(list(label.values()), value)
    return family


def _by(
    name: str, text: str, label: dict[str, str], key: str, values: Mapping[str, float]
) -> CounterMetricFamily:
    family = CounterMetricFamily(f"{_PREFIX}_{name}", text, labels=[*label, key])
    for which, value in values.items():
        family.add_metric([*label.values(), which], value)
    return family


def _states(
    name: str, text: str, label: dict[str, str], key: str, values: Mapping[str, int]
) -> Metric:
    family = GaugeMetricFamily(f"{_PREFIX}_{name}", text, labels=[*label, key])
    for which, value in values.items():
        family.add_metric([*label.values(), which], value)
    return family


def _histogram(name: str, text: str, label: dict[str, str], values: Distribution) -> Metric:
    family = HistogramMetricFamily(f"{_PREFIX}_{name}", text, labels=list(label))
    family.add_metric(list(label.values()), _buckets(values), values.sum_us / 1e6)
    return family


def _buckets(values: Distribution) -> list[tuple[str, float]]:
    """Cumulative counts at round bounds, from the finer buckets we keep (exact to 2%)."""
    found: list[tuple[str, float]] = []
    for bound in _BOUNDS_S:
        below = sum(
            count
            for bucket, count in values.buckets.items()
            if bucket < 0 or 2 ** ((bucket + 0.5) / STEPS_PER_OCTAVE) <= bound * 1e6
        )
        found.append((str(bound), below))
    return [*found, ("+Inf", values.count)]
