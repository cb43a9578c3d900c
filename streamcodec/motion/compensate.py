# SPDX-License-Identifier: Apache-2.0
"""Motion compensation in quarter samples: integers only, equal on every machine.

Luma uses the 8-tap filters of HEVC (ITU-T H.265, table 8-11), rows first without rounding, then
columns, then one rounding shift. Chroma vectors have eighth samples of their own plane and use the
4-tap filters of table 8-12. References are padded by repeating their edges.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec.blocks.edges import repeated

PAD_PX = 48  # around luma; chroma planes get the same, which is more than they need
REACH_PX = PAD_PX - 8 - 16  # a block may start this far outside the picture, plus its size

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]

LUMA = np.array(
    [
        [0, 0, 0, 64, 0, 0, 0, 0],
        [-1, 4, -10, 58, 17, -5, 1, 0],
        [-1, 4, -11, 40, 40, -11, 4, -1],
        [0, 1, -5, 17, 58, -10, 4, -1],
    ],
    np.int16,
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
    ],
    np.int16,
)


def pad(plane: U8) -> U8:
    """The plane with PAD_PX repeated samples on every side."""
    return repeated(plane, PAD_PX)


@nb.njit(nogil=True, cache=True)
def luma_block(ref: U8, y: int, x: int, vy: int, vx: int, size: int, tmp: I16, out: U8) -> None:
    """Predict size x size luma at (y, x) of the picture, moved by (vy, vx) quarter samples.

    `ref` is padded, `tmp` is scratch of (16 + 7, 16), `out` (16, 16) gets the block.
    """
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    fy = vy & 3
    fx = vx & 3
    if fy == 0 and fx == 0:
        for i in range(size):
            for j in range(size):
                out[i, j] = ref[top + i, left + j]
        return
    if fy == 0:
        c0, c1, c2, c3 = LUMA[fx, 0], LUMA[fx, 1], LUMA[fx, 2], LUMA[fx, 3]
        c4, c5, c6, c7 = LUMA[fx, 4], LUMA[fx, 5], LUMA[fx, 6], LUMA[fx, 7]
        for i in range(size):
            row = ref[top + i, left - 3 : left + size + 5]
            for j in range(size):
                total = (
                    np.int32(row[j]) * c0
                    + np.int32(row[j + 1]) * c1
                    + np.int32(row[j + 2]) * c2
                    + np.int32(row[j + 3]) * c3
                    + np.int32(row[j + 4]) * c4
                    + np.int32(row[j + 5]) * c5
                    + np.int32(row[j + 6]) * c6
                    + np.int32(row[j + 7]) * c7
                )
                out[i, j] = np.uint8(min(max((total + 32) >> 6, 0), 255))
        return
    if fx == 0:
        for i in range(size + 7):
            row = ref[top + i - 3, left : left + size]
            for j in range(size):
                tmp[i, j] = np.int16(row[j])
        shift = 6
    else:
        c0, c1, c2, c3 = LUMA[fx, 0], LUMA[fx, 1], LUMA[fx, 2], LUMA[fx, 3]
        c4, c5, c6, c7 = LUMA[fx, 4], LUMA[fx, 5], LUMA[fx, 6], LUMA[fx, 7]
        for i in range(size + 7):
            row = ref[top + i - 3, left - 3 : left + size + 5]
            for j in range(size):
                tmp[i, j] = np.int16(
                    np.int32(row[j]) * c0
                    + np.int32(row[j + 1]) * c1
                    + np.int32(row[j + 2]) * c2
                    + np.int32(row[j + 3]) * c3
                    + np.int32(row[j + 4]) * c4
                    + np.int32(row[j + 5]) * c5
                    + np.int32(row[j + 6]) * c6
                    + np.int32(row[j + 7]) * c7
                )
        shift = 12
    rounding = 1 << (shift - 1)
    for i in range(size):
        for j in range(size):
            total = np.int32(0)
            for k in range(8):
                total += np.int32(tmp[i + k, j]) * np.int32(LUMA[fy, k])
            out[i, j] = np.uint8(min(max((total + rounding) >> shift, 0), 255))


@nb.njit(nogil=True, cache=True)
def chroma_block(ref: U8, y: int, x: int, vy: int, vx: int, size: int, tmp: I16, out: U8) -> None:
    """Predict size x size chroma at (y, x) of its plane; the vector is luma's, so in 1/8 here."""
    top = y + PAD_PX + (vy >> 3)
    left = x + PAD_PX + (vx >> 3)
    fy = vy & 7
    fx = vx & 7
    if fy == 0 and fx == 0:
        for i in range(size):
            for j in range(size):
                out[i, j] = ref[top + i, left + j]
        return
    c0, c1, c2, c3 = CHROMA[fx, 0], CHROMA[fx, 1], CHROMA[fx, 2], CHROMA[fx, 3]
    for i in range(size + 3):
        row = ref[top + i - 1, left - 1 : left + size + 2]
        for j in range(size):
            tmp[i, j] = np.int16(
                np.int32(row[j]) * c0
                + np.int32(row[j + 1]) * c1
                + np.int32(row[j + 2]) * c2
                + np.int32(row[j + 3]) * c3
            )
    d0, d1, d2, d3 = CHROMA[fy, 0], CHROMA[fy, 1], CHROMA[fy, 2], CHROMA[fy, 3]
    for i in range(size):
        for j in range(size):
            total = (
                np.int32(tmp[i, j]) * d0
                + np.int32(tmp[i + 1, j]) * d1
                + np.int32(tmp[i + 2, j]) * d2
                + np.int32(tmp[i + 3, j]) * d3
            )
            out[i, j] = np.uint8(min(max((total + 2048) >> 12, 0), 255))


@nb.njit(nogil=True, cache=True)
def quarter_planes(ref: U8, planes: U8) -> None:
    """All 16 quarter-sample shifts of a padded luma plane, for the search.

    planes[4 * fy + fx][y, x] equals what `luma_block` predicts there, except within 4 samples of
    the padding's outer edge, where it is not written.
    """
    height, width = ref.shape
    across = np.empty((4, height, width), np.int16)
    for y in range(height):
        row = ref[y]
        for x in range(width):
            planes[0, y, x] = row[x]
        for f in range(1, 4):
            c0, c1, c2, c3 = LUMA[f, 0], LUMA[f, 1], LUMA[f, 2], LUMA[f, 3]
            c4, c5, c6, c7 = LUMA[f, 4], LUMA[f, 5], LUMA[f, 6], LUMA[f, 7]
            wide = across[f, y, 3 : width - 4]
            final = planes[f, y, 3 : width - 4]
            for x in range(width - 7):
                total = (
                    np.int32(row[x]) * c0
                    + np.int32(row[x + 1]) * c1
                    + np.int32(row[x + 2]) * c2
                    + np.int32(row[x + 3]) * c3
                    + np.int32(row[x + 4]) * c4
                    + np.int32(row[x + 5]) * c5
                    + np.int32(row[x + 6]) * c6
                    + np.int32(row[x + 7]) * c7
                )
                wide[x] = np.int16(total)
                final[x] = np.uint8(min(max((total + 32) >> 6, 0), 255))
    for y in range(height - 7):
        for fy in range(1, 4):
            c0, c1, c2, c3 = LUMA[fy, 0], LUMA[fy, 1], LUMA[fy, 2], LUMA[fy, 3]
            c4, c5, c6, c7 = LUMA[fy, 4], LUMA[fy, 5], LUMA[fy, 6], LUMA[fy, 7]
            r0, r1, r2, r3 = ref[y], ref[y + 1], ref[y + 2], ref[y + 3]
            r4, r5, r6, r7 = ref[y + 4], ref[y + 5], ref[y + 6], ref[y + 7]
            down = planes[4 * fy, y + 3]
            for x in range(width):
                total = (
                    np.int32(r0[x]) * c0
                    + np.int32(r1[x]) * c1
                    + np.int32(r2[x]) * c2
                    + np.int32(r3[x]) * c3
                    + np.int32(r4[x]) * c4
                    + np.int32(r5[x]) * c5
                    + np.int32(r6[x]) * c6
                    + np.int32(r7[x]) * c7
                )
                down[x] = np.uint8(min(max((total + 32) >> 6, 0), 255))
            for fx in range(1, 4):
                s0, s1, s2, s3 = (
                    across[fx, y],
                    across[fx, y + 1],
                    across[fx, y + 2],
                    across[fx, y + 3],
                )
                s4, s5, s6, s7 = (
                    across[fx, y + 4],
                    across[fx, y + 5],
                    across[fx, y + 6],
                    across[fx, y + 7],
                )
                both = planes[4 * fy + fx, y + 3]
                for x in range(3, width - 4):
                    total = (
                        np.int32(s0[x]) * c0
                        + np.int32(s1[x]) * c1
                        + np.int32(s2[x]) * c2
                        + np.int32(s3[x]) * c3
                        + np.int32(s4[x]) * c4
                        + np.int32(s5[x]) * c5
                        + np.int32(s6[x]) * c6
                        + np.int32(s7[x]) * c7
                    )
                    both[x] = np.uint8(min(max((total + 2048) >> 12, 0), 255))
