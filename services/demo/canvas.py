# SPDX-License-Identifier: Apache-2.0
"""A drawing surface for reports: text, lines and charts with OpenCV alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]  # blue, green, red

PAPER: Colour = (252, 251, 250)
INK: Colour = (48, 40, 36)
QUIET: Colour = (140, 130, 124)
RULE: Colour = (232, 229, 226)
BLUE: Colour = (196, 110, 38)
ORANGE: Colour = (52, 126, 232)
GREEN: Colour = (110, 150, 36)
RED: Colour = (60, 60, 208)
PALETTE: tuple[Colour, ...] = (
    (201, 158, 110),
    (150, 100, 40),
    (110, 190, 245),
    (70, 110, 225),
    (150, 190, 130),
    (190, 130, 160),
    (150, 150, 150),
)
_SUBPIXEL_BITS = 4


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Line:
    """A curve of a chart. NaN breaks it; `fill` is the opacity of the area below it."""

    name: str
    seconds: Sequence[float]
    values: Sequence[float]
    colour: Colour
    fill: float = 0.0
    steps: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    """The axes of a chart: values from low to high, seconds from 0 to last."""

    low: float
    high: float
    last: float

    def y(self, plot: Box, value: float) -> float:
        """Where a value lies; beyond the axis it is drawn just outside its end."""
        share = (value - self.low) / (self.high - self.low)
        return plot.y + plot.height * (1 - min(max(share, -0.01), 1.02))


class Canvas:
    """A picture that text and charts are drawn on."""

    def __init__(self, width: int, height: int) -> None:
        self.pixels: Picture = np.full((height, width, 3), PAPER, np.uint8)

    def text(
        self,
        text: str,
        x: int,
        baseline: int,
        *,
        size: int = 15,
        colour: Colour = INK,
        bold: bool = False,
        align: str = "left",
    ) -> int:
        """Write text on a baseline, aligned to x; return the x where it ends."""
        width = text_width(text, size, bold=bold)
        x -= {"left": 0, "middle": width // 2, "right": width}[align]
        weight = 700 if bold else 400
        if _FACE is not None:
            cv2.putText(self.pixels, text, (x, baseline), colour, _FACE, size, weight)
        else:
            scale, thick = size / 30, 2 if bold else 1
            cv2.putText(
                self.pixels,
                _plain(text),
                (x, baseline),
                _HERSHEY,
                scale,
                colour,
                thick,
                cv2.LINE_AA,
            )
        return x + width

    def picture(self, picture: Picture, box: Box) -> None:
        """Scale a picture into a box, its shape kept."""
        scale = min(box.width / picture.shape[1], box.height / picture.shape[0])
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        scaled = cv2.resize(picture, size, interpolation=how)
        x, y = box.x + (box.width - size[0]) // 2, box.y + (box.height - size[1]) // 2
        self.pixels[y : y + size[1], x : x + size[0]] = scaled

    def chart(
        self,
        box: Box,
        title: str,
        unit: str,
        lines: Sequence[Line],
        *,
        bottom: float = 0.0,
        top: float | None = None,
    ) -> None:
        """Lines over time in seconds, later ones over earlier ones."""
        end = self.text(title, box.x, box.y + 14, size=16, bold=True)
        self.text(unit, end + 8, box.y + 14, size=13, colour=QUIET)
        plot = Box(box.x + 46, box.y + 30, box.width - 50, box.height - 56)
        values = [v for line in lines for v in line.values if math.isfinite(v)]
        seconds = [s for line in lines for s in line.seconds]
        peak = top if top is not None else max(values, default=bottom + 1.0)
        step = nice_step((peak - bottom) * 1.08, 4)
        scale = _Scale(
            low=bottom,
            high=bottom + step * max(1, math.ceil((peak - bottom) / step)),
            last=max(seconds, default=1.0) or 1.0,
        )
        self._axes(plot, scale, step)
        for line in lines:
            self._curve(plot, line, scale)
        x = box.x + box.width
        for line in reversed(lines):
            if line.name:
                x -= text_width(line.name, 13) + 26
                cv2.line(self.pixels, (x + 4, box.y + 10), (x + 16, box.y + 10), line.colour, 3)
                self.text(line.name, x + 22, box.y + 14, size=13, colour=QUIET)

    def _axes(self, plot: Box, scale: _Scale, step: float) -> None:
        for tick in range(round((scale.high - scale.low) / step) + 1):
            value = scale.low + tick * step
            y = round(scale.y(plot, value))
            cv2.line(self.pixels, (plot.x, y), (plot.x + plot.width, y), RULE, 1)
            self.text(f"{value:g}", plot.x - 8, y + 4, size=12, colour=QUIET, align="right")
        gap = nice_step(scale.last, 6)
        for tick in range(int(scale.last / gap + 1e-6) + 1):
            x = plot.x + round(plot.width * tick * gap / scale.last)
            label = f"{tick * gap:g}" + (" s" if tick == 0 else "")
            y = plot.y + plot.height + 18
            self.text(label, x, y, size=12, colour=QUIET, align="middle")

    def _curve(self, plot: Box, line: Line, scale: _Scale) -> None:
        for run in _runs(line):
            points = [(plot.x + plot.width * s / scale.last, scale.y(plot, v)) for s, v in run]
            if line.steps:
                points = _stairs(points)
            fixed = np.round(np.array(points) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
            if line.fill:
                floor = (plot.y + plot.height) << _SUBPIXEL_BITS
                area = np.vstack((fixed, [[fixed[-1, 0], floor], [fixed[0, 0], floor]]))
                layer = self.pixels.copy()
                cv2.fillPoly(
                    layer, [area.astype(np.int32)], line.colour, cv2.LINE_AA, _SUBPIXEL_BITS
                )
                cv2.addWeighted(layer, line.fill, self.pixels, 1 - line.fill, 0, self.pixels)
            cv2.polylines(self.pixels, [fixed], False, line.colour, 2, cv2.LINE_AA, _SUBPIXEL_BITS)


def text_width(text: str, size: int, *, bold: bool = False) -> int:
    """Width of a text in pixels."""
    if _FACE is not None:
        weight = 700 if bold else 400
        box = cv2.getTextSize((4000, 400), text, (0, 0), _FACE, size, weight)
        return int(box[2])
    (width, _), _ = cv2.getTextSize(_plain(text), _HERSHEY, size / 30, 2 if bold else 1)
    return int(width)


def nice_step(span: float, parts: int) -> float:
    """A step of 1, 2 or 5 times a power of ten that cuts the span into about so many parts."""
    if span < 1e-9:
        return 1.0
    rough = span / parts
    power = 10.0 ** math.floor(math.log10(rough))
    return next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.999)


def _runs(line: Line) -> list[list[tuple[float, float]]]:
    """The stretches of a line between values that are not numbers."""
    runs: list[list[tuple[float, float]]] = [[]]
    for second, value in zip(line.seconds, line.values, strict=True):
        if math.isfinite(value):
            runs[-1].append((second, value))
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _stairs(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Hold each value until the next point."""
    out = points[:1]
    for (_, y), (x, following) in pairwise(points):
        out += [(x, y), (x, following)]
    return out


def _plain(text: str) -> str:
    """The text in the letters that OpenCV before version 5 can draw."""
    swapped = text.translate({0xB7: "|", 0x2212: "-", 0xD7: "x", 0x2192: ">"})
    return swapped.encode("ascii", "replace").decode()


_HERSHEY = cv2.FONT_HERSHEY_SIMPLEX
# OpenCV 5 draws TrueType; earlier versions have stroke letters only.
_FACE = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None
