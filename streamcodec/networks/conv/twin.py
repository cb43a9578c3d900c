# SPDX-License-Identifier: Apache-2.0
"""The decoder network in plain int64, the reference for every execution. Slow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec.networks.conv.shape import ACTIVATION_MAX
from streamcodec.networks.conv.weights import LayerWeights, NetworkWeights

I64 = npt.NDArray[np.int64]


def raw(weights: NetworkWeights, fine: I64, maps: I64, quality: int) -> I64:
    """(24, H/4, W/4) in -127..127 of inputs (27 or 51, H/4, W/4) and maps (5, H/8, W/8)."""
    layers = {own.layer.name: own for own in weights.layers}

    def run(name: str, x: I64, skip: I64 | None = None) -> I64:
        return shifted(_sums(layers[name], x, quality), layers[name], skip)

    def act(x: I64) -> I64:
        return np.clip(x, 0, ACTIVATION_MAX)

    x = act(run("enter", np.concatenate([_unshuffled(fine), maps])))
    for n in range(weights.shape.blocks):
        x = act(run(f"body.{n}.b", act(run(f"body.{n}.a", x)), x))
    x = _shuffled(act(run("leave", x)))
    x = act(run("first", np.concatenate([fine, x])))
    x = act(run("second", x, x))
    return np.clip(run("last", x), -ACTIVATION_MAX, ACTIVATION_MAX)


def shifted(sums: I64, own: LayerWeights, skip: I64 | None) -> I64:
    """Add the skipped input, shift each channel right: to nearest, halves to even."""
    s = own.shift.astype(np.int64)[:, None, None]
    if skip is not None:
        sums = sums + (skip << s)
    rounded = (sums + (1 << np.maximum(s - 1, 0)) - 1 + ((sums >> s) & 1)) >> s
    return np.where(s == 0, sums, rounded)


def _sums(own: LayerWeights, x: I64, quality: int) -> I64:
    reach = own.layer.side // 2
    height, width = x.shape[1:]
    padded = np.pad(x, ((0, 0), (reach, reach), (reach, reach)))
    total = np.zeros((own.layer.outputs, height, width), np.int64)
    for i in range(own.layer.side):
        for j in range(own.layer.side):
            part = padded[:, i : i + height, j : j + width]
            total += np.einsum("oi,ihw->ohw", own.weight[:, :, i, j].astype(np.int64), part)
    return total + own.bias_at(quality).astype(np.int64)[:, None, None]


def _unshuffled(x: I64) -> I64:
    c, h, w = x.shape
    cells = x.reshape(c, h // 2, 2, w // 2, 2)
    return cells.transpose(0, 2, 4, 1, 3).reshape(4 * c, h // 2, w // 2)


def _shuffled(x: I64) -> I64:
    c, h, w = x.shape
    cells = x.reshape(c // 4, 2, 2, h, w)
    return cells.transpose(0, 3, 1, 4, 2).reshape(c // 4, 2 * h, 2 * w)
