# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/motion/squares.

Squares of blocks that share one vector: the encoder unites blocks after its own search of them.

Small squares first. All prices are those of the adaptive contexts, in 1/16 bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import contexts as cx
from tests.reference import field as fields
from tests.reference import mixing
from tests.reference.cost import FAR, cost_moved, squared, vector_bits_q8
from tests.reference.shifts import REACH_PX

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
F32 = npt.NDArray[np.float32]

# What stands around a vector, in 1/16 bit: for a block that takes over a neighbour's, for a block
# on its own beside its motion, for a square of blocks with one vector.
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
    stands: int,
    worth: F32,
    per_square: float,
) -> int:
    """What a block costs besides its motion, in 1/16 bit, in the measure it was searched by."""
    if not fields.within_reach(y, x, vy, vx, source.shape[0], source.shape[1], REACH_PX):
        return FAR
    if stands:
        error = np.float32(squared(source, planes, y, x, vy, vx))
        return int(min(error * np.float32(per_square), np.float32(FAR)))
    return int(cost_moved(source, planes, y, x, vy, vx, 16, worth))


def _price_anew(prices: I32, near: I32, vy: int, vx: int) -> int:
    """Price of a vector that is no candidate, in 1/16 bit: told against the first of `near`."""
    return int((512 + vector_bits_q8(prices, vy - near[0, 0], vx - near[0, 1])) >> 4)


def _motion_price(
    contexts: U16,
    scratch: I32,
    takens: U8,
    field: I16,
    before: I16,
    prices: I32,
    near: I32,
    taking: I32,
    row: int,
    column: int,
    blocks: int,
    vy: int,
    vx: int,
) -> int:
    """Price of a vector for a block or a square, in 1/16 bit, as things stand around it."""
    ways = fields.candidates(field, before, row, column, blocks, near)
    cx.which_prices(
        contexts, scratch, takens, field, before, near, row, column, blocks, ways, 1, taking
    )
    for k in range(ways):
        if near[k, 0] == vy and near[k, 1] == vx:
            return int(taking[k]) + TAKING
    return _price_anew(prices, near, vy, vx)


def _is_inter(modes: U8, top: int, bottom: int, left: int, right: int) -> bool:
    for i in range(top, bottom):
        for j in range(left, right):
            if modes[i, j] >= fields.INTRA16:
                return False
    return True


def _add(tries: I64, count: int, vy: int, vx: int) -> int:
    """Add a vector to the first `count` of `tries` unless it is there; the new count."""
    for k in range(count):
        if tries[k, 0] == vy and tries[k, 1] == vx:
            return count
    tries[count, 0], tries[count, 1] = vy, vx
    return count + 1


def unite(
    source: U8,
    planes: U8,
    before: I16,
    prices: I32,
    worth: F32,
    per_square: float,
    contexts: U16,
    offset: int,
    counts_before: U8,
    pace: int,
    modes: U8,
    field: I16,
    costs: I32,
    stands: U8,
    takens: U8,
) -> None:
    """Give squares of blocks one vector where that is cheaper, small squares first.

    Tried are the vectors of the square's blocks and those that it could take over.
    """
    rows, columns = modes.shape
    near = np.zeros((5, 3), np.int32)
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
                    scratch, sides, before, counts_before, row, column, blocks, pace
                )
                yes = mixing.cost_q8(contexts, weights, scratch, 1) >> 4
                no = mixing.cost_q8(contexts, weights, scratch, 0) >> 4
                motions = int(no)  # what is said of motion while nothing is united
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
                                takens,
                                field,
                                before,
                                prices,
                                near,
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
                    ways = fields.candidates(field, before, row, column, blocks, near)
                    for w in range(ways):
                        count = _add(tries, count, near[w, 0], near[w, 1])
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
                            takens,
                            field,
                            before,
                            prices,
                            near,
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
                                    stands[i, j],
                                    worth,
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
        before,
        prices,
        worth,
        per_square,
        contexts,
        offset,
        modes,
        field,
        costs,
        stands,
        takens,
        sides,
        near,
        taking,
        scratch,
    )


def _mend(
    source: U8,
    planes: U8,
    before: I16,
    prices: I32,
    worth: F32,
    per_square: float,
    contexts: U16,
    offset: int,
    modes: U8,
    field: I16,
    costs: I32,
    stands: U8,
    takens: U8,
    sides: U8,
    near: I32,
    taking: I32,
    scratch: I32,
) -> None:
    """Let blocks on their own choose again, whose neighbours' vectors may have changed."""
    rows, columns = modes.shape
    for row in range(rows):
        for column in range(columns):
            if sides[row, column] > 1 or modes[row, column] != fields.INTER16:
                continue
            y, x = 2 * row, 2 * column
            ways = fields.candidates(field, before, row, column, 1, near)
            if fields.which(near, ways, field, y, x) >= 0:
                continue
            v0, v1 = int(field[y, x, 0]), int(field[y, x, 1])
            cx.which_prices(
                contexts, scratch, takens, field, before, near, row, column, 1, ways, 1, taking
            )
            best = costs[row, column] + _price_anew(prices, near, v0, v1)
            for k in range(ways):
                price = int(taking[k]) + TAKING
                own = _cost_at(
                    source,
                    planes,
                    16 * (row + offset),
                    16 * column,
                    near[k, 0],
                    near[k, 1],
                    stands[row, column],
                    worth,
                    per_square,
                )
                if price + own < best:
                    best = price + own
                    costs[row, column] = own
                    v0, v1 = int(near[k, 0]), int(near[k, 1])
            fields.set_block(field, row, column, v0, v1)
