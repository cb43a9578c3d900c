# SPDX-License-Identifier: Apache-2.0
"""Parameters and frames are where the setting says: shown on a stand-in device, on any machine."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec
from streamcodec.dense.encoder import DenseFrameEncoder, Device
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
    """All of the device's part runs there; only what the table of moves names goes across."""
    frames = material("pan")
    key = codec.encode(frames[0], quality=40)
    home = Device(codec.model, torch.device("cpu"))
    expected = DenseFrameEncoder(codec.model, frames[1], key.reference, device=home).at(30)
    with Elsewhere() as mode:
        there = Device(codec.model, DEVICE)
        for stack in there.prior.stacks.values():
            assert stack.w1.device == DEVICE
        made = mode.ups
        encoder = DenseFrameEncoder(codec.model, frames[1], key.reference, device=there)
        found = encoder.at(30)
    assert found.packet == expected.packet
    assert all(np.array_equal(a, b) for a, b in zip(found.planes, expected.planes, strict=True))
    log = encoder.moves.log
    assert mode.operations > 500
    assert mode.downs == sum(move.copies for move in log.values() if not move.up)
    assert mode.ups - made >= sum(move.copies for move in log.values() if move.up)
