# SPDX-License-Identifier: Apache-2.0
"""The encoder network adds nothing before training, and is read back as it was written."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec.errors import ModelError
from streamcodec.networks.conv import encoder
from streamcodec.networks.conv.encoder import EncoderNetwork, EncoderShape
from tests.unit.streamcodec.networks.conv import samples

CPU = torch.device("cpu")
TINY = EncoderShape(16, 1)


def trained() -> EncoderNetwork:
    torch.manual_seed(2)
    network = EncoderNetwork(TINY)
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    torch.nn.init.normal_(network.by_quality, std=0.5)
    for parameter in network.parameters():
        parameter.data = parameter.data.half().float()
    return network


def test_an_untrained_network_adds_nothing() -> None:
    source = samples.planes(3, 4)
    found = encoder.added_to(source, samples.planes(3, 4, 8), 30, network=EncoderNetwork(TINY))
    assert [plane.shape for plane in found] == [plane.shape for plane in source]
    assert not any(plane.any() for plane in found)


def test_patches_are_undone_and_their_bases_keep_energy() -> None:
    planes = tuple(torch.from_numpy(p)[None, None].float() for p in samples.planes(2, 3))
    back = encoder.planes_of(encoder.patches((planes[0], planes[1], planes[2])))
    assert all(torch.equal(a, b) for a, b in zip(back, planes, strict=True))
    bases = EncoderNetwork(TINY).get_buffer("bases")[:, :, 0, 0]
    assert torch.allclose(bases @ bases.T, torch.eye(96), atol=1e-5)


def test_a_flat_difference_is_one_coefficient() -> None:
    seen = EncoderNetwork(TINY).get_buffer("bases")[:64, :64, 0, 0] @ torch.full((64,), 5.0)
    assert seen[0] == pytest.approx(40, abs=1e-3)
    assert seen[1:].abs().max() < 1e-3


def test_weights_come_back_in_half_precision() -> None:
    network = trained()
    arrays = network.to_arrays("key")
    assert {a.dtype for a in arrays.values()} == {np.dtype(np.float16)}
    read = encoder.from_arrays(arrays, "key", CPU)
    assert read is not None
    source = samples.planes(3, 3)
    for a, b in zip(
        encoder.added_to(source, None, 20, network=network),
        encoder.added_to(source, None, 20, network=read),
        strict=True,
    ):
        assert np.array_equal(a, b)
    assert any(
        not np.array_equal(a, b)
        for a, b in zip(
            encoder.added_to(source, None, 20, network=read),
            encoder.added_to(source, None, 50, network=read),
            strict=True,
        )
    )


def test_a_file_without_an_encoder_has_none_and_a_damaged_one_is_refused() -> None:
    assert encoder.from_arrays({}, "key", CPU) is None
    arrays = trained().to_arrays("key")
    assert encoder.from_arrays(arrays, "inter", CPU) is None
    del arrays["encoder.key.leave.bias"]
    with pytest.raises(ModelError, match="another version"):
        encoder.from_arrays(arrays, "key", CPU)


def test_the_network_lies_and_runs_where_the_device_says() -> None:
    stand_in = torch.device("meta")
    network = encoder.from_arrays(trained().to_arrays("key"), "key", stand_in)
    assert network is not None
    held = [*network.parameters(), *network.buffers()]
    assert {tensor.device for tensor in held} == {stand_in}
    planes = tuple(torch.zeros((1, 1, s, s), device=stand_in) for s in (32, 16, 16))
    three = planes[0], planes[1], planes[2]
    found = network(three, three, torch.zeros(1, dtype=torch.long, device=stand_in))
    assert {plane.device for plane in found} == {stand_in}
    assert [plane.shape for plane in found] == [plane.shape for plane in planes]


def test_the_strong_one_costs_28_thousand_multiplications_a_sample() -> None:
    assert 27_000 < encoder.STRONG.multiplies_per_px < 29_000
    assert encoder.SMALL.multiplies_per_px < 3_000
