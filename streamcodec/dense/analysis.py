# SPDX-License-Identifier: Apache-2.0
"""A frame's analysis on a device: motion, prediction, transform; once for all qualities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec import _core, quantise
from streamcodec.analysis import (
    LAMBDA_PER_STEP,
    STATIC_ERROR_WEIGHT,
    STATIC_PER_STEP,
    Analysis,
    hadamard_weights,
)
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes
from streamcodec.dense import compensate, intra, motion, quarters, squares
from streamcodec.dense import transform as forward
from streamcodec.dense.costs import SourceBlocks, estimated_bits
from streamcodec.dense.field import candidates_of, sides_of
from streamcodec.dense.prices import Prices
from streamcodec.dense.prior import move
from streamcodec.dense.shifts import Windows, shifts
from streamcodec.dense.transfers import Transfers
from streamcodec.state import Planes, ReferenceState

INTRA16 = 2
_INTRA_FROM_BITS = 100.0  # estimated bits from which intra is tried
_INTRA_MODE_BITS = 10.0  # signalling intra and its mode


@dataclass(frozen=True, slots=True, eq=False)
class DeviceAnalysis:
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

    on_device: DeviceAnalysis


def analyse_inter(
    transfers: Transfers,
    source: Planes,
    state: ReferenceState,
    pool: _core.Pool | None,
    *,
    exact: bool,
) -> DenseAnalysis:
    """Analyse an inter frame against its reference.

    `exact`: the device's prediction equals a decoder's; if not, the core predicts once more.
    """
    step = transform.step_q3(state.quality) / 8
    y, u, v = (transfers.up("source", plane) for plane in source)
    own = (y, u, v)
    luma, *chroma = (transfers.up("reference", plane) for plane in state.planes)
    reference_field = transfers.up("vectors of the reference", state.field).to(torch.int32)
    reference_counts = transfers.up("counts of the reference", state.counts).to(torch.int32)
    reference_memory = transfers.up("memory", state.memory)
    prices = Prices(transfers, state.contexts, reference_counts, reference_field, 1)
    params = motion.Params(
        per_bit=LAMBDA_PER_STEP * step,
        static_below=STATIC_PER_STEP * step * 256,
        bit_weights=hadamard_weights(step, quantise.MU, LAMBDA_PER_STEP),
        per_square=16 * STATIC_ERROR_WEIGHT / (quantise.MU * step * step),
    )
    windows = Windows(shifts(luma))
    blocks = SourceBlocks(y, windows, 16)
    search = motion.Search(blocks, prices, reference_field, params)
    found = quarters.divide(search, search.run(y, luma), y)
    found = squares.unite(search, found)
    intra_blocks = _intra_blocks(own, blocks, found, params.bit_weights)
    inter = ~intra_blocks.which
    field = torch.where(intra.flat(intra_blocks.which, 2)[..., None], 0, found.field())
    prediction = compensate.predict(windows, (chroma[0], chroma[1]), field, inter)
    transformed = forward.forward(
        _differences(own, prediction, intra_blocks), 1 / step, intra_blocks.which.reshape(-1)
    )
    moved, moved_counts = move(field, inter, reference_memory, reference_counts)
    on_device = DeviceAnalysis(
        source=own,
        field=field,
        modes=torch.where(inter, found.divided.to(torch.int32), INTRA16).to(torch.int32),
        splits=transformed.splits.reshape(inter.shape),
        free=_skip_classes(inter & ~found.divided, field, reference_field),
        intra_modes=intra.flat(torch.where(inter, -1, intra_blocks.modes), 2).to(torch.int32),
        coefficients=transformed.coefficients,
        prediction=prediction,
        moved=moved,
        moved_counts=moved_counts,
        reference_counts=reference_counts,
        reference_field=reference_field,
    )
    written, free = _on_host(transfers, on_device)
    return DenseAnalysis(
        source=source,
        key=False,
        blocks=written,
        coefficients=np.zeros((0, layout.CHANNELS), np.float32),
        prediction=_downloaded(transfers, prediction)
        if exact
        else _predicted(state, written, pool),
        free=free,
        on_device=on_device,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Intra:
    """Intra blocks of an inter frame: which, their modes, and what each mode predicts."""

    which: torch.Tensor  # (rows, columns)
    modes: torch.Tensor
    predicted: list[torch.Tensor]  # (modes, rows, columns, size, size) of Y, U, V


def _intra_blocks(
    own: compensate.Planes,
    blocks: SourceBlocks,
    found: motion.Found,
    bit_weights: tuple[float, float],
) -> _Intra:
    predicted = [intra.predictions(plane, 8 if number else 16) for number, plane in enumerate(own)]
    least, modes = estimated_bits(blocks.samples - predicted[0], bit_weights).min(0)
    cheaper = least + _INTRA_MODE_BITS < found.costs
    return _Intra((found.costs > _INTRA_FROM_BITS) & cheaper, modes, predicted)


def _differences(
    own: compensate.Planes, prediction: compensate.Planes, intra_blocks: _Intra
) -> compensate.Planes:
    """Planes (float32) of the source minus the inter or intra prediction."""
    planes = []
    for number, (source, moved) in enumerate(zip(own, prediction, strict=True)):
        intra_plane = _plane(intra_blocks.predicted[number], intra_blocks.modes)
        which = intra.flat(intra_blocks.which, 8 if number else 16)
        predicted = torch.where(which, intra_plane, moved)
        planes.append((source.to(torch.int32) - predicted).to(torch.float32))
    return planes[0], planes[1], planes[2]


def _plane(squares_of: torch.Tensor, modes: torch.Tensor) -> torch.Tensor:
    """The plane of squares (modes, rows, columns, size, size), each by its mode."""
    _, rows, columns, size, _ = squares_of.shape
    at = modes[None, ..., None, None].expand(1, rows, columns, size, size)
    chosen = torch.gather(squares_of, 0, at)[0]
    return chosen.transpose(1, 2).reshape(rows * size, columns * size)


def _skip_classes(
    whole: torch.Tensor, field: torch.Tensor, reference_field: torch.Tensor
) -> torch.Tensor:
    """2 for blocks of a square with one vector, 1 for a candidate's vector, 0 for others."""
    taken = candidates_of(field, reference_field, 1).which(field[::2, ::2]) >= 0
    free = torch.where(sides_of(whole, field) > 1, 2, torch.where(taken, 1, 0))
    return torch.where(whole, free, 0).to(torch.int32)


def _on_host(
    transfers: Transfers, on_device: DeviceAnalysis
) -> tuple[_core.Blocks, npt.NDArray[np.uint8]]:
    """The packet's fields of blocks and `Analysis.free`, on the host."""
    rows, columns = on_device.modes.shape
    blocks = _core.Blocks(rows, columns)
    blocks.field[:] = transfers.down("vectors", on_device.field.to(torch.int16))
    grids = torch.stack(
        [on_device.modes, on_device.splits, on_device.free, on_device.intra_modes[::2, ::2] + 1]
    )
    modes, splits, free, intra_modes = transfers.down(
        "modes, splits, free, intra modes", grids.to(torch.uint8)
    )
    blocks.modes[:], blocks.splits[:] = modes, splits
    blocks.intra_modes[:] = (intra_modes.astype(np.int8) - 1).repeat(2, 0).repeat(2, 1)
    return blocks, np.asarray(free, np.uint8)


def _downloaded(transfers: Transfers, prediction: compensate.Planes) -> Planes:
    y, u, v = (np.asarray(transfers.down("prediction", plane), np.uint8) for plane in prediction)
    return y, u, v


def _predicted(state: ReferenceState, blocks: _core.Blocks, pool: _core.Pool | None) -> Planes:
    planes = empty_planes(blocks.rows, blocks.columns)
    _core.predict(state.planes, blocks, planes, pool)
    return planes
