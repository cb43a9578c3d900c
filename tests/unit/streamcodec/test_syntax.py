# SPDX-License-Identifier: Apache-2.0
"""Side information: whatever blocks decide, the reader finds the same and no word too many."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec.contexts import fresh
from tests.reference import field as fields
from tests.reference import rans, syntax

KINDS_OF_SPLITS = 3**4


def decisions(rng: np.random.Generator, rows: int, columns: int, *, key: bool) -> list[np.ndarray]:
    """modes, field, intra_modes, counts, splits as an encoder might choose them."""
    shares = np.array([0, 0, 1, 1] if key else [6, 1, 1, 1])
    modes = rng.choice(4, (rows, columns), p=shares / shares.sum()).astype(np.uint8)
    field = np.zeros((2 * rows, 2 * columns, 2), np.int16)
    intra_modes = np.full((2 * rows, 2 * columns), -1, np.int8)
    counts = rng.choice(5, (rows, columns), p=[0.5, 0.2, 0.1, 0.1, 0.1]).astype(np.uint8)
    splits = np.zeros((rows, columns), np.uint8)
    common = rng.integers(-6, 7, 2)
    calm = int(rng.integers(0, 2))  # some fields move as one: squares
    for row in range(rows):
        for column in range(columns):
            mode = modes[row, column]
            if calm and rng.random() < 0.9 and not key:
                mode = modes[row, column] = fields.INTER16
            own = common if rng.random() < (0.95 if calm else 0.4) else rng.integers(-60, 61, 2)
            if mode == fields.INTER16:
                fields.set_block(field, row, column, *own)
            for k in range(4):
                y, x = 2 * row + (k >> 1), 2 * column + (k & 1)
                if mode == fields.INTER8:
                    field[y, x] = rng.integers(-60, 61, 2)
                elif mode == fields.INTRA8 or (mode == fields.INTRA16 and k == 0):
                    intra_modes[y, x] = rng.integers(0, 35)
                elif mode == fields.INTRA16:
                    intra_modes[y, x] = intra_modes[2 * row, 2 * column]
            if mode == fields.INTRA8 or (
                mode < fields.INTRA16 and counts[row, column] and rng.random() < 0.3
            ):
                splits[row, column] = 1 + rng.integers(0, KINDS_OF_SPLITS)
    return [modes, field, intra_modes, counts, splits]


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 5), (9, 8)])
def test_what_is_written_is_read(key: bool, rows: int, columns: int) -> None:
    rng = np.random.default_rng(rows + key)
    written, read = fresh(), fresh()
    for pace in (0, 1, 2, 1, 1, 0):
        modes, field, intra_modes, counts, splits = decisions(rng, rows, columns, key=key)
        _, before, _, counts_before, _ = decisions(rng, rows, columns, key=False)
        out = np.empty(rows * columns * syntax.BITS_PER_BLOCK, np.uint32)
        count = syntax.write(
            *(out, 0, written, key, modes, field, before, intra_modes, counts),
            *(counts_before, splits, pace),
        )
        words = rans.words_of(rans.encode(out, count))
        state = rans.start(words)
        found = [np.full_like(a, 7) for a in (modes, field, intra_modes, counts, splits)]
        assert syntax.read(
            *(state, words, read, key, found[0], found[1], before, found[2], found[3]),
            *(counts_before, found[4], pace),
        )
        assert rans.finished(state, words)
        assert np.array_equal(written, read)
        for wanted, got in zip((modes, field, intra_modes, counts, splits), found, strict=True):
            assert np.array_equal(wanted, got)


def test_a_field_that_moves_as_one_costs_a_few_bits() -> None:
    rows, columns = 23, 40
    field = np.full((2 * rows, 2 * columns, 2), 5, np.int16)
    none = np.zeros((rows, columns), np.uint8)
    intra_modes = np.full((2 * rows, 2 * columns), -1, np.int8)
    out = np.empty(rows * columns * syntax.BITS_PER_BLOCK, np.uint32)
    count = syntax.write(
        *(out, 0, fresh(), False, none, field, field, intra_modes, none, none, none, 1)
    )
    # Three bits a square of 4x4 blocks, two more where smaller ones remain at the edge.
    assert count < 4 * 6 * 10
