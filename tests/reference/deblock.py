# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/pictures/deblock: smooths steps at block edges.

An edge is filtered where a block beside it has symbols, is intra, or moves differently. Samples p1
p0 | q0 q1 move by a clipped (9 (q0 - p0) - 3 (q1 - p1) + 8) / 16 (the weak filter of ITU-T H.265,
8.7.2) when both sides are smoother than thresholds that grow with the step. Columns first, then
rows.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]


def strengths(modes: U8, field: I16, counts: U8, splits: U8, across: U8, down: U8) -> None:
    """Edge strengths 0 to 2 on the 8x8 grid: `across` at each square's left, `down` at its top."""
    height, width = across.shape
    for y in range(height):
        for x in range(width):
            row, column = y >> 1, x >> 1
            for direction in range(2):
                py, px = (y, x - 1) if direction == 0 else (y - 1, x)
                strength = 0
                if py >= 0 and px >= 0:
                    prow, pcolumn = py >> 1, px >> 1
                    inside = prow == row and pcolumn == column
                    if modes[row, column] >= 2 or modes[prow, pcolumn] >= 2:
                        strength = 2
                        if inside and modes[row, column] == 2:
                            strength = 0
                    elif inside:
                        if splits[row, column] and counts[row, column]:
                            strength = 1
                        elif (
                            abs(int(field[y, x, 0]) - int(field[py, px, 0])) >= 4
                            or abs(int(field[y, x, 1]) - int(field[py, px, 1])) >= 4
                        ):
                            strength = 1
                    elif (
                        counts[row, column]
                        or counts[prow, pcolumn]
                        or abs(int(field[y, x, 0]) - int(field[py, px, 0])) >= 4
                        or abs(int(field[y, x, 1]) - int(field[py, px, 1])) >= 4
                    ):
                        strength = 1
                if direction == 0:
                    across[y, x] = strength
                else:
                    down[y, x] = strength


def _edge(
    plane: U8, y: int, x: int, along_y: int, along_x: int, count: int, beta: int, limit: int
) -> None:
    """Filter `count` samples along an edge that starts at (y, x); q0 is at (y, x)."""
    ny = along_x
    nx = along_y
    for k in range(count):
        yy = y + k * along_y
        xx = x + k * along_x
        p1 = int(plane[yy - 2 * ny, xx - 2 * nx])
        p0 = int(plane[yy - ny, xx - nx])
        q0 = int(plane[yy, xx])
        q1 = int(plane[yy + ny, xx + nx])
        if abs(p1 - p0) + abs(q1 - q0) >= beta:
            continue
        delta = (9 * (q0 - p0) - 3 * (q1 - p1) + 8) >> 4
        if abs(delta) >= 10 * limit:
            continue
        delta = min(max(delta, -limit), limit)
        plane[yy - ny, xx - nx] = min(max(p0 + delta, 0), 255)
        plane[yy, xx] = min(max(q0 - delta, 0), 255)
        half = limit >> 1
        if half:
            p2 = int(plane[yy - 3 * ny, xx - 3 * nx])
            q2 = int(plane[yy + 2 * ny, xx + 2 * nx])
            if abs(p2 - p0) < beta:
                move = min(max((((p2 + p0 + 1) >> 1) - p1 + delta) >> 1, -half), half)
                plane[yy - 2 * ny, xx - 2 * nx] = min(max(p1 + move, 0), 255)
            if abs(q2 - q0) < beta:
                move = min(max((((q2 + q0 + 1) >> 1) - q1 - delta) >> 1, -half), half)
                plane[yy + ny, xx + nx] = min(max(q1 + move, 0), 255)


def deblock(y: U8, u: U8, v: U8, across: U8, down: U8, step_q3: int, chroma_step_q3: int) -> None:
    """Filter all planes in place; sides are multiples of 16 (chroma 8)."""
    beta = 2 + (step_q3 * 5) // 64
    chroma_beta = 2 + (chroma_step_q3 * 5) // 64
    chroma_limit = max((chroma_step_q3 * 4) // 256, 1)
    height, width = across.shape
    for i in range(height):
        for j in range(1, width):
            s = int(across[i, j])
            if s:
                limit = max((step_q3 * (2 + s)) // 256, 1)
                _edge(y, 8 * i, 8 * j, 1, 0, 8, beta, limit)
                if j % 2 == 0 and s == 2:
                    _edge(u, 4 * i, 4 * j, 1, 0, 4, chroma_beta, chroma_limit)
                    _edge(v, 4 * i, 4 * j, 1, 0, 4, chroma_beta, chroma_limit)
    for i in range(1, height):
        for j in range(width):
            s = int(down[i, j])
            if s:
                limit = max((step_q3 * (2 + s)) // 256, 1)
                _edge(y, 8 * i, 8 * j, 0, 1, 8, beta, limit)
                if i % 2 == 0 and s == 2:
                    _edge(u, 4 * i, 4 * j, 0, 1, 4, chroma_beta, chroma_limit)
                    _edge(v, 4 * i, 4 * j, 0, 1, 4, chroma_beta, chroma_limit)


def picture(
    modes: U8,
    field: I16,
    counts: U8,
    splits: U8,
    steps_q3: tuple[int, int],
    planes: tuple[U8, U8, U8],
) -> None:
    """Deblock a whole decoded picture in place."""
    across = np.empty((2 * modes.shape[0], 2 * modes.shape[1]), np.uint8)
    down = np.empty_like(across)
    strengths(modes, field, counts, splits, across, down)
    deblock(*planes, across, down, *steps_q3)
