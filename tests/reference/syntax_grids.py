# SPDX-License-Identifier: Apache-2.0
"""Grids of blocks: those of a packet, of the reference, and the kinds coded so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Of all blocks: modes, counts, splits (rows, columns); field, intra_modes on 8x8."""

    modes: U8
    field: I16
    intra_modes: I8
    counts: U8
    splits: U8


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """Of the reference: its vectors, its counts, and how quality runs (`quality_trend`)."""

    field: I16
    counts: U8
    trend: int


@dataclass(slots=True, eq=False)
class KindsSoFar:
    """Kinds of the blocks coded so far, one value a block."""

    skips: U8
    intras: U8
    quarters: U8
    candidate_index: U8  # which candidate
    merges: U8
    sides: U8  # of the square a block is part of
    empties: U8  # of a square: nothing is coded in it

    @classmethod
    def nothing(cls, rows: int, columns: int) -> KindsSoFar:
        zeros = [np.zeros((rows, columns), np.uint8) for _ in range(7)]
        zeros[5][:] = 1
        return cls(*zeros)
