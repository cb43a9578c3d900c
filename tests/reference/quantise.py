# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/quantise.

Rate-distortion quantisation: levels of least distortion plus price, with exact table costs.

All in units of the step: a coefficient x of step D has the level a = |x| / D; choosing k costs
(a - k)**2 + mu * bits(k). mu = lambda / D**2 is the same at every quality.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout

# Of 0.05 to 0.16 the best on training clips and pictures; H.264's 0.85 * 2**((QP - 12) / 3) is 0.13
# in our unit. Later frames are predicted from a keyframe, so it gets more bits.
MU = 0.10
KEY_MU = 0.09
BIAS_Q8 = 10  # decoders put a level 10/256 of a step nearer to zero
_BIAS = BIAS_Q8 / 256
MAX_LEVEL = 30_000

F32 = npt.NDArray[np.float32]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]

_STARTS = np.array(layout.GROUP_STARTS, np.int64)


def plain(coefficients: F32, inverse_steps: F32, rounding: float, symbols: I16) -> int:
    """Quantise 384 coefficients with a fixed rounding offset; return the groups needed."""
    needed = 0
    for g in range(4):
        any_level = False
        for c in range(_STARTS[g], _STARTS[g + 1]):
            x = coefficients[c] * inverse_steps[c]
            level = int(abs(x) + rounding)
            if level:
                any_level = True
                level = min(level, MAX_LEVEL)
                symbols[c] = np.int16(level if x > 0 else -level)
            else:
                symbols[c] = np.int16(0)
        if any_level:
            needed = g + 1
    return needed


def weighed(
    coefficients: F32,
    inverse_steps: F32,
    first: int,
    last: int,
    tables: U8,
    costs_q8: I32,
    mu: float,
    symbols: I16,
    saved: F32,
) -> None:
    """Choose levels of channels [first, last) by true costs.

    saved[0] gets the rate-distortion cost of coding them, saved[1] that of all zero.
    """
    price = np.float32(mu / 256)
    coded = np.float32(0)
    zeroed = np.float32(0)
    bias = np.float32(_BIAS)
    for c in range(first, last):
        x = coefficients[c] * inverse_steps[c]
        a = abs(x)
        row = costs_q8[tables[c]]
        best = a * a + price * np.float32(row[0])
        zeroed += a * a
        chosen = 0
        upper = int(a + np.float32(0.5))
        if upper:
            if upper >= 15:
                chosen = min(upper, MAX_LEVEL)
                miss = a - np.float32(chosen) + bias
                best = miss * miss + price * np.float32(row[15] + 2048)
            else:
                for level in range(max(upper - 1, 1), upper + 1):
                    miss = a - np.float32(level) + bias
                    cost = miss * miss + price * np.float32(row[level])
                    if cost < best:
                        best = cost
                        chosen = level
        coded += best
        symbols[c] = np.int16(chosen if x > 0 else -chosen)
    saved[0] = coded
    saved[1] = zeroed
