# SPDX-License-Identifier: Apache-2.0
"""The loop filter equals its description, sample by sample."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec.blocks import loopfilter
from tests.reference import loopfilter as reference

_NEIGHBOURS = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 1), (1, -1))


def described(
    plane: np.ndarray, block_px: int, filtered: np.ndarray, step_q3: int, weights: np.ndarray
) -> np.ndarray:
    """docs/bitstream.md, section 13, in plain Python."""
    wide = np.pad(plane, 2, mode="edge").astype(int)
    bound = max(step_q3 >> 3, 1)
    out = plane.copy()
    for y, x in np.ndindex(*plane.shape):
        if not filtered[y // block_px, x // block_px]:
            continue
        top, left = y // 4 * 4 + 2, x // 4 * 4 + 2
        across = down = 0
        for i in range(top, top + 4):
            for j in range(left, left + 4):
                across += abs(2 * wide[i, j] - wide[i, j - 1] - wide[i, j + 1])
                down += abs(2 * wide[i, j] - wide[i - 1, j] - wide[i + 1, j])
        activity, level = (across + down) * 2 // step_q3, 0
        while level < 4 and activity >= 2 * 2**level:
            level += 1
        direction = 1 if across > 2 * down else 2 if down > 2 * across else 0
        c, total = wide[y + 2, x + 2], 128
        for k, (dy, dx) in enumerate(_NEIGHBOURS):
            for sign in (1, -1):
                difference = wide[y + 2 + sign * dy, x + 2 + sign * dx] - c
                total += int(weights[3 * level + direction, k]) * int(
                    np.clip(difference, -bound, bound)
                )
        out[y, x] = np.clip(c + (total >> 8), 0, 255)
    return out


@pytest.mark.parametrize(("block_px", "step_q3"), [(16, 40), (16, 300), (8, 90), (8, 12)])
def test_every_sample_is_as_described(block_px: int, step_q3: int) -> None:
    rng = np.random.default_rng(step_q3)
    plane = rng.integers(0, 256, (2 * block_px, 3 * block_px), np.uint8)
    plane[:, : 2 * block_px] = plane[:, : 2 * block_px] // 16 + 100  # smooth parts, too
    weights = rng.integers(-60, 90, (loopfilter.CLASSES, loopfilter.PAIRS)).astype(np.int16)
    counts = np.array([[1, 0, 2], [0, 0, 4]], np.uint8)
    modes = np.array([[0, 1, 0], [2, 0, 3]], np.uint8)
    found = reference.filtered(plane, counts, modes, step_q3, weights)
    expected = described(plane, block_px, (counts > 0) | (modes >= 2), step_q3, weights)
    assert np.array_equal(found, expected)
