# SPDX-License-Identifier: Apache-2.0
"""Neighbours of a block in this frame and in its reference, as contexts use them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]


def around(grid: U8, row: int, column: int, above: int) -> int:
    """How many of the left and upper neighbours have a value greater than `above`."""
    n = 0
    if column and grid[row, column - 1] > above:
        n += 1
    if row and grid[row - 1, column] > above:
        n += 1
    return n


def pattern(grid: U8, row: int, column: int, above: int) -> int:
    """Which of left, upper, upper left and upper right have a value greater than `above`."""
    columns = grid.shape[1]
    bits = 0
    if column and grid[row, column - 1] > above:
        bits |= 1
    if row:
        if grid[row - 1, column] > above:
            bits |= 2
        if column and grid[row - 1, column - 1] > above:
            bits |= 4
        if column + 1 < columns and grid[row - 1, column + 1] > above:
            bits |= 8
    return bits


def coded_in_reference(reference_counts: U8, row: int, column: int) -> int:
    """0 to 23: groups that the reference coded here (up to two), and whether in neighbours."""
    rows, columns = reference_counts.shape
    index = 8 * min(np.int64(reference_counts[row, column]), 2)
    if column + 1 < columns and reference_counts[row, column + 1]:
        index += 4
    if row + 1 < rows and reference_counts[row + 1, column]:
        index += 2
    if (column and reference_counts[row, column - 1]) or (
        row and reference_counts[row - 1, column]
    ):
        index += 1
    return index


def votes_for(
    field: I16, reference_field: I16, row: int, column: int, blocks: int, vector: I32
) -> int:
    """How many neighbours in this frame and in the reference have this vector; at most 4."""
    vy, vx = vector[:2]
    size = 2 * blocks
    y, x = 2 * row, 2 * column
    rows, columns = field.shape[0], field.shape[1]
    votes = 0
    if x and field[y, x - 1, 0] == vy and field[y, x - 1, 1] == vx:
        votes += 1
    if y:
        if field[y - 1, x, 0] == vy and field[y - 1, x, 1] == vx:
            votes += 1
        if x and field[y - 1, x - 1, 0] == vy and field[y - 1, x - 1, 1] == vx:
            votes += 1
        if (
            x + size < columns
            and field[y - 1, x + size, 0] == vy
            and field[y - 1, x + size, 1] == vx
        ):
            votes += 1
    if reference_field[y, x, 0] == vy and reference_field[y, x, 1] == vx:
        votes += 1
    if (
        x + size < columns
        and reference_field[y, x + size, 0] == vy
        and reference_field[y, x + size, 1] == vx
    ):
        votes += 1
    if (
        y + size < rows
        and reference_field[y + size, x, 0] == vy
        and reference_field[y + size, x, 1] == vx
    ):
        votes += 1
    return min(votes, 4)


def is_zero(candidates: I32, k: int) -> int:
    return 1 if candidates[k, 0] == 0 and candidates[k, 1] == 0 else 0


def is_uniform(field: I16, row: int, column: int, blocks: int) -> bool:
    """True when all vectors of a square are the same."""
    vy, vx = field[2 * row, 2 * column, 0], field[2 * row, 2 * column, 1]
    for y in range(2 * row, min(2 * (row + blocks), field.shape[0])):
        for x in range(2 * column, min(2 * (column + blocks), field.shape[1])):
            if field[y, x, 0] != vy or field[y, x, 1] != vx:
                return False
    return True


def coded_in_square(reference_counts: U8, row: int, column: int, blocks: int) -> int:
    """0 to 3: no, one, up to a quarter, or more blocks of a square coded in the reference."""
    coded = 0
    for i in range(row, min(row + blocks, reference_counts.shape[0])):
        for j in range(column, min(column + blocks, reference_counts.shape[1])):
            if reference_counts[i, j]:
                coded += 1
    if coded < 2:
        return coded
    return 2 if 4 * coded <= blocks * blocks else 3
