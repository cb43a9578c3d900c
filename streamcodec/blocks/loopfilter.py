# SPDX-License-Identifier: Apache-2.0
"""The loop filter: a classified linear filter whose weights were fitted by least squares.

After deblocking, every sample of a block that coded something moves by a weighted sum of its
differences to the 12 neighbours in a diamond of radius 2 (six point-symmetric pairs), each
difference clipped to the quantiser step so that real edges stay (the idea of VVC's adaptive loop
filter, M. Karczewicz et al., TCSVT 2021). Each 4x4 square picks its weights by how busy it is and
which way; weights exist per frame type, band of eight qualities, and luma or chroma. The encoder
switches luma and chroma for areas of 64x64 luma samples by true distortion. Integers only.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec.blocks.edges import repeated

PAIRS = 6
CLASSES = 15  # 5 levels of activity x 3 directions
BANDS = 8
AREA_BLOCKS = 4  # an area is 4x4 blocks of 16x16
WEIGHT_BITS = 8

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]

_DY = np.array([0, 1, 0, 2, 1, 1], np.int64)
_DX = np.array([1, 0, 2, 0, 1, -1], np.int64)


def no_weights() -> I16:
    """Weights (frame types, bands, luma or chroma, classes, pairs) that change nothing."""
    return np.zeros((2, BANDS, 2, CLASSES, PAIRS), np.int16)


@nb.njit(nogil=True, cache=True, inline="always")
def _class_of(across: int, down: int, step_q3: int) -> int:
    # Mean second difference in eighths of a step, doubling from level to level.
    activity = ((across + down) * 2) // max(step_q3, 1)
    level = 0
    while level < 4 and activity >= (2 << level):
        level += 1
    direction = 0
    if across > 2 * down:
        direction = 1
    elif down > 2 * across:
        direction = 2
    return 3 * level + direction


@nb.njit(nogil=True, cache=True)
def classify(padded: U8, y: int, x: int, step_q3: int) -> int:
    """Class of the 4x4 square at (y, x) of a plane padded by 2."""
    across = np.int64(0)
    down = np.int64(0)
    for i in range(4):
        for j in range(4):
            yy, xx = y + i + 2, x + j + 2
            twice = 2 * np.int64(padded[yy, xx])
            across += abs(twice - np.int64(padded[yy, xx - 1]) - np.int64(padded[yy, xx + 1]))
            down += abs(twice - np.int64(padded[yy - 1, xx]) - np.int64(padded[yy + 1, xx]))
    return _class_of(across, down, step_q3)


@nb.njit(nogil=True, cache=True, inline="always")
def clipped(value: int, limit: int) -> int:
    """A difference, kept within what quantisation can have caused."""
    return min(max(value, -limit), limit)


@nb.njit(nogil=True, cache=True)
def _clipped_pairs(padded: U8, y: int, k: int, bound: int, out: I16) -> None:
    """Clipped differences to pair k of all samples of row y, summed."""
    width = out.size
    dy, dx = _DY[k], _DX[k]
    middle = padded[y + 2, 2 : 2 + width]
    ahead = padded[y + 2 + dy, 2 + dx : 2 + dx + width]
    behind = padded[y + 2 - dy, 2 - dx : 2 - dx + width]
    limit = np.int32(bound)
    for x in range(width):
        centre = np.int32(middle[x])
        out[x] = np.int16(
            min(max(np.int32(ahead[x]) - centre, -limit), limit)
            + min(max(np.int32(behind[x]) - centre, -limit), limit)
        )


@nb.njit(nogil=True, cache=True)
def _second_differences(padded: U8, y: int, across: I16, down: I16) -> None:
    """Add the absolute second differences of row y to two rows of sums."""
    width = across.size
    middle = padded[y + 2, 1 : 3 + width]
    above = padded[y + 1, 2 : 2 + width]
    below = padded[y + 3, 2 : 2 + width]
    for x in range(width):
        twice = 2 * np.int32(middle[x + 1])
        across[x] += np.int16(abs(twice - np.int32(middle[x]) - np.int32(middle[x + 2])))
        down[x] += np.int16(abs(twice - np.int32(above[x]) - np.int32(below[x])))


@nb.njit(nogil=True, cache=True)
def apply(
    padded: U8, block_px: int, counts: U8, modes: U8, step_q3: int, weights: I16, out: U8
) -> None:
    """Filter all blocks that coded something or are intra, from `padded` (by 2) into `out`.

    `weights` is (CLASSES, PAIRS) of this frame type, band and plane; a block has `block_px` samples
    a side in it (16 or 8). Other blocks of `out` are left alone. Works in strips of four rows, so
    that differences are taken along whole rows.
    """
    columns = counts.shape[1]
    height, width = out.shape
    bound = max(step_q3 >> 3, 1)
    pairs = np.empty((4, PAIRS, width), np.int16)
    across = np.empty(width, np.int16)
    down = np.empty(width, np.int16)
    total = np.empty(width, np.int32)
    weight = np.zeros((PAIRS, width), np.int32)
    for top in range(0, height, 4):
        row = top // block_px
        busy = False
        for column in range(columns):
            if counts[row, column] or modes[row, column] >= 2:
                busy = True
        if not busy:
            continue
        across[:] = 0
        down[:] = 0
        for i in range(4):
            _second_differences(padded, top + i, across, down)
            for k in range(PAIRS):
                _clipped_pairs(padded, top + i, k, bound, pairs[i, k])
        # Each sample's weights side by side, zero where nothing is filtered.
        for left in range(0, width, 4):
            column = left // block_px
            if counts[row, column] == 0 and modes[row, column] < 2:
                for k in range(PAIRS):
                    for j in range(4):
                        weight[k, left + j] = 0
                continue
            a = np.int64(0)
            d = np.int64(0)
            for j in range(4):
                a += across[left + j]
                d += down[left + j]
            w = weights[_class_of(a, d, step_q3)]
            for k in range(PAIRS):
                for j in range(4):
                    weight[k, left + j] = w[k]
        for i in range(4):
            _mix(padded[top + i + 2, 2 : 2 + width], pairs[i], weight, total, out[top + i])


@nb.njit(nogil=True, cache=True)
def _mix(centre: U8, pairs: I16, weight: I32, total: I32, out: U8) -> None:
    """One row: each sample and its weighed differences."""
    width = out.size
    for x in range(width):
        total[x] = 1 << (WEIGHT_BITS - 1)
    for k in range(PAIRS):
        pair = pairs[k]
        w = weight[k]
        for x in range(width):
            total[x] += w[x] * np.int32(pair[x])
    for x in range(width):
        value = np.int32(centre[x]) + (total[x] >> WEIGHT_BITS)
        out[x] = np.uint8(min(max(value, 0), 255))


@nb.njit(nogil=True, cache=True)
def accumulate(
    padded: U8,
    block_px: int,
    source: U8,
    counts: U8,
    modes: U8,
    step_q3: int,
    squares: npt.NDArray[np.float64],
    products: npt.NDArray[np.float64],
) -> None:
    """Add a picture's normal equations: squares (CLASSES, 6, 6), products (CLASSES, 6)."""
    rows, columns = counts.shape
    across = block_px // 4
    limit = max(step_q3 >> 3, 1)
    f = np.zeros(PAIRS, np.float64)
    for row in range(rows):
        for column in range(columns):
            if counts[row, column] == 0 and modes[row, column] < 2:
                continue
            for square in range(across * across):
                y = block_px * row + 4 * (square // across)
                x = block_px * column + 4 * (square % across)
                c = classify(padded, y, x, step_q3)
                for i in range(4):
                    for j in range(4):
                        yy, xx = y + i + 2, x + j + 2
                        centre = np.int64(padded[yy, xx])
                        miss = np.float64(source[y + i, x + j]) - np.float64(centre)
                        for k in range(PAIRS):
                            dy, dx = _DY[k], _DX[k]
                            f[k] = clipped(
                                np.int64(padded[yy + dy, xx + dx]) - centre, limit
                            ) + clipped(np.int64(padded[yy - dy, xx - dx]) - centre, limit)
                        for k in range(PAIRS):
                            products[c, k] += f[k] * miss
                            for m in range(PAIRS):
                                squares[c, k, m] += f[k] * f[m]


@nb.njit(nogil=True, cache=True)
def choose(source: U8, plain: U8, filtered: U8, side: int, worth: int, flags: U8) -> int:
    """Set flags (areas down, across) where filtering lowers the squared error by more than `worth`.

    `side` is an area's in samples of this plane. Returns how many are set.
    """
    height, width = source.shape
    chosen = 0
    for a in range(flags.shape[0]):
        for b in range(flags.shape[1]):
            gain = np.int64(0)
            for y in range(a * side, min((a + 1) * side, height)):
                for x in range(b * side, min((b + 1) * side, width)):
                    s = np.int64(source[y, x])
                    d0 = s - np.int64(plain[y, x])
                    d1 = s - np.int64(filtered[y, x])
                    gain += d0 * d0 - d1 * d1
            flags[a, b] = 1 if gain > worth else 0
            chosen += flags[a, b]
    return chosen


@nb.njit(nogil=True, cache=True)
def keep_chosen(filtered: U8, flags: U8, side: int, plane: U8) -> None:
    """Copy the filtered samples of flagged areas into the plane."""
    height, width = plane.shape
    for a in range(flags.shape[0]):
        for b in range(flags.shape[1]):
            if flags[a, b]:
                for y in range(a * side, min((a + 1) * side, height)):
                    for x in range(b * side, min((b + 1) * side, width)):
                        plane[y, x] = filtered[y, x]


def no_flags(rows: int, columns: int) -> U8:
    """Flags (luma or chroma, areas down, areas across) of a picture of so many blocks, all off."""
    return np.zeros((2, -(-rows // AREA_BLOCKS), -(-columns // AREA_BLOCKS)), np.uint8)


def filtered(plane: U8, block_px: int, counts: U8, modes: U8, step_q3: int, weights: I16) -> U8:
    """A whole plane with every block filtered that may be."""
    out = plane.copy()
    apply(repeated(plane, 2), block_px, counts, modes, step_q3, weights, out)
    return out


def rebuild(
    planes: tuple[U8, U8, U8],
    flags: U8,
    counts: U8,
    modes: U8,
    steps_q3: tuple[int, int],
    weights: I16,
) -> None:
    """Filter the flagged areas of all planes in place; `weights` is (2, CLASSES, PAIRS)."""
    for number, plane in enumerate(planes):
        kind = min(number, 1)
        if flags[kind].any():
            block_px = 8 if kind else 16
            after = filtered(plane, block_px, counts, modes, steps_q3[kind], weights[kind])
            keep_chosen(after, flags[kind], AREA_BLOCKS * block_px, plane)


def search(
    source: tuple[U8, U8, U8],
    planes: tuple[U8, U8, U8],
    counts: U8,
    modes: U8,
    steps_q3: tuple[int, int],
    weights: I16,
    worth: tuple[int, int],
) -> U8:
    """Filter `planes` in place where that brings them nearer to the source; returns the flags."""
    flags = no_flags(*counts.shape)
    y, u, v = planes
    after = filtered(y, 16, counts, modes, steps_q3[0], weights[0])
    if choose(source[0], y, after, 16 * AREA_BLOCKS, worth[0], flags[0]):
        keep_chosen(after, flags[0], 16 * AREA_BLOCKS, y)
    # Chroma shares one flag: laid side by side, so that an area is judged on both planes.
    after_u = filtered(u, 8, counts, modes, steps_q3[1], weights[1])
    after_v = filtered(v, 8, counts, modes, steps_q3[1], weights[1])
    gains = _gains(source[1], u, after_u, flags.shape[1:]) + _gains(
        source[2], v, after_v, flags.shape[1:]
    )
    flags[1] = gains > worth[1]
    keep_chosen(after_u, flags[1], 8 * AREA_BLOCKS, u)
    keep_chosen(after_v, flags[1], 8 * AREA_BLOCKS, v)
    return flags


def _gains(source: U8, plain: U8, after: U8, shape: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """Squared error saved in each area of a chroma plane."""
    before = source.astype(np.int32) - plain
    now = source.astype(np.int32) - after
    saved = before * before - now * now
    side = 8 * AREA_BLOCKS
    edges_y = np.arange(0, source.shape[0], side)
    edges_x = np.arange(0, source.shape[1], side)
    sums = np.add.reduceat(np.add.reduceat(saved, edges_y, axis=0), edges_x, axis=1)
    return np.asarray(sums.reshape(shape), np.int64)
