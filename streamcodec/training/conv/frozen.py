# SPDX-License-Identifier: Apache-2.0
"""A frozen decoder network: shipped integers as floats, differentiable in its inputs."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.networks.conv.inputs import UNITS_PER_STEP
from streamcodec.networks.conv.shape import INPUT_MIN, QUALITIES, STEPS_Q3
from streamcodec.networks.conv.weights import NetworkWeights
from streamcodec.training.conv.trainable import KNOTS, UNIT, Trainable, TrainableLayer

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_LARGEST = 63


def frozen(weights: NetworkWeights) -> Trainable:
    """The network of a weights file, to be called without `exact`; its parameters are fixed."""
    network = Trainable(weights.shape)
    for own, layer in zip(weights.layers, network.layers.values(), strict=True):
        assert isinstance(layer, TrainableLayer)
        scale = np.exp2(own.shift.astype(np.float32))
        layer.weight.data = torch.from_numpy(own.weight / scale[:, None, None, None])
        layer.bias.data = torch.from_numpy(_knots(own.bias / (scale * UNIT)).astype(np.float32))
    for parameter in network.parameters():
        parameter.requires_grad = False
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def _knots(bias: np.ndarray) -> np.ndarray:
    """The knots whose linear interpolation gives these rows, one for each quality."""
    if len(bias) == 1:
        return bias
    apart = QUALITIES // (KNOTS - 1)
    rows = bias[::apart]
    share = (apart - 1) / apart
    last = (bias[-1] - (1 - share) * rows[-1]) / share
    return np.asarray(np.concatenate([rows, last[None]]))


def inputs(picture: Planes, predicted: Planes | None, quality: torch.Tensor) -> torch.Tensor:
    """`networks.conv.inputs.at_quarter` of float planes, without rounding."""
    steps = torch.from_numpy(STEPS_Q3).to(quality.device)[quality.long()].float() / 8
    deviations, means, differences = [], [], []
    for number, plane in enumerate(picture):
        side = 2 if number else 4
        factor = (UNITS_PER_STEP / steps[:, min(number, 1)])[:, None, None, None]
        cells = F.pixel_unshuffle(plane, side)
        mean = cells.mean(1, keepdim=True)
        around = F.avg_pool2d(F.pad(mean, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        deviations.append(((cells - around) * factor).clamp(INPUT_MIN, _LARGEST))
        means.append(mean / 2 + INPUT_MIN)
        if predicted is not None:
            guess = F.pixel_unshuffle(predicted[number], side)
            differences.append(((cells - guess) * factor).clamp(INPUT_MIN, _LARGEST))
    return torch.cat([*deviations, *means, *differences], 1)
