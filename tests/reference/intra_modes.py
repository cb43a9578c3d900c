# SPDX-License-Identifier: Apache-2.0
"""The most probable intra modes of a block, from its neighbours' (ITU-T H.265, 8.4.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference.intra import MEAN, PLANAR, VERTICAL

I8 = npt.NDArray[np.int8]


def most_probable(intra_modes: I8, y: int, x: int) -> list[int]:
    """The three most probable modes, from the left and upper neighbours."""
    left = int(intra_modes[y, x - 1]) if x else -1
    above = int(intra_modes[y - 1, x]) if y else -1
    left = MEAN if left < 0 else left
    above = MEAN if above < 0 else above
    if left == above:
        if left < 2:
            return [PLANAR, MEAN, VERTICAL]
        return [left, 2 + (left + 29) % 32, 2 + (left - 1) % 32]
    for third in (PLANAR, MEAN, VERTICAL):
        if third not in {left, above}:
            return [left, above, third]
    raise AssertionError
