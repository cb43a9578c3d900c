# SPDX-License-Identifier: Apache-2.0
"""A keyframe's modes on a device: each block intra as a whole or by quarters, and its transforms.

Modes are chosen open loop, all blocks at once. Coding needs decoded neighbours, block after block,
so the core chooses symbols and rebuilds.
"""

from __future__ import annotations

import numpy as np
import torch

from streamcodec import _core, quantise
from streamcodec.analysis import KEY_BUCKET, KEY_LAMBDA_PER_STEP, Analysis, hadamard_weights
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes
from streamcodec.dense import intra
from streamcodec.dense import transform as forward
from streamcodec.dense.costs import estimated_bits
from streamcodec.dense.transfers import Transfers
from streamcodec.state import Planes

INTRA16, INTRA8 = 2, 3
_QUARTERS_BITS = 3.0
_QUARTER_BITS = 1.0  # of each one's mode, beyond the whole block's


def analyse_key(transfers: Transfers, source: Planes, quality: int) -> Analysis:
    """Analyse a keyframe; depends on `quality` only through its bucket of sixteen."""
    middle = quality // KEY_BUCKET * KEY_BUCKET + KEY_BUCKET // 2
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(middle) / 8
    bit_weights = hadamard_weights(step, quantise.KEY_MU, KEY_LAMBDA_PER_STEP)
    luma = transfers.up("source", source[0])
    whole, whole_modes, _ = _best(luma, 16, bit_weights)
    small, small_modes, difference = _best(luma, 8, bit_weights)
    ratio, kinds = forward.finer(difference, 1 / step)
    four = _by_block(small + _QUARTER_BITS) * ratio.reshape(rows, columns, 4)
    split = _QUARTERS_BITS + four.sum(-1) < whole
    modes = torch.where(split, INTRA8, INTRA16)
    splits = torch.where(split, kinds.reshape(rows, columns), 0)
    cells = split.repeat_interleave(2, 0).repeat_interleave(2, 1)
    intra_modes = torch.where(cells, small_modes, intra.flat(whole_modes, 2))
    blocks = _core.Blocks(rows, columns)
    both = transfers.down("modes, splits", torch.stack([modes, splits]).to(torch.uint8))
    blocks.modes[:], blocks.splits[:] = both
    blocks.intra_modes[:] = transfers.down("intra modes", intra_modes.to(torch.int8))
    # The core transforms intra blocks itself, from their closed-loop prediction.
    coefficients = np.zeros((rows * columns, layout.CHANNELS), np.float32)
    free = np.zeros((rows, columns), np.uint8)
    return Analysis(source, True, blocks, coefficients, empty_planes(rows, columns), free)


def _best(
    luma: torch.Tensor, size: int, bit_weights: tuple[float, float]
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of squares: bits and mode of the cheapest prediction, and the plane of its differences."""
    height, width = luma.shape
    rows, columns = height // size, width // size
    own = luma.reshape(rows, size, columns, size).transpose(1, 2).to(torch.int16)
    difference = own - intra.predictions(luma, size)
    least, mode = estimated_bits(difference, bit_weights).min(0)
    chosen = torch.gather(
        difference, 0, mode[None, ..., None, None].expand(1, *difference.shape[1:])
    )[0]
    return least, mode, chosen.transpose(1, 2).reshape(height, width).to(torch.float32)


def _by_block(cells: torch.Tensor) -> torch.Tensor:
    """Values of cells (2 rows, 2 columns) as (rows, columns, 4)."""
    rows, columns = cells.shape[0] // 2, cells.shape[1] // 2
    return cells.reshape(rows, 2, columns, 2).transpose(1, 2).reshape(rows, columns, 4)
