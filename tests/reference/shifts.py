# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/motion/shifted: a picture's luma moved by quarter samples.

Filters are those of HEVC (ITU-T H.265, table 8-11), rows first without rounding, then columns, then
one rounding shift.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]

PAD_PX = 48
REACH_PX = PAD_PX - 8 - 16
TAPS = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ]
)


def _filtered(samples: I64, fraction: int, axis: int) -> I64:
    """Each sample with three before and four beyond it, edges repeated, weighed by the taps."""
    around = [(3, 4) if a == axis else (0, 0) for a in range(2)]
    wide = np.pad(samples, around, mode="edge")
    length = samples.shape[axis]
    parts = [np.take(wide, np.arange(k, k + length), axis) * TAPS[fraction, k] for k in range(8)]
    total: I64 = np.sum(parts, axis=0)
    return total


def shifted_planes(luma: U8) -> U8:
    """(16, h + 2 PAD_PX, w + 2 PAD_PX): the plane 4 * fy + fx is moved by (fy, fx) quarters."""
    whole = np.pad(luma, PAD_PX, mode="edge").astype(np.int64)
    planes = []
    for fy in range(4):
        for fx in range(4):
            total = _filtered(_filtered(whole, fx, 1), fy, 0)
            planes.append(np.clip((total + 2048) >> 12, 0, 255).astype(np.uint8))
    return np.stack(planes)
