# SPDX-License-Identifier: Apache-2.0
"""Native prices and the motion field against their plain twins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamcodec import _core
from streamcodec import contexts as cx
from tests.reference import contexts as twin
from tests.reference import field as fields
from tests.reference import mixing

Place = tuple[int, int, int]


def learned(seed: int) -> np.ndarray:
    """Contexts that have seen something, weights around their first values."""
    rng = np.random.default_rng(seed)
    contexts = cx.fresh()
    weights = contexts[:, 0] != 32768
    contexts[~weights] = rng.integers(0, 65536, (int((~weights).sum()), 2))
    contexts[weights, 1] = rng.integers(0, 65536, int(weights.sum()))
    return contexts


def vectors(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    """A field of few different vectors, so that neighbours agree now and then."""
    few = np.array([[0, 0], [0, 0], [4, -2], [-32768, 32767], [9, 1]], np.int16)
    return few[rng.integers(0, len(few), (2 * rows, 2 * columns))]


def places(rows: int, columns: int) -> Iterator[Place]:
    for blocks in (1, 2, 4):
        for row in range(0, rows, blocks):
            for column in range(0, columns, blocks):
                yield row, column, blocks


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (1, 4), (4, 1)])
def test_candidates_and_what_taking_them_costs(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    contexts = learned(1)
    field, before = vectors(rng, *size), vectors(rng, *size)
    takens = rng.integers(0, 3, size).astype(np.uint8)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    for row, column, blocks in places(*size):
        near, prices = np.zeros((5, 3), np.int32), np.zeros(3, np.int32)
        ways = fields.candidates(field, before, row, column, blocks, near)
        found = _core.candidates(field, before, row, column, blocks)
        assert [v[:2] for v in found] == [tuple(near[k, :2]) for k in range(ways)]
        assert [v[2] for v in found[1:]] == [near[k, 2] for k in range(1, ways)]
        for skip in (0, 1):
            twin.which_prices(
                *(contexts, scratch, takens, field, before, near, row, column, blocks, ways, skip),
                prices,
            )
            assert _core.which_prices(
                contexts, takens, field, before, row, column, blocks, skip
            ) == tuple(prices)


@pytest.mark.parametrize("pace", [0, 1, 2])
def test_prices_of_squares_skips_and_counts(pace: int) -> None:
    rng = np.random.default_rng(pace)
    rows, columns = 5, 7
    contexts = learned(2)
    before = vectors(rng, rows, columns)
    before[:4, :8] = 7  # squares of one vector
    counts_before = rng.integers(0, 5, (rows, columns)).astype(np.uint8)
    counts_before[3:] = 0
    counts = rng.integers(0, 5, (rows, columns)).astype(np.uint8)
    skips = rng.integers(0, 2, (rows, columns)).astype(np.uint8)
    sides = rng.choice([1, 2, 4], (rows, columns)).astype(np.uint8)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    for row, column, blocks in places(rows, columns):
        if blocks > 1:
            at = twin.by_united(scratch, sides, before, counts_before, row, column, blocks, pace)
            wanted = tuple(mixing.cost_q8(contexts, at, scratch, bit) for bit in (1, 0))
            assert (
                _core.united_prices(
                    contexts, sides, before, counts_before, pace, row, column, blocks
                )
                == wanted
            )
            continue
        no, yes = twin.skip_prices_q8(contexts, scratch, skips, counts_before, row, column, pace)
        assert _core.skip_prices(contexts, skips, before, counts_before, pace, row, column) == (
            yes,
            no,
        )
        for kind in range(5):
            prices = np.zeros(5, np.int32)
            twin.count_prices(
                *(contexts, scratch, counts, counts_before, row, column, kind, pace, prices)
            )
            assert _core.count_prices(
                contexts, counts, before, counts_before, pace, row, column, kind
            ) == tuple(prices)


def test_prices_of_vector_differences() -> None:
    contexts = learned(5)
    assert np.array_equal(_core.vector_prices(contexts), twin.vector_prices(contexts))


def test_rows_of_the_families_are_where_the_format_has_them() -> None:
    assert cx.CONTEXTS == _core.CONTEXTS
    assert np.array_equal(_core.context_bases(), twin.BASE)


@pytest.mark.parametrize("size", [(1, 1), (6, 9), (2, 3), (9, 4)])
def test_squares_of_one_vector_are_found(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(6)
    modes = (rng.random(size) < 0.05).astype(np.uint8)
    field = np.zeros((2 * size[0], 2 * size[1], 2), np.int16)
    field[rng.random(field.shape[:2]) < 0.03] = 3, 4
    mine, twins = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
    _core.unite(modes, field, mine)
    fields.unite(modes, field, twins)
    assert np.array_equal(mine, twins)
