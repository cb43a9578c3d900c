# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/rebuild and code.

From symbols to pictures, for both ends: prediction plus residual, block after block.

`code` is the encoder's loop: it chooses the final symbols, since intra prediction starts from
decoded neighbours, and leaves exactly the picture that `rebuild`, the decoder's loop, makes from
those symbols.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout
from tests.reference import contexts as cx
from tests.reference import field as fields
from tests.reference import intra, mixing, quantise, transform

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U16 = npt.NDArray[np.uint16]
F32 = npt.NDArray[np.float32]

_STARTS = np.array(layout.GROUP_STARTS, np.int64)
# What `free` says of a block: it takes over a vector, or is part of a square with one vector.
TAKEN, JOINED = 1, 2
# Price of what stands between "no skip" and the count where a vector is taken over.
_TAKING_Q8 = 256
_CHANNEL_OF = layout.CHANNEL_OF
# Channels that a quarter's 8x8 luma transform fills, quarter by quarter, and those of chroma.
_QUARTER = np.array(
    [
        sorted(
            int(layout.CHANNEL_OF[(2 * u + a) * 16 + 2 * v + b]) for u in range(8) for v in range(8)
        )
        for a in range(2)
        for b in range(2)
    ],
    np.int64,
)


# Channels of each 4x4 square of a quarter, square by square, and where in the square they belong.
_FINE = np.array(
    [
        [
            sorted(
                int(layout.CHANNEL_OF[(2 * (2 * u + c) + a) * 16 + 2 * (2 * v + d) + b])
                for u in range(4)
                for v in range(4)
            )
            for c in range(2)
            for d in range(2)
        ]
        for a in range(2)
        for b in range(2)
    ],
    np.int64,
)
_FINE_AT = np.array(
    [
        [4 * (int(layout.ORDER[c]) // 16 // 4) + int(layout.ORDER[c]) % 16 // 4 for c in square]
        for quarter in _FINE
        for square in quarter
    ],
    np.int64,
).reshape(4, 4, 16)


def differences(
    source: tuple[U8, U8, U8], prediction: tuple[U8, U8, U8], row: int, column: int, out: F32
) -> None:
    """The 384 samples of a block, source minus prediction."""
    for i in range(16):
        for j in range(16):
            out[i * 16 + j] = np.float32(source[0][16 * row + i, 16 * column + j]) - np.float32(
                prediction[0][16 * row + i, 16 * column + j]
            )
    for i in range(8):
        for j in range(8):
            y, x = 8 * row + i, 8 * column + j
            out[256 + i * 8 + j] = np.float32(source[1][y, x]) - np.float32(prediction[1][y, x])
            out[320 + i * 8 + j] = np.float32(source[2][y, x]) - np.float32(prediction[2][y, x])


def _add(plane: U8, y: int, x: int, size: int, residual: I32, at: int, pitch: int) -> None:
    for i in range(size):
        for j in range(size):
            value = int(plane[y + i, x + j]) + int(residual[at + i * pitch + j])
            plane[y + i, x + j] = np.uint8(min(max(value, 0), 255))


def _intra_into(
    plane: U8,
    y: int,
    x: int,
    size: int,
    right: int,
    below: int,
    mode: int,
    edge: I32,
    soft: I32,
    line: I32,
    guess: U8,
) -> None:
    """Predict a square of the plane from what is decoded around it."""
    intra.gather(plane, y, x, size, right, below, edge)
    if intra.wants_smooth(mode, size):
        intra.smooth(edge, size, soft)
        intra.predict(soft, size, mode, line, guess)
    else:
        intra.predict(edge, size, mode, line, guess)
    for i in range(size):
        for j in range(size):
            plane[y + i, x + j] = guess[i, j]


def rebuild(
    modes: U8,
    intra_modes: I8,
    counts: U8,
    splits: U8,
    symbols: I16,
    steps_q3: I32,
    y: U8,
    u: U8,
    v: U8,
) -> None:
    """Add the residual of every coded block to y, u, v, which hold the inter prediction.

    `symbols` is (blocks, 384). Intra blocks are predicted here, in raster order.
    """
    rows, columns = modes.shape
    work = np.empty(384, np.int32)
    tmp = np.empty(256, np.int32)
    residual = np.zeros(384, np.int32)
    edge = np.empty(65, np.int32)
    soft = np.empty(65, np.int32)
    line = np.empty(80, np.int32)
    guess = np.empty((16, 16), np.uint8)
    for row in range(rows):
        for column in range(columns):
            mode = modes[row, column]
            count = counts[row, column]
            is_intra = mode >= fields.INTRA16
            if count:
                transform.inverse(
                    symbols[row * columns + column],
                    steps_q3,
                    quantise.BIAS_Q8,
                    int(splits[row, column]),
                    work,
                    tmp,
                    residual,
                )
            top, left = 16 * row, 16 * column
            if is_intra:
                first = int(intra_modes[2 * row, 2 * column])
                if mode == fields.INTRA16:
                    _intra_into(
                        y, top, left, 16, 16 if row else 0, 0, first, edge, soft, line, guess
                    )
                else:
                    for k in range(4):
                        a, b = k >> 1, k & 1
                        way = int(intra_modes[2 * row + a, 2 * column + b])
                        if transform.kind_of(int(splits[row, column]), k):
                            for m in range(4):
                                yy, xx = top + 8 * a + 4 * (m >> 1), left + 8 * b + 4 * (m & 1)
                                right = intra.right_of_sixteenth(m, k, row)
                                below = intra.below_sixteenth(m, k)
                                _intra_into(
                                    y, yy, xx, 4, right, below, way, edge, soft, line, guess
                                )
                                if count:
                                    at = (yy - top) * 16 + xx - left
                                    _add(y, yy, xx, 4, residual, at, 16)
                            continue
                        _intra_into(
                            y,
                            top + 8 * a,
                            left + 8 * b,
                            8,
                            intra.right_of_quarter(k, row),
                            8 if k == 0 else 0,
                            way,
                            edge,
                            soft,
                            line,
                            guess,
                        )
                        if count:
                            _add(y, top + 8 * a, left + 8 * b, 8, residual, a * 128 + b * 8, 16)
                _intra_into(
                    u, 8 * row, 8 * column, 8, 8 if row else 0, 0, first, edge, soft, line, guess
                )
                _intra_into(
                    v, 8 * row, 8 * column, 8, 8 if row else 0, 0, first, edge, soft, line, guess
                )
            if count:
                if mode != fields.INTRA8:
                    _add(y, top, left, 16, residual, 0, 16)
                _add(u, 8 * row, 8 * column, 8, residual, 256, 8)
                _add(v, 8 * row, 8 * column, 8, residual, 320, 8)


def code(
    source: tuple[U8, U8, U8],
    modes: U8,
    intra_modes: I8,
    splits: U8,
    coefficients: F32,
    tables: U8,
    costs_q8: I32,
    mu: float,
    steps_q3: I32,
    contexts: U16,
    counts_before: U8,
    pace: int,
    free: U8,
    hurdle: U8,
    counts: U8,
    symbols: I16,
    y: U8,
    u: U8,
    v: U8,
) -> None:
    """Choose symbols by rate and distortion, and rebuild the picture along the way.

    `coefficients` (blocks, 384) are those of the inter blocks; `tables` (blocks, 384) the tables
    that a first pass found; `free` (0, TAKEN or JOINED) marks blocks that cost next to nothing when
    their count is 0, and coding them must gain more than their `hurdle` in bits.
    On entry `counts` holds the first pass' counts, an upper bound; on return the final ones. y, u,
    v hold the inter prediction on entry and the picture on return.
    """
    rows, columns = modes.shape
    inverse_steps = (np.float32(8) / steps_q3).astype(np.float32)
    work = np.empty(384, np.int32)
    tmp = np.empty(256, np.int32)
    residual = np.zeros(384, np.int32)
    samples = np.zeros(384, np.float32)
    own = np.zeros(384, np.float32)
    ftmp = np.empty(256, np.float32)
    fout = np.empty(256, np.float32)
    saved = np.zeros(2, np.float32)
    edge = np.empty(65, np.int32)
    soft = np.empty(65, np.int32)
    line = np.empty(80, np.int32)
    guess = np.empty((16, 16), np.uint8)
    skips = np.zeros_like(counts)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    prices = np.zeros(5, np.int32)
    here = (y, u, v)
    per_bit = mu / 256
    for row in range(rows):
        for column in range(columns):
            index = row * columns + column
            mode = modes[row, column]
            most = int(counts[row, column])
            block = symbols[index]
            row_tables = tables[index]
            top, left = 16 * row, 16 * column
            is_intra = mode >= fields.INTRA16
            first = int(intra_modes[2 * row, 2 * column])
            if is_intra:
                if mode == fields.INTRA16:
                    _intra_into(
                        y, top, left, 16, 16 if row else 0, 0, first, edge, soft, line, guess
                    )
                else:
                    block[:] = 0
                    for k in range(4):
                        a, b = k >> 1, k & 1
                        way = int(intra_modes[2 * row + a, 2 * column + b])
                        kind = transform.kind_of(int(splits[row, column]), k)
                        if kind:
                            for m in range(4):
                                yy, xx = top + 8 * a + 4 * (m >> 1), left + 8 * b + 4 * (m & 1)
                                right = intra.right_of_sixteenth(m, k, row)
                                below = intra.below_sixteenth(m, k)
                                _intra_into(
                                    y, yy, xx, 4, right, below, way, edge, soft, line, guess
                                )
                                if most:
                                    _code_fine(
                                        *(source[0], y, yy, xx, _FINE[k, m], _FINE_AT[k, m], kind),
                                        *(own, row_tables, costs_q8, mu, inverse_steps),
                                        *(_STARTS[most], steps_q3, block),
                                        *(samples, ftmp, fout, saved, work, tmp, residual),
                                    )
                            continue
                        _intra_into(
                            y,
                            top + 8 * a,
                            left + 8 * b,
                            8,
                            intra.right_of_quarter(k, row),
                            8 if k == 0 else 0,
                            way,
                            edge,
                            soft,
                            line,
                            guess,
                        )
                        if most == 0:
                            continue
                        _code_quarter(
                            source[0],
                            y,
                            top,
                            left,
                            a,
                            b,
                            own,
                            row_tables,
                            costs_q8,
                            mu,
                            inverse_steps,
                            most,
                            steps_q3,
                            block,
                            samples,
                            ftmp,
                            fout,
                            saved,
                            work,
                            tmp,
                            residual,
                        )
                _intra_into(
                    u, 8 * row, 8 * column, 8, 8 if row else 0, 0, first, edge, soft, line, guess
                )
                _intra_into(
                    v, 8 * row, 8 * column, 8, 8 if row else 0, 0, first, edge, soft, line, guess
                )
            if most == 0:
                block[:] = 0
                counts[row, column] = 0
                skips[row, column] = free[row, column]
                continue
            if is_intra:
                differences(source, here, row, column, samples)
                transform.forward(samples, 1 if mode == fields.INTRA8 else 0, own, ftmp, fout)
                levels = own
            else:
                levels = coefficients[index]
            if mode == fields.INTRA8:
                # Luma is done; weigh chroma alone.
                needed = 0
                for g in range(4):
                    for c in range(_STARTS[g], _STARTS[g + 1]):
                        if layout_is_chroma(c) and g < most:
                            quantise.weighed(
                                levels,
                                inverse_steps,
                                c,
                                c + 1,
                                row_tables,
                                costs_q8,
                                mu,
                                block,
                                saved,
                            )
                        if block[c]:
                            needed = g + 1
                counts[row, column] = needed
            else:
                if is_intra:
                    kind = cx.WITHIN
                elif mode == fields.INTER8:
                    kind = cx.QUARTERS
                elif free[row, column] == JOINED:
                    kind = cx.JOINED
                else:
                    kind = cx.TAKEN if free[row, column] else cx.WHOLE
                best_count = 0
                gain = np.float32(0)
                cx.count_prices(
                    contexts, scratch, counts, counts_before, row, column, kind, pace, prices
                )
                none = prices[0]
                spoken = 0
                if free[row, column] == TAKEN:
                    spoken, none = cx.skip_prices_q8(
                        contexts, scratch, skips, counts_before, row, column, pace
                    )
                    spoken += _TAKING_Q8
                best = np.float32(per_bit * 256 * hurdle[row, column])
                for g in range(most):
                    quantise.weighed(
                        levels,
                        inverse_steps,
                        _STARTS[g],
                        _STARTS[g + 1],
                        row_tables,
                        costs_q8,
                        mu,
                        block,
                        saved,
                    )
                    gain += saved[1] - saved[0]
                    price = prices[g + 1] + spoken
                    net = gain - np.float32(per_bit * (price - none))
                    if net > best:
                        best = net
                        best_count = g + 1
                for c in range(_STARTS[best_count], 384):
                    block[c] = 0
                needed = 0
                for g in range(best_count):
                    for c in range(_STARTS[g], _STARTS[g + 1]):
                        if block[c]:
                            needed = g + 1
                            break
                counts[row, column] = needed
            if free[row, column] and counts[row, column] == 0:
                skips[row, column] = 1
            if counts[row, column]:
                transform.inverse(
                    *(block, steps_q3, quantise.BIAS_Q8, int(splits[row, column])),
                    *(work, tmp, residual),
                )
                if mode != fields.INTRA8:
                    _add(y, top, left, 16, residual, 0, 16)
                _add(u, 8 * row, 8 * column, 8, residual, 256, 8)
                _add(v, 8 * row, 8 * column, 8, residual, 320, 8)


def layout_is_chroma(channel: int) -> bool:
    """True when the channel holds a chroma coefficient."""
    return transform._ORDER[channel] >= 256


def _code_quarter(
    source: U8,
    y: U8,
    top: int,
    left: int,
    a: int,
    b: int,
    own: F32,
    tables: U8,
    costs_q8: I32,
    mu: float,
    inverse_steps: F32,
    most: int,
    steps_q3: I32,
    block: I16,
    samples: F32,
    ftmp: F32,
    fout: F32,
    saved: F32,
    work: I32,
    tmp: I32,
    residual: I32,
) -> None:
    """Code one 8x8 luma quarter of an intra block against the prediction that stands in `y`."""
    for i in range(8):
        for j in range(8):
            yy, xx = top + 8 * a + i, left + 8 * b + j
            samples[i * 8 + j] = np.float32(source[yy, xx]) - np.float32(y[yy, xx])
    transform.forward8(samples, 0, 8, ftmp, fout)
    for u in range(8):
        for v in range(8):
            own[_CHANNEL_OF[(2 * u + a) * 16 + 2 * v + b]] = fout[u * 8 + v]
    limit = _STARTS[most]
    quarter = 2 * a + b
    for k in range(64):
        c = _QUARTER[quarter, k]
        if c >= limit:
            break
        quantise.weighed(own, inverse_steps, c, c + 1, tables, costs_q8, mu, block, saved)
    transform.dequantise(block, steps_q3, quantise.BIAS_Q8, work)
    for u in range(8):
        for v in range(8):
            residual[u * 8 + v] = work[(2 * u + a) * 16 + 2 * v + b]
    transform._inverse_columns(residual, 0, 8, 8, transform._B8, tmp)
    for i in range(8):
        for j in range(8):
            residual[i * 8 + j] = tmp[i * 8 + j]
    _add(y, top + 8 * a, left + 8 * b, 8, residual, 0, 8)


def _code_fine(
    source: U8,
    y: U8,
    top: int,
    left: int,
    channels: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    kind: int,
    own: F32,
    tables: U8,
    costs_q8: I32,
    mu: float,
    inverse_steps: F32,
    limit: int,
    steps_q3: I32,
    block: I16,
    samples: F32,
    ftmp: F32,
    fout: F32,
    saved: F32,
    work: I32,
    tmp: I32,
    residual: I32,
) -> None:
    """Code one 4x4 luma square of an intra block against the prediction that stands in `y`."""
    for i in range(4):
        for j in range(4):
            samples[i * 4 + j] = np.float32(source[top + i, left + j]) - np.float32(
                y[top + i, left + j]
            )
    if kind == transform.FOUR:
        transform.forward4(samples, 0, 4, ftmp, fout)
    else:
        fout[:16] = samples[:16]
    for k in range(16):
        own[channels[k]] = fout[places[k]]
    for k in range(16):
        c = channels[k]
        if c < limit:
            quantise.weighed(own, inverse_steps, c, c + 1, tables, costs_q8, mu, block, saved)
        work[places[k]] = transform.dequantised(int(block[c]), int(steps_q3[c]), quantise.BIAS_Q8)
    transform.inverse_fine(work, kind, tmp, residual)
    _add(y, top, left, 4, residual, 0, 4)
