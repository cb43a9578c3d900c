# SPDX-License-Identifier: Apache-2.0
"""How the 384 samples of a 16x16 block become 384 channels ordered by frequency.

A block holds 256 luma and 2 x 64 chroma samples. Each transform coefficient gets one channel; low
frequencies come first, luma and chroma interleaved. Luma is one 16x16 transform or four 8x8 ones:
coefficient (u, v) of the 8x8 block (a, b) has the channel of (2u + a, 2v + b) of the 16x16 one, so
that a channel means about the same frequency in both.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

BLOCK_PX = 16
CHANNELS = 384
GROUP_STARTS = (0, 6, 24, 96, 384)  # channels are coded in four groups of rising frequency
GROUPS = len(GROUP_STARTS) - 1


def _order() -> npt.NDArray[np.int32]:
    """(384,) sample position of each channel: luma 0..255, U 256..319, V 320..383, row by row.

    The weight 1.3 puts a chroma frequency behind the luma one of equal size on the picture: chroma
    has less energy there (measured on camera clips).
    """
    luma = [((i * i + j * j) / 256, 0, i * 16 + j) for i in range(16) for j in range(16)]
    chroma = [
        (1.3 * (i * i + j * j) / 64 + 0.02, 256 + 64 * plane, i * 8 + j)
        for plane in range(2)
        for i in range(8)
        for j in range(8)
    ]
    return np.array([base + at for _, base, at in sorted(luma + chroma)], np.int32)


ORDER = _order()  # channel -> position


def _bands() -> npt.NDArray[np.int32]:
    """(384,) band of each channel: the prior sums a neighbouring block's symbols by band.

    A band never spans two groups, so that it is known as soon as its group is decoded.
    """
    bands = np.zeros(CHANNELS, np.int32)
    following = 0
    for start, end in pairwise(GROUP_STARTS):
        luma = [c for c in range(start, end) if ORDER[c] < BLOCK_PX * BLOCK_PX]
        chroma = [c for c in range(start, end) if ORDER[c] >= BLOCK_PX * BLOCK_PX]
        third = 1 if start == 0 else len(luma) // 2
        for part in (luma[:third], luma[third:], chroma):
            if part:
                bands[part] = following
                following += 1
    return bands


BAND = _bands()
BANDS = int(BAND.max()) + 1
