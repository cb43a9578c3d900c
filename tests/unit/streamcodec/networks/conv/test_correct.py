# SPDX-License-Identifier: Apache-2.0
"""The correction of a picture on a device: its inputs and outputs are the twin's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec.networks.conv import inputs, twin, twin_inputs
from streamcodec.networks.conv.correct import BlockMaps, correction_of
from streamcodec.networks.conv.network import ExecutedNetwork
from tests.unit.streamcodec.networks.conv import samples

ROWS, COLUMNS = 5, 6
QUALITIES = [0, 23, 47, 63]


def executed(*, predicted: bool) -> ExecutedNetwork:
    return ExecutedNetwork(samples.network(predicted=predicted), torch.device("cpu"), "float")


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("predicted", [False, True])
def test_inputs_equal_their_int64_twin(predicted: bool, quality: int) -> None:
    picture = samples.planes(ROWS, COLUMNS)
    guess = samples.planes(ROWS, COLUMNS, seed=9) if predicted else None

    def tensors(planes: samples.Planes) -> inputs.Planes:
        y, u, v = (torch.from_numpy(p)[None, None].to(torch.int32) for p in planes)
        return y, u, v

    found = inputs.at_quarter(
        tensors(picture), None if guess is None else tensors(guess), torch.tensor([quality])
    )
    assert np.array_equal(found[0].numpy(), twin_inputs.at_quarter(picture, guess, quality))


def test_maps_equal_their_int64_twin() -> None:
    own = samples.blocks(ROWS, COLUMNS)
    found = inputs.maps(*(torch.from_numpy(a)[None] for a in (own.counts, own.modes, own.splits)))
    expected = twin_inputs.maps(own.counts, own.modes, own.splits)
    assert np.array_equal(found[0].numpy(), expected)
    assert expected.min() >= 0
    assert expected.max() <= 127


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_correction_is_the_twins_in_sixteenths_of_a_grey_level(quality: int) -> None:
    network = executed(predicted=True)
    picture, guess = samples.planes(ROWS, COLUMNS), samples.planes(ROWS, COLUMNS, seed=9)
    own = samples.blocks(ROWS, COLUMNS)
    told = BlockMaps(own.counts, own.modes, own.splits)
    found = correction_of(network, picture, guess, told, quality)
    raw = twin.raw(
        network.weights,
        twin_inputs.at_quarter(picture, guess, quality),
        twin_inputs.maps(own.counts, own.modes, own.splits),
        quality,
    )
    step_q3 = int(inputs.STEPS_Q3[quality, 0])
    # raw is in 1/64 step: times step_q3 / 8 grey levels, times 16.
    expected = np.floor(raw[:16] / 64 * step_q3 / 8 * 16 + 0.5)
    cells = expected.reshape(4, 4, 4 * ROWS, 4 * COLUMNS).transpose(2, 0, 3, 1)
    assert np.array_equal(found[0], cells.reshape(16 * ROWS, 16 * COLUMNS))
    assert [p.shape for p in found] == [p.shape for p in picture]
