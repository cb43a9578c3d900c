# SPDX-License-Identifier: Apache-2.0
"""Which mode and vectors a block gets: the encoder's own business, since the result is signalled.

Each block tries the vectors of its neighbours and of the frame before, walks downhill from the best
in growing detail (whole, half, quarter samples) by the sum of absolute differences, then compares
whole block, four quarters, and intra prediction by the sum of absolute Hadamard coefficients, which
foretells bits better. Bits are weighed in everywhere, at the price of the adaptive contexts.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec import contexts as cx
from streamcodec.blocks import intra, transform
from streamcodec.entropy import mixing
from streamcodec.motion import field as fields
from streamcodec.motion.compensate import PAD_PX, REACH_PX

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I8 = npt.NDArray[np.int8]
F32 = npt.NDArray[np.float32]

_FAR = 1 << 28
# Foretold bits of a whole block from which quarters, and intra prediction, are tried.
QUARTERS_FROM = 60
INTRA_FROM = 100
# What a vector costs besides its bits where all around stands: such a block would be a skip.
ALONE = 4
# What stands around a vector, in 1/16 bit: for a block that takes over a neighbour's, for a block
# on its own beside its motion, for a square of blocks with one vector.
TAKING = 4
SINGLE = 6
SQUARE = 4


@nb.njit(nogil=True, cache=True)
def sad(source: U8, planes: U8, y: int, x: int, vy: int, vx: int, size: int, best: int) -> int:
    """Sum of absolute differences to the moved reference; gives up beyond `best`."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    total = np.int32(0)
    if size == 16:
        for i in range(16):
            a = source[y + i, x : x + 16]
            b = plane[top + i, left : left + 16]
            for j in range(16):
                total += np.int32(abs(np.int32(a[j]) - np.int32(b[j])))
            if (i & 3) == 3 and total >= best:
                return np.int64(total)
    else:
        for i in range(8):
            a = source[y + i, x : x + 8]
            b = plane[top + i, left : left + 8]
            for j in range(8):
                total += np.int32(abs(np.int32(a[j]) - np.int32(b[j])))
    return np.int64(total)


@nb.njit(nogil=True, cache=True)
def _squares(source: U8, planes: U8, y: int, x: int, vy: int, vx: int) -> int:
    """Sum of squared differences of a 16x16 block to the moved reference."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    total = np.int32(0)
    for i in range(16):
        a = source[y + i, x : x + 16]
        b = plane[top + i, left : left + 16]
        for j in range(16):
            d = np.int32(a[j]) - np.int32(b[j])
            total += d * d
    return np.int64(total)


@nb.njit(nogil=True, cache=True, fastmath=True)
def _worth(work: I32, worth: F32) -> int:
    """Foretold cost in 1/16 bit of the 8x8 differences work[64], by their Hadamard coefficients.

    The less of worth[0] times a coefficient's square, and worth[1] times its size.
    """
    for _ in range(2):
        for half in (4, 2, 1):
            for base in range(0, 8, 2 * half):
                for k in range(base, base + half):
                    for j in range(8):
                        a = work[k * 8 + j]
                        b = work[(k + half) * 8 + j]
                        work[k * 8 + j] = a + b
                        work[(k + half) * 8 + j] = a - b
        for i in range(8):
            for j in range(i):
                a = work[i * 8 + j]
                work[i * 8 + j] = work[j * 8 + i]
                work[j * 8 + i] = a
    total = np.float32(0)
    dropped, coded = worth[0], worth[1]
    for i in range(64):
        a = np.float32(abs(work[i]))
        total += min(a * a * dropped, a * coded)
    return np.int64(total)


def worths(step: float, mu: float, per_step: float) -> F32:
    """(2,) foretold cost in 1/16 bit of a Hadamard coefficient, 8 times its orthonormal size.

    A coefficient of a steps is dropped at a**2 / mu bits, or costs a / `per_step`.
    """
    unit = 8 * step
    return np.array([16 / (mu * unit * unit), 16 / (per_step * unit)], np.float32)


@nb.njit(nogil=True, cache=True)
def cost_moved(
    source: U8,
    planes: U8,
    y: int,
    x: int,
    vy: int,
    vx: int,
    size: int,
    worth: F32,
    work: I32,
    best: int,
) -> int:
    """Foretold cost of a block against the moved reference, in 1/16 bit; gives up beyond `best`."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    total = 0
    for by in range(0, size, 8):
        for bx in range(0, size, 8):
            for i in range(8):
                a = source[y + by + i, x + bx : x + bx + 8]
                b = plane[top + by + i, left + bx : left + bx + 8]
                for j in range(8):
                    work[i * 8 + j] = np.int32(a[j]) - np.int32(b[j])
            total += _worth(work, worth)
            if total > best:
                return total
    return total


@nb.njit(nogil=True, cache=True)
def cost_block(source: U8, y: int, x: int, size: int, prediction: U8, worth: F32, work: I32) -> int:
    """Foretold cost of a block against prediction[:size, :size], in 1/16 bit."""
    total = 0
    for by in range(0, size, 8):
        for bx in range(0, size, 8):
            for i in range(8):
                for j in range(8):
                    work[i * 8 + j] = np.int32(source[y + by + i, x + bx + j]) - np.int32(
                        prediction[by + i, bx + j]
                    )
            total += _worth(work, worth)
    return total


@nb.njit(nogil=True, cache=True, inline="always")
def _vector_bits_q8(prices: I32, dy: int, dx: int) -> int:
    """Price of a vector difference; prices is (2, 1024) by component and magnitude."""
    return prices[0, min(abs(dy), 1023)] + prices[1, min(abs(dx), 1023)]


@nb.njit(nogil=True, cache=True)
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
    """Walk start = (vy, vx, cost) to a nearby minimum; quarter samples; returns the cost."""
    height, width = source.shape
    vy, vx, best = np.int64(start[0]), np.int64(start[1]), np.int64(start[2])
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
                rate = (lambda_q8 * _vector_bits_q8(prices, ty - origin_y, tx - origin_x)) >> 16
                if rate >= best:
                    continue
                cost = rate + sad(source, planes, y, x, ty, tx, size, best - rate)
                if cost < best:
                    best, vy, vx = cost, ty, tx
            moves += 1
            if (vy == cy and vx == cx) or step < 4 or moves >= 16:
                break
        step >>= 1
    start[0], start[1], start[2] = vy, vx, best
    return best


@nb.njit(nogil=True, cache=True)
def best_intra(
    source: U8,
    y: int,
    x: int,
    size: int,
    right: int,
    below: int,
    worth: F32,
    quick: bool,
    edge: I32,
    soft: I32,
    line: I32,
    guess: U8,
    work: I32,
    hint: int,
) -> tuple[int, int]:
    """(mode, cost) of the best intra prediction from the source's own neighbours.

    `hint` is a mode that costs few bits; `quick` tries only the four commonest.
    """
    intra.gather(source, y, x, size, right, below, edge)
    intra.smooth(edge, size, soft)
    best_mode = -1
    best = _FAR
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
            cost = cost_block(source, y, x, size, guess, worth, work)
            cost += cheap if mode == hint else dear
            if cost < best:
                best, best_mode = cost, mode
    return best_mode, best


@nb.njit(nogil=True, cache=True)
def _kind_of_quarter(
    source: U8,
    row: int,
    column: int,
    quarter: int,
    mode: int,
    inverse_step: float,
    edge: I32,
    soft: I32,
    line: I32,
    guess: U8,
    samples: F32,
    tmp: F32,
    out: F32,
) -> tuple[int, float, float]:
    """How an 8x8 quarter is best transformed: kind, rough bits of one 8x8, and of that kind.

    Predicted from the source's own neighbours; finer kinds predict each 4x4 square anew.
    """
    y, x = 16 * row + 8 * (quarter >> 1), 16 * column + 8 * (quarter & 1)
    below = 8 if quarter == 0 else 0
    intra.gather(source, y, x, 8, intra.right_of_quarter(quarter, row), below, edge)
    if intra.wants_smooth(mode, 8):
        intra.smooth(edge, 8, soft)
        intra.predict(soft, 8, mode, line, guess)
    else:
        intra.predict(edge, 8, mode, line, guess)
    for i in range(8):
        for j in range(8):
            samples[16 * i + j] = np.float32(source[y + i, x + j]) - np.float32(guess[i, j])
    transform.forward8(samples, 0, 16, tmp, out)
    eight = transform.worth(out, 64, inverse_step)
    if eight < transform.COARSEST:
        return transform.EIGHT, eight, eight
    for k in range(4):
        a, b = 4 * (k >> 1), 4 * (k & 1)
        right = intra.right_of_sixteenth(k, quarter, row)
        below = intra.below_sixteenth(k, quarter)
        intra.gather(source, y + a, x + b, 4, right, below, edge)
        intra.predict(edge, 4, mode, line, guess)
        for i in range(4):
            for j in range(4):
                samples[16 * (a + i) + b + j] = np.float32(
                    source[y + a + i, x + b + j]
                ) - np.float32(guess[i, j])
    kind, least = transform.finer(samples, 0, eight, inverse_step, tmp, out)
    return kind, eight, least


@nb.njit(nogil=True, cache=True)
def analyse_key(
    source: U8,
    worth: F32,
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
    work = np.empty(64, np.int32)
    small = np.empty(4, np.int64)
    samples = np.zeros(256, np.float32)
    ftmp = np.empty(64, np.float32)
    fout = np.empty(64, np.float32)
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
                worth,
                False,
                edge,
                soft,
                line,
                guess,
                work,
                hint,
            )
            total = 3 * 16
            near = hint
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
                    worth,
                    False,
                    edge,
                    soft,
                    line,
                    guess,
                    work,
                    near,
                )
                near = small[k]
                kind, eight, least = _kind_of_quarter(
                    *(source, row, column, k, small[k], inverse_step),
                    *(edge, soft, line, guess, samples, ftmp, fout),
                )
                if kind:
                    part = np.int64(part * least / eight)
                    kinds = transform.with_kind(kinds, k, kind)
                total += part
                if total >= cost:
                    break
            split = total < cost
            modes[row, column] = fields.INTRA8 if split else fields.INTRA16
            splits[row, column] = kinds if split else 0
            for k in range(4):
                intra_modes[2 * row + (k >> 1), 2 * column + (k & 1)] = small[k] if split else mode


@nb.njit(nogil=True, cache=True)
def analyse_inter(
    source: U8,
    planes: U8,
    before: I16,
    lambda_q8: int,
    prices: I32,
    still: int,
    worth: F32,
    per_square: float,
    contexts: U16,
    offset: int,
    counts_before: U8,
    pace: int,
    modes: U8,
    field: I16,
    intra_modes: I8,
) -> None:
    """Choose mode and vectors for every block of a band of rows of an inter frame.

    The band starts `offset` blocks below the top; it looks at no vectors above itself, so that
    bands can be searched side by side. modes, field, intra_modes and `before` are the band's rows.

    `planes` are the reference's 16 quarter-sample planes, `before` its field, `lambda_q8` the price
    of a bit in absolute difference, `still` the difference below which a candidate is taken without
    a search. `worth` and `per_square` (of a squared difference) are in 1/16 bit. `contexts` tell
    what bits cost. Fills modes, field and intra_modes (-1 in inter blocks).
    """
    rows, columns = modes.shape
    height, width = source.shape
    near = np.zeros((5, 3), np.int32)
    takens = np.zeros((rows, columns), np.uint8)
    origin = np.zeros((1, 2), np.int32)
    start = np.zeros(3, np.int32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    taking = np.zeros(fields.CANDIDATES, np.int32)
    part = np.zeros((4, 2), np.int32)
    work = np.empty(64, np.int32)
    edge = np.empty(65, np.int32)
    soft = np.empty(65, np.int32)
    line = np.empty(80, np.int32)
    guess = np.empty((16, 16), np.uint8)
    costs = np.zeros((rows, columns), np.int32)
    stands = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        for column in range(columns):
            y = 16 * (row + offset)
            x = 16 * column
            count = fields.candidates(field, before, row, column, 1, near)
            p0, p1 = np.int64(near[0, 0]), np.int64(near[0, 1])
            best = np.int64(_FAR)
            v0, v1 = np.int64(0), np.int64(0)
            cx.which_prices(
                contexts, scratch, takens, field, before, near, row, column, 1, count, 1, taking
            )
            # Neighbours' vectors first: they cost almost nothing to signal.
            for k in range(count):
                c0, c1 = np.int64(near[k, 0]), np.int64(near[k, 1])
                if not fields.within_reach(y, x, c0, c1, height, width, REACH_PX):
                    continue
                rate = (lambda_q8 * taking[k]) >> 12 if count > 1 else 0
                cost = rate + sad(source, planes, y, x, c0, c1, 16, best - rate)
                if cost < best:
                    best, v0, v1 = cost, c0, c1
            modes[row, column] = fields.INTER16
            for i in range(2):
                for j in range(2):
                    intra_modes[2 * row + i, 2 * column + j] = -1
            if best < still:
                # Differences this small are not coded: what counts is the error that stays.
                least = np.float32(1e30)
                for k in range(count):
                    c0, c1 = np.int64(near[k, 0]), np.int64(near[k, 1])
                    if not fields.within_reach(y, x, c0, c1, height, width, REACH_PX):
                        continue
                    error = np.float32(_squares(source, planes, y, x, c0, c1))
                    stays = error * np.float32(per_square)
                    if count > 1:
                        stays += taking[k]
                    if stays < least:
                        least, v0, v1 = stays, c0, c1
                        costs[row, column] = np.int32(min(error * np.float32(per_square), _FAR))
                        takens[row, column] = k
                stands[row, column] = 1
                fields.set_block(field, row, column, v0, v1)
                continue
            for k in range(5):
                if k == 0:
                    c0, c1 = np.int64(0), np.int64(0)
                elif k == 1:
                    c0, c1 = (
                        np.int64(before[2 * row, 2 * column, 0]),
                        np.int64(before[2 * row, 2 * column, 1]),
                    )
                elif k == 2:
                    c0 = np.int64(before[2 * row + 1, 2 * column + 1, 0])
                    c1 = np.int64(before[2 * row + 1, 2 * column + 1, 1])
                elif k == 3 and column + 1 < columns:
                    c0 = np.int64(before[2 * row, 2 * column + 2, 0])
                    c1 = np.int64(before[2 * row, 2 * column + 2, 1])
                elif k == 4 and row + 1 < rows:
                    c0 = np.int64(before[2 * row + 2, 2 * column, 0])
                    c1 = np.int64(before[2 * row + 2, 2 * column, 1])
                else:
                    continue
                if (c0 == v0 and c1 == v1) or not fields.within_reach(
                    y, x, c0, c1, height, width, REACH_PX
                ):
                    continue
                rate = (lambda_q8 * (512 + _vector_bits_q8(prices, c0 - p0, c1 - p1))) >> 16
                if rate >= best:
                    continue
                cost = rate + sad(source, planes, y, x, c0, c1, 16, best - rate)
                if cost < best:
                    best, v0, v1 = cost, c0, c1
            start[0], start[1], start[2] = v0, v1, best
            # A good start needs no wide steps.
            wide = 16 if best > 8 * still else 4
            _descend(source, planes, y, x, 16, p0, p1, start, lambda_q8, prices, wide)
            v0, v1 = np.int64(start[0]), np.int64(start[1])
            # Now by Hadamard: the found vector, the best free one, four quarters, intra.
            rate = (512 + _vector_bits_q8(prices, v0 - p0, v1 - p1)) >> 4
            if count == 1 and p0 == 0 and p1 == 0:
                rate += 16 * ALONE
            f0, f1 = v0, v1
            found = cost_moved(source, planes, y, x, v0, v1, 16, worth, work, _FAR)
            whole = rate + found
            costs[row, column] = found
            for k in range(count):
                c0, c1 = np.int64(near[k, 0]), np.int64(near[k, 1])
                if not fields.within_reach(y, x, c0, c1, height, width, REACH_PX):
                    continue
                free = taking[k] + 16 if count > 1 else 16
                own = found
                if c0 != f0 or c1 != f1:
                    own = cost_moved(source, planes, y, x, c0, c1, 16, worth, work, whole - free)
                if free + own <= whole:
                    whole, v0, v1 = free + own, c0, c1
                    costs[row, column] = own
                    takens[row, column] = k
            fields.set_block(field, row, column, v0, v1)
            if whole < 16 * QUARTERS_FROM:
                continue
            total = 3 * 16
            for k in range(4):
                a, b = k >> 1, k & 1
                fields.predictor(field, 2 * row + a, 2 * column + b, 1, origin, 0)
                o0, o1 = np.int64(origin[0, 0]), np.int64(origin[0, 1])
                yy, xx = y + 8 * a, x + 8 * b
                rate = (lambda_q8 * _vector_bits_q8(prices, v0 - o0, v1 - o1)) >> 16
                cost = rate + sad(source, planes, yy, xx, v0, v1, 8, _FAR)
                start[0], start[1], start[2] = v0, v1, cost
                if fields.within_reach(y, x, o0, o1, height, width, REACH_PX):
                    rate = (lambda_q8 * _vector_bits_q8(prices, 0, 0)) >> 16
                    other = rate + sad(source, planes, yy, xx, o0, o1, 8, _FAR)
                    if other < cost:
                        start[0], start[1], start[2] = o0, o1, other
                _descend(source, planes, yy, xx, 8, o0, o1, start, lambda_q8, prices, 8)
                # Reach is checked for the 16x16 block at this corner; keep the whole block's too.
                if not fields.within_reach(y, x, start[0], start[1], height, width, REACH_PX):
                    start[0], start[1] = v0, v1
                part[k, 0], part[k, 1] = start[0], start[1]
                field[2 * row + a, 2 * column + b, 0] = start[0]
                field[2 * row + a, 2 * column + b, 1] = start[1]
                total += _vector_bits_q8(prices, start[0] - o0, start[1] - o1) >> 4
                total += cost_moved(
                    source, planes, yy, xx, start[0], start[1], 8, worth, work, _FAR
                )
                if total >= whole:
                    break
            if total < whole:
                modes[row, column] = fields.INTER8
                takens[row, column] = 0
                costs[row, column] = total
                whole = total
            else:
                fields.set_block(field, row, column, v0, v1)
            if whole > 16 * INTRA_FROM:
                # Few blocks of an inter frame are intra: five modes tell whether to try them all.
                mode, cost = best_intra(
                    source,
                    y,
                    x,
                    16,
                    16,
                    0,
                    worth,
                    True,
                    edge,
                    soft,
                    line,
                    guess,
                    work,
                    intra.PLANAR,
                )
                if cost < whole + (whole >> 2):
                    mode, cost = best_intra(
                        source,
                        y,
                        x,
                        16,
                        16,
                        0,
                        worth,
                        False,
                        edge,
                        soft,
                        line,
                        guess,
                        work,
                        intra.PLANAR,
                    )
                if cost + 4 * 16 < whole:
                    modes[row, column] = fields.INTRA16
                    fields.set_block(field, row, column, 0, 0)
                    for i in range(2):
                        for j in range(2):
                            intra_modes[2 * row + i, 2 * column + j] = mode
    _unite(
        source,
        planes,
        before,
        prices,
        worth,
        per_square,
        contexts,
        offset,
        counts_before,
        pace,
        modes,
        field,
        costs,
        stands,
        takens,
    )


@nb.njit(nogil=True, cache=True)
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
    work: I32,
    best: int,
) -> int:
    """What a block costs besides its motion, in 1/16 bit, in the measure it was searched by."""
    if not fields.within_reach(y, x, vy, vx, source.shape[0], source.shape[1], REACH_PX):
        return np.int64(_FAR)
    if stands:
        error = np.float32(_squares(source, planes, y, x, vy, vx))
        return np.int64(min(error * np.float32(per_square), np.float32(_FAR)))
    return np.int64(cost_moved(source, planes, y, x, vy, vx, 16, worth, work, best))


@nb.njit(nogil=True, cache=True)
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
            return np.int64(taking[k]) + TAKING
    return np.int64((512 + _vector_bits_q8(prices, vy - near[0, 0], vx - near[0, 1])) >> 4)


@nb.njit(nogil=True, cache=True)
def _unite(
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
    work = np.empty(64, np.int32)
    tries = np.zeros((16 + fields.CANDIDATES, 2), np.int64)
    apart = np.zeros((rows, columns), np.int32)  # price of a square as it stands, at its corner
    sides = np.ones((rows, columns), np.uint8)
    fresh = np.zeros((16, 1), np.int32)
    kept = np.zeros((16, 1), np.int32)
    for blocks in (2, 4):
        for row in range(0, rows, blocks):
            for column in range(0, columns, blocks):
                if not fields.may_unite(rows, columns, row, column, blocks):
                    continue
                bottom, right = min(row + blocks, rows), min(column + blocks, columns)
                united = fields.is_united(modes, field, row, column, blocks)
                weights = cx.by_united(
                    scratch, sides, before, counts_before, row, column, blocks, pace
                )
                yes = mixing.cost_q8(contexts, weights, scratch, 1) >> 4
                no = mixing.cost_q8(contexts, weights, scratch, 0) >> 4
                whole = True
                spent = no
                count = 0
                for i in range(row, bottom):
                    for j in range(column, right):
                        if modes[i, j] >= fields.INTRA16:
                            whole = False
                            break
                        vy, vx = np.int64(field[2 * i, 2 * j, 0]), np.int64(field[2 * i, 2 * j, 1])
                        spent += costs[i, j]
                        if blocks == 2 and modes[i, j] == fields.INTER8:
                            spent += SINGLE
                        elif blocks == 2:
                            spent += SINGLE + _motion_price(
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
                            spent += apart[i, j]
                        known = False
                        for k in range(count):
                            if tries[k, 0] == vy and tries[k, 1] == vx:
                                known = True
                        if not known:
                            tries[count, 0], tries[count, 1] = vy, vx
                            count += 1
                    if not whole:
                        break
                if not whole:
                    # Its price is not asked for: with an intra block in it no square is united.
                    continue
                if count > 1:
                    ways = fields.candidates(field, before, row, column, blocks, near)
                    for w in range(ways):
                        known = False
                        for k in range(count):
                            if tries[k, 0] == near[w, 0] and tries[k, 1] == near[w, 1]:
                                known = True
                        if not known:
                            tries[count, 0], tries[count, 1] = near[w, 0], near[w, 1]
                            count += 1
                best = np.int64(_FAR) if united else np.int64(spent)
                chosen = -1
                motion_of = np.int64(0)
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
                                own = np.int64(costs[i, j])
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
                                    work,
                                    best - total,
                                )
                            else:
                                own = np.int64(_FAR)
                            fresh[at, 0] = own
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
                            costs[i, j] = kept[at, 0]
                            at += 1
                    fields.fill(sides, row, column, blocks, blocks)
                    apart[row, column] = motion_of
                else:
                    total = np.int64(0)
                    for i in range(row, bottom):
                        for j in range(column, right):
                            total += costs[i, j]
                    apart[row, column] = spent - total
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
        work,
    )


@nb.njit(nogil=True, cache=True)
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
    work: I32,
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
            v0, v1 = np.int64(field[y, x, 0]), np.int64(field[y, x, 1])
            cx.which_prices(
                contexts, scratch, takens, field, before, near, row, column, 1, ways, 1, taking
            )
            best = costs[row, column] + (
                (512 + _vector_bits_q8(prices, v0 - near[0, 0], v1 - near[0, 1])) >> 4
            )
            for k in range(ways):
                price = np.int64(taking[k]) + TAKING
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
                    work,
                    best - price,
                )
                if price + own < best:
                    best = price + own
                    costs[row, column] = own
                    v0, v1 = np.int64(near[k, 0]), np.int64(near[k, 1])
            fields.set_block(field, row, column, v0, v1)
