# SPDX-License-Identifier: Apache-2.0
"""The loop filter's weights: a classified linear filter that was fitted by least squares.

After deblocking, each sample of a block that coded symbols changes by a weighted sum of its
differences to the 12 neighbours in a diamond of radius 2 (six point-symmetric pairs), each
difference clipped to the quantiser step so that real edges stay (the idea of VVC's adaptive loop
filter, M. Karczewicz et al., TCSVT 2021). Each 4x4 square has a class by activity and direction;
weights exist per frame type, band of eight qualities, luma or chroma, and class. The encoder
switches luma and chroma for areas of 64x64 luma samples by true distortion. The native core
filters (core/pictures/).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PAIRS = 6
CLASSES = 15  # 5 levels of activity x 3 directions
BANDS = 8
AREA_BLOCKS = 4  # an area is 4x4 blocks of 16x16
WEIGHT_BITS = 8


def no_weights() -> npt.NDArray[np.int16]:
    """Weights (frame types, bands, luma or chroma, classes, pairs) that change nothing."""
    return np.zeros((2, BANDS, 2, CLASSES, PAIRS), np.int16)


def no_flags(rows: int, columns: int) -> npt.NDArray[np.uint8]:
    """Flags (luma or chroma, areas down, areas across) of a picture of so many blocks, all off."""
    return np.zeros((2, -(-rows // AREA_BLOCKS), -(-columns // AREA_BLOCKS)), np.uint8)
