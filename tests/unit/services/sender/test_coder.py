# SPDX-License-Identifier: Apache-2.0
"""Frames are coded within their plan, and something is always shown in the end."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from services.protocol.planner import Plan
from services.rate.cpu import LEAST_QUALITY
from services.rate.enough import ENOUGH_DB, MOST_QUALITY, EnoughQuality
from services.sender.coder import FINEST, Coded, FrameCoder
from streamcodec.codec import Encoded
from streamcodec.frame import Frame, Reference
from streamcodec.metrics import psnr_plane
from tests.fakes import FakeCodec, noise_frame


class CountingCodec(FakeCodec):
    """Counts encodes."""

    encodes = 0

    def encode(
        self,
        frame: Frame,
        reference: Reference | None = None,
        *,
        quality: int | None = None,
        budget_bytes: int | None = None,
    ) -> Encoded:
        self.encodes += 1
        return super().encode(frame, reference, quality=quality, budget_bytes=budget_bytes)


def plan(reference: bytes | None, budget_bytes: int | None, *, quality: int | None = None) -> Plan:
    return Plan((b"peer",), reference, budget_bytes, quality, "bandwidth")


def coder(codec: FakeCodec | None = None, *, enough: bool = False) -> FrameCoder:
    return FrameCoder(
        codec or FakeCodec(),
        frame_interval_us=33_333,
        enough=EnoughQuality() if enough else None,
    )


def stream(
    frames: FrameCoder, budget_bytes: int | None, *, count: int = 10, quality: int | None = None
) -> list[Coded | None]:
    """A keyframe and then inter frames, each from the one before it."""
    coded = [frames.code(noise_frame(), plan(None, 100_000))]
    last = coded[0]
    for shift in range(1, count):
        assert last is not None
        after = last.reference.digest
        coded.append(
            frames.code(noise_frame(shift=shift), plan(after, budget_bytes, quality=quality))
        )
        last = coded[-1] or last
    return coded[1:]


def test_no_frame_exceeds_its_budget() -> None:
    coded = stream(coder(), 300)
    for made in coded:
        assert made is None or len(made.packet) <= 300 * 4
    assert coded[0] is not None
    assert len(coded[0].packet) <= 300
    assert coded[0].limit == "bandwidth"


def test_frames_that_fit_nothing_are_skipped_but_not_for_ever() -> None:
    made = stream(coder(), 20, count=13)
    shown = [frame for frame in made if frame is not None]
    assert len(shown) == 3  # each fourth


def test_a_keyframe_that_fits_nothing_is_as_coarse_as_can_be() -> None:
    made = coder().code(noise_frame(), plan(None, 20))
    assert made is not None
    assert made.quality == 0


def test_quality_is_a_ceiling_and_bytes_too() -> None:
    for made in stream(coder(), 50_000, quality=20):
        assert made is not None
        assert made.quality == 20
        assert made.limit == "none"
    for made in stream(coder(), 700, quality=60):
        assert made is not None
        assert len(made.packet) <= 700


def test_unless_asked_quality_stops_where_finer_is_waste() -> None:
    made = stream(coder(enough=True), 50_000, count=30)[-1]
    assert made is not None
    assert made.limit == "none"
    assert abs(psnr_plane(noise_frame(shift=29).y, made.reference.frame.y) - ENOUGH_DB) < 1
    finer = stream(coder(), 50_000, count=30)[-1]
    assert finer is not None
    assert finer.quality == FINEST


def test_a_picture_without_error_does_not_lower_the_cap() -> None:
    frames, flat = coder(enough=True), Frame.grey(np.full((48, 64), 128, np.uint8))
    for _ in range(10):
        made = frames.code(flat, plan(None, 50_000))
        assert made is not None
        assert made.quality == MOST_QUALITY


def test_one_encode_is_enough_as_long_as_the_same_limit_holds() -> None:
    for budget, quality in ((700, 60), (50_000, 20)):
        codec = CountingCodec()
        stream(coder(codec), budget, count=21, quality=quality)
        assert codec.encodes <= 23


def test_slow_encodes_make_frames_coarser() -> None:
    frames = FrameCoder(FakeCodec(), frame_interval_us=33_333)
    key = frames.code(noise_frame(240, 160), plan(None, 100_000))
    assert key is not None
    for _ in range(200):
        frames.took(replace(key, keyframe=False), 90_000)
    inter = frames.code(_with_patch(noise_frame(240, 160)), plan(key.reference.digest, 100_000))
    assert inter is not None
    assert inter.quality == LEAST_QUALITY
    assert inter.limit == "cpu"
    assert frames.encode_us > 80_000


def _with_patch(frame: Frame) -> Frame:
    """The frame with a rough patch: cheap when coarse, costly when fine."""
    y = frame.y.copy()
    y[:40, :60] += np.random.default_rng(1).integers(0, 30, (40, 60), dtype=np.uint8)
    return Frame(y, frame.u, frame.v)


def test_references_nobody_needs_are_dropped() -> None:
    frames = coder()
    first = frames.code(noise_frame(), plan(None, 100_000))
    assert first is not None
    frames.keep(set())
    again = frames.code(noise_frame(shift=1), plan(first.reference.digest, 100_000))
    assert again is not None
    assert again.keyframe  # it could not be coded against what is gone
