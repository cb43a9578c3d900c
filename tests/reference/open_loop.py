# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/open_loop: coefficients before anything is coded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from tests.reference import field as fields
from tests.reference import intra, quantise, rebuild, transform

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
Planes = tuple[U8, U8, U8]


def inter_samples(
    source: Planes, prediction: Planes, blocks: _core.Blocks, reference_field: I16
) -> tuple[F32, U8]:
    """Residual samples (blocks, 384) of every inter block, zeros elsewhere; and which blocks may be
    skipped."""
    modes, field = blocks.modes, blocks.field
    candidates = np.zeros((5, 3), np.int32)
    sides = np.empty_like(modes)
    samples = np.zeros((modes.size, 384), np.float32)
    free = np.zeros_like(modes)
    fields.unite(modes, field, sides)
    for row, column in np.ndindex(*modes.shape):
        if modes[row, column] >= fields.INTRA16:
            continue
        samples[row * blocks.columns + column] = rebuild.differences(
            source, prediction, row, column
        )
        if sides[row, column] > 1:
            free[row, column] = rebuild.JOINED
        elif modes[row, column] == fields.INTER16:
            candidate_count = fields.candidates_of(
                field, reference_field, row, column, 1, candidates
            )
            if fields.which(candidates, candidate_count, field, 2 * row, 2 * column) >= 0:
                free[row, column] = rebuild.TAKEN
    return samples, free


def open_loop(source: Planes, blocks: _core.Blocks, splits: U8, coefficients: F32) -> None:
    """Coefficients of intra blocks predicted from the source: a first estimate for the prior."""
    for row, column in np.ndindex(blocks.rows, blocks.columns):
        mode = blocks.modes[row, column]
        if mode < fields.INTRA16:
            continue
        directions = blocks.intra_modes[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        guess = [np.empty((16, 16), np.uint8)]
        for square in intra.squares(mode == fields.INTRA8, 1, row):
            top, left = 16 * row + square.y, 16 * column + square.x
            own = slice(square.y, square.y + square.size), slice(square.x, square.x + square.size)
            guess[0][own] = intra.predicted(
                *(source[0], top, left, square.size, square.right, square.below),
                int(directions[square.quarter >> 1, square.quarter & 1]),
            )
        guess += [
            intra.predicted(
                chroma, 8 * row, 8 * column, 8, 8 if row else 0, 0, int(directions[0, 0])
            )
            for chroma in source[1:]
        ]
        here = (slice(16 * row, 16 * row + 16), slice(16 * column, 16 * column + 16))
        there = (slice(8 * row, 8 * row + 8), slice(8 * column, 8 * column + 8))
        own_samples = [source[0][here], source[1][there], source[2][there]]
        samples = np.concatenate(
            [
                (a.astype(np.float32) - b.astype(np.float32)).ravel()
                for a, b in zip(own_samples, guess, strict=True)
            ]
        )
        coefficients[row * blocks.columns + column] = transform.forward(
            samples, int(splits[row, column])
        )


def quantise_plainly(
    coefficients: F32, steps_q3: I32, rounding: float, symbols: I16, counts: U8
) -> None:
    """Quantise all blocks with a fixed rounding offset."""
    inverse_steps = (np.float32(8) / steps_q3).astype(np.float32)
    rows, columns = counts.shape
    for index in range(rows * columns):
        counts[index // columns, index % columns] = quantise.plain(
            coefficients[index], inverse_steps, rounding, symbols[index]
        )
