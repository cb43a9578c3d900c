# SPDX-License-Identifier: Apache-2.0
"""Adaptive contexts: writer and reader stay equal, and learn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from streamcodec.contexts import fresh
from tests.reference import binary, rans


def written(bits: list[int]) -> tuple[bytes, np.ndarray]:
    contexts = fresh()
    out = np.empty(2 * len(bits), np.uint32)
    at = 0
    for k, bit in enumerate(bits):
        at = binary.put(out, at, contexts, k % 3, bit)
        at = binary.put_raw(out, at, 1 - bit)
    return rans.encode(out, at), contexts


def test_bits_and_contexts_come_back() -> None:
    rng = np.random.default_rng(1)
    bits = [int(b) for b in rng.random(800) < 0.1]
    payload, left = written(bits)
    words = rans.words_of(payload)
    state = rans.start(words)
    contexts = fresh()
    for k, bit in enumerate(bits):
        assert binary.get(state, words, contexts, k % 3) == bit
        assert binary.get_raw(state, words) == 1 - bit
    assert rans.finished(state, words)
    assert np.array_equal(contexts, left)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_a_context_learns_the_share_of_ones(share: float) -> None:
    rng = np.random.default_rng(2)
    bits = [int(b) for b in rng.random(6000) < share]
    contexts = fresh()
    out = np.empty(len(bits), np.uint32)
    at = 0
    for bit in bits:
        at = binary.put(out, at, contexts, 0, bit)
    entropy = -share * math.log2(share) - (1 - share) * math.log2(1 - share)
    assert 8 * len(rans.encode(out, at)) <= 1.12 * entropy * len(bits) + 400


def test_no_bit_is_ever_impossible() -> None:
    contexts = fresh()
    out = np.empty(5001, np.uint32)
    at = 0
    for _ in range(5000):
        at = binary.put(out, at, contexts, 0, 1)
    assert binary.cost_q8(contexts, 0, 0) < 9 * 256
    at = binary.put(out, at, contexts, 0, 0)
    assert len(rans.encode(out, at)) < 30
