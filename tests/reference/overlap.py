# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/pictures/overlap: overlapped motion compensation where vectors differ."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference.compensate import chroma_block, luma_block

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
Planes = tuple[U8, U8, U8]
INTER16, INTRA16 = 0, 2


def predict_plainly(reference: Planes, modes: U8, field: I16, out: Planes) -> None:
    """Fill `out` with the moved reference wherever blocks are not intra."""
    for row in range(modes.shape[0]):
        for column in range(modes.shape[1]):
            if modes[row, column] >= INTRA16:
                continue
            size = 16 if modes[row, column] == INTER16 else 8
            for y in range(16 * row, 16 * row + 16, size):
                for x in range(16 * column, 16 * column + 16, size):
                    by = _vector(field, y >> 3, x >> 3)
                    for number, plane in enumerate(out):
                        moved = _moved(reference, number, y, x, by, size)
                        top, left, side = _place(number, y, x, size)
                        plane[top : top + side, left : left + side] = moved


def overlap(reference: Planes, modes: U8, field: I16, out: Planes) -> None:
    """Mix each 8x8 cell with the predictions by its left, upper, right, lower neighbour's vector.

    The half of the cell that lies at a side takes a share of 1/4 at the edge, halving with each row
    (in chroma, where two rows are one, falling to a quarter).
    """
    rows, columns = field.shape[:2]
    for row in range(rows):
        for column in range(columns):
            if modes[row >> 1, column >> 1] >= INTRA16:
                continue
            for side, (down, right) in enumerate(((0, -1), (-1, 0), (0, 1), (1, 0))):
                y, x = row + down, column + right
                if not (0 <= y < rows and 0 <= x < columns) or modes[y >> 1, x >> 1] >= INTRA16:
                    continue
                theirs = _vector(field, y, x)
                if theirs == _vector(field, row, column):
                    continue
                for number, plane in enumerate(out):
                    other = _moved(reference, number, 8 * row, 8 * column, theirs, 8)
                    top, left, size = _place(number, 8 * row, 8 * column, 8)
                    _blend(plane[top : top + size, left : left + size], side, other)


def _vector(field: I16, y: int, x: int) -> tuple[int, int]:
    return int(field[y, x, 0]), int(field[y, x, 1])


def _place(number: int, y: int, x: int, size: int) -> tuple[int, int, int]:
    return (y, x, size) if number == 0 else (y >> 1, x >> 1, size >> 1)


def _moved(reference: Planes, number: int, y: int, x: int, by: tuple[int, int], size: int) -> U8:
    move = luma_block if number == 0 else chroma_block
    top, left, side = _place(number, y, x, size)
    return move(reference[number], top, left, by, side)


def _blend(cell: U8, side: int, other: U8) -> None:
    size = cell.shape[0]
    for k in range(size >> 1):
        shift = 2 + k if size == 8 else 2 + 2 * k
        at = k if side < 2 else size - 1 - k
        line = (at, slice(None)) if side & 1 else (slice(None), at)
        own = cell[line].astype(np.int64)
        cell[line] = own + ((other[line] - own + (1 << (shift - 1))) >> shift)
