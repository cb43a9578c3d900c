# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/contexts and core/mixtures.

Which contexts are mixed for which bit of a packet's side information, and what bits cost.

`syntax.write` and `syntax.read` ask the `by_...` functions here, so both name the same contexts;
docs/bitstream.md, section 4, has them as tables. The encoder's decisions ask the prices.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import binary, mixing

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]

# Bits whose probability three contexts estimate: how many contexts of each family, and sets of
# weights.
_MIXED = (
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
_SIZES = np.array(_MIXED, np.int64) * np.array([1, 1, 1, mixing.INPUTS])
# First row of each family of contexts, and of the weights.
BASE: npt.NDArray[np.int64] = (
    _STARTS_AT[-1] + np.concatenate(([0], np.cumsum(_SIZES.ravel())))[:-1].reshape(_SIZES.shape)
).astype(np.int64)
CONTEXTS = int(_STARTS_AT[-1] + _SIZES.sum())

PREFIX_CONTEXTS = 10
_LENGTHS = PREFIX_CONTEXTS + 2  # contexts of a vector component in each family


def transform_of(split: int, quarter: int) -> int:
    """How a quarter is transformed: 0 one 8x8, also where the block has one transform, 1, 2."""
    rest = max(split - 1, 0)
    for _ in range(quarter):
        rest //= 3
    return rest % 3


def with_transform(split: int, quarter: int, kind: int) -> int:
    """`split` (at least 1) with the kind of a quarter, 0 before, put in."""
    return split + kind * 3**quarter


def _by(scratch: I32, kind: int, a: int, b: int, c: int, group: int) -> int:
    """Name the three contexts of a bit; returns where its weights are."""
    scratch[0] = BASE[kind, 0] + a
    scratch[1] = BASE[kind, 1] + b
    scratch[2] = BASE[kind, 2] + c
    return BASE[kind, 3] + mixing.INPUTS * group


def around(grid: U8, row: int, column: int, above: int) -> int:
    """How many of the left and upper neighbours have a value greater than `above`."""
    n = 0
    if column and grid[row, column - 1] > above:
        n += 1
    if row and grid[row - 1, column] > above:
        n += 1
    return n


def _pattern(grid: U8, row: int, column: int, above: int) -> int:
    """Which of left, upper, upper left and upper right have a value greater than `above`."""
    columns = grid.shape[1]
    bits = 0
    if column and grid[row, column - 1] > above:
        bits |= 1
    if row:
        if grid[row - 1, column] > above:
            bits |= 2
        if column and grid[row - 1, column - 1] > above:
            bits |= 4
        if column + 1 < columns and grid[row - 1, column + 1] > above:
            bits |= 8
    return bits


def _coded_before(reference_counts: U8, row: int, column: int) -> int:
    """0 to 23: groups that the reference coded here (up to two), and whether around."""
    rows, columns = reference_counts.shape
    index = 8 * min(np.int64(reference_counts[row, column]), 2)
    if column + 1 < columns and reference_counts[row, column + 1]:
        index += 4
    if row + 1 < rows and reference_counts[row + 1, column]:
        index += 2
    if (column and reference_counts[row, column - 1]) or (
        row and reference_counts[row - 1, column]
    ):
        index += 1
    return index


def _votes(
    field: I16, reference_field: I16, row: int, column: int, blocks: int, vy: int, vx: int
) -> int:
    """How many of the vectors around, in this frame and in the reference, are this one; up to 4."""
    size = 2 * blocks
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
        if (
            x + size < columns
            and field[y - 1, x + size, 0] == vy
            and field[y - 1, x + size, 1] == vx
        ):
            votes += 1
    if reference_field[y, x, 0] == vy and reference_field[y, x, 1] == vx:
        votes += 1
    if (
        x + size < columns
        and reference_field[y, x + size, 0] == vy
        and reference_field[y, x + size, 1] == vx
    ):
        votes += 1
    if (
        y + size < rows
        and reference_field[y + size, x, 0] == vy
        and reference_field[y + size, x, 1] == vx
    ):
        votes += 1
    return min(votes, 4)


def _still(candidates: I32, k: int) -> int:
    return 1 if candidates[k, 0] == 0 and candidates[k, 1] == 0 else 0


def by_skip(
    scratch: I32, skips: U8, reference_counts: U8, row: int, column: int, trend: int
) -> int:
    return _by(
        scratch,
        SKIP,
        (3 if reference_counts[row, column] == 0 else 0) + around(skips, row, column, 0),
        _pattern(skips, row, column, 0),
        24 * trend + _coded_before(reference_counts, row, column),
        trend,
    )


def by_which(
    scratch: I32,
    candidate_index: U8,
    field: I16,
    reference_field: I16,
    candidates: I32,
    row: int,
    column: int,
    blocks: int,
    candidate_count: int,
    skip: int,
) -> int:
    first = _votes(field, reference_field, row, column, blocks, candidates[0, 0], candidates[0, 1])
    second = _votes(field, reference_field, row, column, blocks, candidates[1, 0], candidates[1, 1])
    square = 1 if blocks > 1 else 0
    use = 1 + (blocks >> 1) if square else skip
    return _by(
        scratch,
        WHICH,
        6 * square + 3 * (candidate_count - 2) + around(candidate_index, row, column, 0),
        50 * square + 25 * (candidate_count - 2) + 5 * first + second,
        16 * use
        + 4 * np.int64(candidates[1, 2])
        + 2 * _still(candidates, 0)
        + _still(candidates, 1),
        2 * square + candidate_count - 2,
    )


def by_which_second(
    scratch: I32,
    candidate_index: U8,
    field: I16,
    reference_field: I16,
    candidates: I32,
    row: int,
    column: int,
    blocks: int,
) -> int:
    second = _votes(field, reference_field, row, column, blocks, candidates[1, 0], candidates[1, 1])
    third = _votes(field, reference_field, row, column, blocks, candidates[2, 0], candidates[2, 1])
    square = 1 if blocks > 1 else 0
    return _by(
        scratch,
        WHICH_SECOND,
        3 * square + around(candidate_index, row, column, 1),
        25 * square + 5 * second + third,
        64 * square
        + 16 * np.int64(candidates[1, 2])
        + 4 * np.int64(candidates[2, 2])
        + 2 * _still(candidates, 1)
        + _still(candidates, 2),
        square,
    )


def by_united(
    scratch: I32,
    sides: U8,
    reference_field: I16,
    reference_counts: U8,
    row: int,
    column: int,
    blocks: int,
    trend: int,
) -> int:
    """`sides` are those of the squares known so far, `before` the reference's counts."""
    rows, columns = reference_counts.shape
    level = blocks >> 2
    alike = 1 if _alike(reference_field, row, column, blocks) else 0
    beyond = 0
    if column + blocks < columns and _alike(reference_field, row, column + blocks, blocks):
        beyond += 1
    if row + blocks < rows and _alike(reference_field, row + blocks, column, blocks):
        beyond += 1
    return _by(
        scratch,
        UNITED,
        3 * level + around(sides, row, column, blocks - 1),
        16 * level + _pattern(sides, row, column, blocks - 1),
        54 * level
        + 18 * trend
        + 6 * min(_coded_within(reference_counts, row, column, blocks), 2)
        + 3 * alike
        + beyond,
        level,
    )


def by_empty(
    scratch: I32, skips: U8, reference_counts: U8, row: int, column: int, blocks: int, trend: int
) -> int:
    level = blocks >> 2
    return _by(
        scratch,
        EMPTY,
        3 * level + around(skips, row, column, 0),
        16 * level + _pattern(skips, row, column, 0),
        12 * level + 4 * trend + min(_coded_within(reference_counts, row, column, blocks), 3),
        level,
    )


def _alike(field: I16, row: int, column: int, blocks: int) -> bool:
    """True when all vectors of a square are the same."""
    vy, vx = field[2 * row, 2 * column, 0], field[2 * row, 2 * column, 1]
    for y in range(2 * row, min(2 * (row + blocks), field.shape[0])):
        for x in range(2 * column, min(2 * (column + blocks), field.shape[1])):
            if field[y, x, 0] != vy or field[y, x, 1] != vx:
                return False
    return True


def _coded_within(reference_counts: U8, row: int, column: int, blocks: int) -> int:
    """0 to 3: none, one, up to a quarter, or more blocks of a square had symbols before."""
    coded = 0
    for i in range(row, min(row + blocks, reference_counts.shape[0])):
        for j in range(column, min(column + blocks, reference_counts.shape[1])):
            if reference_counts[i, j]:
                coded += 1
    if coded < 2:
        return coded
    return 2 if 4 * coded <= blocks * blocks else 3


def by_intra(
    scratch: I32, intras: U8, reference_counts: U8, row: int, column: int, trend: int
) -> int:
    return _by(
        scratch,
        INTRA,
        around(intras, row, column, 0),
        _pattern(intras, row, column, 0),
        5 * trend + np.int64(reference_counts[row, column]),
        0,
    )


def by_candidate_count(
    scratch: I32,
    kind: int,
    grid: U8,
    reference_counts: U8,
    row: int,
    column: int,
    blocks: int,
    candidate_count: int,
    trend: int,
) -> int:
    """For SPLIT and MERGE: where `grid` is set around, and how many candidates there are."""
    set_around = around(grid, row, column, 0)
    level = blocks >> 1  # 0, 1 or 2
    return _by(
        scratch,
        kind,
        3 * level + set_around,
        9 * level + 3 * (candidate_count - 1) + set_around,
        15 * level + 5 * trend + np.int64(reference_counts[row, column]),
        level,
    )


def _count_context(
    counts: U8, reference_counts: U8, row: int, column: int, kind: int, k: int
) -> int:
    was = 1 if reference_counts[row, column] > k else 0
    return 24 * kind + 6 * k + 3 * was + around(counts, row, column, k)


def by_count(
    scratch: I32,
    counts: U8,
    reference_counts: U8,
    row: int,
    column: int,
    kind: int,
    k: int,
    trend: int,
) -> int:
    rows, columns = counts.shape
    pattern = _pattern(counts, row, column, k)
    four = (pattern & 1) + (pattern >> 1 & 1) + (pattern >> 2 & 1) + (pattern >> 3)
    was_around = 0
    if column and reference_counts[row, column - 1] > k:
        was_around += 1
    if row and reference_counts[row - 1, column] > k:
        was_around += 1
    if column + 1 < columns and reference_counts[row, column + 1] > k:
        was_around += 1
    if row + 1 < rows and reference_counts[row + 1, column] > k:
        was_around += 1
    return _by(
        scratch,
        COUNT,
        _count_context(counts, reference_counts, row, column, kind, k),
        5 * (4 * kind + k) + four,
        25 * (3 * k + trend) + 5 * np.int64(reference_counts[row, column]) + was_around,
        4 * kind + k,
    )


def by_transform(
    scratch: I32, splits: U8, counts: U8, reference_counts: U8, row: int, column: int, quarter: int
) -> int:
    set_around = around(splits, row, column, 0)
    coded = np.int64(counts[row, column]) - 1
    return _by(
        scratch,
        TRANSFORM,
        6 * quarter + (3 if reference_counts[row, column] > 1 else 0) + set_around,
        3 * (4 * quarter + coded) + set_around,
        5 * coded + np.int64(reference_counts[row, column]),
        quarter,
    )


def by_finer(
    scratch: I32, splits: U8, row: int, column: int, quarter: int, within: int, plain: int
) -> int:
    """Of a quarter whose block's `splits` holds the transforms of the quarters before it.

    `within` is 1 in intra blocks. `plain` 0 asks whether the kind is a finer one, 1 which.
    """
    own = np.int64(splits[row, column])
    a, b = quarter >> 1, quarter & 1
    left, above = np.int64(0), np.int64(0)
    if b:
        left = transform_of(own, quarter - 1)
    elif column:
        left = transform_of(np.int64(splits[row, column - 1]), quarter + 1)
    if a:
        above = transform_of(own, quarter - 2)
    elif row:
        above = transform_of(np.int64(splits[row - 1, column]), quarter + 2)
    finer = 0
    for k in range(quarter):
        if transform_of(own, k) > plain:
            finer += 1
    around = 0
    if column and np.int64(splits[row, column - 1]) > 1:
        around += 1
    if row and np.int64(splits[row - 1, column]) > 1:
        around += 2
    group = 2 * plain + within
    return _by(
        scratch,
        FINER,
        3 * group + (1 if left > plain else 0) + (1 if above > plain else 0),
        9 * group + 3 * left + above,
        16 * group + 4 * finer + around,
        group,
    )


def size_class(size: int) -> int:
    """0 to 3: nothing, up to half a sample, up to two, more."""
    return 0 if size == 0 else (1 if size <= 2 else (2 if size <= 8 else 3))


def _side(value: int) -> int:
    return 0 if value < 0 else (2 if value > 0 else 1)


def spread(field: I16, y: int, x: int, component: int) -> int:
    """How far the left and the upper vector differ in one component."""
    if y == 0 or x == 0:
        return 0
    left, above = np.int64(field[y, x - 1, component]), np.int64(field[y - 1, x, component])
    return size_class(abs(left - above))


def hint(
    field: I16,
    reference_field: I16,
    y: int,
    x: int,
    component: int,
    size: int,
    value: int,
    hints: I32,
) -> int:
    """On which side (0, 1, 2) of a value the vectors around lie; how far the reference's own does.

    `hints` gets the reference's here, left, above, above right, and the reference's further on.
    """
    rows, columns = field.shape[0], field.shape[1]
    own = np.int64(reference_field[y, x, component]) - value
    hints[0] = _side(own)
    hints[1] = _side(np.int64(field[y, x - 1, component]) - value) if x else 1
    hints[2] = _side(np.int64(field[y - 1, x, component]) - value) if y else 1
    hints[3] = 1
    if y and x + size < columns and y % 2 == 0:
        hints[3] = _side(np.int64(field[y - 1, x + size, component]) - value)
    further = np.int64(0)
    if x + size < columns:
        further += np.int64(reference_field[y, x + size, component]) - value
    if y + size < rows:
        further += np.int64(reference_field[y + size, x, component]) - value
    hints[4] = _side(further)
    return size_class(abs(own))


def by_length(scratch: I32, part: int, spread: int, other: int, apart: int, length: int) -> int:
    return _by(
        scratch,
        VECTOR,
        part * _LENGTHS + length,
        (4 * part + spread) * _LENGTHS + length,
        (16 * part + 4 * other + apart) * _LENGTHS + length,
        2 * part + (1 if length else 0),
    )


def by_sides(scratch: I32, part: int, hints: I32) -> int:
    return _by(
        scratch,
        SIGN,
        3 * part + hints[0],
        9 * part + 3 * hints[1] + hints[2],
        9 * part + 3 * hints[3] + hints[4],
        part,
    )


def skip_prices_q8(
    contexts: U16, scratch: I32, skips: U8, reference_counts: U8, row: int, column: int, trend: int
) -> tuple[int, int]:
    """Prices in 1/256 bit of a block's being no skip, and of its being one."""
    weights = by_skip(scratch, skips, reference_counts, row, column, trend)
    no = mixing.cost_q8(contexts, weights, scratch, 0)
    return no, mixing.cost_q8(contexts, weights, scratch, 1)


def which_prices(
    contexts: U16,
    scratch: I32,
    candidate_index: U8,
    field: I16,
    reference_field: I16,
    candidates: I32,
    row: int,
    column: int,
    blocks: int,
    candidate_count: int,
    skip: int,
    prices: I32,
) -> None:
    """Fill prices[:candidate_count] with the price in 1/16 bit of taking each candidate."""
    prices[:] = 0
    if candidate_count < 2:
        return
    weights = by_which(
        scratch,
        candidate_index,
        field,
        reference_field,
        candidates,
        row,
        column,
        blocks,
        candidate_count,
        skip,
    )
    prices[0] = mixing.cost_q8(contexts, weights, scratch, 0) >> 4
    prices[1] = mixing.cost_q8(contexts, weights, scratch, 1) >> 4
    if candidate_count > 2:
        weights = by_which_second(
            scratch, candidate_index, field, reference_field, candidates, row, column, blocks
        )
        prices[2] = prices[1] + (mixing.cost_q8(contexts, weights, scratch, 1) >> 4)
        prices[1] += mixing.cost_q8(contexts, weights, scratch, 0) >> 4


def count_prices(
    contexts: U16,
    scratch: I32,
    counts: U8,
    reference_counts: U8,
    row: int,
    column: int,
    kind: int,
    trend: int,
    prices: I32,
) -> None:
    """Fill prices[0..4] with the price in 1/256 bit of each count of a block.

    A block that took over a vector and is no skip has at least one group: it does not say so.
    """
    first = 1 if kind == TAKEN else 0
    prices[:] = 0
    for k in range(first, 4):
        weights = by_count(scratch, counts, reference_counts, row, column, kind, k, trend)
        prices[k] += mixing.cost_q8(contexts, weights, scratch, 0)
        more = mixing.cost_q8(contexts, weights, scratch, 1)
        for count in range(k + 1, 5):
            prices[count] += more


def vector_prices(contexts: U16) -> I32:
    """(2, 1024) price in 1/256 bit of each magnitude of a whole block's vector difference."""
    prices = np.zeros((2, 1024), np.int32)
    for component in range(2):
        first = BASE[VECTOR, 0] + _LENGTHS * component
        prices[component, 0] = binary.cost_q8(contexts, first, 0)
        spent = binary.cost_q8(contexts, first, 1) + 256
        prefix = 0
        while (1 << prefix) < 1024:
            stop = binary.cost_q8(contexts, first + 1 + min(prefix, PREFIX_CONTEXTS), 0)
            for value in range(1 << prefix, min(2 << prefix, 1024)):
                prices[component, value] = spent + stop + 256 * prefix
            spent += binary.cost_q8(contexts, first + 1 + min(prefix, PREFIX_CONTEXTS), 1)
            prefix += 1
    return prices
