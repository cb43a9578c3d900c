# SPDX-License-Identifier: Apache-2.0
"""Motion compensation: the search's shifted planes equal the decoder's blocks; filters keep DC."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec.motion import compensate


def luma(ref: np.ndarray, y: int, x: int, vy: int, vx: int, size: int) -> np.ndarray:  # noqa: PLR0917  (as the function under test)
    out = np.zeros((16, 16), np.uint8)
    compensate.luma_block(ref, y, x, vy, vx, size, np.empty((23, 16), np.int16), out)
    return out[:size, :size]


def test_quarter_planes_equal_blocks_at_every_shift() -> None:
    plane = np.random.default_rng(0).integers(0, 256, (32, 48), np.uint8)
    ref = compensate.pad(plane)
    shifted = np.empty((16, *ref.shape), np.uint8)
    compensate.quarter_planes(ref, shifted)
    for vy in range(-9, 9):
        for vx in range(-6, 6):
            y, x = 16 + compensate.PAD_PX + (vy >> 2), 16 + compensate.PAD_PX + (vx >> 2)
            seen = shifted[4 * (vy & 3) + (vx & 3), y : y + 16, x : x + 16]
            assert np.array_equal(seen, luma(ref, 16, 16, vy, vx, 16))


@pytest.mark.parametrize("value", [0, 77, 255])
def test_a_flat_picture_stays_flat_at_every_fraction(value: int) -> None:
    ref = compensate.pad(np.full((32, 32), value, np.uint8))
    chroma = np.zeros((16, 16), np.uint8)
    for vy in range(8):
        for vx in range(8):
            assert (luma(ref, 8, 8, vy, vx, 8) == value).all()
            compensate.chroma_block(ref, 8, 8, vy, vx, 8, np.empty((23, 16), np.int16), chroma)
            assert (chroma[:8, :8] == value).all()


def test_whole_sample_vectors_copy_and_edges_repeat() -> None:
    plane = np.random.default_rng(1).integers(0, 256, (32, 32), np.uint8)
    ref = compensate.pad(plane)
    assert np.array_equal(luma(ref, 0, 0, 4 * 5, 4 * 7, 16), plane[5:21, 7:23])
    assert (luma(ref, 0, 0, -4 * compensate.REACH_PX, 0, 16) == plane[:1, :16]).all()


def test_filters_sum_to_one() -> None:
    assert (compensate.LUMA.sum(1) == 64).all()
    assert (compensate.CHROMA.sum(1) == 64).all()
