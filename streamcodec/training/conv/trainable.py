# SPDX-License-Identifier: Apache-2.0
"""The decoder network in training: floats that will be rounded to the shipped integers.

An activation of 1.0 is 16 as an integer. With `exact` every weight, bias and activation is rounded
as shipped, with straight-through gradients; without, values are only clamped.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from streamcodec.networks.conv.shape import (
    ACTIVATION_MAX,
    MOST_SHIFT,
    QUALITIES,
    Layer,
    Shape,
)

UNIT = 16  # of an activation of 1.0
KNOTS = 9  # qualities at which a bias is learned; linear interpolation between
CORRECTION_UNIT = 64  # of a correction by one step
_TOP = ACTIVATION_MAX / UNIT


def straight(rounded: torch.Tensor, smooth: torch.Tensor) -> torch.Tensor:
    """The value of `rounded` with the gradient of `smooth`."""
    return smooth + (rounded - smooth).detach()


def shifts_of(weights: torch.Tensor) -> torch.Tensor:
    """(outputs,) the largest shift whose rounded weights fit eight bits."""
    peak = weights.detach().abs().amax((1, 2, 3)).clamp(min=1e-6)
    return torch.floor(torch.log2((ACTIVATION_MAX + 0.49) / peak)).clamp(0, MOST_SHIFT)


class TrainableLayer(nn.Module):
    """One convolution of the network."""

    def __init__(self, layer: Layer) -> None:
        super().__init__()
        self.layer = layer
        shape = (layer.outputs, layer.inputs, layer.side, layer.side)
        self.weight = nn.Parameter(torch.empty(shape))
        nn.init.kaiming_normal_(self.weight)
        rows = KNOTS if layer.by_quality else 1
        self.bias = nn.Parameter(torch.zeros(rows, layer.outputs))

    def biases(self, quality: torch.Tensor) -> torch.Tensor:
        """(n, outputs) for qualities (n,), in units of activations."""
        if not self.layer.by_quality:
            return self.bias.expand(len(quality), -1)
        place = quality.to(torch.float32) * ((KNOTS - 1) / QUALITIES)
        knot = place.long()
        share = (place - knot)[:, None]
        return self.bias[knot] * (1 - share) + self.bias[knot + 1] * share

    def forward(
        self, x: torch.Tensor, quality: torch.Tensor, skip: torch.Tensor | None, exact: bool
    ) -> torch.Tensor:
        """Sum of the convolution, bias and skip, before clamp and rounding."""
        weight: torch.Tensor = self.weight
        bias = self.biases(quality)
        if exact:
            scale = torch.exp2(shifts_of(weight))[:, None, None, None]
            weight = straight((weight * scale).round() / scale, weight)
            unit = scale.reshape(1, -1) * UNIT
            bias = straight((bias * unit).round() / unit, bias)
        shared = None if self.layer.by_quality else bias[0]
        out = F.conv2d(x, weight, shared, padding=self.layer.side // 2)
        if shared is None:
            out = out + bias[:, :, None, None].to(out.dtype)
        return out if skip is None else out + skip


class Trainable(nn.Module):
    """The whole network; returns corrections in quantiser steps."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.layers = nn.ModuleDict(
            {layer.name.replace(".", "_"): TrainableLayer(layer) for layer in shape.layers()}
        )
        for name, layer in self.layers.items():
            assert isinstance(layer, TrainableLayer)
            if name == "last":
                nn.init.zeros_(layer.weight)
            elif layer.layer.skip:
                layer.weight.data *= 0.3

    def forward(
        self, inputs: torch.Tensor, maps: torch.Tensor, quality: torch.Tensor, exact: bool = False
    ) -> torch.Tensor:
        """(n, 24, H/4, W/4) from the integer inputs of `networks/conv/inputs.py`."""

        def run(name: str, x: torch.Tensor, skip: torch.Tensor | None = None) -> torch.Tensor:
            return torch.as_tensor(self.layers[name](x, quality, skip, exact))

        def act(x: torch.Tensor) -> torch.Tensor:
            y = F.hardtanh(x, 0, _TOP)  # one backward pass, where clamp takes three
            return straight((y * UNIT).round() / UNIT, y) if exact else y

        fine = (inputs.to(torch.float32) / UNIT).contiguous(memory_format=torch.channels_last)
        seen = (maps.to(torch.float32) / UNIT).contiguous(memory_format=torch.channels_last)
        x = act(run("enter", torch.cat([F.pixel_unshuffle(fine, 2), seen], 1)))
        for n in range(self.shape.blocks):
            x = act(run(f"body_{n}_b", act(run(f"body_{n}_a", x)), x))
        x = F.pixel_shuffle(act(run("leave", x)), 2)
        x = act(run("first", torch.cat([fine.to(x.dtype), x], 1)))
        x = act(run("second", x, x))
        y = run("last", x).float() * (UNIT / CORRECTION_UNIT)
        top = ACTIVATION_MAX / CORRECTION_UNIT
        y = y.clamp(-top, top)
        return straight((y * CORRECTION_UNIT).round() / CORRECTION_UNIT, y) if exact else y
