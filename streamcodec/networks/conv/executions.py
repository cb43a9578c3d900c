# SPDX-License-Identifier: Apache-2.0
"""A layer in torch, in two implementations with equal integers; the device decides which is faster.

`FloatLayer` runs anywhere: sums stay below 2**24, so float32 holds them in any order of adding, and
a power of two changes only the exponent. `ByteProductLayer` lays windows out as rows for torch's
int8 matrix product. Without torch, processors run the core's convolutions (native.py).
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.networks.conv.shape import ACTIVATION_MAX
from streamcodec.networks.conv.weights import LayerWeights


class Execution(Protocol):
    """A layer on a device."""

    def __call__(
        self, x: torch.Tensor, quality: int, skip: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Clamped outputs (1, outputs, H, W) of inputs (1, inputs, H, W), in the inputs' dtype."""
        ...


class FloatLayer:
    """Float32 values that are integers."""

    dtype = torch.float32

    def __init__(self, own: LayerWeights, device: torch.device) -> None:
        scale = torch.exp2(-torch.from_numpy(own.shift).to(torch.float32))
        weight = torch.from_numpy(own.weight).to(torch.float32)
        # Scaled by powers of two: every product and sum stays exact.
        self._weight = (weight * scale[:, None, None, None]).to(device)
        self._bias = (torch.from_numpy(own.bias).to(torch.float32) * scale).to(device)
        self._by_quality = own.layer.by_quality
        self._reach = own.layer.side // 2
        self._low = -float(ACTIVATION_MAX) if own.layer.name == "last" else 0.0

    def __call__(
        self, x: torch.Tensor, quality: int, skip: torch.Tensor | None = None
    ) -> torch.Tensor:
        bias = self._bias[quality if self._by_quality else 0]
        y = F.conv2d(x, self._weight, bias, padding=self._reach)
        if skip is not None:
            y += skip
        return y.round_().clamp_(self._low, ACTIVATION_MAX)  # round_ takes halves to even


class ByteProductLayer:
    """Windows as rows, times int8 weights, with int32 sums."""

    dtype = torch.int8

    def __init__(self, own: LayerWeights, device: torch.device) -> None:
        self._layer = own.layer
        flat = torch.from_numpy(own.weight.transpose(2, 3, 1, 0).reshape(-1, own.layer.outputs))
        # CUDA takes only multiples of eight.
        self._columns = -own.layer.inputs * own.layer.side**2 % 8
        flat = F.pad(flat, (0, -own.layer.outputs % 8, 0, self._columns))
        self._weight = flat.to(device).contiguous()
        self._bias = torch.from_numpy(own.bias).to(device)
        self._shift = torch.from_numpy(own.shift.astype(np.int32)).to(device)
        self._half = (1 << (self._shift - 1).clamp(min=0)) - 1 + (self._shift == 0).to(torch.int32)
        self._low = -ACTIVATION_MAX if own.layer.name == "last" else 0

    def __call__(
        self, x: torch.Tensor, quality: int, skip: torch.Tensor | None = None
    ) -> torch.Tensor:
        own = self._layer
        height, width = x.shape[2:]
        rows = _windows(x, own.side)
        if self._columns:
            rows = F.pad(rows, (0, self._columns))
        few = max(0, 17 - len(rows))  # CUDA takes only more than sixteen rows
        if few:
            rows = F.pad(rows, (0, 0, 0, few))
        sums = torch._int_mm(rows.contiguous(), self._weight)[: height * width, : own.outputs]
        sums = sums + self._bias[quality if own.by_quality else 0]
        if skip is not None:
            flat = skip.permute(0, 2, 3, 1).reshape(-1, own.outputs).to(torch.int32)
            sums = sums + (flat << self._shift)
        odd = (sums >> self._shift) & 1
        # A shift of 0 rounds nothing.
        rounded = (sums + torch.where(self._shift > 0, self._half + odd, 0)) >> self._shift
        out = rounded.clamp_(self._low, ACTIVATION_MAX).to(torch.int8)
        return out.reshape(1, height, width, own.outputs).permute(0, 3, 1, 2)


def _windows(x: torch.Tensor, side: int) -> torch.Tensor:
    """(H * W, side * side * inputs) of (1, inputs, H, W), zeros beyond the edge."""
    last = x.permute(0, 2, 3, 1)[0]
    height, width, inputs = last.shape
    if side == 1:
        return last.reshape(-1, inputs)
    padded = F.pad(last, (0, 0, 1, 1, 1, 1))
    parts = [padded[i : i + height, j : j + width] for i in range(side) for j in range(side)]
    return torch.cat(parts, 2).reshape(height * width, -1)


MAKERS: dict[str, type[FloatLayer | ByteProductLayer]] = {
    "bytes": ByteProductLayer,
    "float": FloatLayer,
}
