# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/motion/field.

The motion field: block modes, prediction of vectors, candidates.

Every 16x16 block has a mode; vectors live on a grid of 8x8 blocks in quarter samples, (dy, dx).
Predictors are blocks already coded: left, above, above right, and the same place in the
reference's field.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

INTER16, INTER8, INTRA16, INTRA8 = 0, 1, 2, 3
CANDIDATES = 3  # vectors that a block may take over without a difference
REGIONS = (4, 2)  # sides, in blocks, of the squares that may be coded as one, the larger first

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]


def _median(a: int, b: int, c: int) -> int:
    return max(min(a, b), min(max(a, b), c))


def predictor(field: I16, y: int, x: int, size: int, out: I32, at: int) -> None:
    """Median of the left, upper and upper right vectors of the square of `size` 8x8 blocks.

    Writes (dy, dx) to out[at]. Blocks outside the picture or not coded yet give way to the
    neighbour nearest in this list.
    """
    columns = field.shape[1]
    left = x > 0
    above = y > 0
    l0 = np.int64(field[y, x - 1, 0]) if left else 0
    l1 = np.int64(field[y, x - 1, 1]) if left else 0
    a0 = np.int64(field[y - 1, x, 0]) if above else l0
    a1 = np.int64(field[y - 1, x, 1]) if above else l1
    if not left:
        l0, l1 = a0, a1
    # Above right is coded already unless it lies in a block to the right of this row of blocks.
    known = above and x + size < columns and (size >= 2 or y % 2 == 0 or x % 2 == 0)
    r0 = np.int64(field[y - 1, x + size, 0]) if known else a0
    r1 = np.int64(field[y - 1, x + size, 1]) if known else a1
    if not above:
        out[at, 0] = l0
        out[at, 1] = l1
    else:
        out[at, 0] = _median(l0, a0, r0)
        out[at, 1] = _median(l1, a1, r1)


def candidates_of(
    field: I16, reference_field: I16, row: int, column: int, blocks: int, out: I32
) -> int:
    """Distinct candidate vectors of a square of `blocks` times `blocks` blocks.

    Returns how many (1 to 3); out[0] is also the predictor. The order: median, left, above, the
    middle of the same place before, above right; but for the first, out[k, 2] says which of the
    last four it was.
    """
    y = 2 * row
    x = 2 * column
    size = 2 * blocks
    predictor(field, y, x, size, out, 0)
    count = 1
    for source in range(4):
        if source == 0 and x > 0:
            c0, c1 = np.int64(field[y, x - 1, 0]), np.int64(field[y, x - 1, 1])
        elif source == 1 and y > 0:
            c0, c1 = np.int64(field[y - 1, x, 0]), np.int64(field[y - 1, x, 1])
        elif source == 2:
            yy = min(y + 2 * (blocks >> 1), reference_field.shape[0] - 1)
            xx = min(x + 2 * (blocks >> 1), reference_field.shape[1] - 1)
            c0, c1 = np.int64(reference_field[yy, xx, 0]), np.int64(reference_field[yy, xx, 1])
        elif source == 3 and y > 0 and x + size < field.shape[1]:
            c0, c1 = np.int64(field[y - 1, x + size, 0]), np.int64(field[y - 1, x + size, 1])
        else:
            continue
        fresh = True
        for k in range(count):
            if out[k, 0] == c0 and out[k, 1] == c1:
                fresh = False
        if fresh:
            out[count, 0] = c0
            out[count, 1] = c1
            out[count, 2] = source
            count += 1
            if count == CANDIDATES:
                break
    return count


def which(candidates: I32, candidate_count: int, field: I16, y: int, x: int) -> int:
    """Which of the candidates equals the vector at (y, x), or -1."""
    for k in range(candidate_count):
        if candidates[k, 0] == field[y, x, 0] and candidates[k, 1] == field[y, x, 1]:
            return k
    return -1


def may_unite(rows: int, columns: int, row: int, column: int, blocks: int) -> bool:
    """True where a square of this side starts and has blocks beyond its first quarter."""
    return (
        row % blocks == 0
        and column % blocks == 0
        and (row + (blocks >> 1) < rows or column + (blocks >> 1) < columns)
    )


def is_united(modes: U8, field: I16, row: int, column: int, blocks: int) -> bool:
    """True when all blocks of a square have one vector each, all equal."""
    vy, vx = field[2 * row, 2 * column, 0], field[2 * row, 2 * column, 1]
    for i in range(row, min(row + blocks, modes.shape[0])):
        for j in range(column, min(column + blocks, modes.shape[1])):
            if (
                modes[i, j] != INTER16
                or field[2 * i, 2 * j, 0] != vy
                or field[2 * i, 2 * j, 1] != vx
            ):
                return False
    return True


def fill(grid: U8, row: int, column: int, blocks: int, value: int) -> None:
    """Give all blocks of a square inside the grid one value."""
    for i in range(row, min(row + blocks, grid.shape[0])):
        for j in range(column, min(column + blocks, grid.shape[1])):
            grid[i, j] = value


def unite(modes: U8, field: I16, sides: U8) -> None:
    """Fill sides[row, column] with the side in blocks of the square coded as one: 4, 2, or 1."""
    rows, columns = modes.shape
    sides[:] = 1
    for blocks in REGIONS:
        for row in range(0, rows, blocks):
            for column in range(0, columns, blocks):
                if (
                    sides[row, column] == 1
                    and may_unite(rows, columns, row, column, blocks)
                    and is_united(modes, field, row, column, blocks)
                ):
                    fill(sides, row, column, blocks, blocks)


def within_reach(y: int, x: int, vy: int, vx: int, height: int, width: int, reach: int) -> bool:
    """True when a 16x16 block at (y, x) moved by the vector stays inside the padded reference."""
    top = y + (vy >> 2)
    left = x + (vx >> 2)
    return -reach <= top <= height + reach - 16 and -reach <= left <= width + reach - 16


def set_block(field: I16, row: int, column: int, vy: int, vx: int) -> None:
    """Give all four 8x8 blocks of a 16x16 block one vector."""
    for i in range(2):
        for j in range(2):
            field[2 * row + i, 2 * column + j, 0] = vy
            field[2 * row + i, 2 * column + j, 1] = vx


def set_square(field: I16, row: int, column: int, blocks: int, vy: int, vx: int) -> None:
    """Give all blocks of a square one vector."""
    for i in range(row, min(row + blocks, field.shape[0] // 2)):
        for j in range(column, min(column + blocks, field.shape[1] // 2)):
            set_block(field, i, j, vy, vx)
