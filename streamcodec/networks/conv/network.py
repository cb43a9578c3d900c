# SPDX-License-Identifier: Apache-2.0
"""The decoder network on a device: the fastest execution there that equals the twin."""

from __future__ import annotations

import timeit

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import _core
from streamcodec.errors import ModelError
from streamcodec.networks.conv import exactness
from streamcodec.networks.conv.correct import Blocks, Planes, correction_of
from streamcodec.networks.conv.executions import MAKERS
from streamcodec.networks.conv.shape import INPUT_MIN, MAP_CHANNELS, Added
from streamcodec.networks.conv.weights import NetworkWeights

I64 = npt.NDArray[np.int64]


class ExecutedNetwork:
    """A decoder network whose weights lie on `device`, run by one kind of layer."""

    def __init__(self, weights: NetworkWeights, device: torch.device, execution: str) -> None:
        self.weights = weights
        self.device = device
        self.execution = execution
        make = MAKERS[execution]
        shape = weights.shape
        signed = {"enter": 4 * shape.inputs, "first": shape.inputs}
        self._dtype = make.dtype
        self._offset = -INPUT_MIN if make.dtype == torch.uint8 else 0
        self.layers = {
            own.layer.name: make(own, device, signed=signed.get(own.layer.name, 0))
            for own in weights.layers
        }

    @torch.inference_mode()
    def correction(self, fine: torch.Tensor, maps: torch.Tensor, quality: int) -> torch.Tensor:
        """(1, 24, H/4, W/4) int32 in -127..127, of inputs as `networks/conv/inputs.py` has them."""
        x_fine = (fine + self._offset).to(self._dtype)
        run = self.layers
        x = torch.cat([F.pixel_unshuffle(x_fine, 2), maps.to(self._dtype)], 1)
        x = run["enter"](x, quality)
        for n in range(self.weights.shape.blocks):
            x = run[f"body.{n}.b"](run[f"body.{n}.a"](x, quality), quality, x)
        x = F.pixel_shuffle(run["leave"](x, quality), 2)
        x = run["first"](torch.cat([x_fine, x], 1), quality)
        x = run["second"](x, quality, x)
        return run["last"](x, quality).to(torch.int32)

    def raw(self, fine: I64, maps: I64, quality: int) -> I64:
        """(24, H/4, W/4) in -127..127 of inputs and maps as the twin takes them."""
        found = self.correction(
            torch.from_numpy(fine.astype(np.int32))[None].to(self.device),
            torch.from_numpy(maps.astype(np.int32))[None].to(self.device),
            quality,
        )
        return np.asarray(found[0].cpu().numpy(), np.int64)

    def added(
        self,
        planes: Planes,
        predicted: Planes | None,
        blocks: _core.Blocks,
        quality: int,
        *,
        workspace: _core.ConvWorkspace,
        pool: _core.Pool | None,
    ) -> Added:
        """What the network would add to each sample, in 1/16 grey level."""
        del workspace, pool  # of the core
        told = Blocks(blocks.counts, blocks.modes, blocks.splits)
        return correction_of(self, planes, predicted, told, quality).planes


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
        taken_s = _seconds(network)
        if best is None or taken_s < best[0]:
            best = (taken_s, network)
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
        network.correction(fine, maps, 30).cpu()

    once()
    return min(timeit.repeat(once, number=1, repeat=3))
