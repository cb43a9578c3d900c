# SPDX-License-Identifier: Apache-2.0
"""Five kinds of generated material, twelve frames each."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from services.media.scene import Scene
from streamcodec import Frame

WIDTH, HEIGHT, FRAMES = 150, 98, 12
KINDS = ("pan", "noise", "still", "screen", "cut")


def material(kind: str) -> list[Frame]:
    """The frames of a kind; sides are no multiples of 16."""
    rng = np.random.default_rng(KINDS.index(kind))
    if kind == "pan":
        wide = _texture(rng, HEIGHT + 40, WIDTH + 80)
        return [_frame(wide[n : n + HEIGHT, 5 * n : 5 * n + WIDTH]) for n in range(FRAMES)]
    if kind == "noise":
        return [_frame(rng.integers(0, 256, (HEIGHT, WIDTH))) for _ in range(FRAMES)]
    if kind == "still":
        own = _texture(rng, HEIGHT, WIDTH)
        return [_frame(own + rng.normal(0, 0.7, own.shape)) for _ in range(FRAMES)]
    if kind == "screen":
        return [_screen(n) for n in range(FRAMES)]
    first, second = Scene(WIDTH, HEIGHT, seed=1), Scene(WIDTH, HEIGHT, seed=2)
    half = FRAMES // 2
    return [(first if number < half else second).frame(4 * number) for number in range(FRAMES)]


def _texture(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
    spectrum = np.fft.rfft2(rng.normal(0, 1, (height, width)))
    y = np.fft.fftfreq(height)[:, None]
    x = np.fft.rfftfreq(width)[None]
    smooth = np.fft.irfft2(spectrum / (0.02 + np.hypot(y, x)) ** 1.3, (height, width))
    return np.asarray(128 + 50 * smooth / smooth.std())


def _screen(number: int) -> Frame:
    luma = np.full((HEIGHT, WIDTH), 235.0)
    letters = np.random.default_rng(9).random((60, WIDTH // 5))
    for line in range(60):
        top = 8 * line - 8 * number
        if not 0 <= top < HEIGHT - 6:
            continue
        for column in range(WIDTH // 5):
            if letters[line, column] < 0.7:
                shade = 20 + 60 * letters[line, column]
                luma[
                    top : top + 6,
                    5 * column + 1 : 5 * column + 1 + int(4 * letters[line, column]) + 1,
                ] = shade
    luma[40:60, 30:90] = 90
    return _frame(luma)


def _frame(luma: npt.NDArray[np.generic]) -> Frame:
    y = np.clip(np.rint(luma.astype(np.float64)), 0, 255).astype(np.uint8)
    u = (128 + (y[::2, ::2].astype(int) - 128) // 4).astype(np.uint8)
    v = (128 - (y[::2, ::2].astype(int) - 128) // 6).astype(np.uint8)
    return Frame(np.ascontiguousarray(y), u, v)
