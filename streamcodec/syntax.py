# SPDX-License-Identifier: Apache-2.0
"""What a packet says about each block besides its symbols: mode, vectors, how much is coded.

Blocks go in raster order; every decision is a bit in an adaptive context (entropy/binary.py).
`write` and `read` are twins, line by line; docs/bitstream.md has the same as tables. `count` is how
many of a block's four symbol groups are coded, from low frequencies up; a block that takes over a
vector and has none is a *skip*, one bit and a candidate's number.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec.blocks import intra
from streamcodec.entropy import binary
from streamcodec.motion import field as fields
from streamcodec.motion.compensate import REACH_PX

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

# First context of each kind; the number in brackets is how many follow.
SKIP = 0  # (6) neighbours skipped x skipped before
WHICH = 6  # (6) two or three candidates x neighbours that did not take the first
WHICH_SECOND = 12  # (1)
INTRA = 13  # (3) intra neighbours
SPLIT = 16  # (3) split neighbours
MERGE = 19  # (1)
VECTOR16 = 20  # (24) 12 for dy, 12 for dx
VECTOR8 = 44  # (24)
COUNT = 68  # (96) four kinds of block x four bins x 6
TRANSFORM = 164  # (12) two kinds of block x 3 neighbours x coded before
KEY_SPLIT = 176  # (3)
LIKELY = 179  # (1)
LIKELY_WHICH = 180  # (2)
MODE = 182  # (32) binary tree of five levels
FILTER = 214  # (2) area filtered, luma and chroma
CONTEXTS = 216

_PREFIX_CONTEXTS = 10
_MAX_PREFIX = 11
BITS_PER_BLOCK = 4 * 2 * 40 + 60  # intervals that `write` appends for one block at most


def fresh_contexts() -> npt.NDArray[np.uint16]:
    """Contexts that know nothing: every bit at even odds."""
    return np.full((CONTEXTS, 2), 32768, np.uint16)


@nb.njit(nogil=True, cache=True)
def _put_component(out: U32, at: int, contexts: U16, base: int, value: int) -> int:
    at = binary.put(out, at, contexts, base, 1 if value else 0)
    if value == 0:
        return at
    at = binary.put_raw(out, at, 1 if value < 0 else 0)
    rest = abs(value)
    prefix = 0
    while rest >> (prefix + 1):
        at = binary.put(out, at, contexts, base + 1 + min(prefix, _PREFIX_CONTEXTS), 1)
        prefix += 1
    at = binary.put(out, at, contexts, base + 1 + min(prefix, _PREFIX_CONTEXTS), 0)
    for shift in range(prefix - 1, -1, -1):
        at = binary.put_raw(out, at, (rest >> shift) & 1)
    return at


@nb.njit(nogil=True, cache=True)
def _get_component(state: U64, words: U16, contexts: U16, base: int) -> int:
    if not binary.get(state, words, contexts, base):
        return 0
    negative = binary.get_raw(state, words)
    prefix = 0
    while prefix <= _MAX_PREFIX and binary.get(
        state, words, contexts, base + 1 + min(prefix, _PREFIX_CONTEXTS)
    ):
        prefix += 1
    value = 1
    for _ in range(prefix):
        value = value << 1 | binary.get_raw(state, words)
    return -value if negative else value


@nb.njit(nogil=True, cache=True)
def vector_prices(contexts: U16, base: int) -> I32:
    """(2, 1024) price in 1/256 bit of each magnitude of a vector difference's two components."""
    prices = np.zeros((2, 1024), np.int32)
    for component in range(2):
        first = base + 12 * component
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


@nb.njit(nogil=True, cache=True)
def _put_which(
    out: U32, at: int, contexts: U16, takens: U8, row: int, column: int, ways: int, taken: int
) -> int:
    """Append which of `ways` candidates was taken; notes it in `takens`."""
    takens[row, column] = taken
    if ways > 1:
        index = WHICH + 3 * (ways - 2) + _around(takens, row, column, 0)
        at = binary.put(out, at, contexts, index, 1 if taken else 0)
        if taken and ways > 2:
            at = binary.put(out, at, contexts, WHICH_SECOND, taken - 1)
    return at


@nb.njit(nogil=True, cache=True)
def _get_which(
    state: U64, words: U16, contexts: U16, takens: U8, row: int, column: int, ways: int
) -> int:
    taken = 0
    if ways > 1:
        index = WHICH + 3 * (ways - 2) + _around(takens, row, column, 0)
        taken = binary.get(state, words, contexts, index)
        if taken and ways > 2:
            taken += binary.get(state, words, contexts, WHICH_SECOND)
    takens[row, column] = taken
    return taken


@nb.njit(nogil=True, cache=True)
def which_prices(contexts: U16) -> I32:
    """(2, 3, 3) price in 1/16 bit of taking a candidate.

    By how many there are to choose from (two or three), and neighbours that did not take the first.
    """
    prices = np.zeros((2, 3, 3), np.int32)
    for ways in range(2):
        for near in range(3):
            index = WHICH + 3 * ways + near
            prices[ways, near, 0] = binary.cost_q8(contexts, index, 0) >> 4
            other = binary.cost_q8(contexts, index, 1)
            for k in range(2):
                second = binary.cost_q8(contexts, WHICH_SECOND, k) if ways else 0
                prices[ways, near, 1 + k] = (other + second) >> 4
    return prices


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
    return COUNT + 24 * kind + 6 * k + 3 * was + _around(counts, row, column, k)


@nb.njit(nogil=True, cache=True)
def count_price_q8(
    contexts: U16, counts: U8, before: U8, row: int, column: int, kind: int, count: int
) -> int:
    """Price in 1/256 bit of a block's count, the neighbours' counts as they stand in `counts`."""
    price = 0
    for k in range(4):
        more = 1 if count > k else 0
        index = _count_context(counts, before, row, column, kind, k)
        price += binary.cost_q8(contexts, index, more)
        if not more:
            break
    return price


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
) -> int:
    """Append all blocks; adapts `contexts`; returns the next free place in `out`.

    modes, counts, splits (8x8 luma transforms) are (rows, columns); field and intra_modes are on
    the 8x8 grid.
    """
    rows, columns = modes.shape
    near = np.zeros((5, 2), np.int32)
    three = np.zeros(3, np.int32)
    skips = np.zeros((rows, columns), np.uint8)
    intras = np.zeros((rows, columns), np.uint8)
    quarters = np.zeros((rows, columns), np.uint8)
    takens = np.zeros((rows, columns), np.uint8)
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
                before = 3 if counts_before[row, column] == 0 else 0
                at = binary.put(
                    out, at, contexts, SKIP + before + _around(skips, row, column, 0), skip
                )
                skips[row, column] = skip
                if skip:
                    at = _put_which(out, at, contexts, takens, row, column, ways, taken)
                    continue
                is_intra = 1 if mode >= fields.INTRA16 else 0
                at = binary.put(
                    out, at, contexts, INTRA + _around(intras, row, column, 0), is_intra
                )
                intras[row, column] = is_intra
                if not is_intra:
                    quarter = 1 if mode == fields.INTER8 else 0
                    at = binary.put(
                        out, at, contexts, SPLIT + _around(quarters, row, column, 0), quarter
                    )
                    quarters[row, column] = quarter
                    if quarter:
                        kind = 1
                        for k in range(4):
                            yy, xx = y + (k >> 1), x + (k & 1)
                            fields.predictor(field, yy, xx, 1, near, 4)
                            at = _put_component(
                                out, at, contexts, VECTOR8, field[yy, xx, 0] - near[4, 0]
                            )
                            at = _put_component(
                                out, at, contexts, VECTOR8 + 12, field[yy, xx, 1] - near[4, 1]
                            )
                    else:
                        at = binary.put(out, at, contexts, MERGE, 1 if taken >= 0 else 0)
                        if taken >= 0:
                            kind = 2
                            first = 1
                            at = _put_which(out, at, contexts, takens, row, column, ways, taken)
                        else:
                            at = _put_component(
                                out, at, contexts, VECTOR16, field[y, x, 0] - near[0, 0]
                            )
                            at = _put_component(
                                out, at, contexts, VECTOR16 + 12, field[y, x, 1] - near[0, 1]
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
                index = _count_context(counts, counts_before, row, column, kind, k)
                at = binary.put(out, at, contexts, index, more)
                if not more:
                    break
            if mode < fields.INTRA16 and count:
                was = 3 if counts_before[row, column] > 1 else 0
                index = TRANSFORM + (6 if kind == 1 else 0) + was
                at = binary.put(
                    out, at, contexts, index + _around(splits, row, column, 0), splits[row, column]
                )
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
) -> bool:
    """Fill modes, field, intra_modes, counts and splits; False when a vector is out of reach."""
    rows, columns = modes.shape
    near = np.zeros((5, 2), np.int32)
    three = np.zeros(3, np.int32)
    skips = np.zeros((rows, columns), np.uint8)
    intras = np.zeros((rows, columns), np.uint8)
    quarters = np.zeros((rows, columns), np.uint8)
    takens = np.zeros((rows, columns), np.uint8)
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
                before = 3 if counts_before[row, column] == 0 else 0
                skip = binary.get(
                    state, words, contexts, SKIP + before + _around(skips, row, column, 0)
                )
                skips[row, column] = skip
                merged = 1
                is_intra = 0
                quarter = 0
                if not skip:
                    merged = 0
                    is_intra = binary.get(
                        state, words, contexts, INTRA + _around(intras, row, column, 0)
                    )
                    intras[row, column] = is_intra
                    if not is_intra:
                        quarter = binary.get(
                            state, words, contexts, SPLIT + _around(quarters, row, column, 0)
                        )
                        quarters[row, column] = quarter
                        if not quarter:
                            merged = binary.get(state, words, contexts, MERGE)
                if merged:
                    taken = _get_which(state, words, contexts, takens, row, column, ways)
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
                        base = VECTOR16
                        if quarter:
                            base = VECTOR8
                            fields.predictor(field, yy, xx, 1, near, 0)
                        vy = near[0, 0] + _get_component(state, words, contexts, base)
                        vx = near[0, 1] + _get_component(state, words, contexts, base + 12)
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
                index = _count_context(counts, counts_before, row, column, kind, k)
                if not binary.get(state, words, contexts, index):
                    break
                count += 1
            counts[row, column] = count
            if mode < fields.INTRA16 and count:
                was = 3 if counts_before[row, column] > 1 else 0
                index = TRANSFORM + (6 if kind == 1 else 0) + was
                splits[row, column] = binary.get(
                    state, words, contexts, index + _around(splits, row, column, 0)
                )
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
