# SPDX-License-Identifier: Apache-2.0
"""Side information in the native core: written and read as by its plain twin."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from streamcodec import _core
from streamcodec import contexts as cx
from tests.reference import field as fields
from tests.reference import syntax

PARTS = ("modes", "field", "intra_modes", "counts", "splits")
Arrays = dict[str, np.ndarray]


def decisions(rng: np.random.Generator, rows: int, columns: int, *, key: bool) -> Arrays:
    """Blocks as an encoder might choose them: many equal ones, and some of every kind."""
    shares = np.array([0, 0, 1, 1] if key else [6, 1, 1, 1])
    modes = rng.choice(4, (rows, columns), p=shares / shares.sum()).astype(np.uint8)
    field = np.zeros((2 * rows, 2 * columns, 2), np.int16)
    intra_modes = np.full((2 * rows, 2 * columns), -1, np.int8)
    counts = rng.choice(5, (rows, columns), p=[0.5, 0.2, 0.1, 0.1, 0.1]).astype(np.uint8)
    splits = np.zeros((rows, columns), np.uint8)
    common = rng.integers(-6, 7, 2)
    calm = bool(rng.integers(0, 2))  # some fields are uniform: squares
    for row in range(rows):
        for column in range(columns):
            if calm and rng.random() < 0.9 and not key:
                modes[row, column] = fields.INTER16
            mode = modes[row, column]
            own = common if rng.random() < (0.95 if calm else 0.4) else rng.integers(-90, 91, 2)
            if mode == fields.INTER16:
                fields.set_block(field, row, column, *own)
            for k in range(4):
                y, x = 2 * row + (k >> 1), 2 * column + (k & 1)
                if mode == fields.INTER8:
                    field[y, x] = rng.integers(-90, 91, 2)
                elif mode == fields.INTRA8 or (mode == fields.INTRA16 and k == 0):
                    intra_modes[y, x] = rng.integers(0, 35)
                elif mode == fields.INTRA16:
                    intra_modes[y, x] = intra_modes[2 * row, 2 * column]
            split = rng.random() < 0.3 and counts[row, column]
            if mode == fields.INTRA8 or (mode < fields.INTRA16 and split):
                splits[row, column] = 1 + rng.integers(0, 3**4)
    return dict(zip(PARTS, (modes, field, intra_modes, counts, splits), strict=True))


def native(arrays: Arrays) -> _core.Blocks:
    blocks = _core.Blocks(*arrays["modes"].shape)
    for name, array in arrays.items():
        getattr(blocks, name)[:] = array
    return blocks


def twin(arrays: Arrays) -> syntax.Blocks:
    return syntax.Blocks(**arrays)


def told(before: Arrays, trend: int) -> syntax.Reference:
    return syntax.Reference(before["field"], before["counts"], trend)


def random_pictures(count: int) -> Iterator[tuple[Arrays, Arrays, bool, int]]:
    rng = np.random.default_rng(count)
    sizes = ((1, 1), (3, 5), (6, 8), (1, 9), (5, 1))
    for number in range(count):
        rows, columns = sizes[number % len(sizes)]
        key = number % 3 == 0
        arrays = decisions(rng, rows, columns, key=key)
        yield arrays, decisions(rng, rows, columns, key=False), key, number % 3


def test_blocks_become_the_twins_bytes_and_are_read_back() -> None:
    contexts, twins, readers = cx.fresh(), cx.fresh(), cx.fresh()
    writer = _core.Writer()
    for arrays, before, key, trend in random_pictures(25):
        writer.clear()
        blocks = native(arrays)
        writer.blocks(contexts, key, blocks, before["field"], before["counts"], trend)
        payload = writer.encode()
        assert payload == syntax.write(twins, key, twin(arrays), told(before, trend)).encode()
        assert np.array_equal(contexts, twins)
        found = _core.Blocks(blocks.rows, blocks.columns)
        for name in PARTS:
            getattr(found, name)[:] = 7
        reader = _core.Reader(payload)
        reader.blocks(readers, key, found, before["field"], before["counts"], trend)
        assert reader.finished()
        assert np.array_equal(readers, twins)
        for name in PARTS:
            assert np.array_equal(getattr(found, name), arrays[name]), name
            assert np.array_equal(getattr(blocks, name), arrays[name]), name


def test_what_cannot_be_said_is_not_left_in_the_writers_blocks() -> None:
    blocks = _core.Blocks(2, 2)
    blocks.splits[:] = 5
    contexts = cx.fresh()
    before = np.zeros((4, 4, 2), np.int16)
    _core.Writer().blocks(contexts, False, blocks, before, np.zeros((2, 2), np.uint8), 1)
    assert not blocks.splits.any()


def test_random_bytes_give_the_twins_blocks_or_are_refused() -> None:
    rng = np.random.default_rng(8)
    refused = read = 0
    for number in range(60):
        rows, columns = ((1, 1), (3, 3), (6, 7))[number % 3]
        key = number % 2 == 0
        before = decisions(rng, rows, columns, key=False)
        payload = rng.integers(0, 256, int(rng.integers(0, 60)), np.uint8).tobytes()
        contexts, twins = cx.fresh(), cx.fresh()
        arrays = {name: np.zeros_like(array) for name, array in before.items()}
        fine = syntax.read(twins, payload, key, twin(arrays), told(before, 2))
        blocks = _core.Blocks(rows, columns)
        reader = _core.Reader(payload)
        if fine:
            reader.blocks(contexts, key, blocks, before["field"], before["counts"], 2)
            read += 1
            assert np.array_equal(contexts, twins)
            for name in PARTS:
                assert np.array_equal(getattr(blocks, name), arrays[name]), name
        else:
            refused += 1
            with pytest.raises(_core.Damaged):
                reader.blocks(contexts, key, blocks, before["field"], before["counts"], 2)
    assert refused > 10
    assert read > 10


def test_a_vector_out_of_reach_is_damage_when_read() -> None:
    # A block of a taller picture may reach further down than one of this height.
    before = np.zeros((8, 4, 2), np.int16)
    tall = _core.Blocks(4, 2)
    tall.field[:2, :2] = 4 * 60, 0
    writer = _core.Writer()
    writer.blocks(cx.fresh(), False, tall, before, np.zeros((4, 2), np.uint8), 1)
    low = _core.Blocks(1, 2)
    with pytest.raises(_core.Damaged, match="blocks"):
        _core.Reader(writer.encode()).blocks(
            cx.fresh(), False, low, before[:2].copy(), np.zeros((1, 2), np.uint8), 1
        )


@pytest.mark.parametrize(
    ("what", "value"),
    [("modes", 4), ("counts", 5), ("splits", 82), ("intra_modes", 35), ("intra_modes", -1)],
)
def test_blocks_that_cannot_be_said_are_refused(what: str, value: int) -> None:
    arrays = decisions(np.random.default_rng(2), 2, 2, key=True)
    blocks = native(arrays)
    getattr(blocks, what)[:] = value
    none = np.zeros((2, 2), np.uint8)
    with pytest.raises(ValueError, match=r"0 to|mode"):
        _core.Writer().blocks(cx.fresh(), True, blocks, np.zeros((4, 4, 2), np.int16), none, 1)


def test_a_reference_that_does_not_fit_is_refused_before_anything_is_read() -> None:
    blocks = _core.Blocks(2, 2)
    field, counts = np.zeros((4, 4, 2), np.int16), np.zeros((2, 2), np.uint8)
    for wrong_field, wrong_counts, trend in (
        (field[:2].copy(), counts, 1),
        (field, counts[:1].copy(), 1),
        (field, counts + np.uint8(5), 1),
        (field, counts, 3),
    ):
        with pytest.raises(ValueError, match=r"size|trend"):
            _core.Reader(b"\0" * 20).blocks(
                cx.fresh(), False, blocks, wrong_field, wrong_counts, trend
            )


def test_filtered_areas_become_the_twins_bytes_and_are_read_back() -> None:
    rng = np.random.default_rng(4)
    flags = (rng.random((2, 3, 5)) < 0.4).astype(np.uint8)
    contexts, twins = cx.fresh(), cx.fresh()
    writer = _core.Writer()
    writer.areas(contexts, flags)
    plain = syntax.Writer(twins, 100)
    syntax.write_areas(plain, flags)
    assert writer.encode() == plain.encode()
    assert np.array_equal(contexts, twins)
    reader, again, found = _core.Reader(writer.encode()), cx.fresh(), np.zeros_like(flags)
    reader.areas(again, found)
    assert reader.finished()
    assert np.array_equal(found, flags)
    with pytest.raises(_core.Damaged):
        _core.Reader(b"").areas(cx.fresh(), np.zeros((2, 30, 30), np.uint8))


def test_a_field_that_moves_as_one_costs_a_few_bits() -> None:
    rows, columns = 23, 40
    field = np.full((2 * rows, 2 * columns, 2), 5, np.int16)
    none = np.zeros((rows, columns), np.uint8)
    moving = syntax.Blocks(none, field, np.full((2 * rows, 2 * columns), -1, np.int8), none, none)
    writer = syntax.write(cx.fresh(), False, moving, syntax.Reference(field, none, 1))
    # Three bits a square of 4x4 blocks, two more where smaller ones remain at the edge.
    assert writer.bits < 4 * 6 * 10
