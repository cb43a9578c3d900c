# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/pictures/compensate: blocks of a reference moved in quarter samples.

Filters of HEVC (ITU-T H.265, tables 8-11 and 8-12): rows first without rounding, then columns, then
one rounding shift. Outside the reference its edge samples repeat.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]

LUMA = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ]
)
CHROMA = np.array(
    [
        [0, 64, 0, 0],
        [-2, 58, 10, -2],
        [-4, 54, 16, -2],
        [-6, 46, 28, -4],
        [-4, 36, 36, -4],
        [-4, 28, 46, -6],
        [-2, 16, 54, -4],
        [-2, 10, 58, -2],
    ]
)


def window(plane: U8, top: int, left: int, height: int, width: int) -> I64:
    """Samples of a plane; outside it the edge samples repeat."""
    rows = np.clip(np.arange(top, top + height), 0, plane.shape[0] - 1)
    columns = np.clip(np.arange(left, left + width), 0, plane.shape[1] - 1)
    return plane[np.ix_(rows, columns)].astype(np.int64)


def _filtered(seen: I64, down: I64, across: I64) -> U8:
    taps = len(down)
    height, width = seen.shape[0] - taps + 1, seen.shape[1] - taps + 1
    wide = sum(across[k] * seen[:, k : k + width] for k in range(taps))
    total = sum(down[k] * wide[k : k + height] for k in range(taps))
    return np.clip((total + 2048) >> 12, 0, 255).astype(np.uint8)


def luma_block(reference: U8, y: int, x: int, by: tuple[int, int], size: int) -> U8:
    """Luma at (y, x), moved by quarter samples."""
    seen = window(reference, y + (by[0] >> 2) - 3, x + (by[1] >> 2) - 3, size + 7, size + 7)
    return _filtered(seen, LUMA[by[0] & 3], LUMA[by[1] & 3])


def chroma_block(reference: U8, y: int, x: int, by: tuple[int, int], size: int) -> U8:
    """Chroma at (y, x) of its plane; the vector is luma's, so in eighths here."""
    seen = window(reference, y + (by[0] >> 3) - 1, x + (by[1] >> 3) - 1, size + 3, size + 3)
    return _filtered(seen, CHROMA[by[0] & 7], CHROMA[by[1] & 7])
