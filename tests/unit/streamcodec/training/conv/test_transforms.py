# SPDX-License-Identifier: Apache-2.0
"""The training's transforms are the core's."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from streamcodec import _core  # noqa: E402
from streamcodec.blocks import transform  # noqa: E402
from streamcodec.training.conv import transforms  # noqa: E402


def planes(rng: np.random.Generator, n: int, blocks: int) -> list[np.ndarray]:
    sides = [16 * blocks, 8 * blocks, 8 * blocks]
    return [rng.uniform(-90, 90, (n, 1, side, side)).astype(np.float32) for side in sides]


def test_channels_are_those_of_the_core_whatever_the_split() -> None:
    rng = np.random.default_rng(3)
    source = planes(rng, 2, 3)
    splits = rng.integers(0, 82, (2, 3, 3)).astype(np.uint8)
    splits[0, 0] = (0, 1, 81)
    found = transforms.forward(
        tuple(torch.from_numpy(p) for p in source), torch.from_numpy(splits)
    ).numpy()
    out = np.zeros(384, np.float32)
    for n, row, column in np.ndindex(2, 3, 3):
        y, u, v = (
            p[n, 0, s * row : s * (row + 1), s * column : s * (column + 1)].ravel()
            for p, s in zip(source, (16, 8, 8), strict=True)
        )
        _core.block_forward(np.concatenate([y, u, v]), int(splits[n, row, column]), out)
        np.testing.assert_allclose(found[n, row, column], out, atol=2e-3)


def test_inverse_gives_the_samples_back_and_passes_gradients() -> None:
    rng = np.random.default_rng(4)
    source = [torch.from_numpy(p).requires_grad_() for p in planes(rng, 1, 2)]
    splits = torch.tensor([[[0, 1], [41, 50]]], dtype=torch.uint8)
    back = transforms.inverse(transforms.forward(tuple(source), splits), splits)
    for one, other in zip(source, back, strict=True):
        torch.testing.assert_close(one, other, atol=1e-3, rtol=0)
    sum(plane.sum() for plane in back).backward()
    for one in source:
        torch.testing.assert_close(one.grad, torch.ones_like(one), atol=1e-4, rtol=0)


@pytest.mark.parametrize("split", [0, 1, 41, 81, 52])
def test_levels_are_dequantised_as_a_decoder_does(split: int) -> None:
    from streamcodec.training.conv.levels import dequantised  # noqa: PLC0415

    rng = np.random.default_rng(split)
    symbols = rng.integers(-3, 4, 384).astype(np.int16)
    steps = transform.CHANNEL_STEPS_Q3[40]
    picture = [np.full((s, s), 128, np.uint8) for s in (16, 8, 8)]
    _core.block_add_residual(symbols, steps, split, tuple(picture))
    values = dequantised(torch.from_numpy(symbols).float()[None, None, None], torch.tensor([40]))
    added = transforms.inverse(values, torch.tensor([[[split]]], dtype=torch.uint8))
    for plane, more in zip(picture, added, strict=True):
        expected = np.clip(np.rint(128 + more[0, 0].numpy()), 0, 255)
        assert np.abs(plane.astype(np.int32) - expected).max() <= 1
