# SPDX-License-Identifier: Apache-2.0
"""The prior's arithmetic: equal to plain int64, whatever the weights, and within its ranges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec
from streamcodec import weights as files
from streamcodec.networks import features, integer

DTYPES = pytest.mark.parametrize("dtype", [torch.int8, torch.float32])


@DTYPES
@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(1, 312, 96), (17, 819, 128), (64, 128, 288)]
)
def test_products_equal_their_int64_twin(
    rows: int, inputs: int, outputs: int, dtype: torch.dtype
) -> None:
    rng = np.random.default_rng(rows)
    activations = rng.integers(0, 128, (rows, inputs), np.uint8)
    weights = torch.from_numpy(rng.integers(-127, 128, (inputs, outputs)).astype(np.int8)).to(dtype)
    assert np.array_equal(
        integer.product(activations, weights), integer.product_twin(activations, weights)
    )


@DTYPES
@pytest.mark.parametrize("weight", [-127, 127])
def test_products_do_not_saturate_at_the_extremes(weight: int, dtype: torch.dtype) -> None:
    inputs = features.INTER_FEATURES
    activations = np.full((33, inputs), 127, np.uint8)
    weights = torch.full((inputs, 96), weight, dtype=dtype)
    assert (integer.product(activations, weights) == 127 * inputs * weight).all()


def test_sums_stay_where_floats_are_exact() -> None:
    assert max(features.INTER_FEATURES, *files.HIDDEN.values()) * 127 * 127 < 2**24


@DTYPES
def test_signed_activations(dtype: torch.dtype) -> None:
    activations = np.random.default_rng(4).integers(0, 256, (9, 64), np.uint8)
    weights = torch.full((64, 64), -127, dtype=dtype)
    expected = activations.view(np.int8).astype(np.int64) @ weights.numpy().astype(np.int64)
    assert np.array_equal(integer.product(activations, weights), expected)


def test_shipped_stacks_equal_a_plain_int64_network(codec: Codec) -> None:
    rng = np.random.default_rng(5)
    for kind in codec.model.prior.stacks:
        for group in kind:
            for stack in group:
                rows = rng.integers(0, 128, (9, stack.first.shape[0]), np.uint8)
                for quality in (0, 29, 63):
                    a = rows.astype(np.int64) @ stack.first.numpy().astype(np.int64)
                    a = np.clip((a + stack.first_bias[quality] + 32) >> 6, 0, 127)
                    a = a @ stack.second.numpy().astype(np.int64)
                    a = np.clip((a + stack.second_bias + 32) >> 6, 0, 127)
                    a = a @ stack.third.numpy().astype(np.int64)
                    expected = np.clip((a + stack.base[quality] + 128) >> 8, 0, 63)
                    assert np.array_equal(stack.tables(rows, quality), expected)
