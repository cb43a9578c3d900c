# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/motion/intra_search.

Which intra prediction and which transforms a block gets, judged by the source's own samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import field as fields
from tests.reference import intra, transform
from tests.reference.cost import FAR, cost_block

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int8]
F32 = npt.NDArray[np.float32]


def best_intra(
    source: U8,
    y: int,
    x: int,
    size: int,
    right: int,
    below: int,
    bit_weights: F32,
    quick: bool,
    edge: I32,
    soft: I32,
    line: I32,
    guess: U8,
    hint: int,
) -> tuple[int, int]:
    """(mode, cost) of the best intra prediction from the source's own neighbours.

    `hint` is a mode that costs few bits; `quick` tries only the four commonest.
    """
    intra.gather(source, y, x, size, right, below, edge)
    intra.smooth(edge, size, soft)
    best_mode = -1
    best = FAR
    cheap = 2 * 16
    dear = 6 * 16
    tried = np.zeros(35, np.uint8)
    for stage in range(1 if quick else 4):
        centre = best_mode
        if stage >= 2 and centre < 2:
            break
        for k in range(12):
            if stage == 0:
                if k >= 5:
                    break
                mode = (
                    intra.MEAN
                    if k == 0
                    else (
                        intra.PLANAR
                        if k == 1
                        else (intra.HORIZONTAL if k == 2 else (intra.VERTICAL if k == 3 else hint))
                    )
                )
            elif stage == 1:
                if k >= 9:
                    break
                mode = 2 + 4 * k
            elif stage == 2:
                if k >= 2:
                    break
                mode = centre + (2 if k else -2)
            else:
                if k >= 2:
                    break
                mode = centre + (1 if k else -1)
            if mode < 0 or mode > 34 or (stage >= 1 and mode < 2) or tried[mode]:
                continue
            tried[mode] = 1
            intra.predict(soft if intra.wants_smooth(mode, size) else edge, size, mode, line, guess)
            cost = cost_block(source, y, x, size, guess, bit_weights)
            cost += cheap if mode == hint else dear
            if cost < best:
                best, best_mode = cost, mode
    return best_mode, best


def _transform_of_quarter(
    source: U8, row: int, column: int, quarter: int, mode: int, inverse_step: float
) -> tuple[int, float, float]:
    """The best transform of an 8x8 quarter: kind, rough bits of 8x8, rough bits of that kind.

    Predicted from the source's own neighbours; finer transforms predict each 4x4 square.
    """
    coarse = _differences(source, row, column, quarter, mode, 0)
    eight = transform.level_bits(transform.dct(coarse), inverse_step)
    if eight < transform.COARSEST:
        return transform.EIGHT, eight, eight
    fine = _differences(source, row, column, quarter, mode, transform.FOUR)
    kind, least = transform.finer(fine, eight, inverse_step)
    return kind, eight, least


def _differences(source: U8, row: int, column: int, quarter: int, mode: int, kind: int) -> F32:
    """A quarter (8, 8) minus its prediction, of squares as `kind` has them."""
    split = transform.with_transform(1, quarter, kind)
    out = np.zeros((16, 16), np.float32)
    for square in intra.squares(True, split, row):
        if square.quarter != quarter:
            continue
        y, x, size = 16 * row + square.y, 16 * column + square.x, square.size
        guess = intra.predicted(source, y, x, size, square.right, square.below, mode)
        out[square.y : square.y + size, square.x : square.x + size] = source[
            y : y + size, x : x + size
        ].astype(np.float32) - guess.astype(np.float32)
    return out[transform.corner(quarter)]


def analyse_key(
    source: U8,
    bit_weights: F32,
    inverse_step: float,
    first: int,
    last: int,
    modes: U8,
    intra_modes: I8,
    splits: U8,
) -> None:
    """Choose 16x16 or 8x8 intra prediction for block rows [first, last) of a keyframe.

    `source` has sides of multiples of 16; `modes` and `splits` are (rows, columns), `intra_modes`
    on the 8x8 grid. `inverse_step` is of luma.
    """
    columns = modes.shape[1]
    edge = np.empty(65, np.int32)
    soft = np.empty(65, np.int32)
    line = np.empty(80, np.int32)
    guess = np.empty((16, 16), np.uint8)
    small = np.empty(4, np.int64)
    for row in range(first, last):
        for column in range(columns):
            hint = intra_modes[2 * row, 2 * column - 1] if column else intra.PLANAR
            mode, cost = best_intra(
                source,
                16 * row,
                16 * column,
                16,
                16,
                0,
                bit_weights,
                False,
                edge,
                soft,
                line,
                guess,
                hint,
            )
            total = 3 * 16
            hint_of_quarter = hint
            kinds = 1
            for k in range(4):
                a, b = k >> 1, k & 1
                right = intra.right_of_quarter(k, row)
                below = 8 if k == 0 else 0
                small[k], part = best_intra(
                    source,
                    16 * row + 8 * a,
                    16 * column + 8 * b,
                    8,
                    right,
                    below,
                    bit_weights,
                    False,
                    edge,
                    soft,
                    line,
                    guess,
                    hint_of_quarter,
                )
                hint_of_quarter = small[k]
                kind, eight, least = _transform_of_quarter(
                    source, row, column, k, int(small[k]), inverse_step
                )
                if kind:
                    part = int(part * least / eight)
                    kinds = transform.with_transform(kinds, k, kind)
                total += part
                if total >= cost:
                    break
            split = total < cost
            modes[row, column] = fields.INTRA8 if split else fields.INTRA16
            splits[row, column] = kinds if split else 0
            for k in range(4):
                intra_modes[2 * row + (k >> 1), 2 * column + (k & 1)] = small[k] if split else mode
