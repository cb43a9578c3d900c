# SPDX-License-Identifier: Apache-2.0
"""What moves through the built-in scene: balloons, boats, and an aeroplane with a banner."""

from __future__ import annotations

import cv2
import numpy as np

from services.media.brushes import Colour, Pixels, write
from services.media.layers import Layer, make_layer

BALLOON_COLOURS: tuple[tuple[Colour, Colour, Colour], ...] = (
    ((0.86, 0.20, 0.16), (0.97, 0.78, 0.24), (0.93, 0.93, 0.88)),
    ((0.13, 0.42, 0.66), (0.95, 0.95, 0.92), (0.90, 0.45, 0.12)),
    ((0.45, 0.18, 0.50), (0.96, 0.62, 0.20), (0.15, 0.55, 0.55)),
)


def _finished(
    picture: Pixels,
    zoom: int,
    rng: np.random.Generator,
    *,
    parallax: float,
) -> Layer:
    """Reduce a sprite that was drawn large; it hangs from its middle at the canvas origin."""
    tall, wide = picture.shape[0] // zoom, picture.shape[1] // zoom
    premultiplied = picture.astype(np.float32) / 255
    premultiplied[..., :3] *= premultiplied[..., 3:]
    small = np.asarray(cv2.resize(premultiplied, (wide, tall), interpolation=cv2.INTER_AREA))
    alpha = small[..., 3].astype(np.float32)
    colour = small[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    return make_layer(colour, alpha, left=-wide / 2, top=-tall / 2, parallax=parallax, rng=rng)


def balloon(size: float, colours: tuple[Colour, Colour, Colour], rng: np.random.Generator) -> Layer:
    """A hot-air balloon `size` pixels high: gores that follow the envelope, a basket, ropes."""
    zoom = 3
    tall, wide = max(6, int(size)), max(4, int(size * 0.76))
    grid_y, grid_x = np.mgrid[0 : tall * zoom, 0 : wide * zoom].astype(np.float32)
    x = (grid_x / zoom - wide / 2) / (wide / 2 - 1)
    y = grid_y / zoom / tall
    bulge = np.where(
        y < 0.42,
        np.sqrt(np.clip(1 - ((0.42 - y) / 0.42) ** 2, 0, 1)),
        np.clip(np.cos((y - 0.42) / 0.36 * 1.28), 0, 1),
    )
    inside = (np.abs(x) <= bulge) & (y < 0.80)
    turn = np.arcsin(np.clip(x / np.maximum(bulge, 1e-3), -1, 1)) / np.pi + 0.5
    gore = np.floor(turn * 12).astype(int)
    picture = np.zeros((tall * zoom, wide * zoom, 4), np.uint8)
    palette = np.array(colours, np.float32)
    colour = palette[gore % 2]
    band = (y > 0.36) & (y < 0.46)
    colour[band] = palette[2]
    seam = np.abs(turn * 12 - np.rint(turn * 12)) < 0.05
    light = 0.70 + 0.42 * turn - 0.28 * np.clip(y - 0.45, 0, 1) - 0.12 * seam
    picture[..., :3] = np.clip(colour * light[..., None], 0, 1) * 255
    picture[..., 3] = inside * 255
    middle, rope = wide / 2, (70, 56, 44, 255)
    for side in (-1, 1):
        start = (round((middle + side * 0.085 * size) * zoom), round(0.78 * tall * zoom))
        end = (round((middle + side * 0.05 * size) * zoom), round(0.91 * tall * zoom))
        cv2.line(picture, start, end, rope, max(1, round(0.008 * size * zoom)), cv2.LINE_AA)
    low = (round((middle - 0.055 * size) * zoom), round(0.90 * tall * zoom))
    high = (round((middle + 0.055 * size) * zoom), round(0.985 * tall * zoom))
    cv2.rectangle(picture, low, high, (120, 82, 46, 255), -1)
    return _finished(picture, zoom, rng, parallax=0.3)


def boat(size: float, rng: np.random.Generator) -> Layer:
    """A small sailing boat, `size` pixels high."""
    zoom = 4
    tall, wide = max(6, int(size)), max(6, int(size * 0.86))
    picture = np.zeros((tall * zoom, wide * zoom, 4), np.uint8)

    def shape(points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        corners = np.array([(px * wide, py * tall) for px, py in points]) * zoom
        cv2.fillPoly(picture, [corners.astype(np.int32)], (*colour, 255), cv2.LINE_AA)

    shape([(0.52, 0.02), (0.53, 0.02), (0.53, 0.86), (0.51, 0.86)], (92, 70, 50))
    shape([(0.50, 0.05), (0.50, 0.78), (0.12, 0.78), (0.30, 0.45)], (250, 244, 232))
    shape([(0.50, 0.40), (0.50, 0.78), (0.12, 0.78)], (226, 214, 200))
    shape([(0.55, 0.10), (0.55, 0.76), (0.88, 0.76), (0.75, 0.50)], (214, 72, 48))
    shape([(0.04, 0.83), (0.98, 0.83), (0.86, 0.99), (0.16, 0.99)], (98, 44, 32))
    shape([(0.04, 0.83), (0.98, 0.83), (0.955, 0.87), (0.065, 0.87)], (240, 232, 216))
    return _finished(picture, zoom, rng, parallax=0.7)


def plane(height: int, rng: np.random.Generator) -> Layer:
    """A light aircraft that tows a banner, flying to the right."""
    zoom = 3
    tall, wide = max(8, int(0.13 * height)), max(40, int(0.95 * height))
    picture = np.zeros((tall * zoom, wide * zoom, 4), np.uint8)
    unit = tall * zoom

    def shape(points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        origin = wide * zoom - 1.35 * unit
        corners = np.array([(origin + px * unit, py * unit) for px, py in points])
        cv2.fillPoly(picture, [corners.astype(np.int32)], (*colour, 255), cv2.LINE_AA)

    banner = int(wide * zoom - 2.0 * unit)
    rope = (90, 86, 84, 255)
    cv2.line(
        picture,
        (banner, unit // 2),
        (int(wide * zoom - 1.3 * unit), unit // 2),
        rope,
        max(1, unit // 60),
        cv2.LINE_AA,
    )
    cv2.rectangle(
        picture, (0, round(0.20 * unit)), (banner, round(0.80 * unit)), (248, 244, 236, 255), -1
    )
    cv2.rectangle(
        picture,
        (0, round(0.20 * unit)),
        (banner, round(0.80 * unit)),
        (200, 52, 40, 255),
        max(1, unit // 24),
    )
    write(
        picture,
        "live video, thin links",
        (0, 0.2 * tall, banner / zoom, 0.6 * tall),
        (40, 52, 92),
        zoom,
    )
    shape(
        [(0.0, 0.42), (0.75, 0.36), (1.08, 0.44), (1.10, 0.56), (0.78, 0.64), (0.0, 0.54)],
        (222, 60, 44),
    )
    shape([(0.0, 0.54), (0.78, 0.64), (1.10, 0.56), (1.09, 0.50), (0.0, 0.48)], (166, 36, 30))
    shape([(-0.02, 0.46), (-0.10, 0.16), (0.08, 0.18), (0.20, 0.44)], (240, 236, 228))
    shape([(0.48, 0.38), (0.58, 0.26), (0.80, 0.28), (0.88, 0.40)], (120, 160, 190))
    shape([(0.34, 0.56), (0.78, 0.55), (0.70, 0.66), (0.26, 0.68)], (248, 240, 226))
    shape([(1.09, 0.22), (1.115, 0.22), (1.115, 0.78), (1.09, 0.78)], (70, 66, 66))
    return _finished(picture, zoom, rng, parallax=0.3)
