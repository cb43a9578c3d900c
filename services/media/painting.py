# SPDX-License-Identifier: Apache-2.0
"""Paints the layers of the built-in scene once: sky, mountains, woods, meadow, and what moves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from services.media.brushes import Pixels, fractal, mix, opaque, step, write
from services.media.layers import Image, Layer, make_layer, mirrored
from services.media.sprites import BALLOON_COLOURS, balloon, boat, plane

HORIZON = 0.56  # of the height: where the far shore meets the water
SHORE = 0.80  # of the height: where the water meets the meadow
TRAVEL = 0.30  # of the width: how far the camera turns to either side
_SIGN_TEXT = "streamcodec"


@dataclass(frozen=True, slots=True)
class Painting:
    """Everything that is painted in advance, back to front."""

    sky: Layer
    peaks: Layer
    woods: Layer
    meadow: Layer
    balloons: tuple[Layer, ...]
    boats: tuple[Layer, ...]
    boat_mirrors: tuple[Layer, ...]
    plane: Layer


def paint(width: int, height: int, rng: np.random.Generator) -> Painting:
    """All layers for frames of this size. Takes well under a second at 640x360."""
    boats = tuple(boat(height * size, rng) for size in (0.17, 0.10))
    return Painting(
        sky=_sky(width, height, rng),
        peaks=_peaks(width, height, rng),
        woods=_woods(width, height, rng),
        meadow=_meadow(width, height, rng),
        balloons=tuple(
            balloon(height * size, colours, rng)
            for size, colours in zip((0.30, 0.19, 0.12), BALLOON_COLOURS, strict=True)
        ),
        boats=boats,
        boat_mirrors=tuple(mirrored(layer, 0.45) for layer in boats),
        plane=plane(height, rng),
    )


def _panorama(width: int, parallax: float) -> tuple[int, float]:
    """Width of a layer that the camera never sees the end of, and its left side."""
    margin = TRAVEL * width * parallax + 8
    return int(width + 2 * margin), -margin


def _sky(width: int, height: int, rng: np.random.Generator) -> Layer:
    parallax = 0.06
    wide, left = _panorama(width, parallax)
    tall = int(height * (HORIZON + 0.12))
    rows = np.linspace(0, 1, tall, dtype=np.float32)[:, None] * np.ones((1, wide), np.float32)
    columns = np.arange(wide, dtype=np.float32)[None] / height * np.ones((tall, 1), np.float32)
    colour = mix((0.20, 0.42, 0.74), (0.52, 0.72, 0.90), step(rows, 0.0, 0.55))
    colour = mix(colour, (0.99, 0.85, 0.66), step(rows, 0.42, 0.92))
    sun_x, sun_y = wide / height * 0.68, 0.60
    distance = np.hypot(columns - sun_x, (rows - sun_y) * (HORIZON + 0.12))
    colour += np.exp(-((distance / 0.30) ** 2))[..., None] * np.array(
        (0.30, 0.18, 0.02), np.float32
    )
    # Clouds flatten towards the horizon: sample the noise on a plane seen from below.
    shape = fractal((tall, wide), rng, cell=(height * 0.28, height * 0.75), octaves=7, gain=0.55)
    towards_sun = np.roll(shape, (-int(0.02 * height), -int(0.03 * height)), (0, 1))
    cover = step(shape - 1.1 * np.abs(rows - 0.45), 0.05, 1.1) * step(1 - rows, 0.02, 0.3)
    lit = np.clip(0.62 + 0.34 * (shape - towards_sun) + 0.25 * np.exp(-distance * 2), 0, 1)
    clouds = mix((0.66, 0.64, 0.72), (1.0, 0.965, 0.90), lit)
    colour = mix(colour, clouds, cover * 0.92)
    disc = step(-distance, -0.052, -0.046)
    colour = mix(colour, (1.0, 0.97, 0.82), disc * (1 - 0.75 * cover))
    return make_layer(colour, None, left=left, top=-4, parallax=parallax, rng=rng)


def _ridge(wide: int, rng: np.random.Generator, *, cell: float, octaves: int) -> Image:
    """A skyline: sharp-topped fractal line of zero mean, one value a column."""
    line = fractal((3, wide), rng, cell=(3, cell), octaves=1)[1]
    total = np.zeros(wide, np.float32)
    for octave in range(octaves):
        line = fractal((3, wide), rng, cell=(3, cell / 2**octave), octaves=1)[1]
        total += (0.6 - np.abs(line)) * np.float32(0.52**octave)
    return np.asarray((total - total.mean()) / total.std(), np.float32)


def _peaks(width: int, height: int, rng: np.random.Generator) -> Layer:
    parallax = 0.22
    wide, left = _panorama(width, parallax)
    top, tall = 0.14 * height, int((HORIZON - 0.14) * height + 6)
    skyline = (0.45 - 0.17 * _ridge(wide, rng, cell=height * 0.75, octaves=8)) * tall
    rows = np.arange(tall, dtype=np.float32)[:, None] * np.ones((1, wide), np.float32)
    depth = (rows - skyline[None]) / tall  # below the skyline
    rock = fractal((tall, wide), rng, cell=(height * 0.10, height * 0.07), octaves=6, gain=0.62)
    folds = 1 - np.abs(
        fractal((tall, wide), rng, cell=(height * 0.35, height * 0.16), octaves=4, gain=0.6)
    )
    relief = folds + 0.35 * rock
    slope = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3) + 0.5 * cv2.Sobel(
        relief, cv2.CV_32F, 0, 1, ksize=3
    )
    slope = slope / max(float(slope.std()), 1e-6)
    light = np.clip(0.52 + 0.17 * slope, 0, 1)
    stone = mix((0.24, 0.28, 0.40), (0.66, 0.58, 0.54), light)
    snow = mix((0.58, 0.64, 0.80), (1.0, 0.97, 0.93), np.clip(light * 1.25, 0, 1))
    level = skyline[None] / tall + depth + 0.03 * rock
    colour = mix(stone, snow, step(-level - 0.35 * depth, -0.47, -0.40))
    haze = np.clip(0.16 + 0.78 * step(rows / tall, 0.45, 1.05), 0, 1)
    colour = mix(colour, (0.84, 0.79, 0.78), haze.astype(np.float32))
    cover = step(depth * tall, -0.7, 0.7)
    for number, tone in enumerate(((0.47, 0.55, 0.62), (0.30, 0.41, 0.40))):
        middle = (0.66 + 0.12 * number) * tall
        crest = middle - 0.07 * tall * fractal((3, wide), rng, cell=(3, height * 0.6), octaves=8)[1]
        below = rows - crest[None]
        trees = fractal((tall, wide), rng, cell=(height * 0.05, height * 0.04), octaves=4, gain=0.7)
        hill = mix((0, 0, 0), tone, 1 + 0.05 * trees)
        hill = mix(hill, (0.80, 0.80, 0.80), 0.50 * step(below / tall, 0.0, 0.35))
        edge = step(below, -0.7, 0.7)
        colour = mix(colour, hill, edge)
        cover = np.maximum(cover, edge)
    return make_layer(colour, cover, left=left, top=top, parallax=parallax, rng=rng)


def _woods(width: int, height: int, rng: np.random.Generator) -> Layer:
    """The far shore: rolling hills under trees, drawn row by row from the crest down."""
    parallax = 0.50
    wide, left = _panorama(width, parallax)
    top, tall = (HORIZON - 0.22) * height, int(0.22 * height + 3)
    zoom = 3  # trees are drawn large and reduced, so that their edges are smooth
    crest = (0.44 - 0.20 * fractal((3, wide), rng, cell=(3, height * 0.9), octaves=4)[1]) * tall
    picture = np.zeros((tall * zoom, wide * zoom, 4), np.uint8)
    grass_line = np.column_stack((np.arange(wide), crest + 0.04 * height)) * zoom
    outline = np.vstack((grass_line, [[wide * zoom, tall * zoom], [0, tall * zoom]]))
    cv2.fillPoly(picture, [outline.astype(np.int32)], (0.34 * 255, 0.42 * 255, 0.20 * 255, 255))
    clearing = fractal((3, wide), rng, cell=(3, height * 0.3), octaves=3)[1]
    for row in range(9):
        nearness = row / 8
        size = height * (0.035 + 0.045 * nearness)
        spacing = size * 0.42
        for x in np.arange(-size, wide + size, spacing):
            column = int(np.clip(x, 0, wide - 1))
            if clearing[column] > 1.0 - 0.3 * nearness and row > 1:
                continue
            foot = (
                crest[column] + (tall - 2 - crest[column]) * nearness + rng.normal(0, 0.06 * size)
            )
            at = (x + rng.normal(0, spacing * 0.4), foot)
            tone = 0.9 + 0.15 * nearness
            _tree(picture, at, size * rng.uniform(0.75, 1.25), (tone, zoom), rng)
    small = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    alpha = small[..., 3]
    colour = small[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    rows = np.linspace(0, 1, tall, dtype=np.float32)[:, None] * np.ones((1, wide), np.float32)
    hazy = mix(colour, (0.80, 0.76, 0.70), 0.34 * (1 - rows))
    return make_layer(hazy, alpha, left=left, top=top, parallax=parallax, rng=rng)


def _tree(
    picture: Pixels,
    foot: tuple[float, float],
    tall: float,
    tone_and_zoom: tuple[float, int],
    rng: np.random.Generator,
) -> None:
    """A conifer, or with a chance of one in five a round tree in autumn colours."""
    tone, zoom = tone_and_zoom
    if rng.random() < 0.2:
        _round_tree(picture, foot, tall * 0.85, zoom, rng)
        return
    x, y = foot
    base = np.array((0.30, 0.38, 0.14) if rng.random() < 0.3 else (0.13, 0.27, 0.15))
    base *= rng.uniform(0.75, 1.2) * tone
    for side, light in ((-1, 0.78), (1, 1.28)):  # the sun stands to the right
        points = [(x, y - tall)]
        for level in range(1, 5):
            reach = tall * 0.075 * level
            points += [(x + side * reach, y - tall * (1 - level / 4.4))]
            points += [(x + side * reach * 0.62, y - tall * (1 - level / 4.4))]
        points += [(x, y - tall * 0.05)]
        corners = (np.array(points) * zoom).astype(np.int32)
        cv2.fillPoly(picture, [corners], opaque(base * light))


def _round_tree(
    picture: Pixels,
    foot: tuple[float, float],
    tall: float,
    zoom: int,
    rng: np.random.Generator,
) -> None:
    """A trunk under clumps of leaves, each lit from the right and above."""
    x, y = foot
    trunk = (round(x * zoom), round(y * zoom)), (round(x * zoom), round((y - 0.5 * tall) * zoom))
    cv2.line(picture, *trunk, (60, 46, 34, 255), max(1, round(0.07 * tall * zoom)))
    leaves = ((0.62, 0.36, 0.12), (0.68, 0.46, 0.15), (0.50, 0.27, 0.12), (0.46, 0.46, 0.15))
    base = np.array(leaves[rng.integers(len(leaves))]) * rng.uniform(0.8, 1.1)
    for clump in range(16):
        out = np.array((rng.normal(0, 0.13), rng.normal(0.62, 0.13))) * tall
        radius = max(1, round(tall * rng.uniform(0.06, 0.13) * zoom))
        light = 0.62 + 0.030 * clump + 1.1 * out[0] / tall + 0.5 * (out[1] / tall - 0.62)
        centre = (round((x + out[0]) * zoom), round((y - out[1]) * zoom))
        cv2.circle(picture, centre, radius, opaque(base * light), -1)


def _meadow(width: int, height: int, rng: np.random.Generator) -> Layer:
    """The near shore: a textured bank with grass, flowers, reeds, a fence and a signpost."""
    parallax = 1.35
    wide, left = _panorama(width, parallax)
    top = 0.60 * height
    tall = int(height - top + 10)
    edge = ((SHORE - 0.60) * height) + 0.035 * height * fractal(
        (3, wide), rng, cell=(3, height * 0.8), octaves=4
    )[1]
    rows = np.arange(tall, dtype=np.float32)[:, None] * np.ones((1, wide), np.float32)
    depth = (rows - edge[None]) / height
    near = np.clip(depth / 0.22, 0, 1).astype(np.float32)
    ground = fractal((tall, wide), rng, cell=(height * 0.12, height * 0.4), octaves=6, gain=0.6)
    colour = mix((0.36, 0.42, 0.15), (0.21, 0.31, 0.09), near)
    colour = mix(colour, (0.56, 0.50, 0.24), np.clip(0.35 * ground, 0, 0.6))
    colour *= (1 + 0.10 * fractal((tall, wide), rng, cell=(3, 3), octaves=2))[..., None]
    zoom = 2
    picture = np.zeros((tall * zoom, wide * zoom, 4), np.uint8)
    bank = cv2.resize(np.clip(colour, 0, 1), None, fx=zoom, fy=zoom)
    picture[..., :3] = (bank * 255).astype(np.uint8)
    picture[..., 3] = cv2.resize(step(depth * height, -0.7, 0.7), None, fx=zoom, fy=zoom) * 255
    _fence(picture, edge, height, zoom)
    _sign(picture, wide * 0.60, float(edge[int(wide * 0.60)]), height, zoom)
    _grass(picture, edge, (wide, tall, height), zoom, rng)
    small = cv2.resize(picture, (wide, tall), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return make_layer(small[..., :3], small[..., 3], left=left, top=top, parallax=parallax, rng=rng)


def _grass(
    picture: Pixels,
    edge: Image,
    size: tuple[int, int, int],
    zoom: int,
    rng: np.random.Generator,
) -> None:
    """Blades and flowers from the shore down, each row taller than the one behind it."""
    wide, tall, height = size
    for nearness in np.linspace(0, 1, 26):
        blade = height * (0.018 + 0.075 * nearness**1.3)
        count = int(wide / (height * 0.0075) * (1 - 0.45 * nearness))
        for x in rng.uniform(0, wide, count):
            foot = edge[int(x)] + (tall - edge[int(x)]) * nearness + rng.normal(0, blade * 0.15)
            lean, length = rng.normal(0.12, 0.30), blade * rng.uniform(0.5, 1.15)
            tip = (x + lean * length, foot - length)
            middle = (x + lean * length * 0.3, foot - length * 0.55)
            tone = rng.uniform(0.55, 1.25) * (1.05 - 0.2 * nearness)
            base = (0.44, 0.50, 0.16) if rng.random() < 0.75 else (0.62, 0.55, 0.25)
            colour = opaque(np.array(base) * tone)
            points = np.array([(x, foot), middle, tip]) * zoom
            thickness = max(1, round(height / 360 * zoom * (0.5 + 0.5 * nearness)))
            cv2.polylines(picture, [points.astype(np.int32)], False, colour, thickness, cv2.LINE_AA)
            if rng.random() < 0.035:
                _flower(picture, tip, height * (0.0035 + 0.006 * nearness), zoom, rng)


def _flower(
    picture: Pixels,
    at: tuple[float, float],
    radius: float,
    zoom: int,
    rng: np.random.Generator,
) -> None:
    petals = ((235, 64, 52), (250, 246, 235), (246, 200, 60), (150, 90, 200))
    colour = (*petals[rng.integers(len(petals))], 255)
    for angle in np.arange(5) * 2 * np.pi / 5 + rng.uniform(0, 2):
        x = round((at[0] + np.cos(angle) * radius) * zoom)
        y = round((at[1] + np.sin(angle) * radius * 0.8) * zoom)
        cv2.circle(picture, (x, y), max(1, round(radius * 0.8 * zoom)), colour, -1, cv2.LINE_AA)
    centre = (round(at[0] * zoom), round(at[1] * zoom))
    cv2.circle(picture, centre, max(1, round(radius * 0.5 * zoom)), (240, 190, 50, 255), -1)


def _fence(picture: Pixels, edge: Image, height: int, zoom: int) -> None:
    spacing = 0.16 * height
    posts = np.arange(spacing, len(edge) * 0.52, spacing)
    wood, lit = (104, 82, 58, 255), (150, 122, 86, 255)
    thick = max(1, round(0.012 * height * zoom))
    for rail in (0.035, 0.07):
        line = [(x, edge[int(x)] + 0.055 * height - rail * height) for x in posts]
        points = (np.array(line) * zoom).astype(np.int32)
        cv2.polylines(picture, [points], False, wood, max(1, thick // 2), cv2.LINE_AA)
    for x in posts:
        foot = edge[int(x)] + 0.055 * height
        low, high = (round(x * zoom), round(foot * zoom)), round((foot - 0.105 * height) * zoom)
        cv2.line(picture, low, (low[0], high), wood, thick, cv2.LINE_AA)
        right = low[0] + thick // 3
        cv2.line(picture, (right, low[1]), (right, high), lit, max(1, thick // 3), cv2.LINE_AA)


def _sign(picture: Pixels, x: float, edge: float, height: int, zoom: int) -> None:
    """A wooden board on two posts, with lettering."""
    wide, tall = 0.40 * height, 0.13 * height
    foot = edge + 0.10 * height
    left, top = x - wide / 2, foot - 0.27 * height

    def box(x0: float, y0: float, x1: float, y1: float, colour: tuple[int, ...]) -> None:
        corners = [(round(a * zoom), round(b * zoom)) for a, b in ((x0, y0), (x1, y1))]
        cv2.rectangle(picture, corners[0], corners[1], colour, -1)

    for post in (left + 0.14 * wide, left + 0.82 * wide):
        box(post, top, post + 0.022 * height, foot, (88, 68, 48, 255))
    box(left, top, left + wide, top + tall, (92, 64, 40, 255))
    margin = 0.007 * height
    planks = 3
    for plank in range(planks):
        y0 = top + margin + plank * (tall - margin) / planks
        tone = (176 - 10 * plank, 132 - 8 * plank, 84 - 5 * plank, 255)
        box(
            left + margin,
            y0,
            left + wide - margin,
            y0 + (tall - margin) / planks - margin / 2,
            tone,
        )
    write(picture, _SIGN_TEXT, (left, top, wide, tall), (58, 36, 20), zoom)
