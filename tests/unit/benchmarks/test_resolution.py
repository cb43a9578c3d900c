# SPDX-License-Identifier: Apache-2.0
"""The benchmark behind the steps of the picture's size."""

from __future__ import annotations

import math

from benchmarks.resolution import measure
from services.rate.resolution import Step
from tests.fakes import FakeCodec, noise_frame


def test_a_smaller_picture_is_finer_at_the_same_bytes_and_judged_at_full_size() -> None:
    frames = [noise_frame(128, 96, seed=3, shift=i) for i in range(12)]
    codec = FakeCodec()
    size = codec.encode(frames[1], codec.encode(frames[0], quality=20).reference, quality=20).packet
    assert size is not None
    points = [measure(codec, frames, step, len(size)) for step in (Step.FULL, Step.HALF)]
    full, half = points
    assert full is not None
    assert half is not None
    assert half.quality > full.quality
    assert all(math.isfinite(p.psnr_db) and p.ssim_db > 0 for p in (full, half))


def test_a_budget_that_nothing_fits_gives_no_point() -> None:
    assert measure(FakeCodec(), [noise_frame()], Step.FULL, 1) is None
