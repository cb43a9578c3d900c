# SPDX-License-Identifier: Apache-2.0
"""The adaptive contexts of a packet's side information: how many there are, and where they start.

An array of contexts is (CONTEXTS, 2) uint16. Most rows are contexts: a fast and a slow estimate of
a bit's probability. The others are weights that mix three contexts; a row's two halves are one
weight. Their layout is in the native core (core/contexts.hpp) and in docs/bitstream.md, section 4.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from streamcodec import _core

U16 = npt.NDArray[np.uint16]

CONTEXTS = _core.CONTEXTS
_INPUTS = 6  # of a mixture: three contexts, two estimates each
_ONE = 1 << 16  # the weight 1
_ZERO = 1 << 31  # offset of stored weights, which are unsigned


@cache
def _weight_rows() -> tuple[tuple[int, int], ...]:
    """(first, count) of the rows that hold weights: the last part of each family."""
    bases = _core.context_bases()
    ends = [*bases[1:, 0].tolist(), CONTEXTS]
    return tuple(
        (first, end - first) for first, end in zip(bases[:, 3].tolist(), ends, strict=True)
    )


def fresh() -> U16:
    """Untrained contexts: every bit has probability 1/2, all weights are equal."""
    contexts = np.full((CONTEXTS, 2), 32768, np.uint16)
    value = _ZERO + _ONE // _INPUTS
    for first, count in _weight_rows():
        contexts[first : first + count] = (value >> 16, value & 0xFFFF)
    return contexts


def mean(several: list[U16]) -> U16:
    """The mean of contexts after many frames: starting contexts for new streams."""
    stacked = np.stack(several)
    result = np.repeat(np.rint(stacked[..., 1].mean(axis=0)).astype(np.uint16)[:, None], 2, axis=1)
    for first, count in _weight_rows():
        halves = stacked[:, first : first + count].astype(np.float64)
        weight = np.rint((halves[..., 0] * 65536 + halves[..., 1]).mean(axis=0)).astype(np.int64)
        result[first : first + count] = np.stack((weight >> 16, weight & 0xFFFF), axis=1)
    return result


def quality_trend(quality: int, reference_quality: int) -> int:
    """0, 1 or 2: a frame is coarser than its reference, as fine, or finer."""
    if quality == reference_quality:
        return 1
    return 0 if quality < reference_quality else 2
