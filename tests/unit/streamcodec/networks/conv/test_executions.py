# SPDX-License-Identifier: Apache-2.0
"""Every implementation of the decoder network gives the int64 twin's integers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from streamcodec.errors import ModelError
from streamcodec.networks.conv import exactness, twin
from streamcodec.networks.conv import network as networks
from streamcodec.networks.conv.executions import MAKERS, FloatLayer
from streamcodec.networks.conv.network import ExecutedNetwork
from tests.unit.streamcodec.networks.conv import samples

CPU = torch.device("cpu")
MODES = [(False, False), (True, False), (False, True), (True, True)]


@pytest.fixture(params=[1, 2])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def made(execution: str, *, predicted: bool, extreme: bool) -> ExecutedNetwork:
    try:
        return ExecutedNetwork(
            samples.network(predicted=predicted, extreme=extreme), CPU, execution
        )
    except (RuntimeError, AttributeError) as error:
        pytest.skip(f"this torch has no {execution} execution: {error}")


@pytest.mark.parametrize("execution", MAKERS)
@pytest.mark.parametrize(("predicted", "extreme"), MODES)
def test_an_execution_equals_the_twin_for_random_and_for_extreme_inputs(
    execution: str, predicted: bool, extreme: bool, threads: int
) -> None:
    network = made(execution, predicted=predicted, extreme=extreme)
    assert exactness.difference(network.raw, network.weights) == 0


def test_the_samples_use_the_range_of_activations() -> None:
    rng = np.random.default_rng(1)
    found = twin.raw(
        samples.network(predicted=True),
        rng.integers(-64, 64, (51, 8, 8)),
        rng.integers(0, 65, (5, 4, 4)),
        30,
    )
    assert 5 < np.abs(found).mean() < 120
    assert found.min() < -60
    assert found.max() > 60


@pytest.mark.parametrize(
    ("total", "shift", "expected"),
    [(5, 1, 2), (7, 1, 4), (-5, 1, -2), (-7, 1, -4), (6, 2, 2), (10, 2, 2), (11, 2, 3), (9, 0, 9)],
)
def test_halves_are_rounded_to_even(total: int, shift: int, expected: int) -> None:
    own = samples.network(predicted=False).layers[0]
    own.shift[:] = shift
    sums = np.full((own.layer.outputs, 1, 1), total, np.int64)
    assert (twin.shifted(sums, own, None) == expected).all()


def test_the_quality_changes_the_result() -> None:
    weights = samples.network(predicted=False)
    rng = np.random.default_rng(2)
    fine, maps = rng.integers(-64, 64, (27, 4, 4)), rng.integers(0, 65, (5, 2, 2))
    assert not np.array_equal(twin.raw(weights, fine, maps, 10), twin.raw(weights, fine, maps, 50))


def test_loading_takes_an_execution_that_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(FloatLayer):
        def __call__(
            self, x: torch.Tensor, quality: int, skip: torch.Tensor | None = None
        ) -> torch.Tensor:
            return super().__call__(x, quality, skip) + 1

    monkeypatch.setitem(MAKERS, "bytes", Wrong)
    weights = samples.network(predicted=False)
    assert networks.load(weights, CPU).execution == "float"
    monkeypatch.setitem(MAKERS, "float", Wrong)
    with pytest.raises(ModelError, match="cannot be computed exactly on cpu"):
        networks.load(weights, CPU)


def test_weights_and_frames_are_where_the_device_says() -> None:
    stand_in = torch.device("meta")  # computes shapes only, and refuses tensors of other devices
    network = ExecutedNetwork(samples.network(predicted=True), stand_in, "float")
    held = [
        value
        for layer in network.layers.values()
        for value in vars(layer).values()
        if isinstance(value, torch.Tensor)
    ]
    assert held
    assert {tensor.device for tensor in held} == {stand_in}
    fine = torch.zeros((1, 51, 8, 12), dtype=torch.int32, device=stand_in)
    maps = torch.zeros((1, 5, 4, 6), dtype=torch.int32, device=stand_in)
    found = network.run(fine, maps, 20)
    assert found.device == stand_in
    assert found.shape == (1, 24, 8, 12)
    with pytest.raises(RuntimeError):
        network.run(fine.new_zeros(fine.shape, device="cpu"), maps, 20)
