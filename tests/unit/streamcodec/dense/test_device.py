# SPDX-License-Identifier: Apache-2.0
"""Parameters and frames are on the configured device; tested with a stand-in on any machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec
from streamcodec import weights as files
from streamcodec.dense.device import Device
from streamcodec.dense.encoder import DenseFrameEncoder
from streamcodec.dense.prior import Stack
from streamcodec.networks.conv.correct import BlockMaps, correction_of
from streamcodec.networks.conv.network import ExecutedNetwork
from tests.unit.streamcodec.dense.elsewhere import DEVICE, Elsewhere
from tests.unit.streamcodec.dense.material import material


def test_the_stand_in_refuses_to_mix_devices_and_to_be_read() -> None:
    with Elsewhere() as mode:
        there = torch.ones(3).to(DEVICE)
        assert there.device == DEVICE
        with pytest.raises(RuntimeError, match="two devices"):
            _ = there + torch.ones(3)
        with pytest.raises(RuntimeError, match="reads a value"):
            there.sum().item()
        assert (there + 1).cpu().tolist() == [2.0, 2.0, 2.0]
        assert (mode.ups, mode.downs) == (1, 1)


def test_a_frame_is_encoded_on_the_device_that_is_given_to_the_same_packet(codec: Codec) -> None:
    """All of the device's part runs there; only the transfers in the table happen."""
    frames = material("pan")
    key = codec.encode(frames[0], quality=40)
    home = Device(codec.model, torch.device("cpu"))
    expected = DenseFrameEncoder(codec.model, frames[1], key.reference, device=home).at(30)
    with Elsewhere() as mode:
        there = Device(codec.model, DEVICE)
        for stack in there.prior.stacks.values():
            assert stack.w1.device == DEVICE
        made, checked = mode.ups, mode.downs
        encoder = DenseFrameEncoder(codec.model, frames[1], key.reference, device=there)
        found = encoder.at(30)
    assert found.packet == expected.packet
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, expected.planes, strict=True))
    log = encoder.transfers.log
    assert mode.operations > 500
    assert mode.downs - checked == sum(move.copies for move in log.values() if not move.up)
    assert mode.ups - made >= sum(move.copies for move in log.values() if move.up)


@pytest.mark.parametrize("execution", ["float", "bytes"])
def test_the_decoder_network_runs_on_the_device_that_is_given(
    execution: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Wrapped tensors do not work in inference mode.
    plain = ExecutedNetwork.run.__wrapped__  # type: ignore[attr-defined]
    monkeypatch.setattr(ExecutedNetwork, "run", plain)
    weights = files.load("M").decoder_networks[1]
    assert weights is not None
    rng = np.random.default_rng(2)
    y, u, v = (rng.integers(0, 256, (side, 2 * side)).astype(np.uint8) for side in (32, 16, 16))
    grid = np.ones((2, 4), np.uint8)
    blocks = BlockMaps(grid, 0 * grid, grid)
    found = []
    for device in (torch.device("cpu"), DEVICE):
        with Elsewhere() as mode:
            network = ExecutedNetwork(weights, device, execution)
            found.append(correction_of(network, (y, u, v), (y, u, v), blocks, 30))
            assert (mode.operations > 50) == (device == DEVICE)
            assert mode.downs == (3 if device == DEVICE else 0)
    for a, b in zip(found[0], found[1], strict=True):
        assert np.array_equal(a, b)


def test_where_the_device_is_not_exact_the_core_computes_what_packets_depend_on(
    codec: Codec,
) -> None:
    """The same packet either way, since this device is exact; with fewer transfers."""
    frames = material("cut")
    key = codec.encode(frames[0], quality=40)
    packets = []
    for exact in (True, False):
        device = Device(codec.model, torch.device("cpu"))
        assert device.exact
        device.exact = exact
        encoder = DenseFrameEncoder(codec.model, frames[6], key.reference, device=device)
        attempt = encoder.at(30)
        assert (attempt.blocks.modes >= 2).any()
        packets.append(attempt.packet)
        assert ("tables" in encoder.transfers.log) == exact
    assert packets[0] == packets[1]


def test_a_device_that_computes_the_prior_wrongly_is_found_out(
    codec: Codec, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Device(codec.model, torch.device("cpu")).exact
    right = Stack.tables

    def wrong(self: Stack, rows: torch.Tensor, quality: int) -> torch.Tensor:
        found = right(self, rows, quality)
        found[-1, -1] ^= 1
        return found

    monkeypatch.setattr(Stack, "tables", wrong)
    assert not Device(codec.model, torch.device("cpu")).exact
