# SPDX-License-Identifier: Apache-2.0
"""The first look at a frame on a device: motion, prediction, transform; once for all qualities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec import _core, quantise
from streamcodec.analysis import (
    INHERITED,
    LAMBDA_PER_STEP,
    STILL_PER_STEP,
    Analysis,
    hadamard_weights,
)
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes
from streamcodec.dense import compensate, intra, motion, quarters, squares
from streamcodec.dense import transform as forward
from streamcodec.dense.costs import Blocks, estimated_bits
from streamcodec.dense.field import candidates_of, sides_of
from streamcodec.dense.moves import Moves
from streamcodec.dense.prices import Prices
from streamcodec.dense.prior import move
from streamcodec.dense.shifts import Windows, shifts
from streamcodec.state import Planes, ReferenceState

INTRA16 = 2
_INTRA_FROM_BITS = 100.0  # estimated bits of a block from which it may be new
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
    reference_counts: torch.Tensor
    reference_field: torch.Tensor


@dataclass(frozen=True, slots=True, eq=False)
class DenseAnalysis(Analysis):
    """An analysis whose larger part stays on the device."""

    there: There


def analyse_inter(
    moves: Moves, source: Planes, state: ReferenceState, pool: _core.Pool | None, *, exact: bool
) -> DenseAnalysis:
    """Look at an inter frame against its reference.

    `exact` says that the device's prediction is a decoder's; else the core predicts once more.
    """
    step = transform.step_q3(state.quality) / 8
    y, u, v = (moves.up("source", plane) for plane in source)
    own = (y, u, v)
    luma, *chroma = (moves.up("reference", plane) for plane in state.planes)
    reference_field = moves.up("vectors of the reference", state.field).to(torch.int32)
    reference_counts = moves.up("counts of the reference", state.counts).to(torch.int32)
    reference_memory = moves.up("memory", state.memory)
    prices = Prices(moves, state.contexts, reference_counts, reference_field, 1)
    params = motion.Params(
        per_bit=LAMBDA_PER_STEP * step,
        still=STILL_PER_STEP * step * 256,
        bit_weights=hadamard_weights(step, quantise.MU, LAMBDA_PER_STEP),
        per_square=16 * INHERITED / (quantise.MU * step * step),
    )
    windows = Windows(shifts(luma))
    blocks = Blocks(y, windows, 16)
    search = motion.Search(blocks, prices, reference_field, params)
    found = quarters.divide(search, search.run(y, luma), y)
    found = squares.unite(search, found)
    new = _new_blocks(own, blocks, found, params.bit_weights)
    inter = ~new.which
    field = torch.where(intra.flat(new.which, 2)[..., None], 0, found.field())
    prediction = compensate.predict(windows, (chroma[0], chroma[1]), field, inter)
    transformed = forward.forward(
        _differences(own, prediction, new), 1 / step, new.which.reshape(-1)
    )
    moved, moved_counts = move(field, inter, reference_memory, reference_counts)
    there = There(
        source=own,
        field=field,
        modes=torch.where(inter, found.divided.to(torch.int32), INTRA16).to(torch.int32),
        splits=transformed.splits.reshape(inter.shape),
        free=_free(inter & ~found.divided, field, reference_field),
        intra_modes=intra.flat(torch.where(inter, -1, new.modes), 2).to(torch.int32),
        coefficients=transformed.coefficients,
        prediction=prediction,
        moved=moved,
        moved_counts=moved_counts,
        reference_counts=reference_counts,
        reference_field=reference_field,
    )
    written, free = _on_host(moves, there)
    return DenseAnalysis(
        source=source,
        key=False,
        blocks=written,
        coefficients=np.zeros((0, layout.CHANNELS), np.float32),
        prediction=_brought(moves, prediction) if exact else _predicted(state, written, pool),
        free=free,
        there=there,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _New:
    """Blocks that are new: which, by what mode, and what each mode shows in every plane."""

    which: torch.Tensor  # (rows, columns)
    modes: torch.Tensor
    shown: list[torch.Tensor]  # (modes, rows, columns, size, size) of Y, U, V


def _new_blocks(
    own: compensate.Planes, blocks: Blocks, found: motion.Found, bit_weights: tuple[float, float]
) -> _New:
    shown = [intra.guesses(plane, 8 if number else 16) for number, plane in enumerate(own)]
    least, modes = estimated_bits(blocks.samples - shown[0], bit_weights).min(0)
    cheaper = least + _INTRA_MODE_BITS < found.costs
    return _New((found.costs > _INTRA_FROM_BITS) & cheaper, modes, shown)


def _differences(
    own: compensate.Planes, prediction: compensate.Planes, new: _New
) -> compensate.Planes:
    """Planes (float32) of the source less what is predicted, or guessed of new blocks."""
    planes = []
    for number, (wanted, moved) in enumerate(zip(own, prediction, strict=True)):
        guess = _plane(new.shown[number], new.modes)
        shown = torch.where(intra.flat(new.which, 8 if number else 16), guess, moved)
        planes.append((wanted.to(torch.int32) - shown).to(torch.float32))
    return planes[0], planes[1], planes[2]


def _plane(squares_of: torch.Tensor, modes: torch.Tensor) -> torch.Tensor:
    """The plane of squares (modes, rows, columns, size, size), each by its mode."""
    _, rows, columns, size, _ = squares_of.shape
    at = modes[None, ..., None, None].expand(1, rows, columns, size, size)
    chosen = torch.gather(squares_of, 0, at)[0]
    return chosen.transpose(1, 2).reshape(rows * size, columns * size)


def _free(whole: torch.Tensor, field: torch.Tensor, reference_field: torch.Tensor) -> torch.Tensor:
    """2 for blocks of a square with one vector, 1 for those that take one over, 0 for others."""
    taken = candidates_of(field, reference_field, 1).which(field[::2, ::2]) >= 0
    free = torch.where(sides_of(whole, field) > 1, 2, torch.where(taken, 1, 0))
    return torch.where(whole, free, 0).to(torch.int32)


def _on_host(moves: Moves, there: There) -> tuple[_core.Blocks, npt.NDArray[np.uint8]]:
    """What the packet will hold of blocks, and how free their skips are, on the host."""
    rows, columns = there.modes.shape
    blocks = _core.Blocks(rows, columns)
    blocks.field[:] = moves.down("vectors", there.field.to(torch.int16))
    grids = torch.stack([there.modes, there.splits, there.free, there.intra_modes[::2, ::2] + 1])
    here = moves.down("modes, splits, free, intra modes", grids.to(torch.uint8))
    blocks.modes[:], blocks.splits[:] = here[0], here[1]
    blocks.intra_modes[:] = (here[3].astype(np.int8) - 1).repeat(2, 0).repeat(2, 1)
    return blocks, np.asarray(here[2], np.uint8)


def _brought(moves: Moves, prediction: compensate.Planes) -> Planes:
    y, u, v = (np.asarray(moves.down("prediction", plane), np.uint8) for plane in prediction)
    return y, u, v


def _predicted(state: ReferenceState, blocks: _core.Blocks, pool: _core.Pool | None) -> Planes:
    planes = empty_planes(blocks.rows, blocks.columns)
    _core.predict(state.planes, blocks, planes, pool)
    return planes
