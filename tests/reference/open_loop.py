# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/open_loop: coefficients before anything is coded."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference import field as fields
from tests.reference import intra, quantise, rebuild, transform

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]
Planes = tuple[U8, U8, U8]


def inter_samples(
    source: Planes,
    prediction: Planes,
    modes: U8,
    field: I16,
    field_before: I16,
    samples: F32,
    free: U8,
) -> None:
    """Residual samples of every inter block, zeros elsewhere; marks blocks that may be skipped."""
    rows, columns = modes.shape
    near = np.zeros((5, 3), np.int32)
    sides = np.empty((rows, columns), np.uint8)
    fields.unite(modes, field, sides)
    for row in range(rows):
        for column in range(columns):
            mode = modes[row, column]
            own = samples[row * columns + column]
            if mode >= fields.INTRA16:
                own[:] = 0
                continue
            rebuild.differences(source, prediction, row, column, own)
            if sides[row, column] > 1:
                free[row, column] = rebuild.JOINED
            elif mode == fields.INTER16:
                ways = fields.candidates(field, field_before, row, column, 1, near)
                if fields.which(near, ways, field, 2 * row, 2 * column) >= 0:
                    free[row, column] = rebuild.TAKEN


def open_loop(source: Planes, modes: U8, intra_modes: I8, splits: U8, coefficients: F32) -> None:
    """Coefficients of intra blocks predicted from the source: a first guess for the prior."""
    rows, columns = modes.shape
    samples = np.empty(384, np.float32)
    tmp = np.empty(256, np.float32)
    out = np.empty(256, np.float32)
    edge = np.empty(65, np.int32)
    soft = np.empty(65, np.int32)
    line = np.empty(80, np.int32)
    guess = np.empty((16, 16), np.uint8)
    for row in range(rows):
        for column in range(columns):
            mode = modes[row, column]
            if mode < fields.INTRA16:
                continue
            small = mode == fields.INTRA8
            size = 8 if small else 16
            for k in range(4 if small else 1):
                a, b = k >> 1, k & 1
                y, x = 16 * row + 8 * a, 16 * column + 8 * b
                right = 16 if row else 0
                if small:
                    right = intra.right_of_quarter(k, row)
                intra.gather(source[0], y, x, size, right, 8 if small and k == 0 else 0, edge)
                way = int(intra_modes[2 * row + a, 2 * column + b])
                if intra.wants_smooth(way, size):
                    intra.smooth(edge, size, soft)
                    intra.predict(soft, size, way, line, guess)
                else:
                    intra.predict(edge, size, way, line, guess)
                for i in range(size):
                    for j in range(size):
                        samples[(8 * a + i) * 16 + 8 * b + j] = np.float32(
                            source[0][y + i, x + j]
                        ) - np.float32(guess[i, j])
            way = int(intra_modes[2 * row, 2 * column])
            for plane in range(2):
                chroma = source[1] if plane == 0 else source[2]
                intra.gather(chroma, 8 * row, 8 * column, 8, 8 if row else 0, 0, edge)
                if intra.wants_smooth(way, 8):
                    intra.smooth(edge, 8, soft)
                    intra.predict(soft, 8, way, line, guess)
                else:
                    intra.predict(edge, 8, way, line, guess)
                for i in range(8):
                    for j in range(8):
                        samples[256 + 64 * plane + i * 8 + j] = np.float32(
                            chroma[8 * row + i, 8 * column + j]
                        ) - np.float32(guess[i, j])
            split = int(splits[row, column])
            transform.forward(samples, split, coefficients[row * columns + column], tmp, out)


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
