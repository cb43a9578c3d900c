# SPDX-License-Identifier: Apache-2.0
"""Fixed inputs on which every execution of a decoder network is compared with the twin."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from streamcodec.networks.conv import twin
from streamcodec.networks.conv.shape import INPUT_MIN, MAP_CHANNELS
from streamcodec.networks.conv.weights import NetworkWeights

I64 = npt.NDArray[np.int64]
# (inputs, maps, quality) -> the network's outputs, all int64.
Run = Callable[[I64, I64, int], I64]

_CELLS = (6, 10)  # at 1/4: small enough for the twin, with all edges
_QUALITIES = (0, 37, 63)


def difference(run: Run, weights: NetworkWeights) -> int:
    """How many values differ from the twin's, for random and for extreme inputs."""
    rng = np.random.default_rng(5)
    height, width = _CELLS
    wrong = 0
    for quality in _QUALITIES:
        for extreme in (False, True):
            fine = rng.integers(INPUT_MIN, 64, (weights.shape.inputs, height, width))
            maps = rng.integers(0, 65, (MAP_CHANNELS, height // 2, width // 2))
            if extreme:
                fine = np.where(fine < 0, INPUT_MIN, 63)
                maps = np.where(maps < 32, 0, 64)
            expected = twin.raw(weights, fine, maps, quality)
            wrong += int(np.count_nonzero(run(fine, maps, quality) != expected))
    return wrong


def digest(run: Run, weights: NetworkWeights) -> bytes:
    """16 bytes of the network's outputs for fixed inputs: equal on every exact device."""
    rng = np.random.default_rng(11)
    height, width = _CELLS
    fine = rng.integers(INPUT_MIN, 64, (1, weights.shape.inputs, height, width))
    maps = rng.integers(0, 65, (1, MAP_CHANNELS, height // 2, width // 2))
    state = hashlib.blake2b(digest_size=16)
    for quality in _QUALITIES:
        state.update(run(fine[0], maps[0], quality).astype(np.int8).tobytes())
    return state.digest()
