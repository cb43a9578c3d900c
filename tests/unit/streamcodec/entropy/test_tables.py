# SPDX-License-Identifier: Apache-2.0
"""Symbol tables: every symbol is read back, at the price of the tables."""

from __future__ import annotations

import numpy as np

from streamcodec import Codec
from streamcodec.entropy import tables as made
from tests.reference import rans, tables


def coded(symbols: np.ndarray, chosen: np.ndarray, cumulative: np.ndarray) -> bytes:
    out = np.empty(30 * symbols.size, np.uint32)
    return rans.encode(out, tables.put_symbols(out, 0, symbols, chosen, cumulative))


def test_every_magnitude_returns_with_its_sign(codec: Codec) -> None:
    edges = [0, 1, 14, 15, 16, 18, 19, 26, 27, 100, 4095, 29_999, tables.MAX_SYMBOL]
    symbols = np.array([s * e for e in edges for s in (1, -1)], np.int16)
    chosen = np.arange(symbols.size, dtype=np.uint8) % 64
    words = rans.words_of(coded(symbols, chosen, codec.model.cumulative))
    state = rans.start(words)
    back = np.empty_like(symbols)
    assert tables.get_symbols(state, words, chosen, codec.model.cumulative, back)
    assert np.array_equal(back, symbols)
    assert rans.finished(state, words)


def test_an_escape_longer_than_any_encoder_writes_is_refused(codec: Codec) -> None:
    half = rans.TOTAL >> 1
    row = codec.model.cumulative[63].astype(np.int64)
    escape = int(row[15] << 16 | (row[16] - row[15]))
    ones = [half << 16 | half] * 20
    out = np.array([escape, half, *ones], np.uint32)
    words = rans.words_of(rans.encode(out, out.size))
    symbols = np.empty(1, np.int16)
    chosen = np.array([63], np.uint8)
    fine = tables.get_symbols(rans.start(words), words, chosen, codec.model.cumulative, symbols)
    assert not fine


def test_symbols_cost_what_their_tables_say(codec: Codec) -> None:
    rng = np.random.default_rng(3)
    chosen = rng.integers(0, 64, 30_000, np.uint8)
    cumulative = codec.model.cumulative.astype(np.int64)
    slot = (cumulative[chosen] <= rng.integers(0, 2**15, (chosen.size, 1))).sum(1) - 1
    symbols = (slot * rng.choice([-1, 1], slot.size)).astype(np.int16)
    frequency = cumulative[chosen, slot + 1] - cumulative[chosen, slot]
    bits = float((15 - np.log2(frequency)).sum() + np.count_nonzero(symbols))
    bits += 3 * np.count_nonzero(slot >= 15)  # the shortest escape
    assert len(coded(symbols, chosen, codec.model.cumulative)) <= 1.01 * bits / 8 + 40


def test_tables_made_from_any_weights_are_valid() -> None:
    rng = np.random.default_rng(0)
    weights = rng.random((64, 16)) ** 20 + 1e-12
    weights[0] = 1e-12
    weights[0, 0] = 1
    assert made.are_valid(made.from_probabilities(weights))


def test_damaged_tables_are_noticed(codec: Codec) -> None:
    for row, column, value in ((3, 5, 0), (0, 16, 100), (63, 0, 1)):
        damaged = codec.model.cumulative.copy()
        damaged[row, column] = value
        assert not made.are_valid(damaged)
