# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/motion/search.

The search for a block's mode and vectors; only in the encoder, as the result is signalled.

Each block tries the vectors of its neighbours and of the frame before, descends from the
best in finer and finer steps (whole, half, quarter samples) by the sum of absolute differences,
then compares whole block, four quarters, and intra prediction by the sum of absolute Hadamard
coefficients, which estimates bits better. All costs include bits, at the price of the adaptive
contexts.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import field as fields
from tests.reference import intra, intra_search, mixing, squares
from tests.reference import prices as prices_of
from tests.reference.cost import FAR, cost_moved, sad, squared, vector_bits_q8
from tests.reference.shifts import REACH_PX

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int8]
F32 = npt.NDArray[np.float32]

# Estimated bits of a whole block from which quarters, and intra prediction, are tried.
QUARTERS_FROM = 60
INTRA_FROM = 100
# Penalty of a vector besides its bits where all neighbours are static: the block would be a skip.
ALONE = 4


def _descend(
    source: U8,
    planes: U8,
    y: int,
    x: int,
    size: int,
    origin_y: int,
    origin_x: int,
    start: I32,
    lambda_q8: int,
    prices: I32,
    first_step: int,
) -> int:
    """Descend from start = (vy, vx, cost) to a local minimum, quarter samples; returns the cost."""
    height, width = source.shape
    vy, vx, best = int(start[0]), int(start[1]), int(start[2])
    step = first_step
    while step:
        moves = 0
        while True:
            cy, cx = vy, vx
            for k in range(4 if step >= 4 else 8):
                if k < 4:
                    ty = cy + (step if k == 0 else (-step if k == 1 else 0))
                    tx = cx + (step if k == 2 else (-step if k == 3 else 0))
                else:
                    ty = cy + (step if k & 1 else -step)
                    tx = cx + (step if k & 2 else -step)
                if not fields.within_reach(y, x, ty, tx, height, width, REACH_PX):
                    continue
                rate = (lambda_q8 * vector_bits_q8(prices, ty - origin_y, tx - origin_x)) >> 16
                if rate >= best:
                    continue
                cost = rate + sad(source, planes, y, x, ty, tx, size)
                if cost < best:
                    best, vy, vx = cost, ty, tx
            moves += 1
            if (vy == cy and vx == cx) or step < 4 or moves >= 16:
                break
        step >>= 1
    start[0], start[1], start[2] = vy, vx, best
    return best


def analyse_inter(
    source: U8,
    planes: U8,
    reference_field: I16,
    lambda_q8: int,
    prices: I32,
    still: int,
    bit_weights: F32,
    per_square: float,
    contexts: U16,
    offset: int,
    reference_counts: U8,
    trend: int,
    modes: U8,
    field: I16,
    intra_modes: I8,
) -> None:
    """Choose mode and vectors for every block of a band of rows of an inter frame.

    The band starts `offset` blocks below the top; it reads no vectors above itself, so that
    bands can be searched in parallel. modes, field, intra_modes and `reference_field` are the rows
    of the band.

    `planes` are the reference's 16 quarter-sample planes, `reference_field` its vectors,
    `lambda_q8` the price of a bit in absolute difference, `still` the difference below which a
    candidate is used without a search. `bit_weights` and `per_square` (of a squared difference)
    are in 1/16 bit. `contexts` give prices of bits. Fills modes, field and intra_modes (-1 in inter
    blocks).
    """
    rows, columns = modes.shape
    height, width = source.shape
    candidates = np.zeros((5, 3), np.int32)
    candidate_index = np.zeros((rows, columns), np.uint8)
    origin = np.zeros((1, 2), np.int32)
    start = np.zeros(3, np.int32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    taking = np.zeros(fields.CANDIDATES, np.int32)
    part = np.zeros((4, 2), np.int32)
    edge = np.empty(65, np.int32)
    soft = np.empty(65, np.int32)
    line = np.empty(80, np.int32)
    guess = np.empty((16, 16), np.uint8)
    costs = np.zeros((rows, columns), np.int32)
    static = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y = 16 * (row + offset)
            x = 16 * column
            count = fields.candidates_of(field, reference_field, row, column, 1, candidates)
            p0, p1 = int(candidates[0, 0]), int(candidates[0, 1])
            best = FAR
            v0, v1 = 0, 0
            prices_of.which_prices(
                contexts,
                scratch,
                candidate_index,
                field,
                reference_field,
                candidates,
                row,
                column,
                1,
                count,
                1,
                taking,
            )
            # Neighbours' vectors first: they cost almost nothing to signal.
            for k in range(count):
                c0, c1 = int(candidates[k, 0]), int(candidates[k, 1])
                if not fields.within_reach(y, x, c0, c1, height, width, REACH_PX):
                    continue
                rate = (lambda_q8 * taking[k]) >> 12 if count > 1 else 0
                cost = rate + sad(source, planes, y, x, c0, c1, 16)
                if cost < best:
                    best, v0, v1 = cost, c0, c1
            modes[row, column] = fields.INTER16
            for i in range(2):
                for j in range(2):
                    intra_modes[2 * row + i, 2 * column + j] = -1
            if best < still:
                # Differences this small are not coded: the error that remains counts.
                least = np.float32(1e30)
                for k in range(count):
                    c0, c1 = int(candidates[k, 0]), int(candidates[k, 1])
                    if not fields.within_reach(y, x, c0, c1, height, width, REACH_PX):
                        continue
                    error = np.float32(squared(source, planes, y, x, c0, c1))
                    stays = error * np.float32(per_square)
                    if count > 1:
                        stays += taking[k]
                    if stays < least:
                        least, v0, v1 = stays, c0, c1
                        costs[row, column] = int(min(float(error * np.float32(per_square)), FAR))
                        candidate_index[row, column] = k
                static[row, column] = 1
                fields.set_block(field, row, column, v0, v1)
                continue
            for k in range(5):
                if k == 0:
                    c0, c1 = 0, 0
                elif k == 1:
                    c0, c1 = (
                        int(reference_field[2 * row, 2 * column, 0]),
                        int(reference_field[2 * row, 2 * column, 1]),
                    )
                elif k == 2:
                    c0 = int(reference_field[2 * row + 1, 2 * column + 1, 0])
                    c1 = int(reference_field[2 * row + 1, 2 * column + 1, 1])
                elif k == 3 and column + 1 < columns:
                    c0 = int(reference_field[2 * row, 2 * column + 2, 0])
                    c1 = int(reference_field[2 * row, 2 * column + 2, 1])
                elif k == 4 and row + 1 < rows:
                    c0 = int(reference_field[2 * row + 2, 2 * column, 0])
                    c1 = int(reference_field[2 * row + 2, 2 * column, 1])
                else:
                    continue
                if (c0 == v0 and c1 == v1) or not fields.within_reach(
                    y, x, c0, c1, height, width, REACH_PX
                ):
                    continue
                rate = (lambda_q8 * (512 + vector_bits_q8(prices, c0 - p0, c1 - p1))) >> 16
                if rate >= best:
                    continue
                cost = rate + sad(source, planes, y, x, c0, c1, 16)
                if cost < best:
                    best, v0, v1 = cost, c0, c1
            start[0], start[1], start[2] = v0, v1, best
            # A good start needs no wide steps.
            wide = 16 if best > 8 * still else 4
            _descend(source, planes, y, x, 16, p0, p1, start, lambda_q8, prices, wide)
            v0, v1 = int(start[0]), int(start[1])
            # Compared by Hadamard: the found vector, the best free one, four quarters, intra.
            rate = (512 + vector_bits_q8(prices, v0 - p0, v1 - p1)) >> 4
            if count == 1 and p0 == 0 and p1 == 0:
                rate += 16 * ALONE
            f0, f1 = v0, v1
            found = cost_moved(source, planes, y, x, v0, v1, 16, bit_weights)
            whole = rate + found
            costs[row, column] = found
            for k in range(count):
                c0, c1 = int(candidates[k, 0]), int(candidates[k, 1])
                if not fields.within_reach(y, x, c0, c1, height, width, REACH_PX):
                    continue
                free = taking[k] + 16 if count > 1 else 16
                own = found
                if c0 != f0 or c1 != f1:
                    own = cost_moved(source, planes, y, x, c0, c1, 16, bit_weights)
                if free + own <= whole:
                    whole, v0, v1 = free + own, c0, c1
                    costs[row, column] = own
                    candidate_index[row, column] = k
            fields.set_block(field, row, column, v0, v1)
            if whole < 16 * QUARTERS_FROM:
                continue
            total = 3 * 16
            for k in range(4):
                a, b = k >> 1, k & 1
                fields.predictor(field, 2 * row + a, 2 * column + b, 1, origin, 0)
                o0, o1 = int(origin[0, 0]), int(origin[0, 1])
                yy, xx = y + 8 * a, x + 8 * b
                rate = (lambda_q8 * vector_bits_q8(prices, v0 - o0, v1 - o1)) >> 16
                cost = rate + sad(source, planes, yy, xx, v0, v1, 8)
                start[0], start[1], start[2] = v0, v1, cost
                if fields.within_reach(y, x, o0, o1, height, width, REACH_PX):
                    rate = (lambda_q8 * vector_bits_q8(prices, 0, 0)) >> 16
                    other = rate + sad(source, planes, yy, xx, o0, o1, 8)
                    if other < cost:
                        start[0], start[1], start[2] = o0, o1, other
                _descend(source, planes, yy, xx, 8, o0, o1, start, lambda_q8, prices, 8)
                # `_descend` checks reach for a 16x16 block at this corner; the block needs it too.
                if not fields.within_reach(y, x, start[0], start[1], height, width, REACH_PX):
                    start[0], start[1] = v0, v1
                part[k, 0], part[k, 1] = start[0], start[1]
                field[2 * row + a, 2 * column + b, 0] = start[0]
                field[2 * row + a, 2 * column + b, 1] = start[1]
                total += vector_bits_q8(prices, start[0] - o0, start[1] - o1) >> 4
                total += cost_moved(source, planes, yy, xx, start[0], start[1], 8, bit_weights)
                if total >= whole:
                    break
            if total < whole:
                modes[row, column] = fields.INTER8
                candidate_index[row, column] = 0
                costs[row, column] = total
                whole = total
            else:
                fields.set_block(field, row, column, v0, v1)
            if whole > 16 * INTRA_FROM:
                # Few blocks of an inter frame are intra: five modes decide whether to try all.
                mode, cost = intra_search.best_intra(
                    source,
                    y,
                    x,
                    16,
                    16,
                    0,
                    bit_weights,
                    True,
                    edge,
                    soft,
                    line,
                    guess,
                    intra.PLANAR,
                )
                if cost < whole + (whole >> 2):
                    mode, cost = intra_search.best_intra(
                        source,
                        y,
                        x,
                        16,
                        16,
                        0,
                        bit_weights,
                        False,
                        edge,
                        soft,
                        line,
                        guess,
                        intra.PLANAR,
                    )
                if cost + 4 * 16 < whole:
                    modes[row, column] = fields.INTRA16
                    fields.set_block(field, row, column, 0, 0)
                    for i in range(2):
                        for j in range(2):
                            intra_modes[2 * row + i, 2 * column + j] = mode
    squares.unite(
        source,
        planes,
        reference_field,
        prices,
        bit_weights,
        per_square,
        contexts,
        offset,
        reference_counts,
        trend,
        modes,
        field,
        costs,
        static,
        candidate_index,
    )
