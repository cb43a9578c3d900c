# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/entropy/symbols.

Symbol tables: 64 integer distributions of a symbol's magnitude, and coding by them.

A table is a cumulative row of 17 integers from 0 to 2**15: magnitudes 0 to 14 and "15 or more". The
sign of a magnitude above zero is one raw bit. What is above 15 follows as an Exp-Golomb code of
order 2 in raw bits, with a prefix of at most 14, so that a symbol always fits int16.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import binary, rans

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


def put_symbols(out: U32, at: int, symbols: I16, tables: U8, cumulative: U16) -> int:
    """Append all symbols, each by its own table; return the next free index of `out`."""
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
            value = -magnitude if negative else magnitude
            symbols[i] = (value + 32768) % 65536 - 32768
        else:
            symbols[i] = 0
    return True
