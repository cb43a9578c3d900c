# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/mixtures: the three contexts of each decision about a block.

`syntax.write` and `syntax.read` both call the `by_...` functions, which set the contexts in
`scratch` and return the row of the weights; docs/bitstream.md, section 4, has them as tables.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import families
from tests.reference.neighbours import (
    around,
    coded_in_reference,
    coded_in_square,
    is_uniform,
    is_zero,
    pattern,
    votes_for,
)

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]


def transform_of(split: int, quarter: int) -> int:
    """Transform of a quarter: 0 is 8x8 (also where the block has one transform), 1 4x4, 2 none."""
    rest = max(split - 1, 0)
    for _ in range(quarter):
        rest //= 3
    return rest % 3


def with_transform(split: int, quarter: int, kind: int) -> int:
    """`split` (at least 1) with the transform of a quarter, which was 0, set."""
    return split + kind * 3**quarter


def by_skip(
    scratch: I32, skips: U8, reference_counts: U8, row: int, column: int, trend: int
) -> int:
    return families.name(
        scratch,
        families.SKIP,
        (3 if reference_counts[row, column] == 0 else 0) + around(skips, row, column, 0),
        pattern(skips, row, column, 0),
        24 * trend + coded_in_reference(reference_counts, row, column),
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
    first = votes_for(field, reference_field, row, column, blocks, candidates[0])
    second = votes_for(field, reference_field, row, column, blocks, candidates[1])
    square = 1 if blocks > 1 else 0
    use = 1 + (blocks >> 1) if square else skip
    return families.name(
        scratch,
        families.WHICH,
        6 * square + 3 * (candidate_count - 2) + around(candidate_index, row, column, 0),
        50 * square + 25 * (candidate_count - 2) + 5 * first + second,
        16 * use
        + 4 * np.int64(candidates[1, 2])
        + 2 * is_zero(candidates, 0)
        + is_zero(candidates, 1),
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
    second = votes_for(field, reference_field, row, column, blocks, candidates[1])
    third = votes_for(field, reference_field, row, column, blocks, candidates[2])
    square = 1 if blocks > 1 else 0
    return families.name(
        scratch,
        families.WHICH_SECOND,
        3 * square + around(candidate_index, row, column, 1),
        25 * square + 5 * second + third,
        64 * square
        + 16 * np.int64(candidates[1, 2])
        + 4 * np.int64(candidates[2, 2])
        + 2 * is_zero(candidates, 1)
        + is_zero(candidates, 2),
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
    """`sides` are those of the squares coded so far."""
    rows, columns = reference_counts.shape
    level = blocks >> 2
    uniform = 1 if is_uniform(reference_field, row, column, blocks) else 0
    beyond = 0
    if column + blocks < columns and is_uniform(reference_field, row, column + blocks, blocks):
        beyond += 1
    if row + blocks < rows and is_uniform(reference_field, row + blocks, column, blocks):
        beyond += 1
    return families.name(
        scratch,
        families.UNITED,
        3 * level + around(sides, row, column, blocks - 1),
        16 * level + pattern(sides, row, column, blocks - 1),
        54 * level
        + 18 * trend
        + 6 * min(coded_in_square(reference_counts, row, column, blocks), 2)
        + 3 * uniform
        + beyond,
        level,
    )


def by_empty(
    scratch: I32, skips: U8, reference_counts: U8, row: int, column: int, blocks: int, trend: int
) -> int:
    level = blocks >> 2
    return families.name(
        scratch,
        families.EMPTY,
        3 * level + around(skips, row, column, 0),
        16 * level + pattern(skips, row, column, 0),
        12 * level + 4 * trend + min(coded_in_square(reference_counts, row, column, blocks), 3),
        level,
    )


def by_intra(
    scratch: I32, intras: U8, reference_counts: U8, row: int, column: int, trend: int
) -> int:
    return families.name(
        scratch,
        families.INTRA,
        around(intras, row, column, 0),
        pattern(intras, row, column, 0),
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
    """Of SPLIT and MERGE, by neighbours set in `grid` and the number of candidates."""
    set_around = around(grid, row, column, 0)
    level = blocks >> 1  # 0, 1 or 2
    return families.name(
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
    four = pattern(counts, row, column, k).bit_count()
    was_around = 0
    if column and reference_counts[row, column - 1] > k:
        was_around += 1
    if row and reference_counts[row - 1, column] > k:
        was_around += 1
    if column + 1 < columns and reference_counts[row, column + 1] > k:
        was_around += 1
    if row + 1 < rows and reference_counts[row + 1, column] > k:
        was_around += 1
    return families.name(
        scratch,
        families.COUNT,
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
    return families.name(
        scratch,
        families.TRANSFORM,
        6 * quarter + (3 if reference_counts[row, column] > 1 else 0) + set_around,
        3 * (4 * quarter + coded) + set_around,
        5 * coded + np.int64(reference_counts[row, column]),
        quarter,
    )


def by_finer(
    scratch: I32, splits: U8, row: int, column: int, quarter: int, within: int, plain: int
) -> int:
    """Of a quarter; its block's `splits` has the transforms of the quarters before it.

    `within` is 1 in intra blocks. `plain` is 0 for "finer than 8x8", 1 for "no transform".
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
    return families.name(
        scratch,
        families.FINER,
        3 * group + (1 if left > plain else 0) + (1 if above > plain else 0),
        9 * group + 3 * left + above,
        16 * group + 4 * finer + around,
        group,
    )
