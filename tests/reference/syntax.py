# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/syntax.

What a packet says about each block besides its symbols: mode, vectors, how much is coded.

Blocks go in raster order. Most decisions are bits that three adaptive contexts foretell together
(entropy/mixing.py), the others have one context (entropy/binary.py) or none.
`write` and `read` are twins, line by line; docs/bitstream.md has the same as tables. `count` is how
many of a block's four symbol groups are coded, from low frequencies up; a block that takes over a
vector and has none is a *skip*, one bit and a candidate's number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import binary, mixing
from tests.reference import contexts as cx
from tests.reference import field as fields

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
U32 = npt.NDArray[np.uint32]
U64 = npt.NDArray[np.uint64]

_MAX_PREFIX = 11
REACH_PX = 24  # a block may start this far outside the picture, plus its size
PLANAR, MEAN, VERTICAL = 0, 1, 26
BITS_PER_BLOCK = 4 * 2 * 40 + 80  # intervals that `write` appends for one block at most


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
    the neighbours' vectors differ, `other` (0 to 3) what is known of the other component, `apart`
    and `hints` where the vectors around lie (`contexts.hint`).
    """
    weights = cx.by_length(scratch, part, spread, other, apart, 0)
    at = mixing.put(out, at, contexts, weights, scratch, 1 if value else 0)
    if value == 0:
        return at
    weights = cx.by_sides(scratch, part, hints)
    at = mixing.put(out, at, contexts, weights, scratch, 1 if value < 0 else 0)
    rest = abs(value)
    prefix = 0
    while True:
        more = 1 if rest >> (prefix + 1) else 0
        weights = cx.by_length(
            scratch, part, spread, other, apart, 1 + min(prefix, cx.PREFIX_CONTEXTS)
        )
        at = mixing.put(out, at, contexts, weights, scratch, more)
        if not more:
            break
        prefix += 1
    for shift in range(prefix - 1, -1, -1):
        bit = (rest >> shift) & 1
        if shift == prefix - 1:
            at = binary.put(out, at, contexts, cx.TOP + 4 * (part >> 1) + min(prefix, 4) - 1, bit)
        else:
            at = binary.put_raw(out, at, bit)
    return at


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
    weights = cx.by_length(scratch, part, spread, other, apart, 0)
    if not mixing.get(state, words, contexts, weights, scratch):
        return 0
    weights = cx.by_sides(scratch, part, hints)
    negative = mixing.get(state, words, contexts, weights, scratch)
    prefix = 0
    while prefix <= _MAX_PREFIX:
        weights = cx.by_length(
            scratch, part, spread, other, apart, 1 + min(prefix, cx.PREFIX_CONTEXTS)
        )
        if not mixing.get(state, words, contexts, weights, scratch):
            break
        prefix += 1
    value = 1
    for shift in range(prefix - 1, -1, -1):
        if shift == prefix - 1:
            bit = binary.get(state, words, contexts, cx.TOP + 4 * (part >> 1) + min(prefix, 4) - 1)
        else:
            bit = binary.get_raw(state, words)
        value = value << 1 | bit
    return -value if negative else value


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
    blocks: int,
    ways: int,
    skip: int,
    taken: int,
) -> int:
    """Append which of `ways` candidates was taken; notes it in `takens`."""
    if ways > 1:
        weights = cx.by_which(scratch, takens, field, before, near, row, column, blocks, ways, skip)
        at = mixing.put(out, at, contexts, weights, scratch, 1 if taken else 0)
        if taken and ways > 2:
            weights = cx.by_which_second(scratch, takens, field, before, near, row, column, blocks)
            at = mixing.put(out, at, contexts, weights, scratch, taken - 1)
    fields.fill(takens, row, column, blocks, taken)
    return at


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
    blocks: int,
    ways: int,
    skip: int,
) -> int:
    taken = 0
    if ways > 1:
        weights = cx.by_which(scratch, takens, field, before, near, row, column, blocks, ways, skip)
        taken = mixing.get(state, words, contexts, weights, scratch)
        if taken and ways > 2:
            weights = cx.by_which_second(scratch, takens, field, before, near, row, column, blocks)
            taken += mixing.get(state, words, contexts, weights, scratch)
    fields.fill(takens, row, column, blocks, taken)
    return taken


def _likely(intra_modes: I8, y: int, x: int, out: I32) -> None:
    """The three likeliest intra modes from the left and upper neighbours (H.265, 8.4.2)."""
    left = np.int64(intra_modes[y, x - 1]) if x else np.int64(-1)
    above = np.int64(intra_modes[y - 1, x]) if y else np.int64(-1)
    if left < 0:
        left = np.int64(MEAN)
    if above < 0:
        above = np.int64(MEAN)
    if left == above:
        if left < 2:
            out[0], out[1], out[2] = PLANAR, MEAN, VERTICAL
        else:
            out[0], out[1], out[2] = left, 2 + (left + 29) % 32, 2 + (left - 1) % 32
    else:
        out[0], out[1] = left, above
        if left != PLANAR and above != PLANAR:
            out[2] = PLANAR
        elif left != MEAN and above != MEAN:
            out[2] = MEAN
        else:
            out[2] = VERTICAL


def _put_mode(out: U32, at: int, contexts: U16, intra_modes: I8, y: int, x: int, three: I32) -> int:
    mode = np.int64(intra_modes[y, x])
    _likely(intra_modes, y, x, three)
    for k in range(3):
        if three[k] == mode:
            at = binary.put(out, at, contexts, cx.LIKELY, 1)
            at = binary.put(out, at, contexts, cx.LIKELY_WHICH, 1 if k else 0)
            if k:
                at = binary.put(out, at, contexts, cx.LIKELY_WHICH + 1, k - 1)
            return at
    at = binary.put(out, at, contexts, cx.LIKELY, 0)
    rank = mode
    for k in range(3):
        if three[k] < mode:
            rank -= 1
    node = 1
    for shift in range(4, -1, -1):
        bit = (rank >> shift) & 1
        at = binary.put(out, at, contexts, cx.MODE + node, bit)
        node = node << 1 | bit
    return at


def _get_mode(
    state: U64, words: U16, contexts: U16, intra_modes: I8, y: int, x: int, three: I32
) -> int:
    _likely(intra_modes, y, x, three)
    if binary.get(state, words, contexts, cx.LIKELY):
        if not binary.get(state, words, contexts, cx.LIKELY_WHICH):
            return np.int64(three[0])
        return np.int64(three[1 + binary.get(state, words, contexts, cx.LIKELY_WHICH + 1)])
    node = 1
    for _ in range(5):
        node = node << 1 | binary.get(state, words, contexts, cx.MODE + node)
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
    size: int,
) -> int:
    """Append field[y, x], of a square of `size` 8x8 blocks, as a difference to near[origin]."""
    other = 3
    hints = np.empty(5, np.int32)
    for component in range(2):
        start = np.int64(near[origin, component])
        apart = cx.hint(field, before, y, x, component, size, start, hints)
        value = np.int64(field[y, x, component]) - start
        at = _put_component(
            out,
            at,
            contexts,
            scratch,
            part + component,
            cx.spread(field, y, x, component),
            other,
            apart,
            hints,
            value,
        )
        other = min(cx.size_class(abs(value)), 2)
    return at


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
    size: int,
) -> None:
    """Read a vector into near[origin], which holds what it is predicted from."""
    other = 3
    hints = np.empty(5, np.int32)
    for component in range(2):
        start = np.int64(near[origin, component])
        apart = cx.hint(field, before, y, x, component, size, start, hints)
        value = _get_component(
            state,
            words,
            contexts,
            scratch,
            part + component,
            cx.spread(field, y, x, component),
            other,
            apart,
            hints,
        )
        near[origin, component] += value
        other = min(cx.size_class(abs(value)), 2)


def _put_kinds(
    out: U32,
    at: int,
    contexts: U16,
    scratch: I32,
    said: U8,
    row: int,
    column: int,
    within: int,
    split: int,
) -> int:
    """Append how the quarters of a block with `split` above 0 are transformed."""
    said[row, column] = 1
    for k in range(4):
        kind = cx.kind_of(split, k)
        weights = cx.by_kind(scratch, said, row, column, k, within, 0)
        at = mixing.put(out, at, contexts, weights, scratch, 1 if kind else 0)
        if kind:
            weights = cx.by_kind(scratch, said, row, column, k, within, 1)
            at = mixing.put(out, at, contexts, weights, scratch, kind - 1)
        said[row, column] = cx.with_kind(np.int64(said[row, column]), k, kind)
    return at


def _get_kinds(
    state: U64,
    words: U16,
    contexts: U16,
    scratch: I32,
    splits: U8,
    row: int,
    column: int,
    within: int,
) -> None:
    splits[row, column] = 1
    for k in range(4):
        weights = cx.by_kind(scratch, splits, row, column, k, within, 0)
        kind = mixing.get(state, words, contexts, weights, scratch)
        if kind:
            weights = cx.by_kind(scratch, splits, row, column, k, within, 1)
            kind += mixing.get(state, words, contexts, weights, scratch)
        splits[row, column] = cx.with_kind(np.int64(splits[row, column]), k, kind)


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
    sides = np.ones((rows, columns), np.uint8)
    empties = np.zeros((rows, columns), np.uint8)
    said = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            mode = np.int64(modes[row, column])
            count = np.int64(counts[row, column])
            y, x = 2 * row, 2 * column
            kind = cx.WHOLE
            first = 0
            if not key and sides[row, column] == 1:
                for blocks in fields.REGIONS:
                    if sides[row, column] > 1 or not fields.may_unite(
                        rows, columns, row, column, blocks
                    ):
                        continue
                    united = 1 if fields.is_united(modes, field, row, column, blocks) else 0
                    weights = cx.by_united(
                        scratch, sides, field_before, counts_before, row, column, blocks, pace
                    )
                    at = mixing.put(out, at, contexts, weights, scratch, united)
                    if not united:
                        continue
                    fields.fill(sides, row, column, blocks, blocks)
                    ways = fields.candidates(field, field_before, row, column, blocks, near)
                    taken = fields.which(near, ways, field, y, x)
                    merged = 1 if taken >= 0 else 0
                    weights = cx.by_ways(
                        scratch, cx.MERGE, merges, counts_before, row, column, blocks, ways, pace
                    )
                    at = mixing.put(out, at, contexts, weights, scratch, merged)
                    fields.fill(merges, row, column, blocks, merged)
                    if merged:
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
                            blocks,
                            ways,
                            0,
                            taken,
                        )
                    else:
                        at = _put_vector(
                            *(out, at, contexts, scratch, 0, field, field_before),
                            *(near, 0, y, x, 2 * blocks),
                        )
                    empty = 1
                    for i in range(row, min(row + blocks, rows)):
                        for j in range(column, min(column + blocks, columns)):
                            if counts[i, j]:
                                empty = 0
                    weights = cx.by_empty(scratch, skips, counts_before, row, column, blocks, pace)
                    at = mixing.put(out, at, contexts, weights, scratch, empty)
                    fields.fill(empties, row, column, blocks, empty)
            if sides[row, column] > 1:
                kind = cx.JOINED
                skips[row, column] = 1 if count == 0 else 0
                if empties[row, column]:
                    continue
            elif not key:
                ways = fields.candidates(field, field_before, row, column, 1, near)
                taken = fields.which(near, ways, field, y, x) if mode == fields.INTER16 else -1
                skip = 1 if taken >= 0 and count == 0 else 0
                weights = cx.by_skip(scratch, skips, counts_before, row, column, pace)
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
                        1,
                        ways,
                        1,
                        taken,
                    )
                    continue
                is_intra = 1 if mode >= fields.INTRA16 else 0
                weights = cx.by_intra(scratch, intras, counts_before, row, column, pace)
                at = mixing.put(out, at, contexts, weights, scratch, is_intra)
                intras[row, column] = is_intra
                if not is_intra:
                    quarter = 1 if mode == fields.INTER8 else 0
                    weights = cx.by_ways(
                        scratch, cx.SPLIT, quarters, counts_before, row, column, 1, ways, pace
                    )
                    at = mixing.put(out, at, contexts, weights, scratch, quarter)
                    quarters[row, column] = quarter
                    if quarter:
                        kind = cx.QUARTERS
                        for k in range(4):
                            yy, xx = y + (k >> 1), x + (k & 1)
                            fields.predictor(field, yy, xx, 1, near, 4)
                            at = _put_vector(
                                out,
                                at,
                                contexts,
                                scratch,
                                2,
                                field,
                                field_before,
                                near,
                                4,
                                yy,
                                xx,
                                1,
                            )
                    else:
                        merged = 1 if taken >= 0 else 0
                        weights = cx.by_ways(
                            scratch, cx.MERGE, merges, counts_before, row, column, 1, ways, pace
                        )
                        at = mixing.put(out, at, contexts, weights, scratch, merged)
                        merges[row, column] = merged
                        if merged:
                            kind = cx.TAKEN
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
                                1,
                                ways,
                                0,
                                taken,
                            )
                        else:
                            at = _put_vector(
                                out, at, contexts, scratch, 0, field, field_before, near, 0, y, x, 2
                            )
            if mode >= fields.INTRA16:
                kind = cx.WITHIN
                small = 1 if mode == fields.INTRA8 else 0
                at = binary.put(
                    out, at, contexts, cx.KEY_SPLIT + cx.around(quarters, row, column, 0), small
                )
                quarters[row, column] = small
                for k in range(4 if small else 1):
                    at = _put_mode(out, at, contexts, intra_modes, y + (k >> 1), x + (k & 1), three)
                if small:
                    split = np.int64(splits[row, column])
                    at = _put_kinds(out, at, contexts, scratch, said, row, column, 1, split)
            for k in range(first, 4):
                more = 1 if count > k else 0
                weights = cx.by_count(scratch, counts, counts_before, row, column, kind, k, pace)
                at = mixing.put(out, at, contexts, weights, scratch, more)
                if not more:
                    break
            if mode < fields.INTRA16 and count:
                weights = cx.by_transform(
                    scratch,
                    splits,
                    counts,
                    counts_before,
                    row,
                    column,
                    1 if kind == cx.QUARTERS else 0,
                )
                split = np.int64(splits[row, column])
                at = mixing.put(out, at, contexts, weights, scratch, 1 if split else 0)
                if split:
                    at = _put_kinds(out, at, contexts, scratch, said, row, column, 0, split)
    return at


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
    sides = np.ones((rows, columns), np.uint8)
    empties = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y, x = 2 * row, 2 * column
            kind = cx.WHOLE
            first = 0
            mode = fields.INTRA16
            splits[row, column] = 0
            counts[row, column] = 0
            for k in range(4):
                intra_modes[y + (k >> 1), x + (k & 1)] = -1
            if not key and sides[row, column] == 1:
                for blocks in fields.REGIONS:
                    if sides[row, column] > 1 or not fields.may_unite(
                        rows, columns, row, column, blocks
                    ):
                        continue
                    weights = cx.by_united(
                        scratch, sides, field_before, counts_before, row, column, blocks, pace
                    )
                    if not mixing.get(state, words, contexts, weights, scratch):
                        continue
                    fields.fill(sides, row, column, blocks, blocks)
                    ways = fields.candidates(field, field_before, row, column, blocks, near)
                    weights = cx.by_ways(
                        scratch, cx.MERGE, merges, counts_before, row, column, blocks, ways, pace
                    )
                    merged = mixing.get(state, words, contexts, weights, scratch)
                    fields.fill(merges, row, column, blocks, merged)
                    taken = 0
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
                            blocks,
                            ways,
                            0,
                        )
                    else:
                        _get_vector(
                            *(state, words, contexts, scratch, 0, field, field_before),
                            *(near, 0, y, x, 2 * blocks),
                        )
                    fields.set_square(field, row, column, blocks, near[taken, 0], near[taken, 1])
                    weights = cx.by_empty(scratch, skips, counts_before, row, column, blocks, pace)
                    empty = mixing.get(state, words, contexts, weights, scratch)
                    fields.fill(empties, row, column, blocks, empty)
            if sides[row, column] > 1:
                if not fields.within_reach(
                    16 * row,
                    16 * column,
                    np.int64(field[y, x, 0]),
                    np.int64(field[y, x, 1]),
                    16 * rows,
                    16 * columns,
                    REACH_PX,
                ):
                    return False
                mode = fields.INTER16
                kind = cx.JOINED
                if empties[row, column]:
                    skips[row, column] = 1
                    modes[row, column] = mode
                    continue
            else:
                fields.set_block(field, row, column, 0, 0)
            if not key and kind != cx.JOINED:
                ways = fields.candidates(field, field_before, row, column, 1, near)
                weights = cx.by_skip(scratch, skips, counts_before, row, column, pace)
                skip = mixing.get(state, words, contexts, weights, scratch)
                skips[row, column] = skip
                merged = 1
                is_intra = 0
                quarter = 0
                if not skip:
                    merged = 0
                    weights = cx.by_intra(scratch, intras, counts_before, row, column, pace)
                    is_intra = mixing.get(state, words, contexts, weights, scratch)
                    intras[row, column] = is_intra
                    if not is_intra:
                        weights = cx.by_ways(
                            scratch, cx.SPLIT, quarters, counts_before, row, column, 1, ways, pace
                        )
                        quarter = mixing.get(state, words, contexts, weights, scratch)
                        quarters[row, column] = quarter
                        if not quarter:
                            weights = cx.by_ways(
                                scratch, cx.MERGE, merges, counts_before, row, column, 1, ways, pace
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
                        1,
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
                    kind = cx.TAKEN
                    first = 1
                    fields.set_block(field, row, column, near[taken, 0], near[taken, 1])
                elif not is_intra:
                    mode = fields.INTER8 if quarter else fields.INTER16
                    kind = cx.QUARTERS if quarter else cx.WHOLE
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
                            1 if quarter else 2,
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
                kind = cx.WITHIN
                small = binary.get(
                    state, words, contexts, cx.KEY_SPLIT + cx.around(quarters, row, column, 0)
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
                if small:
                    _get_kinds(state, words, contexts, scratch, splits, row, column, 1)
            modes[row, column] = mode
            count = first
            for k in range(first, 4):
                weights = cx.by_count(scratch, counts, counts_before, row, column, kind, k, pace)
                if not mixing.get(state, words, contexts, weights, scratch):
                    break
                count += 1
            counts[row, column] = count
            if kind == cx.JOINED and count == 0:
                skips[row, column] = 1
            if mode < fields.INTRA16 and count:
                weights = cx.by_transform(
                    scratch,
                    splits,
                    counts,
                    counts_before,
                    row,
                    column,
                    1 if kind == cx.QUARTERS else 0,
                )
                if mixing.get(state, words, contexts, weights, scratch):
                    _get_kinds(state, words, contexts, scratch, splits, row, column, 0)
    return True


def write_areas(out: U32, at: int, contexts: U16, flags: U8) -> int:
    """Append which areas the loop filter touches: luma row by row, then chroma."""
    for plane in range(2):
        for value in flags[plane].ravel():
            at = binary.put(out, at, contexts, cx.FILTER + plane, value)
    return at


def read_areas(state: U64, words: U16, contexts: U16, flags: U8) -> None:
    """Fill the flags (luma or chroma, down, across) that `write_areas` wrote."""
    for plane in range(2):
        for i in range(flags.shape[1]):
            for j in range(flags.shape[2]):
                flags[plane, i, j] = binary.get(state, words, contexts, cx.FILTER + plane)
