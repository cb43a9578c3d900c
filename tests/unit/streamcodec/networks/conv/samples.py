# SPDX-License-Identifier: Apache-2.0
"""Decoder networks and pictures made from a seed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec.networks.conv.shape import QUALITIES, Shape
from streamcodec.networks.conv.weights import LayerWeights, NetworkWeights

U8 = npt.NDArray[np.uint8]
Planes = tuple[U8, U8, U8]


@dataclass(frozen=True, slots=True, eq=False)
class BlockInputs:
    """The blocks of a packet: arrays (rows, columns), `field` (2 rows, 2 columns, 2)."""

    counts: U8
    modes: U8
    splits: U8
    field: npt.NDArray[np.int16]


def network(*, predicted: bool, extreme: bool = False, seed: int = 3) -> NetworkWeights:
    """Random weights whose activations spread over their range; `extreme`: all -127 or 127."""
    rng = np.random.default_rng(seed)
    layers = []
    for layer in Shape(predicted, body=16, blocks=2, renderer=8).layers():
        shape = (layer.outputs, layer.inputs, layer.side, layer.side)
        fan = layer.inputs * layer.side**2
        weight = np.clip(rng.normal(0, 40, shape), -127, 127).round()
        if extreme:
            weight = np.where(weight < 0, -127, 127)
        shift = rng.integers(4, 7, layer.outputs) + int(np.log2(fan) / 2)
        rows = QUALITIES if layer.by_quality else 1
        bias = rng.integers(-(1 << 11), 1 << 12, (rows, layer.outputs))
        layers.append(
            LayerWeights(
                layer, weight.astype(np.int8), bias.astype(np.int32), shift.astype(np.uint8)
            )
        )
    return NetworkWeights(Shape(predicted, body=16, blocks=2, renderer=8), tuple(layers))


def planes(rows: int, columns: int, seed: int = 4) -> Planes:
    """Random planes of so many blocks, with flat and with black and white parts."""
    rng = np.random.default_rng(seed)

    def plane(side: int) -> U8:
        made = rng.integers(0, 256, (rows * side, columns * side)).astype(np.uint8)
        made[: rows * side // 3] = np.where(made[: rows * side // 3] < 128, 0, 255)
        made[-rows * side // 3 :] = 77 + (made[-rows * side // 3 :] & 3)
        return made

    return plane(16), plane(8), plane(8)


def blocks(rows: int, columns: int, seed: int = 5) -> BlockInputs:
    """Random maps; about half of the blocks code nothing, and most of these are static."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 5, (rows, columns)) * rng.integers(0, 2, (rows, columns))
    modes = rng.integers(0, 4, (rows, columns)) * rng.integers(0, 2, (rows, columns))
    splits = rng.integers(0, 82, (rows, columns))
    field = rng.integers(-20, 20, (2 * rows, 2 * columns, 2)) * rng.integers(
        0, 8, (2 * rows, 2 * columns, 1)
    ).astype(bool)
    field[: 2 * rows - 2] = 0
    return BlockInputs(
        counts.astype(np.uint8),
        modes.astype(np.uint8),
        splits.astype(np.uint8),
        field.astype(np.int16),
    )
