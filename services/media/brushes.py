# SPDX-License-Identifier: Apache-2.0
"""What every painting of the built-in scene needs: noise, mixing, soft edges, lettering."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from services.media.layers import Image

Colour = tuple[float, float, float]
Pixels = npt.NDArray[np.uint8]


def fractal(
    shape: tuple[int, int],
    rng: np.random.Generator,
    *,
    cell: tuple[float, float],
    octaves: int = 5,
    gain: float = 0.5,
) -> Image:
    """Smooth noise of zero mean and unit deviation; `cell` (y, x) is its coarsest grain in px."""
    height, width = shape
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        rows = max(2, round(height * 2**octave / cell[0]) + 3)
        columns = max(2, round(width * 2**octave / cell[1]) + 3)
        if rows > 2 * height or columns > 2 * width:
            break
        grid = rng.normal(0, gain**octave, (rows, columns)).astype(np.float32)
        total += cv2.resize(grid, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray((total - total.mean()) / max(float(total.std()), 1e-6), np.float32)


def mix(first: Image | Colour, second: Image | Colour, share: Image) -> Image:
    a, b = np.asarray(first, np.float32), np.asarray(second, np.float32)
    return np.asarray(a + (b - a) * share[..., None], np.float32)


def step(values: Image, low: float, high: float) -> Image:
    """Smooth step from 0 at low to 1 at high."""
    t = np.clip((values - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def opaque(colour: npt.NDArray[np.float64]) -> tuple[float, float, float, float]:
    red, green, blue = (float(c) for c in np.clip(colour, 0, 1) * 255)
    return red, green, blue, 255.0


def write(
    picture: Pixels,
    text: str,
    box: tuple[float, float, float, float],
    colour: tuple[int, int, int],
    zoom: int,
) -> None:
    """Text as large as a box (left, top, width, height) lets it be, centred.

    The lettering is measured after it is drawn: OpenCV's releases disagree about its size.
    """
    left, top, wide, tall = (side * zoom for side in box)
    ink = np.zeros((160, 80 * len(text)), np.uint8)
    cv2.putText(ink, text, (20, 100), cv2.FONT_HERSHEY_DUPLEX, 2.2, 255, 5, cv2.LINE_AA)
    x, y, ink_wide, ink_tall = cv2.boundingRect(ink)
    scale = min(wide * 0.86 / ink_wide, tall * 0.62 / ink_tall)
    size = (max(1, round(ink_wide * scale)), max(1, round(ink_tall * scale)))
    small = cv2.resize(ink[y : y + ink_tall, x : x + ink_wide], size, interpolation=cv2.INTER_AREA)
    x0, y0 = round(left + (wide - size[0]) / 2), round(top + (tall - size[1]) / 2)
    part = picture[y0 : y0 + size[1], x0 : x0 + size[0], :3]
    share = small[: part.shape[0], : part.shape[1], None].astype(np.float32) / 255
    part[:] = part * (1 - share) + np.array(colour, np.float32) * share
