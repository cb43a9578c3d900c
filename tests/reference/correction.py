# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/conv/levels.cpp: error that a correction saves, and its application."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from tests.reference import binary

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Planes = tuple[U8, U8, U8]
Correction = tuple[I16, I16, I16]

AREA_BLOCKS = 4


def acting(blocks: _core.Blocks) -> Bools:
    """Blocks that coded something, are intra, or moved: only these are corrected."""
    vectors = blocks.field.reshape(blocks.rows, 2, blocks.columns, 2, 2)
    moved = (vectors != 0).any(axis=(1, 3, 4))
    return np.asarray((blocks.counts > 0) | (blocks.modes >= 2) | moved)


def areas(blocks: _core.Blocks) -> Bools:
    """(areas down, areas across) that hold such a block."""
    return np.asarray(_sums(acting(blocks).astype(np.int64), AREA_BLOCKS) > 0)


def saved(source: Planes, picture: Planes, correction: Correction, blocks: _core.Blocks) -> I64:
    """(half or all, luma or chroma, down, across): decrease of the squared error."""
    found = np.zeros((2, 2, *areas(blocks).shape), np.int64)
    for number, (wanted, plane, more) in enumerate(zip(source, picture, correction, strict=True)):
        side = 8 if number else 16
        mask = _by_sample(acting(blocks), side)
        before = (wanted.astype(np.int64) - plane) ** 2
        for level in (1, 2):
            now = (wanted.astype(np.int64) - share(plane, more, mask * level)) ** 2
            found[level - 1, min(number, 1)] += _sums(before - now, side * AREA_BLOCKS)
    return found


def corrected(picture: Planes, correction: Correction, blocks: _core.Blocks, levels: U8) -> Planes:
    """New planes: each area's correction, scaled by its level, added in acting blocks."""
    acts = acting(blocks)
    found = []
    for number, (plane, more) in enumerate(zip(picture, correction, strict=True)):
        area = _by_sample(levels[min(number, 1)], AREA_BLOCKS)[: acts.shape[0], : acts.shape[1]]
        found.append(share(plane, more, _by_sample(area * acts, 8 if number else 16)))
    return found[0], found[1], found[2]


def share(plane: U8, correction: I16, levels: npt.NDArray[np.generic]) -> U8:
    """Level 2 adds all of it; 1/32 grey level, rounded."""
    value = (
        32 * plane.astype(np.int64) + correction.astype(np.int64) * levels.astype(np.int64) + 16
    ) >> 5
    return np.asarray(np.clip(value, 0, 255), np.uint8)


def bits(levels: U8, carrying: Bools) -> float:
    """What the levels cost, in the order and with the contexts of docs/bitstream.md, 6a."""
    contexts = np.full((16, 2), 32768, np.uint16)
    total_q8 = 0
    for kind in range(2):
        for down, across in np.argwhere(carrying):
            own = levels[kind]
            neighbours = int(across > 0 and own[down, across - 1] > 0)
            neighbours += int(down > 0 and own[down - 1, across] > 0)
            level = int(own[down, across])
            told = [(8 * kind + neighbours, int(level > 0))]
            if level:
                told.append((8 * kind + 3 + neighbours, level - 1))
            for context, bit in told:
                total_q8 += binary.cost_q8(contexts, context, bit)
                binary.adapt(contexts, context, bit)
    return total_q8 / 256


def _by_sample(values: npt.NDArray[np.generic], side: int) -> npt.NDArray[np.generic]:
    return np.repeat(np.repeat(values, side, 0), side, 1)


def _sums(values: I64, side: int) -> I64:
    rows, columns = np.arange(0, values.shape[0], side), np.arange(0, values.shape[1], side)
    return np.asarray(np.add.reduceat(np.add.reduceat(values, rows, 0), columns, 1))
