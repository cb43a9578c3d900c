# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/prior/: the inputs of the prior, block by block, with NumPy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
Planes = tuple[U8, U8, U8]

LOW, OWN, MISC, DIRECTIONS = 24, 96, 48, 9
INTRA16 = 2
MAGNITUDE = np.array([min(127, round(46 * math.log1p(v))) for v in range(16)], np.uint8)
ENERGY = np.array([min(127, round(22 * math.log1p(v))) for v in range(512)], np.uint8)
# left, right, above, below, then corners: (rows, columns)
AROUND = ((0, -1), (0, 1), (-1, 0), (1, 0), (-1, -1), (-1, 1), (1, -1), (1, 1))


@dataclass
class BlockSyntax:
    """The blocks of a packet; arrays as in `_core.Blocks`."""

    modes: U8
    field: npt.NDArray[np.int16]
    intra_modes: npt.NDArray[np.int8]
    counts: U8
    splits: U8


# Basis values on a tie (63.5) whose magnitude is 63 in the format, not 64 (docs/bitstream.md, 6):
# by frequency, one mask for each row of samples, bit j for column j.
SMALLER = {
    (16, 0, 8): [0xAFE8] * 16,
    (16, 8, 0): [
        0x0,
        0x0,
        0x0,
        0xFFFF,
        0x0,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0x0,
        0xFFFF,
        0x0,
        0xFFFF,
    ],
    (16, 8, 8): [
        0xABE0,
        0xAFE8,
        0xABE0,
        0xBFEA,
        0xABE0,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xFFFF,
        0xBFEA,
        0xFFFF,
        0xAFE8,
        0xFFFF,
        0xABE0,
        0xFFFF,
    ],
    (8, 0, 0): [0xFF] * 8,
    (8, 0, 4): [0xEA] * 8,
    (8, 4, 0): [0x0, 0xFF, 0x0, 0xFF, 0x0, 0xFF, 0xFF, 0xFF],
    (8, 4, 4): [0xE8, 0xEA, 0xE0, 0xEB, 0xE0, 0xFF, 0xFF, 0xFF],
}


def basis(size: int) -> I64:
    """(u, v, i, j): two-dimensional DCT, rounded to bytes."""
    k, x = np.arange(size)[:, None], np.arange(size)[None]
    one = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * math.sqrt(2 / size)
    one[0] /= math.sqrt(2)
    both = np.einsum("ui,vj->uvij", one, one)
    rounded = np.rint(both * (127 * size / 2) * (1 + 1e-9)).astype(np.int64)
    for (of, u, v), masks in SMALLER.items():
        if of == size:
            rows = np.array(masks)[:, None] >> np.arange(size) & 1
            rounded[u, v] -= np.sign(rounded[u, v]) * rows
    return rounded


def spectrum(plane: U8, size: int) -> I64:
    """(blocks, size * size) by position."""
    tiles = plane.astype(np.int64).reshape(plane.shape[0] // size, size, -1, size).swapaxes(1, 2)
    return np.einsum("uvij,rcij->rcuv", basis(size), tiles - 128).reshape(-1, size * size)


def energies(levels: I64, first: int = 0, last: int = layout.CHANNELS) -> I64:
    """Sums of the levels of channels [first, last), by band."""
    return np.bincount(layout.BAND[first:last], levels[first:last], layout.BANDS).astype(np.int64)


def reference_rows(
    moved: U8, prediction: Planes, syntax: BlockSyntax, step: int, chroma_step: int
) -> U8:
    """(blocks, 491): magnitudes of the moved memory, then the prediction in half steps."""
    y, u, v = prediction
    by_position = np.hstack((spectrum(y, 16), spectrum(u, 8), spectrum(v, 8)))
    units = np.where(np.arange(384) < 256, 127 * 8 * step, 127 * 4 * chroma_step)
    levels = np.minimum(np.abs(by_position) * 16 // units, 15)[:, layout.ORDER]
    rows = np.zeros((len(moved), 384 + OWN + layout.BANDS), np.uint8)
    for block in range(len(moved)):
        if syntax.counts.flat[block] == 0 or syntax.modes.flat[block] >= INTRA16:
            continue
        rows[block, :384] = MAGNITUDE[np.minimum(moved[block], 15)]
        rows[block, 384 : 384 + OWN] = MAGNITUDE[levels[block, :OWN]]
        rows[block, 384 + OWN :] = ENERGY[np.minimum(energies(levels[block]), 511)]
    return rows


def kinds(split: int) -> list[int]:
    """The kinds of a block's quarters: digits to the base 3 of `split` - 1."""
    rest = max(split - 1, 0)
    return [rest // 3**k % 3 for k in range(4)]


def misc(syntax: BlockSyntax, moved_counts: U8, quality: int, reference_quality: int) -> U8:
    """(blocks, 48): mode, neighbours' counts, motion, quality, intra directions."""
    rows, columns = syntax.modes.shape
    out = np.zeros((rows, columns, MISC), np.int64)
    for row in range(rows):
        for column in range(columns):
            m = out[row, column]
            mode, count = int(syntax.modes[row, column]), int(syntax.counts[row, column])
            split = int(syntax.splits[row, column])
            m[mode] = 127
            m[4] = 127 if split else 0
            for kind in kinds(split):
                if kind:
                    m[39 + kind] += 31
            if count:
                m[4 + count] = 127
            for n, (dy, dx) in enumerate(AROUND):
                y, x = row + dy, column + dx
                if 0 <= y < rows and 0 <= x < columns:
                    m[9 + n] = 31 * syntax.counts[y, x]
                    m[23] += 31 if n < 4 and syntax.modes[y, x] >= INTRA16 else 0
                elif n < 4:
                    m[24 + n] = 127
            m[17] = 31 * moved_counts[row, column]
            own = syntax.field[2 * row, 2 * column].astype(int)
            m[18] = ENERGY[min(abs(own).sum(), 511)]
            if column:
                left = syntax.field[2 * row, 2 * column - 1]
                m[19] = ENERGY[min(abs(own - left).sum(), 511)]
            if row:
                above = syntax.field[2 * row - 1, 2 * column]
                m[20] = ENERGY[min(abs(own - above).sum(), 511)]
            m[21] = min(max(64 + quality - reference_quality, 0), 127)
            m[22] = 2 * quality
            m[28] = 127 if (own & 3).any() else 0
            if mode >= INTRA16:
                y, x = 2 * row, 2 * column
                for way in syntax.intra_modes[y : y + 2, x : x + 2].ravel().astype(int):
                    if way < 2:
                        m[29 + way] += 31
                    else:
                        for d in range(DIRECTIONS):
                            m[31 + d] += max(31 - 8 * abs(way - 2 - 4 * d), 0)
    return out.reshape(-1, MISC).astype(np.uint8)


def walk(
    syntax: BlockSyntax, symbols: npt.NDArray[np.int16], misc_rows: U8, reference: U8 | None
) -> list[tuple[int, int, list[int], U8]]:
    """(group, phase, blocks, rows) in coding order."""
    rows, columns = syntax.modes.shape
    shown = np.zeros((rows * columns, OWN), np.uint8)
    energy = np.zeros((rows * columns, layout.BANDS), np.uint8)
    visits = []
    for group in range(layout.GROUPS):
        first, last = layout.GROUP_STARTS[group], layout.GROUP_STARTS[group + 1]
        for phase in range(2):
            blocks = [
                row * columns + column
                for row in range(rows)
                for column in range(columns)
                if (row + column) % 2 == phase and syntax.counts[row, column] > group
            ]
            if not blocks:
                continue
            seen = []
            for block in blocks:
                row, column = divmod(block, columns)
                around, sides = [], []
                for n, (dy, dx) in enumerate(AROUND):
                    y, x = row + dy, column + dx
                    inside = 0 <= y < rows and 0 <= x < columns
                    other = y * columns + x
                    around.append(energy[other] if inside else np.zeros(layout.BANDS, np.uint8))
                    if n < 4:
                        sides.append(shown[other, :LOW] if inside else np.zeros(LOW, np.uint8))
                parts = [shown[block], *around, *sides, misc_rows[block]]
                seen.append(
                    np.concatenate(parts if reference is None else [*parts, reference[block]])
                )
            visits.append((group, phase, blocks, np.array(seen)))
            for block in blocks:
                levels = np.minimum(np.abs(symbols[block].astype(np.int64)), 15)
                stop = min(last, OWN)
                if first < OWN:
                    shown[block, first:stop] = MAGNITUDE[levels[first:stop]]
                sums = energies(levels, first, last)
                energy[block] = np.where(sums > 0, ENERGY[np.minimum(sums, 511)], energy[block])
    return visits
