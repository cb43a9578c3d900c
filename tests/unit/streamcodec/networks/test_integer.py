# SPDX-License-Identifier: Apache-2.0
"""The prior's arithmetic: equal to plain int64, whatever the weights, and within its ranges."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec
from streamcodec.networks import integer


@pytest.mark.parametrize(
    ("rows", "inputs", "outputs"), [(1, 312, 96), (17, 696, 96), (64, 96, 288)]
)
def test_products_equal_their_int64_twin(rows: int, inputs: int, outputs: int) -> None:
    rng = np.random.default_rng(rows)
    activations = rng.integers(0, 128, (rows, inputs), np.uint8)
    weights = torch.from_numpy(rng.integers(-127, 128, (inputs, outputs)).astype(np.int8))
    assert np.array_equal(
        integer.product(activations, weights), integer.product_twin(activations, weights)
    )


@pytest.mark.parametrize("weight", [-127, 127])
def test_products_do_not_saturate_at_the_extremes(weight: int) -> None:
    activations = np.full((33, 696), 127, np.uint8)
    weights = torch.full((696, 96), weight, dtype=torch.int8)
    assert (integer.product(activations, weights) == 127 * 696 * weight).all()


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
