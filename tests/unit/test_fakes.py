# SPDX-License-Identifier: Apache-2.0
"""The fake codec keeps the promises of the real one."""

from __future__ import annotations

import pytest

from streamcodec.errors import BitstreamError, ModelError, ReferenceMissing
from tests.fakes import FakeCodec, noise_frame


def test_decoder_rebuilds_the_reference_of_the_encoder() -> None:
    codec, reference, decoded = FakeCodec(), None, None
    for shift in range(4):
        made = codec.encode(noise_frame(shift=shift), reference, quality=40)
        assert made.packet is not None
        assert made.reference is not None
        decoded = codec.decode(made.packet, decoded.reference if decoded else None)
        assert decoded.frame.same_pixels(made.reference.frame)
        assert decoded.reference.digest == made.reference.digest
        reference = made.reference


def test_budget_is_never_exceeded_and_an_impossible_one_makes_no_packet() -> None:
    codec = FakeCodec()
    for budget in (60, 200, 600, 2000):
        packet = codec.encode(noise_frame(), budget_bytes=budget).packet
        assert packet is None or len(packet) <= budget
    nothing = codec.encode(noise_frame(), budget_bytes=20)
    assert (nothing.packet, nothing.reference, nothing.quality) == (None, None, -1)


def test_foreign_and_damaged_packets_are_refused() -> None:
    codec = FakeCodec()
    key = codec.encode(noise_frame(), quality=30)
    assert key.packet is not None
    inter = codec.encode(noise_frame(shift=1), key.reference, quality=30)
    assert inter.packet is not None
    with pytest.raises(ReferenceMissing):
        codec.decode(inter.packet)
    with pytest.raises(ModelError):
        FakeCodec(model=b"other").decode(key.packet)
    with pytest.raises(BitstreamError):
        codec.decode(key.packet[:-1])
