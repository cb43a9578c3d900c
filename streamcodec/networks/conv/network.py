# SPDX-License-Identifier: Apache-2.0
"""The decoder network on a device: the fastest execution there that equals the twin."""

from __future__ import annotations

import timeit

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.errors import ModelError
from streamcodec.networks.conv import twin
from streamcodec.networks.conv.executions import MAKERS
from streamcodec.networks.conv.shape import INPUT_MIN, MAP_CHANNELS
from streamcodec.networks.conv.weights import NetworkWeights

I64 = npt.NDArray[np.int64]
_TEST_CELLS = (6, 10)  # at 1/4: small enough for the twin, every edge there
_TEST_QUALITIES = (0, 37, 63)


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


def difference(network: ExecutedNetwork) -> int:
    """How many of its values differ from the twin's, for random and for extreme inputs."""
    rng = np.random.default_rng(5)
    height, width = _TEST_CELLS
    channels = network.weights.shape.inputs
    wrong = 0
    for quality in _TEST_QUALITIES:
        for extreme in (False, True):
            fine = rng.integers(INPUT_MIN, 64, (channels, height, width))
            maps = rng.integers(0, 65, (MAP_CHANNELS, height // 2, width // 2))
            if extreme:
                fine = np.where(fine < 0, INPUT_MIN, 63)
                maps = np.where(maps < 32, 0, 64)
            expected = twin.correction(network.weights, fine, maps, quality)
            found = network.correction(
                torch.from_numpy(fine.astype(np.int32))[None].to(network.device),
                torch.from_numpy(maps.astype(np.int32))[None].to(network.device),
                quality,
            )
            wrong += int(np.count_nonzero(found.cpu().numpy()[0] != expected))
    return wrong


def load(weights: NetworkWeights, device: torch.device) -> ExecutedNetwork:
    """The fastest execution that equals the twin on this device. Raises ModelError if none does."""
    best: tuple[float, ExecutedNetwork] | None = None
    refused = []
    for name in MAKERS:
        try:
            network = ExecutedNetwork(weights, device, name)
            wrong = difference(network)
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
