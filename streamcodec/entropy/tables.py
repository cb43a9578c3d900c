# SPDX-License-Identifier: Apache-2.0
"""Symbol tables: 64 integer distributions of a symbol's magnitude, and coding by them.

A table is a cumulative row of 17 integers from 0 to 2**15: magnitudes 0 to 14 and "15 or more". The
sign of a magnitude above zero is one raw bit. What is above 15 follows as an Exp-Golomb code of
order 2 in raw bits, with a prefix of at most 14, so that a symbol always fits int16.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec.entropy import binary, rans

TABLES = 64
MAGNITUDES = 16
ESCAPE = MAGNITUDES - 1
_ESCAPE_ORDER = 2
_MAX_PREFIX = 14
MAX_SYMBOL = 30_000  # the encoder clips here; fits the escape code and int16

I16 = npt.NDArray[np.int16]
U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]


def from_probabilities(probabilities: npt.NDArray[np.float64]) -> U16:
    """Integer tables (64, 17) from rows of 16 positive weights; every frequency is at least 1."""
    rows = probabilities / probabilities.sum(1, keepdims=True)
    frequencies = 1 + np.floor(rows * (rans.TOTAL - MAGNITUDES)).astype(np.int64)
    largest = frequencies.argmax(1)
    frequencies[np.arange(len(rows)), largest] += rans.TOTAL - frequencies.sum(1)
    cumulative = np.zeros((len(rows), MAGNITUDES + 1), np.uint16)
    cumulative[:, 1:] = frequencies.cumsum(1)
    return cumulative


def are_valid(cumulative: U16) -> bool:
    """True for 64 strictly rising rows from 0 to 2**15."""
    return bool(
        cumulative.shape == (TABLES, MAGNITUDES + 1)
        and (cumulative[:, 0] == 0).all()
        and (cumulative[:, -1] == rans.TOTAL).all()
        and (np.diff(cumulative.astype(np.int64), axis=1) > 0).all()
    )


def costs_q8(cumulative: U16) -> I32:
    """Price (64, 16) in 1/256 bit of each magnitude, sign included, escape bits not."""
    frequencies = np.diff(cumulative.astype(np.float64), axis=1)
    bits = rans.PRECISION_BITS - np.log2(frequencies)
    bits[:, 1:] += 1
    return np.rint(bits * 256).astype(np.int32)


@nb.njit(nogil=True, cache=True, inline="always")
def escape_bits(magnitude: int) -> int:
    """Raw bits that follow the escape for this magnitude (at least 15)."""
    rest = (magnitude - ESCAPE) >> _ESCAPE_ORDER
    prefix = 0
    while (rest + 1) >> (prefix + 1):
        prefix += 1
    return 2 * prefix + 1 + _ESCAPE_ORDER


@nb.njit(nogil=True, cache=True)
def put_symbols(out: U32, at: int, symbols: I16, tables: U8, cumulative: U16) -> int:
    """Append all symbols, each by its own table; return the next free place in `out`."""
    half = rans.TOTAL >> 1
    zero = np.uint32(half)
    one = np.uint32(half << 16 | half)
    for i in range(symbols.size):
        value = np.int64(symbols[i])
        magnitude = abs(value)
        table = tables[i]
        slot = min(magnitude, ESCAPE)
        low = np.uint32(cumulative[table, slot])
        out[at] = low << np.uint32(16) | (np.uint32(cumulative[table, slot + 1]) - low)
        at += 1
        if magnitude:
            out[at] = one if value < 0 else zero
            at += 1
            if slot == ESCAPE:
                rest = ((magnitude - ESCAPE) >> _ESCAPE_ORDER) + 1
                prefix = 0
                while rest >> (prefix + 1):
                    out[at] = one
                    at += 1
                    prefix += 1
                out[at] = zero
                at += 1
                for shift in range(prefix - 1, -1, -1):
                    out[at] = one if (rest >> shift) & 1 else zero
                    at += 1
                for shift in range(_ESCAPE_ORDER - 1, -1, -1):
                    out[at] = one if ((magnitude - ESCAPE) >> shift) & 1 else zero
                    at += 1
    return at


@nb.njit(nogil=True, cache=True)
def get_symbols(state: U64, words: U16, tables: U8, cumulative: U16, symbols: I16) -> bool:
    """Fill `symbols`; False when an escape is longer than any encoder writes."""
    for i in range(symbols.size):
        table = tables[i]
        at = rans.peek(state)
        slot = 0
        while at >= np.int64(cumulative[table, slot + 1]):
            slot += 1
        low = np.int64(cumulative[table, slot])
        rans.advance(state, words, low, np.int64(cumulative[table, slot + 1]) - low)
        magnitude = slot
        if slot:
            negative = binary.get_raw(state, words)
            if slot == ESCAPE:
                prefix = 0
                while binary.get_raw(state, words):
                    prefix += 1
                    if prefix > _MAX_PREFIX - _ESCAPE_ORDER:
                        return False
                rest = 1
                for _ in range(prefix):
                    rest = rest << 1 | binary.get_raw(state, words)
                rest -= 1
                for _ in range(_ESCAPE_ORDER):
                    rest = rest << 1 | binary.get_raw(state, words)
                magnitude = ESCAPE + rest
            symbols[i] = np.int16(-magnitude if negative else magnitude)
        else:
            symbols[i] = np.int16(0)
    return True


def intervals_needed(count: int) -> int:
    """Room in `out` that `count` symbols can take at most."""
    return count * (2 + 2 * _MAX_PREFIX)
