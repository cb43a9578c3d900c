# SPDX-License-Identifier: Apache-2.0
"""What a simulated stream showed: figures, lines for people, and a plot."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean
from typing import Any

from services.demo.outcome import write_png
from services.demo.report import draw
from services.emulator.footage import ClipFootage
from services.emulator.report import Percentiles
from services.emulator.simulate import SimulationResult
from services.errors import ConfigError, SourceError
from services.measure.history import Sample
from services.media.files.reader import open_material
from services.media.sources import open_source
from services.settings.addresses import is_address
from services.settings.config import DEFAULT_SOURCE
from streamcodec.codec import Codec
from streamcodec.frame import Frame
from streamcodec.metrics import psnr611, ssim

_MEASURE_EVERY = 3  # frames between those whose quality is measured: SSIM takes milliseconds


def clip_footage(codec: Codec, source: str, count: int) -> tuple[ClipFootage, float]:
    """The first frames of a source with their codec, and the source's frame rate.

    Raises SourceError, or ConfigError for a source that has no fixed frames (a camera, a screen).
    """
    frames, fps = _frames(source, count)
    return ClipFootage(
        codec, frames, psnr=psnr611, ssim_db=_ssim_db, ssim_every=_MEASURE_EVERY
    ), fps


def _frames(source: str, count: int) -> tuple[list[Frame], float]:
    if source.startswith("scene:"):
        from services.media.scene import Scene  # noqa: PLC0415

        with_size = source if source != "scene:" else DEFAULT_SOURCE
        opened = open_source(with_size)
        opened.close()
        scene = Scene(opened.width, opened.height, fps=opened.fps)
        return [scene.frame(index) for index in range(count)], opened.fps
    if is_address(source) or source.startswith(("camera:", "screen:")):
        raise ConfigError(f"{source}: a simulation takes a file, a folder or scene:WxH@FPS")
    material = open_material(Path(source))
    frames = [timed.frame for timed, _ in zip(material.frames, range(count), strict=False)]
    if len(frames) < 2:
        raise SourceError(f"{source}: a simulation needs at least two frames")
    return frames, material.fps


def _ssim_db(original: Frame, decoded: Frame) -> float:
    return -10 * math.log10(max(1e-9, 1 - ssim(original.y, decoded.y)))


def figures(result: SimulationResult) -> dict[str, Any]:
    """One JSON object, with the names of `python -m benchmarks.link`."""
    row = result.summary
    return {
        "name": result.profile,
        "seconds": result.options.seconds,
        "capacity_mbps": _number(row.capacity_mbps),
        "longest_gap_ms": _number(row.longest_gap_ms),
        "utilisation": _number(row.utilisation),
        "throughput_mbps": _number(row.throughput_mbps),
        "frame_delay_ms": _percentiles(row.frame_delay_ms),
        "signal_delay_ms": _percentiles(row.signal_delay_ms),
        "captured": row.captured,
        "sent": row.sent,
        "shown": row.shown,
        "skipped": row.captured - row.sent,
        "skipped_outside_outages": _number(row.skip_outside),
        "outages": row.outages,
        "fresh_ms": _number(row.fresh_ms),
        "freezes": row.freezes,
        "longest_freeze_ms": _number(row.longest_freeze_ms),
        "fps": _number(row.frames_per_second),
        "quality_p50": _number(row.quality_p50),
        "psnr_db": _number(row.psnr_db),
        "ssim_db": _number(row.ssim_db),
        "over_budget": row.over_budget,
        "budget_used": {"p50": _number(row.budget_used_p50), "p5": _number(row.budget_used_p5)},
        "reconnects": result.streams[0].reconnects,
        "resolution_changes": result.streams[0].resolution_changes,
    }


def sentences(result: SimulationResult) -> list[str]:
    """The figures for people."""
    row = result.summary
    delay, signal = row.frame_delay_ms, row.signal_delay_ms
    return [
        f"link      {result.profile}: {row.capacity_mbps:.2f} Mbit/s, longest gap "
        f"{row.longest_gap_ms:.0f} ms, {100 * row.utilisation:.0f}% used",
        f"shown     {row.shown} of {row.captured} frames, {row.frames_per_second:.1f} a second, "
        f"{row.freezes} freezes, {row.captured - row.sent} skipped before encoding",
        f"delay     of frames p50 {delay.p50:.0f} ms, p95 {delay.p95:.0f} ms; "
        f"of the signal p95 {signal.p95:.0f} ms",
        f"skipped   {100 * row.skip_outside:.1f}% outside {row.outages} outages of the link",
        f"quality   {row.quality_p50:.0f} (index), PSNR {row.psnr_db:.1f} dB; "
        f"{row.over_budget} packets above their budget",
    ]


def write_plot(result: SimulationResult, path: Path, *, codec: str) -> None:
    """Capacity and rate, delay, queue and PSNR over time. Raises SinkError."""
    row = result.summary
    tiles = [
        (f"{row.capacity_mbps:.2f} Mbit/s", "capacity"),
        (f"{100 * row.utilisation:.0f}%", "of it used"),
        (f"{row.frame_delay_ms.p95:.0f} ms", "frame delay, 95th percentile"),
        (f"{row.frames_per_second:.1f} fps", f"{row.shown} of {row.captured} shown"),
        (f"{row.psnr_db:.1f} dB", "PSNR"),
        (f"{row.freezes}", "freezes"),
    ]
    subtitle = f"link {result.profile}  ·  {result.options.seconds:g} s  ·  {codec}"
    write_png(path, draw("simulated stream", subtitle, tiles, _samples(result), None))


def _samples(result: SimulationResult) -> list[Sample]:
    """The link's samples, with the frames that were shown in each span."""
    frames = [f for f in result.streams[0].frames if f.shown_us is not None]
    shown = iter(sorted(frames, key=lambda f: f.shown_us or 0))
    waiting = next(shown, None)
    samples = []
    for link in result.samples:
        delays, psnr = [], []
        while waiting is not None and (waiting.shown_us or 0) <= link.at_us:
            delays.append(((waiting.shown_us or 0) - waiting.captured_us) / 1000)
            if waiting.psnr_db is not None:
                psnr.append(waiting.psnr_db)
            waiting = next(shown, None)
        capacity = link.capacity_bps
        samples.append(
            Sample(
                seconds=link.at_us / 1e6,
                kbps=link.used_bps / 1000,
                latency_ms=fmean(delays) if delays else math.nan,
                latency_p95_ms=max(delays, default=math.nan),
                psnr_db=fmean(psnr) if psnr else math.nan,
                capacity_kbps=capacity / 1000,
                queue_ms=link.queue_bytes * 8000 / capacity if capacity else math.nan,
            )
        )
    return samples


def _percentiles(values: Percentiles) -> dict[str, float | None]:
    return {"p50": _number(values.p50), "p95": _number(values.p95), "p99": _number(values.p99)}


def _number(value: float) -> float | None:
    """Rounded; None where there is none, since JSON has no NaN."""
    return round(value, 3) if math.isfinite(value) else None
