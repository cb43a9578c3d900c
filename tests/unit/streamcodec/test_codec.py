# SPDX-License-Identifier: Apache-2.0
"""Codec: the decoder shows the encoder's own picture at every size; wrong input is refused."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from services.media.scene import Scene
from streamcodec import Codec, Frame
from streamcodec.blocks import transform
from streamcodec.errors import FrameError, ModelError, ReferenceMissing
from streamcodec.frame import Reference
from streamcodec.metrics import psnr_plane


def coded_chain(
    codec: Codec, frames: list[Frame], qualities: list[int]
) -> tuple[list[bytes], list[Reference], list[Reference]]:
    """Packets, the encoder's references and the decoder's."""
    packets, sent, shown = [], [], []
    reference: Reference | None = None
    held: Reference | None = None
    for frame, quality in zip(frames, qualities, strict=True):
        result = codec.encode(frame, reference, quality=quality)
        assert result.packet is not None
        assert result.reference is not None
        held = codec.decode(result.packet, held).reference
        reference = result.reference
        packets.append(result.packet)
        sent.append(reference)
        shown.append(held)
    return packets, sent, shown


def noise(width: int, height: int, seed: int) -> Frame:
    rng = np.random.default_rng(seed)
    half = (height + 1) // 2, (width + 1) // 2
    return Frame(
        rng.integers(0, 256, (height, width), np.uint8),
        rng.integers(0, 256, half, np.uint8),
        rng.integers(0, 256, half, np.uint8),
    )


@pytest.mark.parametrize(
    ("width", "height"), [(16, 16), (17, 33), (33, 17), (63, 50), (100, 16), (129, 127), (320, 180)]
)
def test_decoder_shows_exactly_the_picture_that_the_encoder_holds(
    codec: Codec, width: int, height: int
) -> None:
    scene = Scene(width, height, seed=1)
    frames = [scene.frame(4 * n) for n in range(3)]
    _, sent, shown = coded_chain(codec, frames, [40, 30, 50])
    for a, b in zip(sent, shown, strict=True):
        assert a.frame.same_pixels(b.frame)
        assert a.digest == b.digest
        assert a.quality == b.quality
        assert (b.frame.width, b.frame.height) == (width, height)


@pytest.mark.parametrize("quality", [0, 6, 12, 20])
def test_a_smooth_keyframe_keeps_its_brightness_however_coarse(codec: Codec, quality: int) -> None:
    """Errors of blocks that code nothing must not add up from neighbour to neighbour."""
    rows, columns = np.mgrid[0:240, 0:320]
    ramp = (60 + rows / 3 + columns / 4).astype(np.uint8)
    u, v = 128 + (rows[::2, ::2] / 8), 128 - (columns[::2, ::2] / 8)
    frame = Frame(ramp, u.astype(np.uint8), v.astype(np.uint8))
    reference = codec.encode(frame, quality=quality).reference
    assert reference is not None
    step = transform.step_q3(quality) / 8
    for plane, decoded in zip(frame.planes, reference.frame.planes, strict=True):
        wrong = decoded.astype(float) - plane
        means = wrong.reshape(plane.shape[0] // 8, 8, -1, 8).mean((1, 3))
        # The mean of 64 samples, quantised by itself, is wrong by a sixteenth of a step at most.
        assert np.abs(means).max() < step / 8


def test_a_large_frame_comes_through(codec: Codec) -> None:
    scene = Scene(1280, 720, seed=1)
    _, sent, shown = coded_chain(codec, [scene.frame(0), scene.frame(2)], [28, 24])
    assert sent[1].frame.same_pixels(shown[1].frame)
    assert psnr_plane(scene.frame(2).y, shown[1].frame.y) > 28


@pytest.mark.parametrize("quality", [0, 20, 63])
def test_noise_round_trips_at_every_quality(codec: Codec, quality: int) -> None:
    """Noise takes every path: escapes, all groups, intra blocks inside inter frames."""
    frames = [noise(49, 35, seed) for seed in range(3)]
    _, sent, shown = coded_chain(codec, frames, [quality] * 3)
    assert all(a.frame.same_pixels(b.frame) for a, b in zip(sent, shown, strict=True))


def test_extreme_samples_stay_within_range(codec: Codec) -> None:
    checks = (np.indices((40, 56)).sum(0) // 3 % 2 * 255).astype(np.uint8)
    frames = [Frame.grey(checks), Frame.grey(255 - checks), Frame.grey(checks.T.copy().T)]
    _, sent, shown = coded_chain(codec, frames, [10, 60, 30])
    assert all(a.frame.same_pixels(b.frame) for a, b in zip(sent, shown, strict=True))


def test_chroma_of_a_grey_picture_stays_neutral(codec: Codec, frames: list[Frame]) -> None:
    _, _, shown = coded_chain(codec, [Frame.grey(f.y) for f in frames], [30] * len(frames))
    assert (shown[-1].frame.u == 128).all()
    assert (shown[-1].frame.v == 128).all()


def test_finer_quality_gives_a_better_picture(codec: Codec, frames: list[Frame]) -> None:
    at = [codec.encode(frames[0], quality=q).reference for q in (5, 25, 45, 63)]
    values = [psnr_plane(frames[0].y, r.frame.y) for r in at if r is not None]
    assert values == sorted(values)
    assert values[-1] > 44


def test_same_inputs_make_the_same_bytes(codec: Codec, frames: list[Frame]) -> None:
    first, _, _ = coded_chain(codec, frames, [30, 33, 20, 41])
    again, _, _ = coded_chain(codec, frames, [30, 33, 20, 41])
    assert first == again


def test_coding_leaves_frame_and_reference_as_they_were(codec: Codec, frames: list[Frame]) -> None:
    before = [plane.copy() for plane in frames[1].planes]
    key = codec.encode(frames[0], quality=30)
    assert key.reference is not None
    held = [plane.copy() for plane in key.reference.frame.planes]
    first = codec.encode(frames[1], key.reference, quality=30)
    assert first.packet is not None
    codec.decode(first.packet, key.reference)
    assert all(np.array_equal(a, b) for a, b in zip(before, frames[1].planes, strict=True))
    assert all(np.array_equal(a, b) for a, b in zip(held, key.reference.frame.planes, strict=True))
    assert codec.encode(frames[1], key.reference, quality=30).packet == first.packet


def test_neither_quality_nor_budget_is_refused(codec: Codec, frames: list[Frame]) -> None:
    with pytest.raises(ValueError, match="give quality, budget_bytes, or both"):
        codec.encode(frames[0])


def test_quality_is_a_ceiling_where_a_budget_is_given(codec: Codec, frames: list[Frame]) -> None:
    roomy = codec.encode(frames[0], quality=20, budget_bytes=10**6)
    assert roomy.packet == codec.encode(frames[0], quality=20).packet
    assert roomy.packet is not None
    tight = len(roomy.packet) - 1
    assert (
        codec.encode(frames[0], quality=20, budget_bytes=tight).packet
        == codec.encode(frames[0], budget_bytes=tight).packet
    )


@pytest.mark.parametrize("quality", [-1, 64])
def test_a_quality_out_of_range_is_refused(codec: Codec, frames: list[Frame], quality: int) -> None:
    with pytest.raises(ValueError, match="expected 0 to 63"):
        codec.encode(frames[0], quality=quality)


def test_a_reference_of_another_size_is_refused(codec: Codec, frames: list[Frame]) -> None:
    key = codec.encode(frames[0], quality=20)
    with pytest.raises(FrameError, match="code a keyframe instead"):
        codec.encode(Scene(64, 64).frame(0), key.reference, quality=20)


def test_another_reference_than_named_is_reported_as_missing(
    codec: Codec, frames: list[Frame]
) -> None:
    packets, _, shown = coded_chain(codec, frames, [30] * len(frames))
    for wrong in (None, shown[0], shown[3]):
        with pytest.raises(ReferenceMissing):
            codec.decode(packets[2], wrong)


def test_a_keyframe_needs_no_reference_and_ignores_one(codec: Codec, frames: list[Frame]) -> None:
    packets, _, shown = coded_chain(codec, frames, [30] * len(frames))
    assert codec.decode(packets[0], shown[3]).frame.same_pixels(shown[0].frame)


def test_a_keyframe_of_another_model_is_refused(codec: Codec, frames: list[Frame]) -> None:
    other = Codec(dataclasses.replace(codec.model, digest=b"\x01" * 8))
    packet = other.encode(frames[0], quality=20).packet
    assert packet is not None
    with pytest.raises(ModelError, match="use the same weights at both ends"):
        codec.decode(packet)


def test_the_self_test_tells_models_apart(codec: Codec) -> None:
    other = Codec(dataclasses.replace(codec.model, digest=b"\x01" * 8))
    assert codec.self_test() == codec.self_test()
    assert codec.self_test() != other.self_test()


@pytest.mark.parametrize("seed", [1, 5])
@pytest.mark.parametrize("quality", [24, 32, 40])
def test_a_still_scene_takes_40_bytes_a_frame_and_never_falls_below_its_keyframe(
    codec: Codec, quality: int, seed: int
) -> None:
    frame = Scene(640, 360, seed=seed).frame(0)
    key = codec.encode(frame, quality=quality)
    assert key.reference is not None
    reference = key.reference
    for _ in range(6):
        result = codec.encode(frame, reference, quality=quality)
        assert result.packet is not None
        assert result.reference is not None
        assert len(result.packet) <= 40
        now = psnr_plane(frame.y, result.reference.frame.y)
        assert now >= psnr_plane(frame.y, key.reference.frame.y)
        # A few deblocked samples alternate between two values.
        assert now >= psnr_plane(frame.y, reference.frame.y) - 0.001
        reference = result.reference
