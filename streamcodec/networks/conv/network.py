# SPDX-License-Identifier: Apache-2.0
"""The decoder network on a device: the fastest execution that equals the twin there."""

from __future__ import annotations

import timeit

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import _core
from streamcodec.errors import ModelError
from streamcodec.networks.conv import exactness
from streamcodec.networks.conv.correct import BlockMaps, Planes, correction_of
from streamcodec.networks.conv.executions import MAKERS
from streamcodec.networks.conv.shape import MAP_CHANNELS, Correction
from streamcodec.networks.conv.weights import NetworkWeights

I64 = npt.NDArray[np.int64]


class ExecutedNetwork:
    """A decoder network with its weights on `device`, run by one implementation of layers."""

    def __init__(self, weights: NetworkWeights, device: torch.device, execution: str) -> None:
        self.weights = weights
        self.device = device
        self.execution = execution
        make = MAKERS[execution]
        self._dtype = make.dtype
        self.layers = {own.layer.name: make(own, device) for own in weights.layers}

    @torch.inference_mode()
    def run(self, fine: torch.Tensor, maps: torch.Tensor, quality: int) -> torch.Tensor:
        """(1, 24, H/4, W/4) int32 in -127..127, of inputs made by `networks/conv/inputs.py`."""
        x_fine = fine.to(self._dtype)
        layers = self.layers
        x = torch.cat([F.pixel_unshuffle(x_fine, 2), maps.to(self._dtype)], 1)
        x = layers["enter"](x, quality)
        for n in range(self.weights.shape.blocks):
            x = layers[f"body.{n}.b"](layers[f"body.{n}.a"](x, quality), quality, x)
        x = F.pixel_shuffle(layers["leave"](x, quality), 2)
        x = layers["first"](torch.cat([x_fine, x], 1), quality)
        x = layers["second"](x, quality, x)
        return layers["last"](x, quality).to(torch.int32)

    def raw(self, fine: I64, maps: I64, quality: int) -> I64:
        """(24, H/4, W/4) in -127..127, before scaling, of the twin's inputs and maps."""
        found = self.run(
            torch.from_numpy(fine.astype(np.int32))[None].to(self.device),
            torch.from_numpy(maps.astype(np.int32))[None].to(self.device),
            quality,
        )
        return np.asarray(found[0].cpu().numpy(), np.int64)

    def correction(
        self,
        planes: Planes,
        predicted: Planes | None,
        blocks: _core.Blocks,
        quality: int,
        *,
        workspace: _core.ConvWorkspace,
        pool: _core.Pool | None,
    ) -> Correction:
        """The correction of each sample, in 1/16 grey level."""
        del workspace, pool  # only the core's
        maps = BlockMaps(blocks.counts, blocks.modes, blocks.splits)
        return correction_of(self, planes, predicted, maps, quality)


def load(weights: NetworkWeights, device: torch.device) -> ExecutedNetwork:
    """The fastest execution that equals the twin on this device. Raises ModelError if none does."""
    best: tuple[float, ExecutedNetwork] | None = None
    refused = []
    for name in MAKERS:
        try:
            network = ExecutedNetwork(weights, device, name)
            wrong = exactness.difference(network.raw, weights)
        except (RuntimeError, NotImplementedError, AttributeError):
            continue  # not on this device, or not in this torch
        if wrong:
            refused.append(name)
            continue
        seconds = _seconds(network)
        if best is None or seconds < best[0]:
            best = (seconds, network)
    if best is None:
        raise ModelError(
            f"the decoder network cannot be computed exactly on {device} "
            f"(wrong: {', '.join(refused) or 'nothing runs'}): use size S there"
        )
    return best[1]


def _seconds(network: ExecutedNetwork) -> float:
    fine = torch.zeros(
        (1, network.weights.shape.inputs, 32, 64), dtype=torch.int32, device=network.device
    )
    maps = torch.zeros((1, MAP_CHANNELS, 16, 32), dtype=torch.int32, device=network.device)

    def once() -> None:
        network.run(fine, maps, 30).cpu()

    once()
    return min(timeit.repeat(once, number=1, repeat=3))
