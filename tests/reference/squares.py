# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/motion/squares.

Squares of blocks that share one vector: the encoder merges blocks after the search.

Small squares first. All prices are those of the adaptive contexts, in 1/16 bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import contexts as cx
from tests.reference import field as fields
from tests.reference import mixing
from tests.reference import prices as prices_of
from tests.reference.cost import FAR, cost_moved, squared, vector_bits_q8
from tests.reference.shifts import REACH_PX

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]

# Fixed signalling overhead besides the vector, in 1/16 bit: for a block with a
# candidate's vector, for a block on its own, for a square of blocks with one vector.
TAKING = 4
SINGLE = 6
SQUARE = 4


def _cost_at(
    source: U8,
    planes: U8,
    y: int,
    x: int,
    vy: int,
    vx: int,
    static: int,
    bit_weights: F32,
    per_square: float,
) -> int:
    """Cost of a block without its motion, in 1/16 bit, by the measure used in its search."""
    if not fields.within_reach(y, x, vy, vx, source.shape[0], source.shape[1], REACH_PX):
        return FAR
    if static:
        error = np.float32(squared(source, planes, y, x, vy, vx))
        return int(min(error * np.float32(per_square), np.float32(FAR)))
    return int(cost_moved(source, planes, y, x, vy, vx, 16, bit_weights))


def _price_anew(prices: I32, candidates: I32, vy: int, vx: int) -> int:
    """Price of a vector that is no candidate, in 1/16 bit: coded against the first candidate."""
    return int((512 + vector_bits_q8(prices, vy - candidates[0, 0], vx - candidates[0, 1])) >> 4)


def _motion_price(
    contexts: U16,
    scratch: I32,
    candidate_index: U8,
    field: I16,
    reference_field: I16,
    prices: I32,
    candidates: I32,
    taking: I32,
    row: int,
    column: int,
    blocks: int,
    vy: int,
    vx: int,
) -> int:
    """Price of a vector for a block or a square, in 1/16 bit, by its present neighbours."""
    candidate_count = fields.candidates_of(field, reference_field, row, column, blocks, candidates)
    prices_of.which_prices(
        contexts,
        scratch,
        candidate_index,
        field,
        reference_field,
        candidates,
        row,
        column,
        blocks,
        candidate_count,
        1,
        taking,
    )
    for k in range(candidate_count):
        if candidates[k, 0] == vy and candidates[k, 1] == vx:
            return int(taking[k]) + TAKING
    return _price_anew(prices, candidates, vy, vx)


def _is_inter(modes: U8, top: int, bottom: int, left: int, right: int) -> bool:
    for i in range(top, bottom):
        for j in range(left, right):
            if modes[i, j] >= fields.INTRA16:
                return False
    return True


def _add(tries: I64, count: int, vy: int, vx: int) -> int:
    """Add a vector to the first `count` of `tries` unless present; returns the new count."""
    for k in range(count):
        if tries[k, 0] == vy and tries[k, 1] == vx:
            return count
    tries[count, 0], tries[count, 1] = vy, vx
    return count + 1


def unite(
    source: U8,
    planes: U8,
    reference_field: I16,
    prices: I32,
    bit_weights: F32,
    per_square: float,
    contexts: U16,
    offset: int,
    reference_counts: U8,
    trend: int,
    modes: U8,
    field: I16,
    costs: I32,
    static: U8,
    candidate_index: U8,
) -> None:
    """Give squares of blocks one vector where that is cheaper, small squares first.

    Tries the vectors of the square's blocks and the square's candidates.
    """
    rows, columns = modes.shape
    candidates = np.zeros((5, 3), np.int32)
    taking = np.zeros(fields.CANDIDATES, np.int32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    tries = np.zeros((16 + fields.CANDIDATES, 2), np.int64)
    apart = np.zeros((rows, columns), np.int32)  # price of motion in a square, at its corner
    sides = np.ones((rows, columns), np.uint8)
    fresh = np.zeros(16, np.int32)  # costs of the blocks under the vector that is tried
    kept = np.zeros(16, np.int32)
    for blocks in (2, 4):
        for row in range(0, rows, blocks):
            for column in range(0, columns, blocks):
                if not fields.may_unite(rows, columns, row, column, blocks):
                    continue
                bottom, right = min(row + blocks, rows), min(column + blocks, columns)
                if not _is_inter(modes, row, bottom, column, right):
                    continue
                united = fields.is_united(modes, field, row, column, blocks)
                weights = cx.by_united(
                    scratch, sides, reference_field, reference_counts, row, column, blocks, trend
                )
                yes = mixing.cost_q8(contexts, weights, scratch, 1) >> 4
                no = mixing.cost_q8(contexts, weights, scratch, 0) >> 4
                motions = int(no)  # price of signalling motion while nothing is united
                coded = 0
                count = 0
                for i in range(row, bottom):
                    for j in range(column, right):
                        vy, vx = int(field[2 * i, 2 * j, 0]), int(field[2 * i, 2 * j, 1])
                        coded += costs[i, j]
                        if blocks == 2 and modes[i, j] == fields.INTER8:
                            motions += SINGLE
                        elif blocks == 2:
                            motions += SINGLE + _motion_price(
                                contexts,
                                scratch,
                                candidate_index,
                                field,
                                reference_field,
                                prices,
                                candidates,
                                taking,
                                i,
                                j,
                                1,
                                vy,
                                vx,
                            )
                        elif i % 2 == 0 and j % 2 == 0:
                            motions += apart[i, j]
                        count = _add(tries, count, vy, vx)
                if count > 1:
                    candidate_count = fields.candidates_of(
                        field, reference_field, row, column, blocks, candidates
                    )
                    for w in range(candidate_count):
                        count = _add(tries, count, candidates[w, 0], candidates[w, 1])
                best = FAR if united else motions + coded
                chosen = -1
                motion_of = 0
                for k in range(count):
                    vy, vx = tries[k, 0], tries[k, 1]
                    motion = (
                        yes
                        + SQUARE
                        + _motion_price(
                            contexts,
                            scratch,
                            candidate_index,
                            field,
                            reference_field,
                            prices,
                            candidates,
                            taking,
                            row,
                            column,
                            blocks,
                            vy,
                            vx,
                        )
                    )
                    total = motion
                    at = 0
                    for i in range(row, bottom):
                        for j in range(column, right):
                            if (
                                modes[i, j] == fields.INTER16
                                and field[2 * i, 2 * j, 0] == vy
                                and field[2 * i, 2 * j, 1] == vx
                            ):
                                own = int(costs[i, j])
                            elif total < best:
                                own = _cost_at(
                                    source,
                                    planes,
                                    16 * (i + offset),
                                    16 * j,
                                    vy,
                                    vx,
                                    static[i, j],
                                    bit_weights,
                                    per_square,
                                )
                            else:
                                own = FAR
                            fresh[at] = own
                            total += own
                            at += 1
                    if total < best:
                        best = total
                        chosen = k
                        motion_of = motion
                        kept[:] = fresh
                if chosen >= 0:
                    at = 0
                    for i in range(row, bottom):
                        for j in range(column, right):
                            modes[i, j] = fields.INTER16
                            fields.set_block(field, i, j, tries[chosen, 0], tries[chosen, 1])
                            costs[i, j] = kept[at]
                            at += 1
                    fields.fill(sides, row, column, blocks, blocks)
                    apart[row, column] = motion_of
                else:
                    apart[row, column] = motions
    _mend(
        source,
        planes,
        reference_field,
        prices,
        bit_weights,
        per_square,
        contexts,
        offset,
        modes,
        field,
        costs,
        static,
        candidate_index,
        sides,
        candidates,
        taking,
        scratch,
    )


def _mend(
    source: U8,
    planes: U8,
    reference_field: I16,
    prices: I32,
    bit_weights: F32,
    per_square: float,
    contexts: U16,
    offset: int,
    modes: U8,
    field: I16,
    costs: I32,
    static: U8,
    candidate_index: U8,
    sides: U8,
    candidates: I32,
    taking: I32,
    scratch: I32,
) -> None:
    """Repeat the choice of single blocks, as their neighbours' vectors may have changed."""
    rows, columns = modes.shape
    for row in range(rows):
        for column in range(columns):
            if sides[row, column] > 1 or modes[row, column] != fields.INTER16:
                continue
            y, x = 2 * row, 2 * column
            candidate_count = fields.candidates_of(
                field, reference_field, row, column, 1, candidates
            )
            if fields.which(candidates, candidate_count, field, y, x) >= 0:
                continue
            v0, v1 = int(field[y, x, 0]), int(field[y, x, 1])
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
                candidate_count,
                1,
                taking,
            )
            best = costs[row, column] + _price_anew(prices, candidates, v0, v1)
            for k in range(candidate_count):
                price = int(taking[k]) + TAKING
                own = _cost_at(
                    source,
                    planes,
                    16 * (row + offset),
                    16 * column,
                    candidates[k, 0],
                    candidates[k, 1],
                    static[row, column],
                    bit_weights,
                    per_square,
                )
                if price + own < best:
                    best = price + own
                    costs[row, column] = own
                    v0, v1 = int(candidates[k, 0]), int(candidates[k, 1])
            fields.set_block(field, row, column, v0, v1)
