# SPDX-License-Identifier: Apache-2.0
"""Rounds a trained network to the integers that are shipped."""

from __future__ import annotations

import torch

from streamcodec.networks.conv.shape import MOST_SHIFT, QUALITIES, SUM_LIMIT
from streamcodec.networks.conv.weights import LayerWeights, NetworkWeights
from streamcodec.training.conv.trainable import UNIT, Trainable, TrainableLayer, shifts_of


def weights_of(network: Trainable) -> NetworkWeights:
    """Round every weight and bias; lowers a channel's shift where its sums could be too large."""
    return NetworkWeights(
        network.shape,
        tuple(
            _rounded(layer)
            for layer in network.layers.values()
            if isinstance(layer, TrainableLayer)
        ),
    )


def _rounded(trained: TrainableLayer) -> LayerWeights:
    shifts = shifts_of(trained.weight).to(torch.int64)
    while True:
        scale = torch.exp2(shifts.to(torch.float32))
        weight = (trained.weight.detach() * scale[:, None, None, None]).round()
        rows = QUALITIES if trained.layer.by_quality else 1
        bias = trained.biases(torch.arange(rows)).detach() * scale * UNIT
        found = LayerWeights(
            trained.layer,
            weight.to(torch.int8).contiguous().numpy(),
            bias.round().to(torch.int32).numpy(),
            shifts.to(torch.uint8).numpy(),
        )
        assert int(shifts.max()) <= MOST_SHIFT
        if found.largest_sum() < SUM_LIMIT:
            return found
        shifts = (shifts - 1).clamp(min=0)
