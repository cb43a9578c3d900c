# SPDX-License-Identifier: Apache-2.0
"""What the prior looks at: small integers 0..127 that encoder and decoder both hold.

A row describes one block at the moment its group g is coded: its own lower groups, the symbols of
the reference where the block moved from, how much its eight neighbours have shown so far, and what
the syntax said. Within a group the blocks of even row + column come first, so the others see all
four sides.
"""

from __future__ import annotations

import math
from functools import cache

import numba as nb
import numpy as np
import numpy.typing as npt
import torch

from streamcodec.blocks import layout, transform
from streamcodec.motion import field as fields
from streamcodec.networks import integer

U8 = npt.NDArray[np.uint8]
I8 = npt.NDArray[np.int8]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]

BANDS = layout.BANDS
LOW = 24  # channels of which the four sides are shown one by one
OWN = 96  # channels below the last group
MISC = 48
DIRECTIONS = 9  # of intra prediction, 4 modes apart
PREDICTED = OWN + BANDS  # channels below OWN of the prediction, and its energy by band
NEIGHBOUR_AT = OWN
SIDES_AT = NEIGHBOUR_AT + 8 * BANDS
MISC_AT = SIDES_AT + 4 * LOW
KEY_FEATURES = MISC_AT + MISC  # 328
REFERENCE_AT = KEY_FEATURES
PREDICTED_AT = REFERENCE_AT + layout.CHANNELS
INTER_FEATURES = PREDICTED_AT + PREDICTED  # 819

_STARTS = np.array(layout.GROUP_STARTS, np.int64)
_BAND = layout.BAND.astype(np.int64)
_ORDER = layout.ORDER.astype(np.int64)

MAGNITUDE = np.array([min(127, round(46 * math.log1p(v))) for v in range(16)], np.uint8)
ENERGY = np.array([min(127, round(22 * math.log1p(v))) for v in range(512)], np.uint8)
_DY = np.array([0, 0, -1, 1, -1, -1, 1, 1], np.int64)  # left, right, above, below, then corners
_DX = np.array([-1, 1, 0, 0, -1, 1, -1, 1], np.int64)


@nb.njit(nogil=True, cache=True)
def move_symbols(symbols: U8, counts: U8, field: I16, modes: U8, out: U8, moved_counts: U8) -> None:
    """Reference magnitudes (blocks, 384) and counts, fetched from where each block came from.

    Takes the block nearest to the moved centre; intra blocks get zeros.
    """
    rows, columns = modes.shape
    for row in range(rows):
        for column in range(columns):
            index = row * columns + column
            if modes[row, column] >= fields.INTRA16:
                out[index, :] = 0
                moved_counts[row, column] = 0
                continue
            vy = np.int64(field[2 * row, 2 * column, 0]) + np.int64(
                field[2 * row + 1, 2 * column + 1, 0]
            )
            vx = np.int64(field[2 * row, 2 * column, 1]) + np.int64(
                field[2 * row + 1, 2 * column + 1, 1]
            )
            y = min(max(row + ((vy + 64) >> 7), 0), rows - 1)
            x = min(max(column + ((vx + 64) >> 7), 0), columns - 1)
            out[index, :] = symbols[y * columns + x]
            moved_counts[row, column] = counts[y, x]


@cache
def _basis(size: int) -> torch.Tensor:
    """DCT basis as bytes, by position: (256, 256) times 1016, or (64, 64) times 508."""
    one = transform.basis(size)
    both = np.einsum("ui,vj->ijuv", one, one).reshape(size * size, size * size)
    return integer.matrix(np.rint(both * (127 * size / 2)).astype(np.int8))


_FIRST_LUMA = int(layout.CHANNEL_OF[0])
_FIRST_CHROMA = int(layout.CHANNEL_OF[256])


def spectrum(planes: tuple[U8, U8, U8], blocks: I32) -> tuple[I32, I32]:
    """Transform of these blocks by position: luma (n, 256) times 1016, chroma (n, 128) times 508.

    Made with coarse bases of bytes: exact sums of integers, the same on every machine.
    """
    if not blocks.size:
        return np.zeros((0, 256), np.int32), np.zeros((0, 128), np.int32)
    luma = np.empty((blocks.size, 256), np.uint8)
    chroma = np.empty((2 * blocks.size, 64), np.uint8)
    _tiles(planes, blocks, planes[0].shape[1] // 16, luma, chroma)
    of_chroma = integer.product(chroma, _basis(8))
    return integer.product(luma, _basis(16)), of_chroma.reshape(-1, 128)


@nb.njit(nogil=True, cache=True)
def _tiles(planes: tuple[U8, U8, U8], blocks: I32, columns: int, luma: U8, chroma: U8) -> None:
    """Samples minus 128, as bytes of int8, of each block: luma, then U and V as own rows."""
    flip = np.uint8(128)
    for n in range(blocks.size):
        row, column = blocks[n] // columns, blocks[n] % columns
        for i in range(16):
            line = planes[0][16 * row + i, 16 * column : 16 * column + 16]
            to = luma[n, 16 * i : 16 * i + 16]
            for j in range(16):
                to[j] = line[j] ^ flip
        for plane in range(2):
            source = planes[1] if plane == 0 else planes[2]
            for i in range(8):
                line = source[8 * row + i, 8 * column : 8 * column + 8]
                to = chroma[2 * n + plane, 8 * i : 8 * i + 8]
                for j in range(8):
                    to[j] = line[j] ^ flip


def reference_rows(
    moved: U8, prediction: tuple[U8, U8, U8], modes: U8, counts: U8, steps_q3: I32
) -> U8:
    """(blocks, 491): magnitudes of the moved memory, then what the prediction looks like.

    The prediction's `spectrum` shows in units of half a step. Rows of blocks that code nothing stay
    zero; intra blocks, whose prediction is not known yet, have none.
    """
    out = np.zeros((len(moved), layout.CHANNELS + PREDICTED), np.uint8)
    coded = (counts > 0) & (modes < fields.INTRA16)
    blocks = np.flatnonzero(coded).astype(np.int32)
    _reference_rows(blocks, moved, *spectrum(prediction, blocks), steps_q3, out)
    return out


@nb.njit(nogil=True, cache=True)
def _reference_rows(blocks: I32, moved: U8, luma: I32, chroma: I32, steps_q3: I32, out: U8) -> None:
    sums = np.zeros(BANDS, np.int64)
    # By position: luma's 256, then chroma's 128. Doubles divide these integers exactly enough to
    # round down right: quotients of numbers below 2**27 are never nearer than 2**-27 to a whole.
    levels = np.empty(layout.CHANNELS, np.int32)
    luma_unit = 127 * 8 * np.float64(steps_q3[_FIRST_LUMA])
    chroma_unit = 127 * 4 * np.float64(steps_q3[_FIRST_CHROMA])
    for n in range(blocks.size):
        row = out[blocks[n]]
        memory = moved[blocks[n]]
        for p in range(256):
            levels[p] = np.int32(min(np.float64(abs(luma[n, p])) * 16 / luma_unit, 15))
        for p in range(128):
            levels[256 + p] = np.int32(min(np.float64(abs(chroma[n, p])) * 16 / chroma_unit, 15))
        sums[:] = 0
        for c in range(layout.CHANNELS):
            row[c] = MAGNITUDE[min(memory[c], 15)]
            level = levels[_ORDER[c]]
            if c < OWN:
                row[layout.CHANNELS + c] = MAGNITUDE[level]
            sums[_BAND[c]] += level
        for k in range(BANDS):
            row[layout.CHANNELS + OWN + k] = ENERGY[min(sums[k], 511)]


@nb.njit(nogil=True, cache=True)
def remember(symbols: I16, counts: U8, moved: U8, out: U8) -> None:
    """Magnitudes that the next frame's prior will see: this frame's, or half of those before it."""
    rows, columns = counts.shape
    for row in range(rows):
        for column in range(columns):
            index = row * columns + column
            if counts[row, column]:
                for c in range(384):
                    out[index, c] = np.uint8(min(abs(np.int64(symbols[index, c])), 15))
            else:
                for c in range(384):
                    out[index, c] = moved[index, c] >> 1


@nb.njit(nogil=True, cache=True)
def misc(
    modes: U8,
    field: I16,
    intra_modes: I8,
    counts: U8,
    moved_counts: U8,
    splits: U8,
    quality: int,
    reference_quality: int,
    out: U8,
) -> None:
    """Fill (blocks, 48): mode, counts around, motion, quality against the reference's, intra."""
    rows, columns = modes.shape
    change = min(max(64 + quality - reference_quality, 0), 127)
    for row in range(rows):
        for column in range(columns):
            m = out[row * columns + column]
            m[:] = 0
            m[np.int64(modes[row, column])] = 127
            m[4] = 127 if splits[row, column] else 0
            for k in range(4):
                kind = transform.kind_of(np.int64(splits[row, column]), k)
                if kind:
                    m[39 + kind] += 31
            count = np.int64(counts[row, column])
            if count:
                m[4 + count] = 127
            for n in range(8):
                y, x = row + _DY[n], column + _DX[n]
                if 0 <= y < rows and 0 <= x < columns:
                    m[9 + n] = 31 * counts[y, x]
                    if n < 4 and modes[y, x] >= fields.INTRA16:
                        m[23] += 31
                elif n < 4:
                    m[24 + n] = 127
            m[17] = 31 * moved_counts[row, column]
            vy = np.int64(field[2 * row, 2 * column, 0])
            vx = np.int64(field[2 * row, 2 * column, 1])
            m[18] = ENERGY[min(abs(vy) + abs(vx), 511)]
            if column:
                d = abs(vy - field[2 * row, 2 * column - 1, 0]) + abs(
                    vx - field[2 * row, 2 * column - 1, 1]
                )
                m[19] = ENERGY[min(d, 511)]
            if row:
                d = abs(vy - field[2 * row - 1, 2 * column, 0]) + abs(
                    vx - field[2 * row - 1, 2 * column, 1]
                )
                m[20] = ENERGY[min(d, 511)]
            m[21] = change
            m[22] = 2 * quality
            part = (vy & 3) + (vx & 3)
            m[28] = 127 if part else 0
            if modes[row, column] >= fields.INTRA16:
                for k in range(4):
                    way = np.int64(intra_modes[2 * row + (k >> 1), 2 * column + (k & 1)])
                    if way < 2:
                        m[29 + way] += 31
                    else:
                        for d in range(DIRECTIONS):
                            m[31 + d] += max(31 - 8 * abs(way - 2 - 4 * d), 0)


@nb.njit(nogil=True, cache=True)
def reveal(symbols: I16, blocks: I32, group: int, shown: U8, energy: U8) -> None:
    """Note that `group` of these blocks is known: fills shown (blocks, 96), energy (…, BANDS)."""
    first, last = _STARTS[group], _STARTS[group + 1]
    sums = np.zeros(BANDS, np.int64)
    for i in range(blocks.size):
        b = blocks[i]
        sums[:] = 0
        for c in range(first, last):
            magnitude = min(abs(np.int64(symbols[b, c])), 15)
            sums[_BAND[c]] += magnitude
            if c < OWN:
                shown[b, c] = MAGNITUDE[magnitude]
        for k in range(_BAND[first], BANDS):
            if sums[k]:
                energy[b, k] = ENERGY[min(sums[k], 511)]


@nb.njit(nogil=True, cache=True)
def rows(
    blocks: I32,
    columns: int,
    total_rows: int,
    shown: U8,
    energy: U8,
    misc_rows: U8,
    reference: U8,
    with_reference: bool,
    out: U8,
) -> None:
    """Feature rows of these blocks; out is (len(blocks), KEY_FEATURES or INTER_FEATURES).

    `reference` is (all blocks, 491) as `reference_rows` makes it.
    """
    for i in range(blocks.size):
        b = np.int64(blocks[i])
        row = out[i]
        row[:OWN] = shown[b]
        y = b // columns
        x = b - y * columns
        for n in range(8):
            yy, xx = y + _DY[n], x + _DX[n]
            at = NEIGHBOUR_AT + n * BANDS
            side = SIDES_AT + n * LOW
            if 0 <= yy < total_rows and 0 <= xx < columns:
                other = yy * columns + xx
                row[at : at + BANDS] = energy[other]
                if n < 4:
                    row[side : side + LOW] = shown[other, :LOW]
            else:
                row[at : at + BANDS] = 0
                if n < 4:
                    row[side : side + LOW] = 0
        row[MISC_AT:KEY_FEATURES] = misc_rows[b]
        if with_reference:
            row[REFERENCE_AT:] = reference[b]
