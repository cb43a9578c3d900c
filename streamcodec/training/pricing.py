# SPDX-License-Identifier: Apache-2.0
"""The inputs of a frame's quantiser, as training data of the encoder network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from streamcodec import _core
from streamcodec.blocks import layout, transform
from streamcodec.training.coded import Planes, Priced
from streamcodec.training.conv import levels, transforms

if TYPE_CHECKING:
    from streamcodec.passes import Attempt, FirstPass

_INTRA = 2  # modes from here on are intra


def priced(first: FirstPass, attempt: Attempt, prediction: Planes) -> Priced:
    """Prices and predictions of an attempt; `prediction` is that of its inter blocks."""
    blocks = attempt.blocks
    rows, columns = blocks.rows, blocks.columns
    shape = rows, columns, layout.CHANNELS
    return Priced(
        _base(attempt, prediction), first.counts, np.ascontiguousarray(first.tables).reshape(shape)
    )


def _base(attempt: Attempt, prediction: Planes) -> Planes:
    """Each block's prediction: of intra blocks, the picture less the residual."""
    blocks, quality = attempt.blocks, attempt.quality
    y, u, v = prediction
    planes = (y.copy(), u.copy(), v.copy())
    is_intra = blocks.modes >= _INTRA
    if not is_intra.any():
        return planes
    _core.rebuild(blocks, attempt.symbols, transform.CHANNEL_STEPS_Q3[quality], planes)
    coded = np.where(is_intra.reshape(-1, 1), attempt.symbols, 0).astype(np.float32)
    values = levels.dequantised(
        torch.from_numpy(coded.reshape(1, blocks.rows, blocks.columns, -1)), torch.tensor([quality])
    )
    residual = transforms.inverse(values, torch.from_numpy(blocks.splits.copy())[None])
    found = []
    for number, (own, plane, added) in enumerate(zip(prediction, planes, residual, strict=True)):
        side = 8 if number else 16
        mask = np.repeat(np.repeat(is_intra, side, 0), side, 1)
        less = np.clip(np.rint(plane - added[0, 0].numpy()), 0, 255).astype(np.uint8)
        found.append(np.where(mask, less, own))
    return found[0], found[1], found[2]
