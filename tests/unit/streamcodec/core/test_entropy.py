# SPDX-License-Identifier: Apache-2.0
"""The native entropy room against its plain twins: the same bytes, and the same read back."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec import _core
from streamcodec import contexts as cx
from tests.reference import binary, mixing, rans, tables

TOTAL = 1 << 15


def twin_payload(intervals: list[tuple[int, int]]) -> bytes:
    packed = np.array([start << 16 | frequency for start, frequency in intervals], np.uint32)
    return rans.encode(packed, len(packed))


def test_tables_that_both_ends_depend_on_follow_their_formulas() -> None:
    costs, stretch, squash = _core.entropy_tables()
    assert np.array_equal(costs, binary.COST_Q8)
    assert np.array_equal(stretch, mixing._STRETCH)
    assert np.array_equal(squash, mixing._SQUASH)


@pytest.mark.parametrize("count", [0, 1, 2, 5, 700])
@pytest.mark.parametrize("frequencies", [(1, 2), (1, TOTAL), (TOTAL - 3, TOTAL + 1), (1, 40)])
def test_intervals_become_the_twins_bytes_and_come_back(
    count: int, frequencies: tuple[int, int]
) -> None:
    rng = np.random.default_rng(count)
    intervals = []
    for _ in range(count):
        frequency = int(rng.integers(*frequencies))
        intervals.append((int(rng.integers(0, TOTAL - frequency + 1)), frequency))
    writer = _core.Writer()
    for interval in intervals:
        writer.interval(*interval)
    payload = writer.encode()
    assert payload == twin_payload(intervals)
    reader = _core.Reader(payload)
    assert all(reader.interval(*interval) for interval in intervals)
    assert reader.finished()


def test_every_frequency_is_divided_by_exactly() -> None:
    intervals = [(TOTAL - f, f) for f in range(1, TOTAL + 1)]
    rng = np.random.default_rng(0)
    rng.shuffle(intervals)
    writer = _core.Writer()
    for interval in intervals:
        writer.interval(*interval)
    assert writer.encode() == twin_payload([(int(s), int(f)) for s, f in intervals])


def test_a_payload_with_a_byte_too_many_or_too_few_is_not_finished() -> None:
    writer = _core.Writer()
    for _ in range(40):
        writer.interval(5, 100)
    payload = writer.encode()
    for wrong in (payload[:-1], payload + b"\0", payload + b"\0\0", payload[:-2]):
        reader = _core.Reader(wrong)
        for _ in range(40):
            reader.interval(5, 100)
        assert not reader.finished()


@pytest.mark.parametrize("payload", [b"", b"\1", b"\1\2\3", b"\0" * 6, b"\xff" * 6])
def test_reading_on_beyond_the_end_is_noticed_and_harmless(payload: bytes) -> None:
    reader = _core.Reader(payload)
    for _ in range(200):
        reader.raw()
    assert reader.overrun()


def extreme_contexts(rng: np.random.Generator) -> np.ndarray:
    """Contexts and weights anywhere, many at the ends of uint16."""
    contexts = rng.integers(0, 65536, (_core.CONTEXTS, 2)).astype(np.uint16)
    ends = rng.random(contexts.shape)
    contexts[ends < 0.15] = 0
    contexts[ends > 0.85] = 65535
    return contexts


@pytest.mark.parametrize("start", ["fresh", "extreme"])
def test_bits_of_all_kinds_adapt_and_become_bytes_as_their_twins_do(start: str) -> None:
    rng = np.random.default_rng(9)
    mine = cx.fresh() if start == "fresh" else extreme_contexts(rng)
    first, twins = mine.copy(), mine.copy()
    writer = _core.Writer()
    out = np.zeros(4000, np.uint32)
    scratch = np.zeros(mixing.SCRATCH, np.int32)
    at = 0
    events = []
    for _ in range(1500):
        rows = tuple(int(n) for n in rng.choice(60, 3, replace=False))
        weights = 100 + 6 * int(rng.integers(0, 8))
        kind, bit = int(rng.integers(0, 3)), int(rng.random() < 0.2)
        events.append((kind, rows, weights, bit))
        if kind == 0:
            writer.mixed(mine, rows, weights, bit)
            scratch[:3] = rows
            at = mixing.put(out, at, twins, weights, scratch, bit)
        elif kind == 1:
            writer.single(mine, rows[0], bit)
            at = binary.put(out, at, twins, rows[0], bit)
        else:
            writer.raw(bit)
            at = binary.put_raw(out, at, bit)
    payload = writer.encode()
    assert payload == rans.encode(out, at)
    assert np.array_equal(mine, twins)
    reader, again = _core.Reader(payload), first
    for kind, rows, weights, bit in events:
        if kind == 0:
            assert reader.mixed(again, rows, weights) == bit
        elif kind == 1:
            assert reader.single(again, rows[0]) == bit
        else:
            assert reader.raw() == bit
    assert reader.finished()
    assert np.array_equal(again, mine)


def test_rows_outside_the_contexts_are_refused() -> None:
    contexts = cx.fresh()
    last = _core.CONTEXTS
    writer = _core.Writer()
    for rows, weights in (
        ((0, 1, last), 100),
        ((-1, 1, 2), 100),
        ((0, 1, 2), last - 5),
        ((0, 1, 2), -1),
    ):
        with pytest.raises(IndexError):
            writer.mixed(contexts, rows, weights, 1)
    with pytest.raises(ValueError, match="contexts"):
        writer.mixed(contexts[:-1].copy(), (0, 1, 2), 100, 1)


def cumulative(rng: np.random.Generator) -> np.ndarray:
    """64 tables from almost always zero to almost flat, some with frequencies of 1."""
    shares = np.exp(-np.linspace(0.02, 6, 64)[:, None] * np.arange(16))
    frequencies = 1 + rng.multinomial(TOTAL - 16, shares / shares.sum(1, keepdims=True))
    rows = np.zeros((64, 17), np.uint16)
    rows[:, 1:] = frequencies.cumsum(1)
    return rows


def symbols_of(rng: np.random.Generator, blocks: int) -> np.ndarray:
    symbols = np.rint(rng.laplace(0, 3, (blocks, 384))).astype(np.int16)
    symbols[rng.random(symbols.shape) < 0.6] = 0
    far = rng.random(symbols.shape) < 0.01
    symbols[far] = rng.integers(-30_000, 30_001, int(far.sum()))
    symbols[0, :8] = 14, -14, 15, -15, 16, 30_000, -30_000, 18
    return symbols


def test_symbols_become_the_twins_bytes_and_come_back_in_the_decoders_order() -> None:
    rng = np.random.default_rng(3)
    rows = cumulative(rng)
    counts = np.array([[4, 0, 2], [1, 3, 4]], np.uint8)
    symbols = symbols_of(rng, 6)
    found = rng.integers(0, 64, symbols.shape).astype(np.uint8)
    writer = _core.Writer()
    payload = writer.encode(counts, symbols, found, rows)
    out = np.zeros(60_000, np.uint32)
    at = 0
    reader = _core.Reader(payload)
    starts = (0, 6, 24, 96, 384)
    for group in range(4):
        for phase in range(2):
            for block in range(6):
                y, x = divmod(block, 3)
                if counts[y, x] <= group or (y + x) % 2 != phase:
                    continue
                part = slice(starts[group], starts[group + 1])
                at = tables.put_symbols(out, at, symbols[block, part], found[block, part], rows)
                got = np.zeros(part.stop - part.start, np.int16)
                reader.symbols(found[block, part], rows, got)
                assert np.array_equal(got, symbols[block, part])
    assert reader.finished()
    assert payload == rans.encode(out, at)


def test_random_bytes_give_the_twins_symbols_or_are_refused() -> None:
    rng = np.random.default_rng(5)
    rows = cumulative(rng)
    outcomes = set()
    for size in (0, 4, 30, 200, 500, 1000):
        for _ in range(12):
            payload = rng.integers(0, 256, size, np.uint8).tobytes()
            found = rng.integers(0, 64, 150).astype(np.uint8)
            words = rans.words_of(payload)
            stream = rans.start(words)
            wanted, got = np.zeros(150, np.int16), np.zeros(150, np.int16)
            fine = tables.get_symbols(stream, words, found, rows, wanted)
            fine = fine and not stream[rans.STATE_OVERRUN]
            outcomes.add(fine)
            reader = _core.Reader(payload)
            if fine:
                reader.symbols(found, rows, got)
                assert np.array_equal(got, wanted)
            else:
                with pytest.raises(_core.Damaged):
                    reader.symbols(found, rows, got)
    assert outcomes == {True, False}


def test_an_endless_escape_is_damage() -> None:
    rows = cumulative(np.random.default_rng(1))
    writer = _core.Writer()
    low = int(rows[7, 15])
    writer.interval(low, TOTAL - low)
    for _ in range(60):
        writer.raw(1)
    with pytest.raises(_core.Damaged):
        _core.Reader(writer.encode()).symbols(np.full(1, 7, np.uint8), rows, np.zeros(1, np.int16))


def test_tables_that_do_not_exist_or_do_not_rise_are_refused() -> None:
    rows = cumulative(np.random.default_rng(1))
    found, out = np.array([3, 64], np.uint8), np.zeros(2, np.int16)
    with pytest.raises(IndexError):
        _core.Reader(b"\0" * 50).symbols(found, rows, out)
    rows[5, 3] = rows[5, 4]
    with pytest.raises(ValueError, match="rise"):
        _core.Reader(b"\0" * 50).symbols(found, rows, out)
