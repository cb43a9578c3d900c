# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/entropy/binary.

Adaptive binary contexts: each learns how often its bit is one, in integers.

A context is a row of two uint16 estimates of P(bit = 1) in 1/65536, one quick (rate 1/16) and one
slow (rate 1/128); their mean codes the bit. The pair adapts to a new scene within a few blocks and
is precise in a static one (two-rate estimation as in VVC, JVET-K0430).

The same functions serve as writer and reader: `put` appends the bit's interval to a list that
`rans.encode` turns into bytes, `get` reads it back. `cost_q8` is its price in 1/256 bit.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tests.reference import rans

QUICK_SHIFT = 4
SLOW_SHIFT = 7
_FLOOR = 96  # of 2**15: no bit costs more than about 8.4 bits, none less than 0.004

Contexts = npt.NDArray[np.uint16]  # (count, 2)
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

# Price in 1/256 bit of an event of probability (i + 0.5) / 512.
COST_Q8 = np.array([round(-256 * math.log2((i + 0.5) / 512)) for i in range(512)], np.int32)


def _one(contexts: Contexts, index: int) -> int:
    """Frequency of a one in 1/2**15, clamped away from 0 and 1."""
    mean = (np.int64(contexts[index, 0]) + np.int64(contexts[index, 1])) >> 2
    return min(max(mean, _FLOOR), rans.TOTAL - _FLOOR)


def adapt(contexts: Contexts, index: int, bit: int) -> None:
    """Move both estimates towards the bit."""
    target = 65535 if bit else 0
    quick = np.int64(contexts[index, 0])
    slow = np.int64(contexts[index, 1])
    contexts[index, 0] = np.uint16(quick + ((target - quick) >> QUICK_SHIFT))
    contexts[index, 1] = np.uint16(slow + ((target - slow) >> SLOW_SHIFT))


def put_estimated(out: U32, at: int, one: int, bit: int) -> int:
    """Append a bit whose frequency of a one is known; return the next free index of `out`."""
    out[at] = np.uint32(one) if bit else np.uint32(one << 16 | (rans.TOTAL - one))
    return at + 1


def get_estimated(state: U64, words: npt.NDArray[np.uint16], one: int) -> int:
    """Read a bit written by `put_estimated`."""
    bit = 1 if rans.peek(state) < one else 0
    if bit:
        rans.advance(state, words, 0, one)
    else:
        rans.advance(state, words, one, rans.TOTAL - one)
    return bit


def put(out: U32, at: int, contexts: Contexts, index: int, bit: int) -> int:
    """Append the bit, adapt, return the next free index of `out`."""
    at = put_estimated(out, at, _one(contexts, index), bit)
    adapt(contexts, index, bit)
    return at


def get(state: U64, words: npt.NDArray[np.uint16], contexts: Contexts, index: int) -> int:
    """Read one bit and adapt."""
    bit = get_estimated(state, words, _one(contexts, index))
    adapt(contexts, index, bit)
    return bit


def put_raw(out: U32, at: int, bit: int) -> int:
    """Append a bit at the price of one bit."""
    half = rans.TOTAL >> 1
    out[at] = np.uint32((half << 16 | half) if bit else half)
    return at + 1


def get_raw(state: U64, words: npt.NDArray[np.uint16]) -> int:
    """Read a bit written by `put_raw`."""
    half = rans.TOTAL >> 1
    bit = 1 if rans.peek(state) >= half else 0
    rans.advance(state, words, half if bit else 0, half)
    return bit


def cost_q8(contexts: Contexts, index: int, bit: int) -> int:
    """Price of the bit in 1/256 bit, without adapting."""
    one = _one(contexts, index)
    return COST_Q8[(one if bit else rans.TOTAL - one) >> 6]
