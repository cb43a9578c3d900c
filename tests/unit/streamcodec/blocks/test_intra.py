# SPDX-License-Identifier: Apache-2.0
"""Intra prediction against plain code of ITU-T H.265, 8.4.4.2."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import intra

_FALLING = [32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26, -32]
ANGLES = dict(zip(range(2, 35), [*_FALLING, *_FALLING[-2::-1]], strict=True))
INVERSE = {-2: 4096, -5: 1638, -9: 910, -13: 630, -17: 482, -21: 390, -26: 315, -32: 256}


def plain(corner: int, top: list[int], left: list[int], size: int, mode: int) -> np.ndarray:
    out = np.zeros((size, size), np.int64)
    if mode == 0:
        shift = size.bit_length()
        for y in range(size):
            for x in range(size):
                across = (size - 1 - x) * left[y] + (x + 1) * top[size]
                down = (size - 1 - y) * top[x] + (y + 1) * left[size]
                out[y, x] = (across + down + size) >> shift
        return out
    if mode == 1:
        out[:] = (sum(top[:size]) + sum(left[:size]) + size) // (2 * size)
        return out
    angle = ANGLES[mode]
    main, side = (top, left) if mode >= 18 else (left, top)
    reference = {0: corner} | {i + 1: main[i] for i in range(2 * size)}
    if angle < 0:
        for i in range(-1, (size * angle >> 5) - 1, -1):
            at = -1 + ((i * -INVERSE[angle] + 128) >> 8)
            reference[i] = corner if at < 0 else side[at]
    for y in range(size):
        for x in range(size):
            a, b = (y, x) if mode >= 18 else (x, y)
            whole, part = (a + 1) * angle >> 5, (a + 1) * angle & 31
            first = reference[b + whole + 1]
            out[y, x] = first
            if part:
                second = reference[b + whole + 2]
                out[y, x] = ((32 - part) * first + part * second + 16) >> 5
    return out


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("mode", range(intra.MODES))
def test_prediction_equals_the_plain_one(size: int, mode: int) -> None:
    rng = np.random.default_rng(mode)
    edge = rng.integers(0, 256, 4 * size + 1).astype(np.int32)
    corner = 2 * size
    out = np.zeros((16, 16), np.uint8)
    intra.predict(edge, size, mode, np.empty(80, np.int32), out)
    top = edge[corner + 1 :].tolist()
    left = edge[:corner][::-1].tolist()
    assert np.array_equal(out[:size, :size], plain(int(edge[corner]), top, left, size, mode))


def test_neighbours_outside_the_picture_repeat_the_nearest_known() -> None:
    plane = np.arange(32 * 32, dtype=np.uint32).reshape(32, 32).astype(np.uint8)
    edge = np.empty(65, np.int32)
    intra.gather(plane, 0, 0, 16, 0, 0, edge)
    assert (edge == 128).all()
    intra.gather(plane, 16, 16, 16, 16, 0, edge)
    assert edge[32] == plane[15, 15]
    assert edge[33:49].tolist() == plane[15, 16:32].tolist()
    assert (edge[49:] == plane[15, 31]).all()
    assert edge[16:32][::-1].tolist() == plane[16:32, 15].tolist()
    assert (edge[:16] == plane[31, 15]).all()
    intra.gather(plane, 0, 16, 16, 16, 0, edge)
    assert (edge[32:] == plane[0, 15]).all()
    intra.gather(plane, 16, 0, 16, 16, 0, edge)
    assert (edge[:33] == plane[15, 0]).all()
