# SPDX-License-Identifier: Apache-2.0
"""Transforms: the integer inverse undoes the float forward within half a level."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec.blocks import layout
from streamcodec.blocks import transform as steps
from tests.reference import transform

WHOLE, QUARTERS = 0, 1
MIXED = 1 + 1 + 3 * 2 + 9 * 0 + 27 * 1  # quarters: four 4x4, none, 8x8, four 4x4


def inverse(symbols: np.ndarray, step_q3: int, split: int) -> np.ndarray:
    return transform.inverse(symbols, np.full(384, step_q3, np.int32), 0, split)


def forward(samples: np.ndarray, split: int) -> np.ndarray:
    return transform.forward(samples.astype(np.float32), split)


@pytest.mark.parametrize("split", [WHOLE, QUARTERS, MIXED])
def test_the_integer_inverse_undoes_the_forward(split: int) -> None:
    rng = np.random.default_rng(0)
    for scale in (3, 40, 255):
        samples = rng.integers(-scale, scale + 1, 384)
        # Step 1/8: the finest that dequantisation can express.
        symbols = np.rint(8 * forward(samples, split)).astype(np.int16)
        assert np.abs(inverse(symbols, 1, split) - samples).max() <= 1


@pytest.mark.parametrize("split", [WHOLE, QUARTERS, MIXED])
def test_the_forward_keeps_energy(split: int) -> None:
    samples = np.random.default_rng(1).normal(0, 50, 384)
    assert np.isclose(np.square(forward(samples, split)).sum(), np.square(samples).sum(), rtol=1e-4)


@pytest.mark.parametrize("split", [WHOLE, QUARTERS, MIXED])
def test_the_largest_levels_saturate_instead_of_overflowing(split: int) -> None:
    """Against the same arithmetic in plain int64."""
    rng = np.random.default_rng(2)
    for step_q3 in (12, 2822):
        symbols = rng.choice(np.array([-30_000, 30_000, 32_767], np.int16), 384)
        coefficients = np.clip(symbols.astype(np.int64) * step_q3, -65535, 65535)
        placed = np.zeros(384, np.int64)
        placed[layout.ORDER] = coefficients
        expected = plain_inverse(placed, split)
        assert np.array_equal(inverse(symbols, step_q3, split), expected)


def plain_inverse(placed: np.ndarray, split: int) -> np.ndarray:
    def one(block: np.ndarray) -> np.ndarray:
        size = len(block)
        k, x = np.arange(size)[:, None], np.arange(size)[None]
        bases = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * np.sqrt(2 / size)
        bases[0] /= np.sqrt(2)
        integer = np.rint(bases * 4096).astype(np.int64)
        columns = np.clip((integer.T @ block + 2048) >> 12, -65535, 65535)
        return (columns @ integer + 16384) >> 15

    luma = placed[:256].reshape(16, 16)
    out = np.zeros((16, 16), np.int64)
    if split:
        for quarter in range(4):
            a, b = divmod(quarter, 2)
            own = luma[a::2, b::2]
            kind = (split - 1) // 3**quarter % 3
            if kind == transform.EIGHT:
                out[8 * a : 8 * a + 8, 8 * b : 8 * b + 8] = one(own)
                continue
            for c in range(2):
                for d in range(2):
                    square = own[c::2, d::2]
                    y, x = 8 * a + 4 * c, 8 * b + 4 * d
                    plain = (square + 4) >> 3
                    out[y : y + 4, x : x + 4] = one(square) if kind == transform.FOUR else plain
    else:
        out = one(luma)
    chroma = [one(placed[s : s + 64].reshape(8, 8)).ravel() for s in (256, 320)]
    return np.concatenate([out.ravel(), *chroma])


def test_kinds_of_quarters_are_digits() -> None:
    split = 1
    for quarter, kind in enumerate((transform.FOUR, transform.PLAIN, transform.EIGHT, 1)):
        split = transform.with_transform(split, quarter, kind)
    assert split == MIXED
    assert [transform.transform_of(MIXED, k) for k in range(4)] == [1, 2, 0, 1]
    assert [transform.transform_of(WHOLE, k) for k in range(4)] == [0, 0, 0, 0]


def test_an_edge_in_a_quarter_is_left_untransformed_and_a_smooth_block_whole() -> None:
    y, x = np.mgrid[:16, :16]
    dots = np.zeros((16, 16))
    dots[3, 5] = dots[6, 2] = 200  # all in the first quarter
    samples = np.zeros((2, 384), np.float32)
    samples[0, :256] = (20 * np.cos(x / 9) + y).ravel()
    samples[1, :256] = dots.ravel()
    splits = np.zeros(2, np.uint8)
    transform.cheaper(samples, 1 / 20, splits, np.zeros((2, 384), np.float32))
    assert splits[0] == 0
    assert transform.transform_of(splits[1], 0) == transform.PLAIN


def test_each_quality_step_is_a_twelfth_root_coarser() -> None:
    sizes = steps.STEPS_Q3.astype(np.float64)
    assert sizes[63] == 12
    assert sizes[0] == steps.step_q3(0)
    assert np.allclose(sizes[:-1] / sizes[1:], 2 ** (1 / 8), rtol=0.06)


def test_chroma_steps_fall_with_quality_and_are_never_coarser_than_those_of_luma() -> None:
    assert (steps.CHROMA_STEPS_Q3 <= steps.STEPS_Q3).all()
    assert (np.diff(steps.CHROMA_STEPS_Q3) < 0).all()
    chroma = layout.ORDER >= 256
    assert (steps.CHANNEL_STEPS_Q3[:, chroma] == steps.CHROMA_STEPS_Q3[:, None]).all()
    assert (steps.CHANNEL_STEPS_Q3[:, ~chroma] == steps.STEPS_Q3[:, None]).all()


def test_channels_are_a_permutation_of_positions() -> None:
    assert sorted(layout.ORDER.tolist()) == list(range(384))
