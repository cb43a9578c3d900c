# SPDX-License-Identifier: Apache-2.0
"""Mixed contexts: writer and reader stay equal, plain arithmetic agrees, and mixing saves bits."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.reference import mixing, rans

_WEIGHTS_AT = 12


def fresh() -> np.ndarray:
    contexts = np.full((_WEIGHTS_AT + mixing.INPUTS, 2), 32768, np.uint16)
    contexts[_WEIGHTS_AT:] = mixing.weights(mixing.INPUTS)
    return contexts


def coded(bits: np.ndarray, named: np.ndarray) -> tuple[bytes, np.ndarray, list[np.ndarray]]:
    """Payload of bits, each by the contexts in its row of `named`; all states between."""
    contexts, between = fresh(), []
    out = np.empty(len(bits), np.uint32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    at = 0
    for bit, names in zip(bits, named, strict=True):
        scratch[: mixing.MIXED_CONTEXTS] = names
        between.append(contexts.copy())
        at = mixing.put(out, at, contexts, _WEIGHTS_AT, scratch, int(bit))
    return rans.encode(out, at), contexts, between


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 63)), min_size=1, max_size=200))
def test_bits_contexts_and_weights_come_back(events: list[tuple[bool, int]]) -> None:
    bits = np.array([bit for bit, _ in events])
    named = np.array([[n % 4, 4 + n // 4 % 4, 8 + n // 16] for _, n in events])
    payload, left, _ = coded(bits, named)
    words = rans.words_of(payload)
    state = rans.start(words)
    contexts = fresh()
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    for bit, names in zip(bits, named, strict=True):
        scratch[: mixing.MIXED_CONTEXTS] = names
        assert mixing.get(state, words, contexts, _WEIGHTS_AT, scratch) == bit
    assert rans.finished(state, words)
    assert np.array_equal(contexts, left)


def test_weights_follow_the_formula_of_the_bitstream() -> None:
    rng = np.random.default_rng(4)
    bits = rng.random(300) < 0.2
    named = np.stack([rng.integers(0, 4, 300) + 4 * k for k in range(3)], axis=1)
    _, last, between = coded(bits, named)
    for before, after, bit, names in zip(between, [*between[1:], last], bits, named, strict=True):
        inputs = [int(mixing._STRETCH[int(e) >> 4]) for n in names for e in before[n]]
        held = [int(a) << 16 | int(b) for a, b in before[_WEIGHTS_AT:]]
        total = sum((w - (1 << 31)) * s for w, s in zip(held, inputs, strict=True)) >> 16
        one = int(mixing._SQUASH[min(max(total, -2047), 2047) + 2047])
        miss = (32768 if bit else 0) - one
        expected = [
            w + ((miss * 20 * s + (1 << 18)) >> 19) for w, s in zip(held, inputs, strict=True)
        ]
        assert [int(a) << 16 | int(b) for a, b in after[_WEIGHTS_AT:]] == expected


def test_three_contexts_predict_better_than_one() -> None:
    rng = np.random.default_rng(5)
    signs = rng.integers(0, 2, (4000, 2))
    # A one is likely only where both agree: neither predicts it alone.
    bits = rng.random(4000) < np.where(signs.sum(axis=1) == 2, 0.95, 0.05)
    three = np.stack([signs[:, 0], 4 + signs[:, 1], 8 + 2 * signs[:, 0] + signs[:, 1]], axis=1)
    one = np.stack([signs[:, 0], 4 + signs[:, 0], 8 + signs[:, 0]], axis=1)
    assert len(coded(bits, three)[0]) < 0.6 * len(coded(bits, one)[0])
