# SPDX-License-Identifier: Apache-2.0
"""What a packet says about each block besides its symbols: mode, vectors, how much is coded.

Blocks go in raster order. Most decisions are bits that three adaptive contexts foretell together
(entropy/mixing.py), the others have one context (entropy/binary.py) or none.
`write` and `read` are twins, line by line; docs/bitstream.md has the same as tables. `count` is how
many of a block's four symbol groups are coded, from low frequencies up; a block that takes over a
vector and has none is a *skip*, one bit and a candidate's number.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec.blocks import intra
from streamcodec.entropy import binary, mixing
from streamcodec.motion import field as fields
from streamcodec.motion.compensate import REACH_PX

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

# Bits that are foretold by three contexts: how many contexts of each family, and sets of weights.
_MIXED = (
    (6, 16, 72, 3),  # SKIP
    (6, 50, 32, 2),  # WHICH: not the first candidate
    (3, 25, 64, 1),  # WHICH_SECOND: not the second one either
    (3, 16, 15, 1),  # INTRA
    (3, 9, 15, 1),  # SPLIT
    (3, 9, 15, 1),  # MERGE
    (48, 192, 768, 8),  # VECTOR: magnitude of a difference, zero or not and its length in binary
    (96, 80, 300, 16),  # COUNT: more groups than k
    (12, 24, 20, 2),  # TRANSFORM
    (12, 36, 36, 4),  # SIGN
)
SKIP, WHICH, WHICH_SECOND, INTRA, SPLIT, MERGE, VECTOR, COUNT, TRANSFORM, SIGN = range(len(_MIXED))
WHOLE, QUARTERS, TAKEN, WITHIN = range(4)  # kinds of block: own vector, four, a neighbour's, intra
# Contexts on their own; the number in brackets is how many follow.
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
_SIZES = np.array(_MIXED, np.int64) * np.array([1, 1, 1, mixing.INPUTS])
# First row of each family of contexts, and of the weights.
BASE = (
    _STARTS_AT[-1] + np.concatenate(([0], np.cumsum(_SIZES.ravel())))[:-1].reshape(_SIZES.shape)
).astype(np.int64)
CONTEXTS = int(_STARTS_AT[-1] + _SIZES.sum())

_PREFIX_CONTEXTS = 10
_MAX_PREFIX = 11
_LENGTHS = _PREFIX_CONTEXTS + 2  # contexts of a vector component in each family
BITS_PER_BLOCK = 4 * 2 * 40 + 60  # intervals that `write` appends for one block at most


def fresh_contexts() -> npt.NDArray[np.uint16]:
    """Contexts that know nothing, every bit at even odds, mixed in equal parts."""
    contexts = np.full((CONTEXTS, 2), 32768, np.uint16)
    for (*_, first), (*_, count) in zip(BASE, _SIZES, strict=True):
        contexts[first : first + count] = mixing.weights(count)
    return contexts


def pace(quality: int, before: int) -> int:
    """0, 1 or 2: a frame is coarser than its reference, as fine, or finer."""
    return 0 if quality < before else (1 if quality == before else 2)


@nb.njit(nogil=True, cache=True, inline="always")
def _by(scratch: I32, kind: int, a: int, b: int, c: int, group: int) -> int:
    """Name the three contexts of a bit; returns where its weights stand."""
    scratch[0] = BASE[kind, 0] + a
    scratch[1] = BASE[kind, 1] + b
    scratch[2] = BASE[kind, 2] + c
    return BASE[kind, 3] + mixing.INPUTS * group


@nb.njit(nogil=True, cache=True, inline="always")
def _by_length(scratch: I32, part: int, spread: int, other: int, apart: int, length: int) -> int:
    return _by(
        scratch,
        VECTOR,
        part * _LENGTHS + length,
        (4 * part + spread) * _LENGTHS + length,
        (16 * part + 4 * other + apart) * _LENGTHS + length,
        2 * part + (1 if length else 0),
    )


@nb.njit(nogil=True, cache=True, inline="always")
def _by_sides(scratch: I32, part: int, hints: I32) -> int:
    return _by(
        scratch,
        SIGN,
        3 * part + hints[0],
        9 * part + 3 * hints[1] + hints[2],
        9 * part + 3 * hints[3] + hints[4],
        part,
    )


@nb.njit(nogil=True, cache=True)
def _hint(
    field: I16, before: I16, y: int, x: int, component: int, size: int, value: int, hints: I32
) -> int:
    """On which side (0, 1, 2) of a value the vectors around lie; how far the reference's own does.

    `hints` gets the reference's here, left, above, above right, and the reference's further on.
    """
    rows, columns = field.shape[0], field.shape[1]
    own = np.int64(before[y, x, component]) - value
    hints[0] = _side(own)
    hints[1] = _side(np.int64(field[y, x - 1, component]) - value) if x else 1
    hints[2] = _side(np.int64(field[y - 1, x, component]) - value) if y else 1
    hints[3] = 1
    if y and x + size < columns and y % 2 == 0:
        hints[3] = _side(np.int64(field[y - 1, x + size, component]) - value)
    further = np.int64(0)
    if x + size < columns:
        further += np.int64(before[y, x + size, component]) - value
    if y + size < rows:
        further += np.int64(before[y + size, x, component]) - value
    hints[4] = _side(further)
    return _class(abs(own))


@nb.njit(nogil=True, cache=True)
def _put_component(
    out: U32,
    at: int,
    contexts: U16,
    scratch: I32,
    part: int,
    spread: int,
    other: int,
    apart: int,
    hints: I32,
    value: int,
) -> int:
    """Append one component of a vector difference.

    `part` is 0 and 1 for dy and dx of whole blocks, 2 and 3 of quarters; `spread` (0 to 3) how far
    the neighbours' vectors differ, `other` (0 to 3) what is known of the other component, `hint` (0
    to 2) on which side of the prediction the reference's own vector lies.
    """
    weights = _by_length(scratch, part, spread, other, apart, 0)
    at = mixing.put(out, at, contexts, weights, scratch, 1 if value else 0)
    if value == 0:
        return at
    weights = _by_sides(scratch, part, hints)
    at = mixing.put(out, at, contexts, weights, scratch, 1 if value < 0 else 0)
    rest = abs(value)
    prefix = 0
    while True:
        more = 1 if rest >> (prefix + 1) else 0
        weights = _by_length(scratch, part, spread, other, apart, 1 + min(prefix, _PREFIX_CONTEXTS))
        at = mixing.put(out, at, contexts, weights, scratch, more)
        if not more:
            break
        prefix += 1
    for shift in range(prefix - 1, -1, -1):
        bit = (rest >> shift) & 1
        if shift == prefix - 1:
            at = binary.put(out, at, contexts, TOP + 4 * (part >> 1) + min(prefix, 4) - 1, bit)
        else:
            at = binary.put_raw(out, at, bit)
    return at


@nb.njit(nogil=True, cache=True)
def _get_component(
    state: U64,
    words: U16,
    contexts: U16,
    scratch: I32,
    part: int,
    spread: int,
    other: int,
    apart: int,
    hints: I32,
) -> int:
    weights = _by_length(scratch, part, spread, other, apart, 0)
    if not mixing.get(state, words, contexts, weights, scratch):
        return 0
    weights = _by_sides(scratch, part, hints)
    negative = mixing.get(state, words, contexts, weights, scratch)
    prefix = 0
    while prefix <= _MAX_PREFIX:
        weights = _by_length(scratch, part, spread, other, apart, 1 + min(prefix, _PREFIX_CONTEXTS))
        if not mixing.get(state, words, contexts, weights, scratch):
            break
        prefix += 1
    value = 1
    for shift in range(prefix - 1, -1, -1):
        if shift == prefix - 1:
            bit = binary.get(state, words, contexts, TOP + 4 * (part >> 1) + min(prefix, 4) - 1)
        else:
            bit = binary.get_raw(state, words)
        value = value << 1 | bit
    return -value if negative else value


@nb.njit(nogil=True, cache=True, inline="always")
def _class(size: int) -> int:
    """0 to 3: nothing, up to half a sample, up to two, more."""
    return 0 if size == 0 else (1 if size <= 2 else (2 if size <= 8 else 3))


@nb.njit(nogil=True, cache=True, inline="always")
def _spread(field: I16, y: int, x: int, component: int) -> int:
    """How far the left and the upper vector differ in one component."""
    if y == 0 or x == 0:
        return 0
    return _class(abs(np.int64(field[y, x - 1, component]) - np.int64(field[y - 1, x, component])))


@nb.njit(nogil=True, cache=True, inline="always")
def _side(value: int) -> int:
    return 0 if value < 0 else (2 if value > 0 else 1)


@nb.njit(nogil=True, cache=True)
def vector_prices(contexts: U16) -> I32:
    """(2, 1024) price in 1/256 bit of each magnitude of a whole block's vector difference."""
    prices = np.zeros((2, 1024), np.int32)
    for component in range(2):
        first = BASE[VECTOR, 0] + _LENGTHS * component
        prices[component, 0] = binary.cost_q8(contexts, first, 0)
        spent = binary.cost_q8(contexts, first, 1) + 256
        prefix = 0
        while (1 << prefix) < 1024:
            stop = binary.cost_q8(contexts, first + 1 + min(prefix, _PREFIX_CONTEXTS), 0)
            for value in range(1 << prefix, min(2 << prefix, 1024)):
                prices[component, value] = spent + stop + 256 * prefix
            spent += binary.cost_q8(contexts, first + 1 + min(prefix, _PREFIX_CONTEXTS), 1)
            prefix += 1
    return prices


@nb.njit(nogil=True, cache=True, inline="always")
def _around(grid: U8, row: int, column: int, above: int) -> int:
    """How many of the left and upper neighbours have a value greater than `above`."""
    n = 0
    if column and grid[row, column - 1] > above:
        n += 1
    if row and grid[row - 1, column] > above:
        n += 1
    return n


@nb.njit(nogil=True, cache=True, inline="always")
def _pattern(grid: U8, row: int, column: int) -> int:
    """Which of the left, upper, upper left and upper right neighbours have a value, in bits."""
    columns = grid.shape[1]
    bits = 0
    if column and grid[row, column - 1]:
        bits |= 1
    if row:
        if grid[row - 1, column]:
            bits |= 2
        if column and grid[row - 1, column - 1]:
            bits |= 4
        if column + 1 < columns and grid[row - 1, column + 1]:
            bits |= 8
    return bits


@nb.njit(nogil=True, cache=True, inline="always")
def _coded_before(before: U8, row: int, column: int) -> int:
    """0 to 23: groups that the reference coded here (up to two), and whether around."""
    rows, columns = before.shape
    index = 8 * min(np.int64(before[row, column]), 2)
    if column + 1 < columns and before[row, column + 1]:
        index += 4
    if row + 1 < rows and before[row + 1, column]:
        index += 2
    if (column and before[row, column - 1]) or (row and before[row - 1, column]):
        index += 1
    return index


@nb.njit(nogil=True, cache=True)
def _skip_by(scratch: I32, skips: U8, before: U8, row: int, column: int, pace: int) -> int:
    return _by(
        scratch,
        SKIP,
        (3 if before[row, column] == 0 else 0) + _around(skips, row, column, 0),
        _pattern(skips, row, column),
        24 * pace + _coded_before(before, row, column),
        pace,
    )


@nb.njit(nogil=True, cache=True)
def _votes(field: I16, before: I16, row: int, column: int, vy: int, vx: int) -> int:
    """How many of the vectors around, in this frame and in the reference, are this one; up to 4."""
    y, x = 2 * row, 2 * column
    rows, columns = field.shape[0], field.shape[1]
    votes = 0
    if x and field[y, x - 1, 0] == vy and field[y, x - 1, 1] == vx:
        votes += 1
    if y:
        if field[y - 1, x, 0] == vy and field[y - 1, x, 1] == vx:
            votes += 1
        if x and field[y - 1, x - 1, 0] == vy and field[y - 1, x - 1, 1] == vx:
            votes += 1
        if x + 2 < columns and field[y - 1, x + 2, 0] == vy and field[y - 1, x + 2, 1] == vx:
            votes += 1
    if before[y, x, 0] == vy and before[y, x, 1] == vx:
        votes += 1
    if x + 2 < columns and before[y, x + 2, 0] == vy and before[y, x + 2, 1] == vx:
        votes += 1
    if y + 2 < rows and before[y + 2, x, 0] == vy and before[y + 2, x, 1] == vx:
        votes += 1
    return min(votes, 4)


@nb.njit(nogil=True, cache=True, inline="always")
def _still(near: I32, k: int) -> int:
    return 1 if near[k, 0] == 0 and near[k, 1] == 0 else 0


@nb.njit(nogil=True, cache=True)
def _which_by(
    scratch: I32,
    takens: U8,
    field: I16,
    before: I16,
    near: I32,
    row: int,
    column: int,
    ways: int,
    skip: int,
) -> int:
    first = _votes(field, before, row, column, near[0, 0], near[0, 1])
    second = _votes(field, before, row, column, near[1, 0], near[1, 1])
    return _by(
        scratch,
        WHICH,
        3 * (ways - 2) + _around(takens, row, column, 0),
        25 * (ways - 2) + 5 * first + second,
        16 * skip + 4 * np.int64(near[1, 2]) + 2 * _still(near, 0) + _still(near, 1),
        ways - 2,
    )


@nb.njit(nogil=True, cache=True)
def _which_second_by(
    scratch: I32, takens: U8, field: I16, before: I16, near: I32, row: int, column: int
) -> int:
    second = _votes(field, before, row, column, near[1, 0], near[1, 1])
    third = _votes(field, before, row, column, near[2, 0], near[2, 1])
    return _by(
        scratch,
        WHICH_SECOND,
        _around(takens, row, column, 1),
        5 * second + third,
        16 * np.int64(near[1, 2])
        + 4 * np.int64(near[2, 2])
        + 2 * _still(near, 1)
        + _still(near, 2),
        0,
    )


@nb.njit(nogil=True, cache=True)
def _put_which(
    out: U32,
    at: int,
    contexts: U16,
    scratch: I32,
    takens: U8,
    field: I16,
    before: I16,
    near: I32,
    row: int,
    column: int,
    ways: int,
    skip: int,
    taken: int,
) -> int:
    """Append which of `ways` candidates was taken; notes it in `takens`."""
    if ways > 1:
        weights = _which_by(scratch, takens, field, before, near, row, column, ways, skip)
        at = mixing.put(out, at, contexts, weights, scratch, 1 if taken else 0)
        if taken and ways > 2:
            weights = _which_second_by(scratch, takens, field, before, near, row, column)
            at = mixing.put(out, at, contexts, weights, scratch, taken - 1)
    takens[row, column] = taken
    return at


@nb.njit(nogil=True, cache=True)
def _get_which(
    state: U64,
    words: U16,
    contexts: U16,
    scratch: I32,
    takens: U8,
    field: I16,
    before: I16,
    near: I32,
    row: int,
    column: int,
    ways: int,
    skip: int,
) -> int:
    taken = 0
    if ways > 1:
        weights = _which_by(scratch, takens, field, before, near, row, column, ways, skip)
        taken = mixing.get(state, words, contexts, weights, scratch)
        if taken and ways > 2:
            weights = _which_second_by(scratch, takens, field, before, near, row, column)
            taken += mixing.get(state, words, contexts, weights, scratch)
    takens[row, column] = taken
    return taken


@nb.njit(nogil=True, cache=True)
def which_prices(
    contexts: U16,
    scratch: I32,
    takens: U8,
    field: I16,
    before: I16,
    near: I32,
    row: int,
    column: int,
    ways: int,
    skip: int,
    prices: I32,
) -> None:
    """Fill prices[:ways] with the price in 1/16 bit of taking each candidate."""
    prices[:] = 0
    if ways < 2:
        return
    weights = _which_by(scratch, takens, field, before, near, row, column, ways, skip)
    prices[0] = mixing.cost_q8(contexts, weights, scratch, 0) >> 4
    prices[1] = mixing.cost_q8(contexts, weights, scratch, 1) >> 4
    if ways > 2:
        weights = _which_second_by(scratch, takens, field, before, near, row, column)
        prices[2] = prices[1] + (mixing.cost_q8(contexts, weights, scratch, 1) >> 4)
        prices[1] += mixing.cost_q8(contexts, weights, scratch, 0) >> 4


@nb.njit(nogil=True, cache=True)
def _likely(intra_modes: I8, y: int, x: int, out: I32) -> None:
    """The three likeliest intra modes from the left and upper neighbours (H.265, 8.4.2)."""
    left = np.int64(intra_modes[y, x - 1]) if x else np.int64(-1)
    above = np.int64(intra_modes[y - 1, x]) if y else np.int64(-1)
    if left < 0:
        left = np.int64(intra.MEAN)
    if above < 0:
        above = np.int64(intra.MEAN)
    if left == above:
        if left < 2:
            out[0], out[1], out[2] = intra.PLANAR, intra.MEAN, intra.VERTICAL
        else:
            out[0], out[1], out[2] = left, 2 + (left + 29) % 32, 2 + (left - 1) % 32
    else:
        out[0], out[1] = left, above
        if left != intra.PLANAR and above != intra.PLANAR:
            out[2] = intra.PLANAR
        elif left != intra.MEAN and above != intra.MEAN:
            out[2] = intra.MEAN
        else:
            out[2] = intra.VERTICAL


@nb.njit(nogil=True, cache=True)
def _put_mode(out: U32, at: int, contexts: U16, intra_modes: I8, y: int, x: int, three: I32) -> int:
    mode = np.int64(intra_modes[y, x])
    _likely(intra_modes, y, x, three)
    for k in range(3):
        if three[k] == mode:
            at = binary.put(out, at, contexts, LIKELY, 1)
            at = binary.put(out, at, contexts, LIKELY_WHICH, 1 if k else 0)
            if k:
                at = binary.put(out, at, contexts, LIKELY_WHICH + 1, k - 1)
            return at
    at = binary.put(out, at, contexts, LIKELY, 0)
    rank = mode
    for k in range(3):
        if three[k] < mode:
            rank -= 1
    node = 1
    for shift in range(4, -1, -1):
        bit = (rank >> shift) & 1
        at = binary.put(out, at, contexts, MODE + node, bit)
        node = node << 1 | bit
    return at


@nb.njit(nogil=True, cache=True)
def _get_mode(
    state: U64, words: U16, contexts: U16, intra_modes: I8, y: int, x: int, three: I32
) -> int:
    _likely(intra_modes, y, x, three)
    if binary.get(state, words, contexts, LIKELY):
        if not binary.get(state, words, contexts, LIKELY_WHICH):
            return np.int64(three[0])
        return np.int64(three[1 + binary.get(state, words, contexts, LIKELY_WHICH + 1)])
    node = 1
    for _ in range(5):
        node = node << 1 | binary.get(state, words, contexts, MODE + node)
    rank = node - 32
    low = min(three[0], min(three[1], three[2]))
    high = max(three[0], max(three[1], three[2]))
    middle = three[0] + three[1] + three[2] - low - high
    mode = np.int64(rank)
    if mode >= low:
        mode += 1
    if mode >= middle:
        mode += 1
    if mode >= high:
        mode += 1
    return mode


@nb.njit(nogil=True, cache=True, inline="always")
def _count_context(counts: U8, before: U8, row: int, column: int, kind: int, k: int) -> int:
    was = 1 if before[row, column] > k else 0
    return 24 * kind + 6 * k + 3 * was + _around(counts, row, column, k)


@nb.njit(nogil=True, cache=True)
def _count_by(
    scratch: I32, counts: U8, before: U8, row: int, column: int, kind: int, k: int, pace: int
) -> int:
    rows, columns = counts.shape
    four = 0
    if column and counts[row, column - 1] > k:
        four += 1
    if row:
        if counts[row - 1, column] > k:
            four += 1
        if column and counts[row - 1, column - 1] > k:
            four += 1
        if column + 1 < columns and counts[row - 1, column + 1] > k:
            four += 1
    around = 0
    if column and before[row, column - 1] > k:
        around += 1
    if row and before[row - 1, column] > k:
        around += 1
    if column + 1 < columns and before[row, column + 1] > k:
        around += 1
    if row + 1 < rows and before[row + 1, column] > k:
        around += 1
    return _by(
        scratch,
        COUNT,
        _count_context(counts, before, row, column, kind, k),
        5 * (4 * kind + k) + four,
        25 * (3 * k + pace) + 5 * np.int64(before[row, column]) + around,
        4 * kind + k,
    )


@nb.njit(nogil=True, cache=True)
def _transform_by(
    scratch: I32, splits: U8, counts: U8, before: U8, row: int, column: int, quarter: int
) -> int:
    around = _around(splits, row, column, 0)
    coded = np.int64(counts[row, column]) - 1
    return _by(
        scratch,
        TRANSFORM,
        6 * quarter + (3 if before[row, column] > 1 else 0) + around,
        3 * (4 * quarter + coded) + around,
        5 * coded + np.int64(before[row, column]),
        quarter,
    )


@nb.njit(nogil=True, cache=True)
def count_prices(
    contexts: U16,
    scratch: I32,
    counts: U8,
    before: U8,
    row: int,
    column: int,
    kind: int,
    pace: int,
    prices: I32,
) -> None:
    """Fill prices[0..4] with the price in 1/256 bit of each count of a block.

    A block that took over a vector and is no skip has at least one group: it does not say so.
    """
    first = 1 if kind == TAKEN else 0
    prices[:] = 0
    for k in range(first, 4):
        weights = _count_by(scratch, counts, before, row, column, kind, k, pace)
        prices[k] += mixing.cost_q8(contexts, weights, scratch, 0)
        more = mixing.cost_q8(contexts, weights, scratch, 1)
        for count in range(k + 1, 5):
            prices[count] += more


@nb.njit(nogil=True, cache=True)
def skip_price_q8(
    contexts: U16,
    scratch: I32,
    skips: U8,
    before: U8,
    row: int,
    column: int,
    pace: int,
    skip: int,
) -> int:
    """Price in 1/256 bit of a block's being a skip, or none."""
    weights = _skip_by(scratch, skips, before, row, column, pace)
    return mixing.cost_q8(contexts, weights, scratch, skip)


@nb.njit(nogil=True, cache=True)
def _intra_by(scratch: I32, intras: U8, before: U8, row: int, column: int, pace: int) -> int:
    return _by(
        scratch,
        INTRA,
        _around(intras, row, column, 0),
        _pattern(intras, row, column),
        5 * pace + np.int64(before[row, column]),
        0,
    )


@nb.njit(nogil=True, cache=True)
def _split_by(
    scratch: I32, quarters: U8, before: U8, row: int, column: int, ways: int, pace: int
) -> int:
    around = _around(quarters, row, column, 0)
    return _by(
        scratch,
        SPLIT,
        around,
        3 * (ways - 1) + around,
        5 * pace + np.int64(before[row, column]),
        0,
    )


@nb.njit(nogil=True, cache=True)
def _merge_by(
    scratch: I32, merges: U8, before: U8, row: int, column: int, ways: int, pace: int
) -> int:
    around = _around(merges, row, column, 0)
    return _by(
        scratch,
        MERGE,
        around,
        3 * (ways - 1) + around,
        5 * pace + np.int64(before[row, column]),
        0,
    )


@nb.njit(nogil=True, cache=True)
def _put_vector(
    out: U32,
    at: int,
    contexts: U16,
    scratch: I32,
    part: int,
    field: I16,
    before: I16,
    near: I32,
    origin: int,
    y: int,
    x: int,
) -> int:
    """Append field[y, x] as a difference to near[origin]."""
    other = 3
    hints = np.empty(5, np.int32)
    for component in range(2):
        start = np.int64(near[origin, component])
        apart = _hint(field, before, y, x, component, 1 if part else 2, start, hints)
        value = np.int64(field[y, x, component]) - start
        at = _put_component(
            out,
            at,
            contexts,
            scratch,
            part + component,
            _spread(field, y, x, component),
            other,
            apart,
            hints,
            value,
        )
        other = min(_class(abs(value)), 2)
    return at


@nb.njit(nogil=True, cache=True)
def _get_vector(
    state: U64,
    words: U16,
    contexts: U16,
    scratch: I32,
    part: int,
    field: I16,
    before: I16,
    near: I32,
    origin: int,
    y: int,
    x: int,
) -> None:
    """Read a vector into near[origin], which holds what it is predicted from."""
    other = 3
    hints = np.empty(5, np.int32)
    for component in range(2):
        start = np.int64(near[origin, component])
        apart = _hint(field, before, y, x, component, 1 if part else 2, start, hints)
        value = _get_component(
            state,
            words,
            contexts,
            scratch,
            part + component,
            _spread(field, y, x, component),
            other,
            apart,
            hints,
        )
        near[origin, component] += value
        other = min(_class(abs(value)), 2)


@nb.njit(nogil=True, cache=True)
def write(
    out: U32,
    at: int,
    contexts: U16,
    key: bool,
    modes: U8,
    field: I16,
    field_before: I16,
    intra_modes: I8,
    counts: U8,
    counts_before: U8,
    splits: U8,
    pace: int,
) -> int:
    """Append all blocks; adapts `contexts`; returns the next free place in `out`.

    modes, counts, splits (8x8 luma transforms) are (rows, columns); field and intra_modes are on
    the 8x8 grid. For `pace` see the function.
    """
    rows, columns = modes.shape
    near = np.zeros((5, 3), np.int32)
    three = np.zeros(3, np.int32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    skips = np.zeros((rows, columns), np.uint8)
    intras = np.zeros((rows, columns), np.uint8)
    quarters = np.zeros((rows, columns), np.uint8)
    takens = np.zeros((rows, columns), np.uint8)
    merges = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            mode = np.int64(modes[row, column])
            count = np.int64(counts[row, column])
            y, x = 2 * row, 2 * column
            kind = 0
            first = 0
            if not key:
                ways = fields.candidates(field, field_before, row, column, near)
                taken = -1
                if mode == fields.INTER16:
                    for k in range(ways):
                        if near[k, 0] == field[y, x, 0] and near[k, 1] == field[y, x, 1]:
                            taken = k
                            break
                skip = 1 if taken >= 0 and count == 0 else 0
                weights = _skip_by(scratch, skips, counts_before, row, column, pace)
                at = mixing.put(out, at, contexts, weights, scratch, skip)
                skips[row, column] = skip
                if skip:
                    merges[row, column] = 1
                    at = _put_which(
                        out,
                        at,
                        contexts,
                        scratch,
                        takens,
                        field,
                        field_before,
                        near,
                        row,
                        column,
                        ways,
                        1,
                        taken,
                    )
                    continue
                is_intra = 1 if mode >= fields.INTRA16 else 0
                weights = _intra_by(scratch, intras, counts_before, row, column, pace)
                at = mixing.put(out, at, contexts, weights, scratch, is_intra)
                intras[row, column] = is_intra
                if not is_intra:
                    quarter = 1 if mode == fields.INTER8 else 0
                    weights = _split_by(scratch, quarters, counts_before, row, column, ways, pace)
                    at = mixing.put(out, at, contexts, weights, scratch, quarter)
                    quarters[row, column] = quarter
                    if quarter:
                        kind = 1
                        for k in range(4):
                            yy, xx = y + (k >> 1), x + (k & 1)
                            fields.predictor(field, yy, xx, 1, near, 4)
                            at = _put_vector(
                                out, at, contexts, scratch, 2, field, field_before, near, 4, yy, xx
                            )
                    else:
                        merged = 1 if taken >= 0 else 0
                        weights = _merge_by(scratch, merges, counts_before, row, column, ways, pace)
                        at = mixing.put(out, at, contexts, weights, scratch, merged)
                        merges[row, column] = merged
                        if merged:
                            kind = 2
                            first = 1
                            at = _put_which(
                                out,
                                at,
                                contexts,
                                scratch,
                                takens,
                                field,
                                field_before,
                                near,
                                row,
                                column,
                                ways,
                                0,
                                taken,
                            )
                        else:
                            at = _put_vector(
                                out, at, contexts, scratch, 0, field, field_before, near, 0, y, x
                            )
            if mode >= fields.INTRA16:
                kind = 3
                small = 1 if mode == fields.INTRA8 else 0
                at = binary.put(
                    out, at, contexts, KEY_SPLIT + _around(quarters, row, column, 0), small
                )
                quarters[row, column] = small
                for k in range(4 if small else 1):
                    at = _put_mode(out, at, contexts, intra_modes, y + (k >> 1), x + (k & 1), three)
            for k in range(first, 4):
                more = 1 if count > k else 0
                weights = _count_by(scratch, counts, counts_before, row, column, kind, k, pace)
                at = mixing.put(out, at, contexts, weights, scratch, more)
                if not more:
                    break
            if mode < fields.INTRA16 and count:
                weights = _transform_by(
                    scratch, splits, counts, counts_before, row, column, 1 if kind == 1 else 0
                )
                at = mixing.put(out, at, contexts, weights, scratch, np.int64(splits[row, column]))
    return at


@nb.njit(nogil=True, cache=True)
def read(
    state: U64,
    words: U16,
    contexts: U16,
    key: bool,
    modes: U8,
    field: I16,
    field_before: I16,
    intra_modes: I8,
    counts: U8,
    counts_before: U8,
    splits: U8,
    pace: int,
) -> bool:
    """Fill modes, field, intra_modes, counts and splits; False when a vector is out of reach."""
    rows, columns = modes.shape
    near = np.zeros((5, 3), np.int32)
    three = np.zeros(3, np.int32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    skips = np.zeros((rows, columns), np.uint8)
    intras = np.zeros((rows, columns), np.uint8)
    quarters = np.zeros((rows, columns), np.uint8)
    takens = np.zeros((rows, columns), np.uint8)
    merges = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = 2 * row, 2 * column
            kind = 0
            first = 0
            mode = fields.INTRA16
            splits[row, column] = 0
            counts[row, column] = 0
            fields.set_block(field, row, column, 0, 0)
            for k in range(4):
                intra_modes[y + (k >> 1), x + (k & 1)] = -1
            if not key:
                ways = fields.candidates(field, field_before, row, column, near)
                weights = _skip_by(scratch, skips, counts_before, row, column, pace)
                skip = mixing.get(state, words, contexts, weights, scratch)
                skips[row, column] = skip
                merged = 1
                is_intra = 0
                quarter = 0
                if not skip:
                    merged = 0
                    weights = _intra_by(scratch, intras, counts_before, row, column, pace)
                    is_intra = mixing.get(state, words, contexts, weights, scratch)
                    intras[row, column] = is_intra
                    if not is_intra:
                        weights = _split_by(
                            scratch, quarters, counts_before, row, column, ways, pace
                        )
                        quarter = mixing.get(state, words, contexts, weights, scratch)
                        quarters[row, column] = quarter
                        if not quarter:
                            weights = _merge_by(
                                scratch, merges, counts_before, row, column, ways, pace
                            )
                            merged = mixing.get(state, words, contexts, weights, scratch)
                merges[row, column] = merged
                if merged:
                    taken = _get_which(
                        state,
                        words,
                        contexts,
                        scratch,
                        takens,
                        field,
                        field_before,
                        near,
                        row,
                        column,
                        ways,
                        skip,
                    )
                    if not fields.within_reach(
                        16 * row,
                        16 * column,
                        near[taken, 0],
                        near[taken, 1],
                        16 * rows,
                        16 * columns,
                        REACH_PX,
                    ):
                        return False
                    mode = fields.INTER16
                    kind = 2
                    first = 1
                    fields.set_block(field, row, column, near[taken, 0], near[taken, 1])
                elif not is_intra:
                    mode = fields.INTER8 if quarter else fields.INTER16
                    kind = 1 if quarter else 0
                    for k in range(4 if quarter else 1):
                        yy, xx = y + (k >> 1), x + (k & 1)
                        at = 0
                        if quarter:
                            at = 4
                            fields.predictor(field, yy, xx, 1, near, at)
                        _get_vector(
                            state,
                            words,
                            contexts,
                            scratch,
                            2 if quarter else 0,
                            field,
                            field_before,
                            near,
                            at,
                            yy,
                            xx,
                        )
                        vy, vx = np.int64(near[at, 0]), np.int64(near[at, 1])
                        if not fields.within_reach(
                            16 * row, 16 * column, vy, vx, 16 * rows, 16 * columns, REACH_PX
                        ):
                            return False
                        if quarter:
                            field[yy, xx, 0] = vy
                            field[yy, xx, 1] = vx
                        else:
                            fields.set_block(field, row, column, vy, vx)
                if skip:
                    modes[row, column] = mode
                    continue
            if mode >= fields.INTRA16:
                kind = 3
                small = binary.get(
                    state, words, contexts, KEY_SPLIT + _around(quarters, row, column, 0)
                )
                quarters[row, column] = small
                mode = fields.INTRA8 if small else fields.INTRA16
                for k in range(4 if small else 1):
                    yy, xx = y + (k >> 1), x + (k & 1)
                    found = _get_mode(state, words, contexts, intra_modes, yy, xx, three)
                    if small:
                        intra_modes[yy, xx] = found
                    else:
                        for i in range(4):
                            intra_modes[y + (i >> 1), x + (i & 1)] = found
                splits[row, column] = small
            modes[row, column] = mode
            count = first
            for k in range(first, 4):
                weights = _count_by(scratch, counts, counts_before, row, column, kind, k, pace)
                if not mixing.get(state, words, contexts, weights, scratch):
                    break
                count += 1
            counts[row, column] = count
            if mode < fields.INTRA16 and count:
                weights = _transform_by(
                    scratch, splits, counts, counts_before, row, column, 1 if kind == 1 else 0
                )
                splits[row, column] = mixing.get(state, words, contexts, weights, scratch)
    return True


@nb.njit(nogil=True, cache=True)
def write_areas(out: U32, at: int, contexts: U16, flags: U8) -> int:
    """Append which areas the loop filter touches: luma row by row, then chroma."""
    for plane in range(2):
        for value in flags[plane].ravel():
            at = binary.put(out, at, contexts, FILTER + plane, value)
    return at


@nb.njit(nogil=True, cache=True)
def read_areas(state: U64, words: U16, contexts: U16, flags: U8) -> None:
    """Fill the flags (luma or chroma, down, across) that `write_areas` wrote."""
    for plane in range(2):
        for i in range(flags.shape[1]):
            for j in range(flags.shape[2]):
                flags[plane, i, j] = binary.get(state, words, contexts, FILTER + plane)


def mean_contexts(several: list[U16]) -> U16:
    """The middle of contexts as they stand after many frames, a start for new streams."""
    stacked = np.stack(several)
    result = np.repeat(np.rint(stacked[..., 1].mean(axis=0)).astype(np.uint16)[:, None], 2, axis=1)
    for (*_, first), (*_, count) in zip(BASE, _SIZES, strict=True):
        held = stacked[:, first : first + count].astype(np.float64)
        mean = np.rint((held[..., 0] * 65536 + held[..., 1]).mean(axis=0)).astype(np.int64)
        result[first : first + count] = np.stack((mean >> 16, mean & 0xFFFF), axis=1)
    return result
