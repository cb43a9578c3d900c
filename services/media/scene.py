# SPDX-License-Identifier: Apache-2.0
"""The built-in scene: a lake at golden hour under a moving camera; needs no file or device.

Frame n is a pure function of size, seed and n. Sky, mountains, woods, water and meadow move at
their own depths; balloons, boats and an aeroplane pass between them; the light changes, and a
sensor adds noise, so that the pictures code like a camera's.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from services.media.brushes import fractal
from services.media.layers import Canvas, View
from services.media.painting import HORIZON, SHORE, TRAVEL, paint
from streamcodec.frame import Frame, Plane, check_size

_NOISE_DEVIATION = 1.2  # of luma, in 8-bit levels: a webcam in good light
_NOISE_TILE_PX = 64  # how far the tile of noise is moved about


class Scene:
    """Renders frames of the scene; about 3 ms a frame at 640x360 on one core."""

    def __init__(self, width: int, height: int, *, fps: float = 30.0, seed: int = 0) -> None:
        """Paint everything. Raises FrameError when the codec cannot take the size."""
        check_size(width, height)
        self.width, self.height, self.fps = width, height, fps
        self._seed = seed
        rng = np.random.default_rng(seed)
        self._painting = paint(width, height, rng)
        self._canvas = Canvas(width, height)
        self._water = _Water(self._canvas, rng)
        tall, wide = self._canvas.height + _NOISE_TILE_PX, self._canvas.width + _NOISE_TILE_PX
        self._noise = _noise_tile((tall, wide), rng, _NOISE_DEVIATION)
        self._chroma_noise = _noise_tile((tall // 2, wide // 2), rng, _NOISE_DEVIATION / 2)

    def frame(self, index: int) -> Frame:
        """Picture number `index` (0 and up); the caller owns it."""
        time_s = index / self.fps
        view = self._view(time_s)
        canvas, painting = self._canvas, self._painting
        canvas.draw(painting.sky, view)
        self._draw_balloons(time_s, view, behind=True)
        canvas.draw(painting.peaks, view)
        self._draw_balloons(time_s, view, behind=False)
        self._draw_plane(time_s, view)
        canvas.draw(painting.woods, view)
        self._water.draw(canvas, view, time_s)
        self._draw_boats(time_s, view)
        canvas.draw(painting.meadow, view, dx=0.4 * math.sin(2.1 * time_s))
        return self._exposed(index, time_s)

    def _view(self, time_s: float) -> View:
        """A slow pan to and fro, a breathing zoom, and the unrest of a hand."""
        reach = TRAVEL * self.width
        hand = self.height / 360
        return View(
            x=reach * (0.86 * math.sin(0.21 * time_s - 0.5) + 0.05 * math.sin(0.83 * time_s))
            + hand * 0.5 * math.sin(2.9 * time_s),
            y=hand * (1.6 * math.sin(0.9 * time_s) + 0.4 * math.sin(3.7 * time_s)),
            zoom=1.085 + 0.075 * math.sin(0.33 * time_s - 1.2),
        )

    def _draw_balloons(self, time_s: float, view: View, *, behind: bool) -> None:
        wide, tall = self.width, self.height
        for number, layer in enumerate(self._painting.balloons):
            if (number == 2) != behind:
                continue
            speed = (0.020, 0.013, 0.007)[number]
            lap = wide * 1.9
            x = ((0.62, 0.30, 0.88)[number] * wide + speed * tall * time_s) % lap - 0.35 * wide
            bob = math.sin((0.45, 0.37, 0.30)[number] * time_s + number * 2)
            y = tall * ((0.27, 0.20, 0.29)[number] + 0.022 * bob)
            self._canvas.draw(layer, view, dx=x, dy=y)

    def _draw_plane(self, time_s: float, view: View) -> None:
        layer = self._painting.plane
        span = self.width * 1.7 + layer.pixels.shape[1]
        x = (0.55 * span + 0.14 * self.height * time_s) % span - 0.35 * self.width
        x -= layer.pixels.shape[1] / 2
        y = self.height * (0.11 + 0.012 * math.sin(0.7 * time_s))
        self._canvas.draw(layer, view, dx=x, dy=y)

    def _draw_boats(self, time_s: float, view: View) -> None:
        for number, layer in reversed(list(enumerate(self._painting.boats))):
            span = self.width * 1.9
            speed = (0.045, -0.022)[number] * self.height
            start = (0.42, 0.75)[number] * self.width
            x = (start + 0.45 * self.width + speed * time_s) % span - 0.45 * self.width
            line = self.height * (HORIZON + (0.16, 0.065)[number])  # water line
            y = line - layer.pixels.shape[0] * 0.46
            roll = 0.006 * self.height * math.sin(1.3 * time_s + number)
            mirror = self._painting.boat_mirrors[number]
            below = layer.pixels.shape[0] * 0.93
            self._canvas.draw(mirror, view, dx=x + 2 * roll, dy=y + below - roll)
            self._canvas.draw(layer, view, dx=x, dy=y + roll)

    def _exposed(self, index: int, time_s: float) -> Frame:
        """Changing light and sensor noise over what was drawn, as a frame of its own."""
        cloud = 0.5 + 0.5 * math.sin(0.26 * time_s + 1.0)
        gain = 0.93 + 0.075 * cloud + 0.006 * math.sin(1.9 * time_s)
        warmth = 1.6 * math.sin(0.17 * time_s)
        rng = np.random.default_rng((self._seed, index))
        down, right = (int(offset) * 2 for offset in rng.integers(0, _NOISE_TILE_PX // 2, 2))
        canvas = self._canvas
        luma = self._noise[down:, right:][: canvas.height, : canvas.width]
        part = np.s_[down // 2 : down // 2 + len(canvas.u), right // 2 :]
        chroma = self._chroma_noise[part][:, : canvas.u.shape[1]]
        y = cv2.addWeighted(canvas.y, gain, luma, 1, 16 * (1 - gain) - 128)
        u = cv2.addWeighted(canvas.u, 1, chroma, 1, -128 - warmth)
        v = cv2.addWeighted(canvas.v, 1, chroma[::-1], 1, -128 + warmth)
        width, height = self.width, self.height
        return Frame(
            np.ascontiguousarray(y[:height, :width], np.uint8),
            np.asarray(u, np.uint8),
            np.asarray(v, np.uint8),
        )


class _Water:
    """The lake: what is above it, mirrored and broken by moving waves."""

    def __init__(self, canvas: Canvas, rng: np.random.Generator) -> None:
        self._rows = int((SHORE - HORIZON + 0.12) * canvas.height * 1.16)
        tile = (self._rows + 256, canvas.width + 256)
        scale = canvas.height / 360
        coarse = fractal(tile, rng, cell=(5 * scale, 42 * scale), octaves=3, gain=0.6)
        fine = fractal(tile, rng, cell=(2.5 * scale, 14 * scale), octaves=2, gain=0.6)
        self._tiles = (coarse.astype(np.float32), fine.astype(np.float32))
        self._columns = np.arange(canvas.width, dtype=np.float32)[None]

    def draw(self, canvas: Canvas, view: View, time_s: float) -> None:
        """Fill the canvas below the horizon with the mirror of what is above it."""
        line = (HORIZON - 0.5) * canvas.height - view.y * 0.5
        shore = round((line * view.zoom + canvas.height / 2) / 2) * 2
        rows = min(self._rows, canvas.height - shore)
        if rows <= 0 or shore <= 2:
            return
        scale = canvas.height / 360
        waves = self._waves(canvas, view, time_s, rows)
        down = np.arange(rows, dtype=np.float32)[:, None]
        nearness = (down + 2 * scale) / (0.30 * canvas.height)
        map_x = self._columns + waves * (nearness * 9 * scale)
        map_y = shore - 1 - down * 0.92 + waves * (nearness * 13 * scale)
        map_y = np.clip(map_y, 0, shore - 1).astype(np.float32)
        map_x = map_x.astype(np.float32)
        y = cv2.remap(canvas.y, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
        glint = np.clip(waves - 1.1, 0, 2) * np.clip(nearness, 0.2, 1) * 26
        canvas.y[shore : shore + rows] = np.clip(y * 0.80 + 6 + glint + waves * 4, 16, 235)
        half_x, half_y = map_x[::2, ::2] / 2, map_y[::2, ::2] / 2
        for plane, tint in ((canvas.u, 4.0), (canvas.v, -3.5)):
            mirrored = cv2.remap(
                plane, half_x, half_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
            )
            part: Plane = plane[shore // 2 : shore // 2 + len(mirrored)]
            part[:] = cv2.addWeighted(mirrored, 0.85, mirrored, 0, 128 * 0.15 + tint)[: len(part)]

    def _waves(
        self, canvas: Canvas, view: View, time_s: float, rows: int
    ) -> npt.NDArray[np.float32]:
        """Height of the water, two sets of waves that move across one another."""
        scale = canvas.height / 360
        total = np.zeros((rows, canvas.width), np.float32)
        for tile, (speed_y, speed_x), weight in zip(
            self._tiles, ((7.0, 16.0), (-4.0, 27.0)), (0.75, 0.5), strict=True
        ):
            down = 128 + 100 * math.sin(speed_y * scale * time_s / 100)
            right = 128 + 120 * math.sin((speed_x * scale * time_s + 0.4 * view.x) / 120)
            matrix = np.array([[1, 0, right], [0, 1, down]])
            total += weight * cv2.warpAffine(
                tile,
                matrix,
                (canvas.width, rows),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            )
        return total


def _noise_tile(
    shape: tuple[int, int], rng: np.random.Generator, deviation: float
) -> npt.NDArray[np.uint8]:
    """Sensor noise around 128, slightly soft as after a camera's demosaicing."""
    noise = rng.normal(0, 1, shape).astype(np.float32)
    soft = cv2.GaussianBlur(noise, (3, 3), 0.5)
    levels = 128 + soft * (deviation / float(soft.std()))
    return np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8)
