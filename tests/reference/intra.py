# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/intra.

Prediction of a block from its decoded neighbours: mean, plane and 33 directions, in integers.

The modes, angles and the smoothing rule are those of HEVC (ITU-T H.265, 8.4.4.2): 0 planar, 1 mean,
2 to 34 directions from lower left over the left (10), upper left (18) and top (26) to upper right.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.reference.contexts import transform_of

PLANAR, MEAN, HORIZONTAL, VERTICAL = 0, 1, 10, 26
MODES = 35

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

_FALLING = [32, 26, 21, 17, 13, 9, 5, 2, 0, -2, -5, -9, -13, -17, -21, -26]
_ANGLES = np.array([0, 0, *_FALLING, *[-angle for angle in _FALLING], 32], np.int64)
_INVERSE = np.array([round(8192 / abs(a)) if a else 0 for a in _ANGLES], np.int64)


def gather(plane: U8, y: int, x: int, size: int, right: int, below: int, edge: I32) -> None:
    """Collect the 4 * size + 1 samples around a block into edge, from lower left to upper right.

    edge[2 * size] is the corner; edge[2 * size - 1 - i] lies i below it, edge[2 * size + 1 + i] i
    to its right. `right` and `below`: how many samples beyond `size` are decoded already;
    missing ones repeat the nearest known, and without any neighbour all are 128.
    """
    corner = 2 * size
    width = plane.shape[1]
    height = plane.shape[0]
    if y == 0 and x == 0:
        for i in range(4 * size + 1):
            edge[i] = 128
        return
    if y > 0:
        known = size + min(right, width - x - size)
        for i in range(known):
            edge[corner + 1 + i] = plane[y - 1, x + i]
        for i in range(known, 2 * size):
            edge[corner + 1 + i] = edge[corner + known]
    if x > 0:
        known = size + min(below, height - y - size)
        for i in range(known):
            edge[corner - 1 - i] = plane[y + i, x - 1]
        for i in range(known, 2 * size):
            edge[corner - 1 - i] = edge[corner - known]
    if y == 0:
        for i in range(2 * size + 1):
            edge[corner + i] = edge[corner - 1]
    elif x == 0:
        for i in range(2 * size + 1):
            edge[corner - i] = edge[corner + 1]
    else:
        edge[corner] = plane[y - 1, x - 1]


def smooth(edge: I32, size: int, out: I32) -> None:
    """The edge filtered by (1, 2, 1) / 4, ends kept."""
    last = 4 * size
    out[0] = edge[0]
    out[last] = edge[last]
    for i in range(1, last):
        out[i] = (edge[i - 1] + 2 * edge[i] + edge[i + 1] + 2) >> 2


def wants_smooth(mode: int, size: int) -> bool:
    """True when the mode reads the filtered edge at this block size."""
    if mode == MEAN or size < 8:
        return False
    if mode == PLANAR:
        return True
    distance = min(abs(mode - HORIZONTAL), abs(mode - VERTICAL))
    return distance > (1 if size == 16 else 7)


def right_of_quarter(k: int, row: int) -> int:
    """Decoded samples beyond the upper right corner of an 8x8 quarter."""
    return 0 if k == 3 or (k == 1 and row == 0) else 8


def right_of_sixteenth(k: int, quarter: int, row: int) -> int:
    """Decoded samples beyond the upper right corner of a quarter's 4x4 square."""
    if k == 1:
        return min(right_of_quarter(quarter, row), 4)
    return 0 if k == 3 else 4


def below_sixteenth(k: int, quarter: int) -> int:
    """Decoded samples below the lower left corner of a quarter's 4x4 square."""
    return 4 if k == 0 or (k == 2 and quarter == 0) else 0


def predict(edge: I32, size: int, mode: int, line: I32, out: U8) -> None:
    """Fill out[:size, :size] from an edge as `gather` makes it. `line` is scratch of 64."""
    corner = 2 * size
    if mode == MEAN:
        total = size
        for i in range(size):
            total += edge[corner + 1 + i] + edge[corner - 1 - i]
        mean = np.uint8(total // (2 * size))
        for i in range(size):
            for j in range(size):
                out[i, j] = mean
        return
    if mode == PLANAR:
        shift = 5 if size == 16 else (4 if size == 8 else 3)
        upper_right = edge[corner + 1 + size]
        lower_left = edge[corner - 1 - size]
        for i in range(size):
            left = edge[corner - 1 - i]
            for j in range(size):
                total = (
                    (size - 1 - j) * left
                    + (j + 1) * upper_right
                    + (size - 1 - i) * edge[corner + 1 + j]
                    + (i + 1) * lower_left
                    + size
                )
                out[i, j] = np.uint8(total >> shift)
        return
    # Directions: `line` is the main side, extended through the corner by projecting the other side.
    angle = _ANGLES[mode]
    vertical = mode >= 18
    sign = 1 if vertical else -1
    base = 16
    for i in range(size + 1):
        line[base + i] = edge[corner + sign * i]
    if angle < 0:
        inverse = _INVERSE[mode]
        for i in range(1, ((size * -angle) >> 5) + 1):
            line[base - i] = edge[corner - sign * ((i * inverse + 128) >> 8)]
    else:
        for i in range(size + 1, 2 * size + 1):
            line[base + i] = edge[corner + sign * i]
    for i in range(size):
        whole = ((i + 1) * angle) >> 5
        part = ((i + 1) * angle) & 31
        for j in range(size):
            at = base + j + whole + 1
            value = ((32 - part) * line[at] + part * line[at + 1] + 16) >> 5 if part else line[at]
            if vertical:
                out[i, j] = np.uint8(value)
            else:
                out[j, i] = np.uint8(value)


def predicted(plane: U8, y: int, x: int, size: int, right: int, below: int, mode: int) -> U8:
    """A square (size, size) predicted from its neighbours in the plane."""
    edge = np.empty(65, np.int32)
    gather(plane, y, x, size, right, below, edge)
    if wants_smooth(mode, size):
        soft = np.empty(65, np.int32)
        smooth(edge, size, soft)
        edge = soft
    out = np.empty((size, size), np.uint8)
    predict(edge, size, mode, np.empty(80, np.int32), out)
    return out


@dataclass(frozen=True, slots=True)
class Square:
    """A separately predicted square of luma: position in its block and decoded neighbours."""

    quarter: int  # of which quarter, 0 where the block is one square
    part: int  # which 4x4 square of the quarter, 0 where it is one
    y: int
    x: int
    size: int
    right: int
    below: int


def squares(small: bool, split: int, row: int) -> Iterator[Square]:
    """The squares of an intra block in the order in which they are predicted.

    One of 16, or where the block is `small` four of 8, each of which is four of 4 where `split`
    gives it a finer transform. `row` is the block's.
    """
    if not small:
        yield Square(0, 0, 0, 0, 16, 16 if row else 0, 0)
        return
    for k in range(4):
        y, x = 8 * (k >> 1), 8 * (k & 1)
        if not transform_of(split, k):
            yield Square(k, 0, y, x, 8, right_of_quarter(k, row), 8 if k == 0 else 0)
            continue
        for m in range(4):
            right, below = right_of_sixteenth(m, k, row), below_sixteenth(m, k)
            yield Square(k, m, y + 4 * (m >> 1), x + 4 * (m & 1), 4, right, below)
