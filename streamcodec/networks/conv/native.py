# SPDX-License-Identifier: Apache-2.0
"""The decoder network in the native core, for processors. It needs no torch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec import _core
from streamcodec.errors import ModelError
from streamcodec.networks.conv import exactness
from streamcodec.networks.conv.shape import CORRECTION_CHANNELS, STEPS_Q3, Correction
from streamcodec.networks.conv.weights import NetworkWeights

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
Planes = tuple[U8, U8, U8]


class NativeNetwork:
    """A decoder network whose layers are laid out for the core. Frames of any size, any thread."""

    execution = "native"

    def __init__(self, weights: NetworkWeights) -> None:
        self.weights = weights
        self._network = _core.ConvNetwork(
            [(own.weight, own.bias, own.shift) for own in weights.layers]
        )

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
        """The correction of each sample, in 1/16 grey level.

        Planes have whole blocks; `predicted` is the prediction, None for keyframes.
        """
        y, u, v = planes
        found = (
            np.empty(y.shape, np.int16),
            np.empty(u.shape, np.int16),
            np.empty(v.shape, np.int16),
        )
        luma, chroma = (int(step) for step in STEPS_Q3[quality])
        self._network.correction(
            workspace, planes, predicted, blocks, quality, (luma, chroma), found, pool
        )
        return found

    def raw(self, fine: I64, maps: I64, quality: int) -> I64:
        """(24, H/4, W/4) in -127..127, before scaling, of the twin's inputs and maps."""
        out = np.empty((CORRECTION_CHANNELS, *fine.shape[1:]), np.int8)
        self._network.raw(
            _core.ConvWorkspace(), fine.astype(np.int8), maps.astype(np.uint8), quality, out
        )
        return out.astype(np.int64)


def load(weights: NetworkWeights) -> NativeNetwork:
    """The network, compared with its int64 twin. Raises ModelError where it differs."""
    network = NativeNetwork(weights)
    if exactness.difference(network.raw, weights):
        raise ModelError(
            f"the decoder network cannot be computed exactly by this processor's "
            f"{_core.level()} instructions: use size S, or STREAMCODEC_LEVEL=plain"
        )
    return network
