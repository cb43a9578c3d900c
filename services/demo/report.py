# SPDX-License-Identifier: Apache-2.0
"""`demo.png`: source beside decoded, the figures, bit rate and latency over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.demo.canvas import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    PALETTE,
    QUIET,
    RED,
    RULE,
    Box,
    Canvas,
    Line,
    Picture,
)
from services.measure.history import Sample
from services.measure.stats import LEGS

WIDTH = 1600
_MARGIN = 40
_GAP = 32


@dataclass(frozen=True, slots=True)
class Pair:
    """A captured frame and what the receiver made of it, as BGR."""

    source: Picture
    decoded: Picture
    source_text: str
    decoded_text: str


def draw(
    title: str,
    subtitle: str,
    tiles: Sequence[tuple[str, str]],
    samples: Sequence[Sample],
    pair: Pair | None,
) -> Picture:
    """The report as a picture, WIDTH pixels wide. `tiles` are (figure, meaning)."""
    half = (WIDTH - 2 * _MARGIN - _GAP) // 2
    picture_height = 0 if pair is None else _height_for(pair.source, half)
    height = 150 + (picture_height + 60 if pair else 0) + 90 + 2 * 250 + 40
    canvas = Canvas(WIDTH, height)
    end = canvas.text("streamcodec", _MARGIN, 64, size=34, bold=True)
    canvas.text(title, end + 18, 64, size=34, colour=QUIET)
    canvas.text(subtitle, _MARGIN, 98, size=17, colour=QUIET)
    y = 126
    if pair is not None:
        for x, image, text in (
            (_MARGIN, pair.source, pair.source_text),
            (_MARGIN + half + _GAP, pair.decoded, pair.decoded_text),
        ):
            canvas.picture(image, Box(x, y, half, picture_height))
            canvas.text(text, x, y + picture_height + 26, size=16)
        y += picture_height + 60
    _tiles(canvas, tiles, y)
    y += 104
    left = Box(_MARGIN, y, half, 236)
    right = Box(_MARGIN + half + _GAP, y, half, 236)
    below_left = Box(_MARGIN, y + 252, half, 236)
    below_right = Box(_MARGIN + half + _GAP, y + 252, half, 236)
    _rate_chart(canvas, left, samples)
    _latency_chart(canvas, right, samples)
    if any(sample.legs_ms for sample in samples):
        _quality_chart(canvas, below_left, samples)
        _legs_chart(canvas, below_right, samples)
    else:
        _quality_chart(canvas, Box(_MARGIN, y + 252, WIDTH - 2 * _MARGIN, 236), samples)
    return canvas.pixels


def _height_for(picture: Picture, width: int) -> int:
    return min(int(picture.shape[0] * width / picture.shape[1]), 560)


def _tiles(canvas: Canvas, tiles: Sequence[tuple[str, str]], y: int) -> None:
    step = (WIDTH - 2 * _MARGIN) // max(1, len(tiles))
    for index, (figure, meaning) in enumerate(tiles):
        x = _MARGIN + index * step
        canvas.pixels[y : y + 62, x : x + 3] = RULE
        canvas.text(figure, x + 16, y + 30, size=26, bold=True, colour=INK)
        canvas.text(meaning, x + 16, y + 56, size=14, colour=QUIET)


def _rate_chart(canvas: Canvas, box: Box, samples: Sequence[Sample]) -> None:
    seconds = [s.seconds for s in samples]
    rate = [s.kbps for s in samples]
    lines = [Line("sent", seconds, rate, BLUE, fill=0.2)]
    capacity = [s.capacity_kbps for s in samples]
    if not np.isnan(capacity).all():
        lines.append(Line("link capacity", seconds, capacity, GREEN, steps=True))
    canvas.chart(box, "Bit rate", "kbit/s", lines)


def _latency_chart(canvas: Canvas, box: Box, samples: Sequence[Sample]) -> None:
    seconds = [s.seconds for s in samples]
    lines = [
        Line("95th percentile", seconds, [s.latency_p95_ms for s in samples], PALETTE[2]),
        Line("median", seconds, [s.latency_ms for s in samples], ORANGE),
    ]
    queue = [s.queue_ms for s in samples]
    if not np.isnan(queue).all():
        lines.append(Line("queue of the link", seconds, queue, RED))
    canvas.chart(box, "Latency", "ms, capture to display", lines)


def _quality_chart(canvas: Canvas, box: Box, samples: Sequence[Sample]) -> None:
    seconds = [s.seconds for s in samples]
    quality = [s.psnr_db for s in samples]
    bottom = 2 * (min((q for q in quality if np.isfinite(q)), default=30.0) // 2) - 2
    line = Line("", seconds, quality, GREEN)
    canvas.chart(box, "Quality", "PSNR 6:1:1, dB", [line], bottom=max(0.0, bottom))


def _legs_chart(canvas: Canvas, box: Box, samples: Sequence[Sample]) -> None:
    """Legs of the latency, stacked: each band is one leg."""
    seconds = [s.seconds for s in samples]
    total = np.zeros(len(samples))
    bands = []
    for leg, colour in zip(LEGS, PALETTE, strict=True):
        total = total + np.array([s.legs_ms.get(leg, np.nan) for s in samples])
        bands.append(Line(leg, seconds, total.tolist(), colour, fill=1.0))
    # The highest band is painted first, so that each covers all but its own part of it.
    canvas.chart(box, "Latency by leg", "ms, stacked", bands[::-1])
