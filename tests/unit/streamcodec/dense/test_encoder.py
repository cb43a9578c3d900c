# SPDX-License-Identifier: Apache-2.0
"""Packets of the dense encoder: the core decodes the same picture; budgets are met."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec
from streamcodec.dense.device import Device
from streamcodec.dense.encoder import DenseFrameEncoder
from streamcodec.frame import Reference
from streamcodec.metrics import psnr_plane
from tests.unit.streamcodec.dense.material import KINDS, material

QUALITIES = (6, 20, 34, 50)


@pytest.fixture(scope="session")
def dense() -> Codec:
    return Codec.load("S", device="cpu", encoder="dense")


@pytest.mark.parametrize("kind", KINDS)
def test_the_core_decodes_the_encoders_own_picture_over_sixty_frames(
    codec: Codec, dense: Codec, kind: str
) -> None:
    """Twelve frames of each kind, the quality changing from frame to frame."""
    ahead: Reference | None = None
    behind: Reference | None = None
    for number, frame in enumerate(material(kind)):
        quality = QUALITIES[number % len(QUALITIES)]
        encoded = dense.encode(frame, ahead, quality=quality)
        assert encoded.packet is not None
        assert encoded.reference is not None
        assert encoded.quality == quality
        behind = codec.decode(encoded.packet, behind).reference
        ahead = encoded.reference
        assert behind.frame.same_pixels(ahead.frame)
        assert behind.digest == ahead.digest


@pytest.mark.parametrize("kind", KINDS)
def test_budgets_are_kept_and_used(codec: Codec, dense: Codec, kind: str) -> None:
    frames = material(kind)
    ahead = dense.encode(frames[0], quality=24).reference
    behind = ahead
    for number, frame in enumerate(frames[1:4]):
        budget = (400, 1500, 6000)[number]
        encoded = dense.encode(frame, ahead, budget_bytes=budget)
        if encoded.packet is None:
            least = dense.encode(frame, ahead, quality=0).packet
            assert least is not None
            assert len(least) > budget
            continue
        assert encoded.reference is not None
        assert len(encoded.packet) <= budget
        if encoded.quality < 63:
            finer = dense.encode(frame, ahead, quality=encoded.quality + 1).packet
            assert finer is not None
            assert len(finer) > budget
        behind = codec.decode(encoded.packet, behind).reference
        ahead = encoded.reference
        assert behind.frame.same_pixels(ahead.frame)


def test_the_same_frame_gives_the_same_packet_and_the_analysis_is_shared(dense: Codec) -> None:
    frames = material("pan")
    reference = dense.encode(frames[0], quality=30).reference
    packets = [dense.encode(frames[1], reference, quality=q).packet for q in (20, 40, 20)]
    assert packets[0] == packets[2]
    assert packets[0] != packets[1]


def test_motion_is_found_where_a_picture_pans(dense: Codec) -> None:
    """Five samples to the left a frame: almost the whole analysis is reused."""
    frames = material("pan")
    key = dense.encode(frames[0], quality=36)
    inter = dense.encode(frames[1], key.reference, quality=24)
    assert key.packet is not None
    assert inter.packet is not None
    assert inter.reference is not None
    assert len(inter.packet) < len(key.packet) / 8
    assert psnr_plane(frames[1].y, inter.reference.frame.y) > 30
    vectors = inter.reference.state.field.reshape(-1, 2)  # type: ignore[attr-defined]  # ReferenceState
    assert (np.median(vectors, axis=0) == (4, 20)).all()


def test_the_dense_encoders_bits_are_near_the_native_ones(codec: Codec, dense: Codec) -> None:
    """Within a quarter at equal quality: a failed search costs twice that."""
    for kind in ("pan", "screen", "cut"):
        frames = material(kind)
        sizes = []
        for one in (codec, dense):
            reference = codec.encode(frames[0], quality=36).reference
            total = 0
            for frame in frames[1:5]:
                encoded = one.encode(frame, reference, quality=30)
                assert encoded.packet is not None
                reference = encoded.reference
                total += len(encoded.packet)
            sizes.append(total)
        assert sizes[1] < 1.25 * sizes[0]


def test_the_prior_is_told_of_the_reference_when_its_rows_are_asked_for(
    codec: Codec,
) -> None:
    """Rows of a dense attempt are those of a native encoder with the same blocks."""
    frames = material("pan")
    key = codec.encode(frames[0], quality=40).reference
    device = Device(codec.model, torch.device("cpu"))
    encoder = DenseFrameEncoder(codec.model, frames[1], key, device=device)
    attempt = encoder.at(30)
    rows = encoder.feature_rows(attempt)
    assert rows
    device.exact = False
    again = DenseFrameEncoder(codec.model, frames[1], key, device=device)
    for one, other in zip(rows, again.feature_rows(again.at(30)), strict=True):
        assert one[:2] == other[:2]
        assert np.array_equal(one[3], other[3])
        assert one[3][:, 328:].any()
