# SPDX-License-Identifier: Apache-2.0
"""The encoder's first look at a frame: modes, vectors, predictions, coefficients. Done once.

Nothing here depends on the quality that will be chosen: motion is weighed by the reference's
quality, which is close to it, so one analysis serves the search over all 64 qualities. A keyframe
has no reference; its modes are weighed by the middle of the sixteen qualities that the chosen one
lies in.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec import contexts as cx
from streamcodec import rebuild
from streamcodec.blocks import intra, layout, quantise, transform
from streamcodec.motion import compensate, cost, intra_search, search
from streamcodec.motion import field as fields
from streamcodec.state import Planes, State

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
F32 = npt.NDArray[np.float32]

# A bit of motion is worth this many steps of absolute difference. The root of lambda would be 0.32;
# but a vector that is right serves the frames after, too. Of 0.12 to 0.44 the best on training
# clips, by 2 points.
LAMBDA_PER_STEP = 0.18
# In keyframes a mode's bits weigh more: neighbours' modes are predicted from it (measured: 1.6
# points).
KEY_LAMBDA_PER_STEP = 0.6
# Mean absolute difference, in steps, below which a residual would be quantised away: no search. Of
# 0.015 to 0.06 the best on training clips.
STILL_PER_STEP = 0.04
# An error that is left in a still block is shown, and copied, for many frames: it weighs more than
# one that this frame alone shows. Of 1, 3, 5, 8, 14 and 20 the best on training clips.
INHERITED = 8
KEY_BUCKET = 16


Run = Callable[[Sequence[Callable[[], object]]], None]  # does all jobs, in any order or at once


def one_by_one(jobs: Sequence[Callable[[], object]]) -> None:
    """The plain way to run jobs."""
    for job in jobs:
        job()


def _bands(rows: int) -> tuple[tuple[int, int], ...]:
    """Two bands of block rows that are analysed on their own, whether at once or not.

    Always the same, so that bytes do not depend on how many threads there are; no square of blocks
    that may be coded as one lies in both.
    """
    side = fields.REGIONS[0]
    half = (rows + side) // (2 * side) * side
    return ((0, half), (half, rows)) if 0 < half < rows else ((0, rows),)


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Modes and coefficients of one frame. Arrays as in `syntax.write` and `rebuild.code`."""

    source: Planes
    key: bool
    modes: U8
    field: I16
    intra_modes: I8
    splits: U8
    coefficients: F32
    prediction: Planes
    free: U8


def padded(planes: Planes) -> Planes:
    """Planes whose sides are multiples of 16 (chroma 8), last samples repeated."""
    y = planes[0]
    down = -y.shape[0] % layout.BLOCK_PX
    right = -y.shape[1] % layout.BLOCK_PX
    height, width = y.shape[0] + down, y.shape[1] + right

    def grow(plane: U8, h: int, w: int) -> U8:
        if plane.shape == (h, w):
            return np.ascontiguousarray(plane)
        return np.pad(plane, ((0, h - plane.shape[0]), (0, w - plane.shape[1])), mode="edge")

    return (
        grow(y, height, width),
        grow(planes[1], height // 2, width // 2),
        grow(planes[2], height // 2, width // 2),
    )


def analyse_key(source: Planes, quality: int, run: Run) -> Analysis:
    """Look at a keyframe; depends on `quality` only through its bucket of sixteen."""
    middle = quality // KEY_BUCKET * KEY_BUCKET + KEY_BUCKET // 2
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    modes = np.zeros((rows, columns), np.uint8)
    intra_modes = np.full((2 * rows, 2 * columns), -1, np.int8)
    splits = np.zeros((rows, columns), np.uint8)
    worth = cost.worths(transform.step_q3(middle) / 8, quantise.KEY_MU, KEY_LAMBDA_PER_STEP)
    run(
        [
            partial(
                intra_search.analyse_key,
                *(source[0], worth, 8 / transform.step_q3(middle), first, last),
                *(modes, intra_modes, splits),
            )
            for first, last in _bands(rows)
        ]
    )
    field = np.zeros((2 * rows, 2 * columns, 2), np.int16)
    coefficients = np.zeros((rows * columns, layout.CHANNELS), np.float32)
    _open_loop(source, modes, intra_modes, splits, coefficients)
    empty = (np.empty_like(source[0]), np.empty_like(source[1]), np.empty_like(source[2]))
    free = np.zeros((rows, columns), np.uint8)
    return Analysis(source, True, modes, field, intra_modes, splits, coefficients, empty, free)


def analyse_inter(source: Planes, before: State, run: Run) -> Analysis:
    """Look at an inter frame against its reference."""
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(before.quality) / 8
    modes = np.zeros((rows, columns), np.uint8)
    intra_modes = np.full((2 * rows, 2 * columns), -1, np.int8)
    field = np.zeros((2 * rows, 2 * columns, 2), np.int16)
    ref_y, ref_u, ref_v = (compensate.pad(plane) for plane in before.planes)
    shifted = np.empty((16, *ref_y.shape), np.uint8)
    half = ref_y.shape[0] // 2
    run(
        [
            partial(compensate.quarter_planes, ref_y[: half + 4], shifted[:, : half + 4]),
            partial(compensate.quarter_planes, ref_y[half - 4 :], shifted[:, half - 4 :]),
        ]
    )
    worth = cost.worths(step, quantise.MU, LAMBDA_PER_STEP)
    prices = cx.vector_prices(before.contexts)
    run(
        [
            partial(
                search.analyse_inter,
                source[0],
                shifted,
                before.field[2 * first : 2 * last],
                int(256 * LAMBDA_PER_STEP * step),
                prices,
                int(256 * STILL_PER_STEP * step),
                worth,
                16 * INHERITED / (quantise.MU * step * step),
                before.contexts,
                first,
                before.counts[first:last],
                1,
                modes[first:last],
                field[2 * first : 2 * last],
                intra_modes[2 * first : 2 * last],
            )
            for first, last in _bands(rows)
        ]
    )
    prediction = (np.zeros_like(source[0]), np.zeros_like(source[1]), np.zeros_like(source[2]))
    rebuild.predict_inter(modes, field, ref_y, ref_u, ref_v, *prediction)
    rebuild.overlap(modes, field, ref_y, ref_u, ref_v, *prediction)
    splits = np.zeros((rows, columns), np.uint8)
    free = np.zeros((rows, columns), np.uint8)
    samples = np.empty((rows * columns, layout.CHANNELS), np.float32)
    _inter_samples(source, prediction, modes, field, before.field, samples, free)
    coefficients = np.empty_like(samples)
    flat = splits.reshape(-1)
    run(
        [
            partial(
                transform.cheaper,
                samples[columns * first : columns * last],
                1 / step,
                flat[columns * first : columns * last],
                coefficients[columns * first : columns * last],
            )
            for first, last in _bands(rows)
        ]
    )
    _open_loop(source, modes, intra_modes, splits, coefficients)
    return Analysis(
        source,
        False,
        modes,
        field,
        intra_modes,
        splits,
        coefficients,
        prediction,
        free,
    )


@nb.njit(nogil=True, cache=True)
def _inter_samples(
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


@nb.njit(nogil=True, cache=True)
def _open_loop(source: Planes, modes: U8, intra_modes: I8, splits: U8, coefficients: F32) -> None:
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
                way = np.int64(intra_modes[2 * row + a, 2 * column + b])
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
            way = np.int64(intra_modes[2 * row, 2 * column])
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
            split = np.int64(splits[row, column])
            transform.forward(samples, split, coefficients[row * columns + column], tmp, out)
