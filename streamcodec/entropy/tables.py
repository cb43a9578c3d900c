# SPDX-License-Identifier: Apache-2.0
"""Symbol tables: 64 integer distributions of a symbol's magnitude.

A table is a cumulative row of 17 integers from 0 to 2**15: magnitudes 0 to 14 and "15 or more". The
sign of a magnitude above zero is one raw bit. The excess over 15 is an Exp-Golomb code of order 2
in raw bits, with a prefix of at most 14, so that a symbol always fits int16.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TABLES = 64
MAGNITUDES = 16
PRECISION_BITS = 15
TOTAL = 1 << PRECISION_BITS

U16 = npt.NDArray[np.uint16]
I32 = npt.NDArray[np.int32]


def from_probabilities(probabilities: npt.NDArray[np.float64]) -> U16:
    """Integer tables (64, 17) from rows of 16 positive weights; every frequency is at least 1."""
    rows = probabilities / probabilities.sum(1, keepdims=True)
    frequencies = 1 + np.floor(rows * (TOTAL - MAGNITUDES)).astype(np.int64)
    largest = frequencies.argmax(1)
    frequencies[np.arange(len(rows)), largest] += TOTAL - frequencies.sum(1)
    cumulative = np.zeros((len(rows), MAGNITUDES + 1), np.uint16)
    cumulative[:, 1:] = frequencies.cumsum(1)
    return cumulative


def are_valid(cumulative: U16) -> bool:
    """True for 64 strictly rising rows from 0 to 2**15."""
    return bool(
        cumulative.shape == (TABLES, MAGNITUDES + 1)
        and (cumulative[:, 0] == 0).all()
        and (cumulative[:, -1] == TOTAL).all()
        and (np.diff(cumulative.astype(np.int64), axis=1) > 0).all()
    )


def costs_q8(cumulative: U16) -> I32:
    """Price (64, 16) in 1/256 bit of each magnitude, sign included, escape bits not."""
    frequencies = np.diff(cumulative.astype(np.float64), axis=1)
    bits = PRECISION_BITS - np.log2(frequencies)
    bits[:, 1:] += 1
    return np.asarray(np.rint(bits * 256), np.int32)
