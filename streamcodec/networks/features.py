# SPDX-License-Identifier: Apache-2.0
"""What the prior looks at: small integers 0..127 that encoder and decoder both hold.

A row describes one block at the moment its group g is coded: its own lower groups, the symbols of
the reference where the block moved from, how much its eight neighbours have shown so far, and what
the syntax said. Within a group the blocks of even row + column come first, so the others see all
four sides.
"""

from __future__ import annotations

import math

import numba as nb
import numpy as np
import numpy.typing as npt
import torch

from streamcodec.blocks import layout, transform
from streamcodec.motion import field as fields

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


def _bases() -> tuple[torch.Tensor, torch.Tensor]:
    """DCT bases as bytes, by position: (256, 256) times 1016, (64, 64) times 508."""
    result = []
    for size in (16, 8):
        one = transform.basis(size)
        both = np.einsum("ui,vj->ijuv", one, one).reshape(size * size, size * size)
        scaled = np.rint(both * (127 * size / 2)).astype(np.int8)
        result.append(torch.from_numpy(np.ascontiguousarray(scaled)))
    return result[0], result[1]


_LUMA_BASIS, _CHROMA_BASIS = _bases()
_SCALES = np.where(layout.ORDER < 256, 127 * 8, 127 * 4).astype(np.int64)


def spectrum(planes: tuple[U8, U8, U8], blocks: I32) -> I32:
    """(len(blocks), 384) transform of these blocks by position, times 1016, chroma times 508.

    Made with coarse bases of bytes: exact sums of integers, the same on every machine.
    """
    if not blocks.size:
        return np.zeros((0, layout.CHANNELS), np.int32)
    torch.get_num_threads()  # hands this thread its thread count, see networks/integer.py
    luma = np.empty((blocks.size, 256), np.int8)
    chroma = np.empty((2 * blocks.size, 64), np.int8)
    _tiles(planes, blocks, planes[0].shape[1] // 16, luma, chroma)
    return np.concatenate(
        (
            torch._int_mm(torch.from_numpy(luma), _LUMA_BASIS).numpy(),
            torch._int_mm(torch.from_numpy(chroma), _CHROMA_BASIS).numpy().reshape(-1, 128),
        ),
        axis=1,
    )


@nb.njit(nogil=True, cache=True)
def _tiles(planes: tuple[U8, U8, U8], blocks: I32, columns: int, luma: I8, chroma: I8) -> None:
    """Samples minus 128 of each block: luma, then U and V as rows of their own."""
    for n in range(blocks.size):
        row, column = blocks[n] // columns, blocks[n] % columns
        for i in range(16):
            for j in range(16):
                sample = np.int16(planes[0][16 * row + i, 16 * column + j])
                luma[n, 16 * i + j] = np.int8(sample - 128)
        for i in range(8):
            for j in range(8):
                y, x = 8 * row + i, 8 * column + j
                chroma[2 * n, 8 * i + j] = np.int8(np.int16(planes[1][y, x]) - 128)
                chroma[2 * n + 1, 8 * i + j] = np.int8(np.int16(planes[2][y, x]) - 128)


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
    _reference_rows(blocks, moved, spectrum(prediction, blocks), steps_q3, out)
    return out


@nb.njit(nogil=True, cache=True)
def _reference_rows(blocks: I32, moved: U8, predicted: I32, steps_q3: I32, out: U8) -> None:
    sums = np.zeros(BANDS, np.int64)
    units = np.empty(layout.CHANNELS, np.int64)
    for c in range(layout.CHANNELS):
        units[c] = _SCALES[c] * np.int64(steps_q3[c])
    for n in range(blocks.size):
        row = out[blocks[n]]
        memory = moved[blocks[n]]
        sums[:] = 0
        for c in range(layout.CHANNELS):
            row[c] = MAGNITUDE[min(np.int64(memory[c]), 15)]
            size = 16 * abs(np.int64(predicted[n, _ORDER[c]]))
            if size < units[c]:
                continue
            level = min(size // units[c], 15)
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
