# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/contexts: families of contexts and their first rows.

docs/bitstream.md, section 4, has them as tables.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import mixing

I32 = npt.NDArray[np.int32]

# Bits whose probability three contexts estimate: how many contexts of each family, and sets of
# weights.
MIXED = (
    (6, 16, 72, 3),  # SKIP
    (12, 100, 64, 4),  # WHICH: not the first candidate
    (6, 50, 128, 2),  # WHICH_SECOND: not the second one either
    (3, 16, 15, 1),  # INTRA
    (3, 9, 15, 1),  # SPLIT
    (9, 27, 45, 3),  # MERGE
    (48, 192, 768, 8),  # VECTOR: magnitude of a difference, zero or not and its length in binary
    (120, 100, 300, 20),  # COUNT: more groups than k
    (12, 24, 20, 2),  # TRANSFORM
    (12, 36, 36, 4),  # SIGN
    (6, 32, 108, 2),  # UNITED: a square of blocks with one vector
    (6, 32, 24, 2),  # EMPTY: and nothing else
    (12, 36, 64, 4),  # FINER: a quarter's transform is finer than 8x8, and then: it has none
)
SKIP, WHICH, WHICH_SECOND, INTRA, SPLIT, MERGE = range(6)
VECTOR, COUNT, TRANSFORM, SIGN, UNITED, EMPTY, FINER = range(6, 13)
# Kinds of block: own vector, four, a neighbour's, intra, part of a square with one vector.
WHOLE, QUARTERS, TAKEN, WITHIN, JOINED = range(5)
# Contexts on their own: how many of each.
_SINGLE = (
    3,  # KEY_SPLIT
    1,  # LIKELY
    2,  # LIKELY_WHICH
    32,  # MODE: binary tree of five levels
    2,  # FILTER: area filtered, luma and chroma
    8,  # TOP: highest bit of a magnitude below its leading one: size of block x length
)
_STARTS_AT = np.concatenate(([0], np.cumsum(_SINGLE)))
KEY_SPLIT, LIKELY, LIKELY_WHICH, MODE, FILTER, TOP = (int(n) for n in _STARTS_AT[:-1])
SIZES = np.array(MIXED, np.int64) * np.array([1, 1, 1, mixing.INPUTS])
# First row of each family of contexts, and of the weights.
BASE: npt.NDArray[np.int64] = (
    _STARTS_AT[-1] + np.concatenate(([0], np.cumsum(SIZES.ravel())))[:-1].reshape(SIZES.shape)
).astype(np.int64)
CONTEXTS = int(_STARTS_AT[-1] + SIZES.sum())

PREFIX_CONTEXTS = 10
LENGTHS = PREFIX_CONTEXTS + 2  # contexts of a vector component in each family


def name(scratch: I32, family: int, a: int, b: int, c: int, group: int) -> int:
    """Set the three contexts of a bit; returns the row of its weights."""
    scratch[0] = BASE[family, 0] + a
    scratch[1] = BASE[family, 1] + b
    scratch[2] = BASE[family, 2] + c
    return int(BASE[family, 3]) + mixing.INPUTS * group
