# SPDX-License-Identifier: Apache-2.0
"""Native prices and the motion field against their plain twins."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamcodec import _core
from streamcodec import contexts as cx
from tests.reference import contexts as twin
from tests.reference import families, mixing
from tests.reference import field as fields
from tests.reference import prices as prices_of

Place = tuple[int, int, int]


def learned(seed: int) -> np.ndarray:
    """Adapted contexts, weights around their first values."""
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
    candidate_index = rng.integers(0, 3, size).astype(np.uint8)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    for row, column, blocks in places(*size):
        found_by_twin, prices = np.zeros((5, 3), np.int32), np.zeros(3, np.int32)
        candidate_count = fields.candidates_of(field, before, row, column, blocks, found_by_twin)
        found = _core.candidates(field, before, row, column, blocks)
        assert [v[:2] for v in found] == [
            tuple(found_by_twin[k, :2]) for k in range(candidate_count)
        ]
        assert [v[2] for v in found[1:]] == [found_by_twin[k, 2] for k in range(1, candidate_count)]
        for skip in (0, 1):
            prices_of.which_prices(
                *(
                    contexts,
                    scratch,
                    candidate_index,
                    field,
                    before,
                    found_by_twin,
                    row,
                    column,
                    blocks,
                    candidate_count,
                    skip,
                ),
                prices,
            )
            assert _core.which_prices(
                contexts, candidate_index, field, before, row, column, blocks, skip
            ) == tuple(prices)


@pytest.mark.parametrize("trend", [0, 1, 2])
def test_prices_of_squares_skips_and_counts(trend: int) -> None:
    rng = np.random.default_rng(trend)
    rows, columns = 5, 7
    contexts = learned(2)
    before = vectors(rng, rows, columns)
    before[:4, :8] = 7  # squares of one vector
    reference_counts = rng.integers(0, 5, (rows, columns)).astype(np.uint8)
    reference_counts[3:] = 0
    counts = rng.integers(0, 5, (rows, columns)).astype(np.uint8)
    skips = rng.integers(0, 2, (rows, columns)).astype(np.uint8)
    sides = rng.choice([1, 2, 4], (rows, columns)).astype(np.uint8)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    for row, column, blocks in places(rows, columns):
        if blocks > 1:
            at = twin.by_united(
                scratch, sides, before, reference_counts, row, column, blocks, trend
            )
            wanted = tuple(mixing.cost_q8(contexts, at, scratch, bit) for bit in (1, 0))
            assert (
                _core.united_prices(
                    contexts, sides, before, reference_counts, trend, row, column, blocks
                )
                == wanted
            )
            continue
        no, yes = prices_of.skip_prices_q8(
            contexts, scratch, skips, reference_counts, row, column, trend
        )
        assert _core.skip_prices(contexts, skips, before, reference_counts, trend, row, column) == (
            yes,
            no,
        )
        for kind in range(5):
            prices = np.zeros(5, np.int32)
            prices_of.count_prices(
                *(contexts, scratch, counts, reference_counts, row, column, kind, trend, prices)
            )
            assert _core.count_prices(
                contexts, counts, before, reference_counts, trend, row, column, kind
            ) == tuple(prices)


def test_prices_of_vector_differences() -> None:
    contexts = learned(5)
    assert np.array_equal(_core.vector_prices(contexts), prices_of.vector_prices(contexts))


def test_rows_of_the_families_are_where_the_format_has_them() -> None:
    assert cx.CONTEXTS == _core.CONTEXTS
    assert np.array_equal(_core.context_bases(), families.BASE)


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
