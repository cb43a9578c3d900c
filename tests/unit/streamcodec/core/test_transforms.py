# SPDX-License-Identifier: Apache-2.0
"""Native transforms, residuals and intra predictions of one block against their plain twins."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from streamcodec import _core
from streamcodec.blocks import layout
from tests.reference import intra, quantise, transform

SPLITS = [0, 1, 2, 3, 14, 27, 41, 55, 68, 81]


def test_the_layout_is_the_formulas() -> None:
    order, bands = np.empty(384, np.int32), np.empty(384, np.int32)
    _core.block_layout(order, bands)
    assert np.array_equal(order, layout.ORDER)
    assert np.array_equal(bands, layout.BAND)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_bases_are_the_cosines(size: int) -> None:
    floats, integers = np.empty((size, size), np.float32), np.empty((size, size), np.int32)
    _core.block_basis(floats, integers)
    assert np.array_equal(integers, np.rint(transform.basis(size) * 4096))
    assert np.abs(floats - transform.basis(size)).max() < 2**-25


@pytest.mark.parametrize("split", SPLITS)
def test_forward_transforms_are_the_twins(level: str, split: int) -> None:
    rng = np.random.default_rng(split)
    samples = rng.integers(-255, 256, 384).astype(np.float32)
    out = np.empty(384, np.float32)
    _core.block_forward(samples, split, out)
    assert np.abs(out - transform.forward(samples, split)).max() < 1e-3


def test_the_cheapest_transform_is_the_twins(level: str) -> None:
    rng = np.random.default_rng(5)
    found = set()
    for case in range(12):
        samples = rng.normal(0, 12 + 2 * case, 384) * (rng.random(384) < 0.3)
        samples[:256].reshape(16, 16)[:8, 3 * (case % 4) :] += 30 if case % 3 else 0
        row = np.rint(samples).astype(np.float32)
        splits, expected = np.zeros(1, np.uint8), np.empty((1, 384), np.float32)
        transform.cheaper(row[None], 1 / 9.0, splits, expected)
        out = np.empty(384, np.float32)
        assert _core.block_forward_cheapest(row, 1 / 9.0, out) == splits[0]
        assert np.abs(out - expected[0]).max() < 1e-3
        found.add(int(splits[0]))
    assert len(found) > 3


def test_floats_are_equal_at_every_level() -> None:
    before = _core.level()
    rng = np.random.default_rng(6)
    samples = rng.integers(-255, 256, 384).astype(np.float32)
    results = []
    for name in _core.levels():
        _core.choose_level(name)
        for split in SPLITS:
            out = np.empty(384, np.float32)
            _core.block_forward(samples, split, out)
            results.append((split, out.tobytes(), _core.level_bits(out, 0.07)))
    _core.choose_level(before)
    assert len(set(results)) == len(SPLITS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("reach", [1, 40, 384])
def test_residuals_are_exact(level: str, split: int, reach: int) -> None:
    rng = np.random.default_rng(1000 * split + reach)
    for largest, step in ((3, 113), (300, 12), (32767, 2819), (1, 65535)):
        symbols = rng.integers(-largest, largest + 1, 384).astype(np.int16)
        symbols[reach:] = 0
        steps = np.full(384, step, np.int32)
        planes = (
            rng.integers(0, 256, (16, 16), np.uint8),
            rng.integers(0, 256, (8, 8), np.uint8),
            rng.integers(0, 256, (8, 8), np.uint8),
        )
        residual = transform.inverse(symbols, steps, quantise.BIAS_Q8, split)
        flat = np.concatenate([plane.ravel() for plane in planes])
        expected = np.clip(flat + residual, 0, 255)
        _core.block_add_residual(symbols, steps, split, planes)
        assert np.array_equal(np.concatenate([plane.ravel() for plane in planes]), expected)


@pytest.mark.parametrize("size", [4, 8, 16])
def test_intra_predictions_are_exact(level: str, size: int) -> None:
    rng = np.random.default_rng(size)
    plane = rng.integers(0, 256, (40, 48), np.uint8)
    extreme = (rng.integers(0, 2, plane.shape) * 255).astype(np.uint8)
    out = np.empty((size, size), np.uint8)
    corners = [(0, 0), (0, 16), (16, 0), (16, 16), (40 - size, 48 - size), (8, 48 - size)]
    for (y, x), samples, mode in product(corners, (plane, extreme), range(intra.MODES)):
        right, below = int(rng.choice([0, size])), int(rng.choice([0, size]))
        expected = intra.predicted(samples, y, x, size, right, below, mode)
        _core.intra_square(samples, y, x, size, right, below, mode, out)
        assert np.array_equal(out, expected), (y, x, mode)
