# SPDX-License-Identifier: Apache-2.0
"""An encoder network's change of the source is coded; decoders need not know of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec
from streamcodec.dense import transform
from streamcodec.dense.compensate import Planes
from streamcodec.dense.device import Device
from streamcodec.dense.encoder import DenseFrameEncoder
from streamcodec.networks.conv.encoder import EncoderNetwork, EncoderShape
from tests.unit.streamcodec.dense.material import material

CPU = torch.device("cpu")


def brighter(source: Planes, predicted: Planes, quality: torch.Tensor) -> Planes:
    assert source[0].shape == predicted[0].shape
    assert quality.tolist() == [50]
    y, u, v = source
    return torch.full_like(y, 6.0), torch.zeros_like(u), torch.zeros_like(v)


def test_what_is_added_is_coded_as_if_the_source_held_it(codec: Codec) -> None:
    frames = material("pan")
    key = codec.encode(frames[0], quality=50).reference
    means = []
    for adding in (None, brighter):
        device = Device(codec.model, CPU, adding=adding)
        encoder = DenseFrameEncoder(codec.model, frames[1], key, device=device)
        attempt = encoder.at(50)
        after = encoder.reference_after(attempt)
        assert codec.decode(attempt.packet, key).frame.same_pixels(after.frame)
        means.append(float(after.frame.y.mean()))
    assert means[1] - means[0] == pytest.approx(6, abs=0.7)


def test_a_network_that_adds_nothing_yet_changes_no_packet(codec: Codec) -> None:
    """As before training: the last layer starts at zero."""
    frames = material("cut")
    key = codec.encode(frames[0], quality=40).reference
    network = EncoderNetwork(EncoderShape(8, 1)).eval()
    packets = [
        DenseFrameEncoder(
            codec.model, frames[1], key, device=Device(codec.model, CPU, adding=adding)
        )
        .at(30)
        .packet
        for adding in (None, network)
    ]
    assert packets[0] == packets[1]


def test_planes_are_transformed_as_splits_say() -> None:
    rng = np.random.default_rng(4)
    planes = []
    for side in (16, 8, 8):
        plane = np.cumsum(rng.normal(0, 12, (side, 12 * side)), 1)
        plane *= rng.random(plane.shape) < np.linspace(0.02, 1.2, plane.shape[1])
        planes.append(torch.from_numpy(plane.astype(np.float32)))
    found = transform.forward((planes[0], planes[1], planes[2]), 0.2)
    assert len(found.splits.unique()) > 3
    again = transform.by_splits((planes[0], planes[1], planes[2]), found.splits)
    assert torch.equal(again, found.coefficients)
