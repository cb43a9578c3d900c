# SPDX-License-Identifier: Apache-2.0
"""Candidates for a vector, and squares of blocks that share one."""

from __future__ import annotations

import numpy as np
import pytest

from tests.reference import field as fields


def zeros(rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((rows, columns), np.uint8), np.zeros((2 * rows, 2 * columns, 2), np.int16)


def test_squares_are_as_large_as_vectors_and_modes_allow() -> None:
    modes, field = zeros(8, 8)
    fields.set_block(field, 1, 1, 4, 0)
    modes[6, 2] = fields.INTER8
    sides = np.zeros((8, 8), np.uint8)
    fields.unite(modes, field, sides)
    assert (sides[:2, :2] == 1).all()
    assert (sides[:2, 2:4] == 2).all()
    assert (sides[:4, 4:] == 4).all()
    assert (sides[6:, 2:4] == 1).all()
    assert (sides[4:6, :4] == 2).all()


@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (1, 2), (3, 1), (5, 7)])
def test_squares_may_reach_beyond_the_picture_but_hold_more_than_a_quarter(
    rows: int, columns: int
) -> None:
    modes, field = zeros(rows, columns)
    sides = np.zeros((rows, columns), np.uint8)
    fields.unite(modes, field, sides)
    for row in range(rows):
        for column in range(columns):
            side = int(sides[row, column])
            top, left = row // side * side, column // side * side
            held = sides[top : top + side, left : left + side]
            assert (held == side).all()
            assert side == 1 or held.size > side * side // 4 or max(held.shape) > side // 2
    assert (sides[0, 0] == 1) == (rows * columns == 1)


def test_candidates_are_distinct_and_start_with_the_predictor() -> None:
    rng = np.random.default_rng(0)
    candidates = np.zeros((5, 3), np.int32)
    for blocks in (1, 2, 4):
        for _ in range(50):
            field = rng.integers(-2, 3, (16, 16, 2)).astype(np.int16)
            before = rng.integers(-2, 3, (16, 16, 2)).astype(np.int16)
            candidate_count = fields.candidates_of(field, before, 4, 4, blocks, candidates)
            found = [tuple(candidates[k, :2]) for k in range(candidate_count)]
            assert len(set(found)) == candidate_count <= fields.CANDIDATES
            fields.predictor(field, 8, 8, 2 * blocks, candidates, 4)
            assert found[0] == tuple(candidates[4, :2])
            field[8, 8] = found[-1]
            assert fields.which(candidates, candidate_count, field, 8, 8) == candidate_count - 1
