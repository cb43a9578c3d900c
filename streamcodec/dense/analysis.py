# SPDX-License-Identifier: Apache-2.0
"""The first look at a frame on a device: motion, prediction, transform; once for all qualities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from streamcodec import _core, quantise
from streamcodec.analysis import (
    INHERITED,
    LAMBDA_PER_STEP,
    STILL_PER_STEP,
    Analysis,
    worths,
)
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes
from streamcodec.dense import compensate, intra, motion, quarters, squares
from streamcodec.dense import transform as forward
from streamcodec.dense.costs import Blocks, foretold
from streamcodec.dense.field import candidates, sides_of
from streamcodec.dense.moves import Moves
from streamcodec.dense.prices import Prices
from streamcodec.dense.prior import move
from streamcodec.dense.shifts import Windows, shifts
from streamcodec.state import Planes, State

INTRA16 = 2
_INTRA_FROM_BITS = 100.0  # foretold bits of a block from which it may be new
_INTRA_MODE_BITS = 10.0  # that it is, and which mode


@dataclass(frozen=True, slots=True, eq=False)
class There:
    """An inter frame's analysis on the device; grids (rows, columns) int32."""

    source: compensate.Planes
    field: torch.Tensor  # (2 rows, 2 columns, 2)
    modes: torch.Tensor
    splits: torch.Tensor
    free: torch.Tensor
    intra_modes: torch.Tensor  # (2 rows, 2 columns)
    coefficients: torch.Tensor  # (blocks, 384) float32
    prediction: compensate.Planes
    moved: torch.Tensor  # (blocks, 384): memory from where each block came from
    moved_counts: torch.Tensor
    counts_before: torch.Tensor
    field_before: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class DenseAnalysis(Analysis):
    """An analysis whose larger part stays on the device."""

    there: There


def analyse_inter(
    moves: Moves, source: Planes, before: State, pool: _core.Pool | None, *, exact: bool
) -> DenseAnalysis:
    """Look at an inter frame against its reference.

    `exact` says that the device's prediction is a decoder's; else the core predicts once more.
    """
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(before.quality) / 8
    own = [moves.up("source", plane) for plane in source]
    reference = [moves.up("reference", plane) for plane in before.planes]
    field_before = moves.up("vectors before", before.field).to(torch.int32)
    counts_before = moves.up("counts before", before.counts).to(torch.int32)
    memory_before = moves.up("memory", before.memory)
    prices = Prices(moves, before.contexts, counts_before, field_before, 1)
    params = motion.Params(
        per_bit=LAMBDA_PER_STEP * step,
        still=STILL_PER_STEP * step * 256,
        worth=worths(step, quantise.MU, LAMBDA_PER_STEP),
        per_square=16 * INHERITED / (quantise.MU * step * step),
    )
    windows = Windows(shifts(reference[0]))
    blocks = Blocks(own[0], windows, 16)
    search = motion.Search(blocks, prices, field_before, params)
    found = search.run(own[0], reference[0])
    found = squares.unite(search, quarters.divide(search, found, own[0]))
    news = [intra.guesses(plane, 8 if number else 16) for number, plane in enumerate(own)]
    least, ways = foretold(blocks.samples - news[0], params.worth).min(0)
    new = least + _INTRA_MODE_BITS
    is_new = (found.costs > _INTRA_FROM_BITS) & (new < found.costs)
    new_cells = is_new.repeat_interleave(2, 0).repeat_interleave(2, 1)
    field = torch.where(new_cells[..., None], 0, found.field())
    inter = ~is_new
    whole = inter & ~found.divided
    sides = sides_of(whole, field)
    taken = whole & (candidates(field, field_before, 1).which(field[::2, ::2]) >= 0)
    free = torch.where(sides > 1, 2, torch.where(taken, 1, 0))
    free = torch.where(inter, free, 0).to(torch.int32)
    prediction = compensate.predict(windows, (reference[1], reference[2]), field, inter)
    guess = [
        torch.where(intra.flat(inter, 8 if number else 16), plane, _shown(news[number], ways))
        for number, plane in enumerate(prediction)
    ]
    differences = [
        (a.to(torch.int32) - b).to(torch.float32) for a, b in zip(own, guess, strict=True)
    ]
    transformed = forward.forward(
        (differences[0], differences[1], differences[2]), 1 / step, is_new.reshape(-1)
    )
    moved, moved_counts = move(field, inter, memory_before, counts_before)
    modes = torch.where(inter, found.divided.to(torch.int32), INTRA16).to(torch.int32)
    intra_modes = intra.flat(torch.where(inter, -1, ways), 2)
    there = There(
        (own[0], own[1], own[2]),
        field,
        modes,
        transformed.splits.reshape(rows, columns),
        free,
        intra_modes.to(torch.int32),
        transformed.coefficients,
        prediction,
        moved,
        moved_counts,
        counts_before,
        field_before,
    )
    said = _core.Blocks(rows, columns)
    said.field[:] = moves.down("vectors", field.to(torch.int16))
    grids = torch.stack([modes, there.splits, free, ways]).to(torch.uint8)
    grids_here = moves.down("modes, splits, free, intra modes", grids)
    said.modes[:], said.splits[:], free_here, ways_here = grids_here
    said.intra_modes[:] = np.where(said.modes >= INTRA16, ways_here, -1).repeat(2, 0).repeat(2, 1)
    if exact:
        y, u, v = (np.asarray(moves.down("prediction", p), np.uint8) for p in prediction)
        planes = (y, u, v)
    else:
        planes = empty_planes(rows, columns)
        _core.predict(before.planes, said, planes, pool)
    return DenseAnalysis(
        source,
        False,
        said,
        np.zeros((0, layout.CHANNELS), np.float32),
        planes,
        np.asarray(free_here, np.uint8),
        there,
    )


def _shown(squares: torch.Tensor, ways: torch.Tensor) -> torch.Tensor:
    """The plane of squares (modes, rows, columns, size, size), each by its mode."""
    _, rows, columns, size, _ = squares.shape
    at = ways[None, ..., None, None].expand(1, rows, columns, size, size)
    return torch.gather(squares, 0, at)[0].transpose(1, 2).reshape(rows * size, columns * size)
