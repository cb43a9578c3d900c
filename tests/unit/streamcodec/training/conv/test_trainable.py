# SPDX-License-Identifier: Apache-2.0
"""Training computes the shipped integers forward, and a useful gradient back."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec.networks.conv import twin
from streamcodec.networks.conv.shape import SUM_LIMIT, Shape
from streamcodec.training.conv.export import weights_of
from streamcodec.training.conv.soap import Soap
from streamcodec.training.conv.trainable import CORRECTION_UNIT, Trainable


def trained(*, predicted: bool) -> Trainable:
    torch.manual_seed(4)
    network = Trainable(Shape(predicted, body=16, blocks=2, renderer=8))
    torch.nn.init.normal_(network.get_parameter("layers.last.weight"), std=0.08)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.3)
    return network


@pytest.mark.parametrize("quality", [0, 5, 37, 63])
@pytest.mark.parametrize("predicted", [False, True])
def test_the_forward_pass_is_that_of_the_shipped_integers(predicted: bool, quality: int) -> None:
    network = trained(predicted=predicted)
    rng = np.random.default_rng(quality)
    fine = rng.integers(-64, 64, (network.shape.inputs, 8, 12))
    maps = rng.integers(0, 65, (5, 4, 6))
    with torch.no_grad():
        found = network(
            torch.from_numpy(fine)[None],
            torch.from_numpy(maps)[None],
            torch.tensor([quality]),
            exact=True,
        )
    expected = twin.raw(weights_of(network), fine, maps, quality)
    assert np.abs(expected).max() > 10
    assert np.array_equal((found[0].numpy() * CORRECTION_UNIT).round(), expected)


def test_an_untrained_network_corrects_nothing() -> None:
    network = Trainable(Shape(predicted=False, body=16, blocks=1, renderer=8))
    weights = weights_of(network)
    rng = np.random.default_rng(1)
    found = twin.raw(weights, rng.integers(-64, 64, (27, 4, 4)), rng.integers(0, 65, (5, 2, 2)), 30)
    assert not found.any()


def test_weights_too_large_for_exact_sums_are_shipped_with_fewer_bits() -> None:
    network = trained(predicted=True)
    network.get_parameter("layers.last.bias").data.fill_(500.0)
    for own in weights_of(network).layers:
        assert own.largest_sum() < SUM_LIMIT


def test_gradients_pass_the_rounding() -> None:
    network = trained(predicted=False)
    fine = torch.randint(-64, 64, (2, 27, 8, 8))
    maps = torch.randint(0, 65, (2, 5, 4, 4))
    found = network(fine, maps, torch.tensor([10, 40]), exact=True)
    torch.autograd.backward(found.square().mean())
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_soap_reaches_what_a_badly_scaled_problem_asks_for() -> None:
    torch.manual_seed(0)
    wanted = torch.randn(6, 4, 3, 3)
    mix = torch.linalg.qr(torch.randn(4, 4))[0] @ torch.diag(torch.tensor([10.0, 1, 0.1, 0.03]))
    parameter = torch.nn.Parameter(torch.zeros_like(wanted))
    soap = Soap([parameter], decay=0)
    for step in range(400):
        miss = torch.einsum("oihw,ij->ojhw", parameter - wanted, mix)
        torch.autograd.backward(miss.square().sum())
        soap.step(0.03 * (1 - step / 400))
    assert (parameter - wanted).abs().max() < 0.05
