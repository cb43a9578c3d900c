# SPDX-License-Identifier: Apache-2.0
"""The codec of plausible sizes: real packets within their budgets, and references that chain."""

from __future__ import annotations

import numpy as np
import pytest

from services.emulator.sized_codec import SizedCodec
from streamcodec.bitstream import unpack
from streamcodec.errors import ReferenceMissing
from streamcodec.frame import Frame

FRAME = Frame.grey(np.full((48, 64), 90, np.uint8))


def test_packets_fit_their_budgets_and_decode_along_the_chain() -> None:
    sender, receiver = SizedCodec(), SizedCodec()
    ours = theirs = None
    for budget in (5000, 3000, 1000, 20_000):
        encoded = sender.encode(FRAME, ours, budget_bytes=budget)
        assert encoded.packet is not None
        assert encoded.reference is not None
        assert 0.5 * budget < len(encoded.packet) <= budget
        assert unpack(encoded.packet)[0].keyframe == (ours is None)
        ours = encoded.reference
        theirs = receiver.decode(encoded.packet, theirs).reference
        assert theirs.digest == ours.digest


def test_a_budget_below_the_coarsest_size_gives_no_packet() -> None:
    assert SizedCodec().encode(FRAME, None, budget_bytes=100).packet is None


def test_another_reference_is_refused() -> None:
    codec = SizedCodec()
    first = codec.encode(FRAME, None, budget_bytes=5000)
    inter = codec.encode(FRAME, first.reference, budget_bytes=5000)
    assert inter.packet is not None
    with pytest.raises(ReferenceMissing):
        codec.decode(inter.packet, None)
