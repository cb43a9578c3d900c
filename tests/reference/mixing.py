# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/entropy/mixing.

Mixes the estimates of several contexts for one bit, with adaptive weights.

Each context gives two inputs, its quick and its slow estimate, in the logistic domain
(ln(p / (1 - p)) in 1/256). Weights in 1/65536 are moved after every bit along the gradient of its
price (logistic mixing as in lpaq, M. Mahoney). All in integers: the same on every machine.

Weights live among the contexts, one in a row: the row's two uint16 are its high and low half, plus
2**31. So weights are copied wherever contexts are.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tests.reference import binary, rans

MIXED_CONTEXTS = 3  # contexts that are mixed
INPUTS = 2 * MIXED_CONTEXTS
SCRATCH = (
    MIXED_CONTEXTS + INPUTS
)  # int32 that `put` and `get` work in; the first MIXED_CONTEXTS name the contexts
ONE = 1 << 16  # the weight 1
_ZERO = 1 << 31
_RATE = 20
_FLOOR = 32  # of 2**15: no bit costs more than 10 bits, none less than 0.0014
_LIMIT = 2047

U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]
I32 = npt.NDArray[np.int32]

# Logit of (i + 0.5) / 4096, and back from -2047..2047 to a frequency in 1/2**15.
_STRETCH = np.array(
    [
        min(max(round(256 * math.log((i + 0.5) / (4095.5 - i))), -_LIMIT), _LIMIT)
        for i in range(4096)
    ],
    np.int32,
)
_SQUASH = np.array(
    [
        min(max(round(rans.TOTAL / (1 + math.exp(-d / 256))), _FLOOR), rans.TOTAL - _FLOOR)
        for d in range(-_LIMIT, _LIMIT + 1)
    ],
    np.int32,
)


def weights(count: int) -> U16:
    """(count, 2) rows of weights that average the inputs."""
    value = _ZERO + ONE // INPUTS
    return np.tile(np.array([value >> 16, value & 0xFFFF], np.uint16), (count, 1))


def _one(contexts: U16, at: int, scratch: I32) -> int:
    """Frequency of a one in 1/2**15; leaves the inputs in scratch[MIXED_CONTEXTS:]."""
    total = np.int64(0)
    for k in range(MIXED_CONTEXTS):
        row = contexts[scratch[k]]
        for side in range(2):
            value = _STRETCH[row[side] >> 4]
            scratch[MIXED_CONTEXTS + 2 * k + side] = value
            held = contexts[at + 2 * k + side]
            weight = (np.int64(held[0]) << 16 | np.int64(held[1])) - _ZERO
            total += weight * np.int64(value)
    return np.int64(_SQUASH[min(max(total >> 16, -_LIMIT), _LIMIT) + _LIMIT])


def _adapt(contexts: U16, at: int, scratch: I32, bit: int, one: int) -> None:
    miss = ((rans.TOTAL if bit else 0) - one) * _RATE
    for k in range(INPUTS):
        held = contexts[at + k]
        weight = np.int64(held[0]) << 16 | np.int64(held[1])
        weight += (miss * np.int64(scratch[MIXED_CONTEXTS + k]) + (1 << 18)) >> 19
        weight = min(max(weight, 0), (1 << 32) - 1)
        held[0] = np.uint16(weight >> 16)
        held[1] = np.uint16(weight & 0xFFFF)
    for k in range(MIXED_CONTEXTS):
        binary.adapt(contexts, scratch[k], bit)


def put(out: U32, at: int, contexts: U16, weights_at: int, scratch: I32, bit: int) -> int:
    """Append the bit, adapt contexts and weights, return the next free index of `out`.

    scratch[:MIXED_CONTEXTS] names the contexts; the INPUTS weights start at row `weights_at`.
    """
    one = _one(contexts, weights_at, scratch)
    at = binary.put_estimated(out, at, one, bit)
    _adapt(contexts, weights_at, scratch, bit, one)
    return at


def cost_q8(contexts: U16, weights_at: int, scratch: I32, bit: int) -> int:
    """Price of the bit in 1/256 bit, without adapting."""
    one = _one(contexts, weights_at, scratch)
    return np.int64(binary.COST_Q8[(one if bit else rans.TOTAL - one) >> 6])


def get(state: U64, words: U16, contexts: U16, weights_at: int, scratch: I32) -> int:
    """Read one bit and adapt."""
    one = _one(contexts, weights_at, scratch)
    bit = binary.get_estimated(state, words, one)
    _adapt(contexts, weights_at, scratch, bit, one)
    return bit
