# SPDX-License-Identifier: Apache-2.0
"""rANS against a plain-Python twin that follows docs/bitstream.md, and against entropy."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.reference import rans

Interval = tuple[int, int]


def twin_encode(intervals: list[Interval]) -> bytes:
    x = 1 << 16
    words: list[int] = []
    for start, frequency in reversed(intervals):
        if x >= frequency << 32:
            words.append(x & 0xFFFF)
            x >>= 16
        x = (x // frequency << 15) + x % frequency + start
    if words or x >> 32:
        words.append(x >> 32 & 0xFFFF)
    words += [x >> 16 & 0xFFFF, x & 0xFFFF]
    return b"".join(word.to_bytes(2, "little") for word in reversed(words))


def intervals_of(seed: int, count: int) -> list[Interval]:
    rng = np.random.default_rng(seed)
    frequencies = np.minimum(rng.geometric(0.0004, count), 32767)
    return [(int(rng.integers(0, 32768 - f + 1)), int(f)) for f in frequencies]


def packed(intervals: list[Interval]) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array([start << 16 | frequency for start, frequency in intervals], np.uint32)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 50, 3000])
def test_bytes_equal_those_of_the_plain_twin(count: int) -> None:
    intervals = intervals_of(count, count)
    assert rans.encode(packed(intervals), count) == twin_encode(intervals)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7, 8, 20, 2000])
def test_the_decoder_walks_through_every_interval_and_ends_where_it_should(count: int) -> None:
    intervals = intervals_of(9, count)
    words = rans.words_of(rans.encode(packed(intervals), len(intervals)))
    state = rans.start(words)
    for start, frequency in intervals:
        assert start <= rans.peek(state) < start + frequency
        rans.advance(state, words, start, frequency)
    assert rans.finished(state, words)


def test_reading_past_the_end_is_noted() -> None:
    words = rans.words_of(b"")
    state = rans.start(words)
    for _ in range(40):
        rans.advance(state, words, 0, 3)
    assert state[rans.STATE_OVERRUN]
    assert not rans.finished(state, words)


def test_a_stream_of_almost_nothing_takes_four_bytes() -> None:
    intervals = [(0, 32_700)] * 2000
    assert len(rans.encode(packed(intervals), len(intervals))) == 4


def test_bytes_stay_within_one_percent_and_40_bytes_of_the_ideal() -> None:
    intervals = intervals_of(4, 20_000)
    ideal_bits = sum(15 - math.log2(frequency) for _, frequency in intervals)
    size = len(rans.encode(packed(intervals), len(intervals)))
    assert size <= 1.01 * ideal_bits / 8 + 40
