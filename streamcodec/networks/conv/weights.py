# SPDX-License-Identifier: Apache-2.0
"""The decoder network's integers in a weights file, checked.

For a network NAME ("key" or "inter") and each layer: `decoder.NAME.LAYER.weight` int8 (outputs,
inputs, height, width), `.bias` int32 (1 or 64 qualities, outputs), `.shift` uint8 (outputs,).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec.errors import ModelError
from streamcodec.networks.conv.shape import (
    ACTIVATION_MAX,
    MOST_SHIFT,
    QUALITIES,
    SUM_LIMIT,
    Layer,
    Shape,
)

Arrays = Mapping[str, npt.NDArray[np.generic]]
KINDS = ("key", "inter")


@dataclass(frozen=True, slots=True, eq=False)
class LayerWeights:
    """Integers of one layer."""

    layer: Layer
    weight: npt.NDArray[np.int8]  # (outputs, inputs, side, side)
    bias: npt.NDArray[np.int32]  # (1 or 64, outputs)
    shift: npt.NDArray[np.uint8]  # (outputs,)

    def bias_at(self, quality: int) -> npt.NDArray[np.int32]:
        """(outputs,) of a quality index."""
        return np.asarray(self.bias[quality if self.layer.by_quality else 0])

    def largest_sum(self) -> int:
        """Bound of the magnitude of every sum, for any inputs."""
        weights = np.abs(self.weight.astype(np.int64)).sum((1, 2, 3)) * ACTIVATION_MAX
        bias = np.abs(self.bias.astype(np.int64)).max(0)
        skip = (ACTIVATION_MAX << self.shift.astype(np.int64)) if self.layer.skip else 0
        return int((weights + bias + skip).max())


@dataclass(frozen=True, slots=True, eq=False)
class NetworkWeights:
    """A whole decoder network."""

    shape: Shape
    layers: tuple[LayerWeights, ...]

    @classmethod
    def from_arrays(cls, arrays: Arrays, kind: str) -> NetworkWeights | None:
        """The network of a frame type, or None when the file has none. Raises ModelError."""
        prefix = f"decoder.{kind}."
        if not any(name.startswith(prefix) for name in arrays):
            return None
        try:
            blocks = len([n for n in arrays if re.fullmatch(rf"{prefix}body\.\d+\.a\.weight", n)])
            shape = Shape(
                kind == "inter",
                int(arrays[f"{prefix}enter.weight"].shape[0]),
                blocks,
                int(arrays[f"{prefix}second.weight"].shape[0]),
            )
            found = tuple(_layer(arrays, prefix, layer) for layer in shape.layers())
        except (KeyError, IndexError) as missing:
            raise ModelError(f"weights lack {missing}: they are of another version") from None
        return cls(shape, found)

    def to_arrays(self, kind: str) -> dict[str, npt.NDArray[np.generic]]:
        """Arrays as `from_arrays` reads them."""
        arrays: dict[str, npt.NDArray[np.generic]] = {}
        for own in self.layers:
            name = f"decoder.{kind}.{own.layer.name}"
            arrays |= {
                f"{name}.weight": own.weight,
                f"{name}.bias": own.bias,
                f"{name}.shift": own.shift,
            }
        return arrays


def _layer(arrays: Arrays, prefix: str, layer: Layer) -> LayerWeights:
    name = prefix + layer.name
    expected: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "weight": (np.int8, (layer.outputs, layer.inputs, layer.side, layer.side)),
        "bias": (np.int32, (QUALITIES if layer.by_quality else 1, layer.outputs)),
        "shift": (np.uint8, (layer.outputs,)),
    }
    for part, (dtype, shape) in expected.items():
        values = arrays[f"{name}.{part}"]
        if values.dtype != dtype or values.shape != shape:
            raise ModelError(
                f"weights hold {name}.{part} as {values.dtype} {values.shape}, "
                f"expected {np.dtype(dtype)} {shape}: they are of another version"
            )
    found = LayerWeights(
        layer,
        np.ascontiguousarray(arrays[f"{name}.weight"], np.int8),
        np.ascontiguousarray(arrays[f"{name}.bias"], np.int32),
        np.ascontiguousarray(arrays[f"{name}.shift"], np.uint8),
    )
    if found.shift.max(initial=0) > MOST_SHIFT:
        raise ModelError(f"weights hold {name}.shift beyond {MOST_SHIFT}: they are damaged")
    if found.largest_sum() >= SUM_LIMIT:
        raise ModelError(
            f"weights hold {name} with sums up to {found.largest_sum()}, "
            f"expected less than {SUM_LIMIT}: not every machine adds them exactly"
        )
    return found
