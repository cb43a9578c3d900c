# SPDX-License-Identifier: Apache-2.0
"""Drawing a run over a link: capacity and bit rate, delay, quality over time (needs matplotlib)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from services.emulator.report import FrameRecord, signal_delays_us
from services.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from services.emulator.simulate import Sample

_DELAY_AXIS_MS = (20.0, 10_000.0)


def plot_run(
    path: Path, *, title: str, samples: Sequence[Sample], frames: Sequence[FrameRecord]
) -> None:
    """Write a picture of one stream's run; its kind follows the suffix of `path`.

    Raises ConfigError when matplotlib is absent or the file cannot be written.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415  # optional
        from matplotlib.figure import Figure  # noqa: PLC0415  # optional
    except ImportError:
        raise ConfigError("plots need matplotlib: pip install streamcodec[bench]") from None
    figure = Figure(figsize=(9.6, 7.2), layout="constrained")
    FigureCanvasAgg(figure)
    rates, delays, quality = figure.subplots(3, 1, sharex=True, height_ratios=(4, 4, 3))
    figure.suptitle(title)
    _draw_rates(rates, samples)
    _draw_delays(delays, frames)
    _draw_quality(quality, frames)
    try:
        figure.savefig(path, dpi=100)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: cannot write the plot ({error})") from None


def _draw_rates(axes: Axes, samples: Sequence[Sample]) -> None:
    seconds = [sample.at_us / 1e6 for sample in samples]
    capacity = [sample.capacity_bps / 1e6 for sample in samples]
    axes.fill_between(seconds, capacity, step="pre", color="#d7e3ee", label="capacity")
    used = [sample.used_bps / 1e6 for sample in samples]
    axes.plot(seconds, used, color="#1f5f99", linewidth=1, label="carried")
    estimate = [sample.estimate_bps / 1e6 for sample in samples]
    axes.plot(seconds, estimate, color="#c8641e", linewidth=0.8, label="estimated capacity")
    axes.set_ylabel("Mbit/s")
    axes.set_ylim(0, 1.15 * max([*capacity, 0.001]))
    axes.legend(loc="upper right", ncols=3, fontsize="small")


def _draw_delays(axes: Axes, frames: Sequence[FrameRecord]) -> None:
    arrived = [frame for frame in frames if frame.arrived_us is not None]
    axes.plot(
        [frame.captured_us / 1e6 for frame in arrived],
        [((frame.arrived_us or 0) - frame.captured_us) / 1000 for frame in arrived],
        ".",
        markersize=2,
        color="#1f5f99",
        label="frame delay",
    )
    signal = signal_delays_us(frames)
    axes.plot(
        [frame.captured_us / 1e6 for frame in frames[: len(signal)]],
        [delay / 1000 for delay in signal],
        color="#7f7f7f",
        linewidth=0.8,
        label="signal delay",
    )
    axes.set_yscale("log")
    axes.set_ylim(*_DELAY_AXIS_MS)
    axes.set_ylabel("ms from capture")
    axes.grid(visible=True, axis="y", alpha=0.3)
    axes.legend(loc="upper right", ncols=2, fontsize="small")


def _draw_quality(axes: Axes, frames: Sequence[FrameRecord]) -> None:
    measured = any(frame.psnr_db is not None for frame in frames)
    shown = [
        (frame.captured_us / 1e6, frame.psnr_db if measured else float(frame.quality))
        for frame in frames
        if frame.shown_us is not None and (frame.psnr_db is not None or not measured)
    ]
    values = [value for _, value in shown if value is not None]
    axes.plot([at for at, _ in shown], values, color="#2d7d46", linewidth=0.8)
    skipped = [frame.captured_us / 1e6 for frame in frames if frame.size_bytes is None]
    if shown and skipped:
        axes.plot(skipped, [min(values)] * len(skipped), "|", color="#b02a2a", label="skipped")
        axes.legend(loc="lower right", fontsize="small")
    axes.set_ylabel("PSNR, dB" if measured else "quality index")
    axes.set_xlabel("seconds")
