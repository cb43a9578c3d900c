# SPDX-License-Identifier: Apache-2.0
"""Transforms: the integer inverse undoes the float forward within half a level."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec.blocks import layout, transform


def inverse(symbols: np.ndarray, step_q3: int, split: bool) -> np.ndarray:
    residual = np.zeros(384, np.int32)
    steps_q3 = np.full(384, step_q3, np.int32)
    transform.inverse(
        symbols, steps_q3, 0, split, np.empty(384, np.int32), np.empty(256, np.int32), residual
    )
    return residual


def forward(samples: np.ndarray, split: bool) -> np.ndarray:
    out = np.zeros(384, np.float32)
    transform.forward(
        samples.astype(np.float32), split, out, np.empty(256, np.float32), np.empty(256, np.float32)
    )
    return out


@pytest.mark.parametrize("split", [False, True])
def test_the_integer_inverse_undoes_the_forward(split: bool) -> None:
    rng = np.random.default_rng(0)
    for scale in (3, 40, 255):
        samples = rng.integers(-scale, scale + 1, 384)
        # Step 1/8: the finest that dequantisation can express.
        symbols = np.rint(8 * forward(samples, split)).astype(np.int16)
        assert np.abs(inverse(symbols, 1, split) - samples).max() <= 1


@pytest.mark.parametrize("split", [False, True])
def test_the_forward_keeps_energy(split: bool) -> None:
    samples = np.random.default_rng(1).normal(0, 50, 384)
    assert np.isclose(np.square(forward(samples, split)).sum(), np.square(samples).sum(), rtol=1e-4)


@pytest.mark.parametrize("split", [False, True])
def test_the_largest_levels_saturate_instead_of_overflowing(split: bool) -> None:
    """Against a plain int64 rendering of the same arithmetic."""
    rng = np.random.default_rng(2)
    for step_q3 in (12, 2822):
        symbols = rng.choice(np.array([-30_000, 30_000, 32_767], np.int16), 384)
        coefficients = np.clip(symbols.astype(np.int64) * step_q3, -65535, 65535)
        placed = np.zeros(384, np.int64)
        placed[layout.ORDER] = coefficients
        expected = plain_inverse(placed, split)
        assert np.array_equal(inverse(symbols, step_q3, split), expected)


def plain_inverse(placed: np.ndarray, split: bool) -> np.ndarray:
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
        for a in range(2):
            for b in range(2):
                out[8 * a : 8 * a + 8, 8 * b : 8 * b + 8] = one(luma[a::2, b::2])
    else:
        out = one(luma)
    chroma = [one(placed[s : s + 64].reshape(8, 8)).ravel() for s in (256, 320)]
    return np.concatenate([out.ravel(), *chroma])


def test_each_quality_step_is_a_twelfth_root_coarser() -> None:
    steps = transform.STEPS_Q3.astype(np.float64)
    assert steps[63] == 12
    assert steps[0] == transform.step_q3(0)
    assert np.allclose(steps[:-1] / steps[1:], 2 ** (1 / 8), rtol=0.06)


def test_chroma_steps_fall_with_quality_and_are_never_coarser_than_those_of_luma() -> None:
    assert (transform.CHROMA_STEPS_Q3 <= transform.STEPS_Q3).all()
    assert (np.diff(transform.CHROMA_STEPS_Q3) < 0).all()
    chroma = layout.ORDER >= 256
    assert (transform.CHANNEL_STEPS_Q3[:, chroma] == transform.CHROMA_STEPS_Q3[:, None]).all()
    assert (transform.CHANNEL_STEPS_Q3[:, ~chroma] == transform.STEPS_Q3[:, None]).all()


def test_channels_are_a_permutation_of_positions() -> None:
    assert sorted(layout.ORDER.tolist()) == list(range(384))
    assert (layout.CHANNEL_OF[layout.ORDER] == np.arange(384)).all()
