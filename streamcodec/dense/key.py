# SPDX-License-Identifier: Apache-2.0
"""A keyframe's modes on a device: each block flat as a whole or by quarters, and their transforms.

Looked at open loop, all blocks at once. What is coded starts from decoded neighbours, one block
after the other, so the core chooses symbols and rebuilds.
"""

from __future__ import annotations

import numpy as np
import torch

from streamcodec import _core, quantise
from streamcodec.analysis import KEY_BUCKET, KEY_LAMBDA_PER_STEP, Analysis, worths
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes
from streamcodec.dense import intra
from streamcodec.dense import transform as forward
from streamcodec.dense.costs import foretold
from streamcodec.dense.moves import Moves
from streamcodec.state import Planes

INTRA16, INTRA8 = 2, 3
_QUARTERS_BITS = 3.0
_QUARTER_BITS = 1.0  # of each one's mode, beyond the whole block's


def analyse_key(moves: Moves, source: Planes, quality: int) -> Analysis:
    """Look at a keyframe; depends on `quality` only through its bucket of sixteen."""
    middle = quality // KEY_BUCKET * KEY_BUCKET + KEY_BUCKET // 2
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(middle) / 8
    worth = worths(step, quantise.KEY_MU, KEY_LAMBDA_PER_STEP)
    luma = moves.up("source", source[0])
    whole = _foretold(luma, 16, worth)
    apart = luma.to(torch.int32) - intra.flat(intra.means(luma, 8), 8)
    ratio, kinds = forward.finer(apart.to(torch.float32), 1 / step)
    small = _foretold(luma, 8, worth).reshape(rows, 2, columns, 2).transpose(1, 2)
    quarters = (small.reshape(rows, columns, 4) + _QUARTER_BITS) * ratio.reshape(rows, columns, 4)
    split = _QUARTERS_BITS + quarters.sum(-1) < whole
    modes = torch.where(split, INTRA8, INTRA16)
    splits = torch.where(split, kinds.reshape(rows, columns), 0)
    blocks = _core.Blocks(rows, columns)
    both = moves.down("modes, splits", torch.stack([modes, splits]).to(torch.uint8))
    blocks.modes[:], blocks.splits[:] = both
    blocks.intra_modes[:] = intra.MEAN
    # The core transforms intra blocks itself, from what they are then predicted.
    coefficients = np.zeros((rows * columns, layout.CHANNELS), np.float32)
    free = np.zeros((rows, columns), np.uint8)
    return Analysis(source, True, blocks, coefficients, empty_planes(rows, columns), free)


def _foretold(luma: torch.Tensor, size: int, worth: tuple[float, float]) -> torch.Tensor:
    """Bits (H / size, W / size) of squares that are predicted flat."""
    height, width = luma.shape
    cut = luma.reshape(height // size, size, width // size, size).transpose(1, 2)
    mean = intra.means(luma, size).to(torch.int16)
    return foretold(cut.to(torch.int16) - mean[..., None, None], worth)
