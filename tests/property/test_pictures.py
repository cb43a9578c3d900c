# SPDX-License-Identifier: Apache-2.0
"""The native pictures room on whatever planes, vectors, steps and weights: as its plain twins say.

Planes are drawn where clipping, saturation and thresholds bite: samples at 0, 1, 254 and 255, steps
of one sample, vectors of the full 16 bits, weights at both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamcodec import _core
from tests.reference import compensate, deblock, loopfilter, overlap

LEVEL = _core.level()
Planes = tuple[np.ndarray, np.ndarray, np.ndarray]

seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 5)
levels = st.sampled_from(_core.levels())
palettes = st.sampled_from([(0, 255), (0, 1, 254, 255), (127, 128, 129), tuple(range(256))])
reaches = st.sampled_from([0, 3, 5, 400, 32767])
steps = st.one_of(st.integers(1, 3000), st.sampled_from([1, 7, 8, 63, 64, 65, 255, 1 << 20]))
extremes = st.sampled_from([(-32768, -32767, 32767), (-1024, 1024), (-256, 0, 256), (-3, -1, 1, 2)])


@pytest.fixture(autouse=True)
def level_as_before() -> Iterator[None]:
    """Examples choose a level of instructions; later tests get back the machine's own."""
    yield
    _core.choose_level(LEVEL)


def planes_of(
    rng: np.random.Generator, palette: tuple[int, ...], rows: int, columns: int
) -> Planes:
    """Single samples of the palette, or squares of them, so that there are steps and flats."""

    def one(side: int) -> np.ndarray:
        square = int(rng.choice([1, 2, 4, 8]))
        height, width = side * rows, side * columns
        few = rng.choice(palette, (height // square, width // square))
        return np.kron(few, np.ones((square, square), np.int64)).astype(np.uint8)

    return one(16), one(8), one(8)


def blocks_of(rng: np.random.Generator, rows: int, columns: int, reach: int) -> Any:
    blocks = _core.Blocks(rows, columns)
    blocks.modes[...] = rng.choice(4, (rows, columns), p=[0.4, 0.4, 0.1, 0.1])
    blocks.counts[...] = rng.integers(0, 2, (rows, columns))
    blocks.splits[...] = rng.integers(0, 256, (rows, columns))
    few = rng.integers(-reach, reach + 1, (3, 2))
    blocks.field[...] = few[rng.integers(0, 3, (2 * rows, 2 * columns))]
    one_vector = blocks.modes != 1 if rng.random() < 0.7 else blocks.modes > 9  # or none at all
    for row, column in np.argwhere(one_vector):
        cell = blocks.field[2 * row : 2 * row + 2, 2 * column : 2 * column + 2]
        cell[...] = cell[:1, :1]
    return blocks


def copies(planes: Planes) -> Planes:
    return planes[0].copy(), planes[1].copy(), planes[2].copy()


def assert_same(got: Planes, expected: Planes) -> None:
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@given(seed=seeds, rows=sides, columns=sides, palette=palettes, reach=reaches, level=levels)
@settings(max_examples=40)
def test_prediction(
    *, seed: int, rows: int, columns: int, palette: tuple[int, ...], reach: int, level: str
) -> None:
    _core.choose_level(level)
    rng = np.random.default_rng(seed)
    reference = planes_of(rng, palette, rows, columns)
    blocks = blocks_of(rng, rows, columns, reach)
    got = planes_of(rng, (7, 8), rows, columns)
    expected = copies(got)
    for plane, side in zip(expected, (16, 8, 8), strict=True):  # intra blocks come out zero
        plane[(blocks.modes >= 2).repeat(side, 0).repeat(side, 1)] = 0
    _core.predict(reference, blocks, got)
    overlap.predict_plainly(reference, blocks.modes, blocks.field, expected)
    overlap.overlap(reference, blocks.modes, blocks.field, expected)
    assert_same(got, expected)


@given(
    seed=seeds,
    rows=sides,
    columns=sides,
    palette=palettes,
    reach=reaches,
    step_q3=steps,
    chroma_step_q3=steps,
    level=levels,
)
@settings(max_examples=50)
def test_deblocking(
    *,
    seed: int,
    rows: int,
    columns: int,
    palette: tuple[int, ...],
    reach: int,
    step_q3: int,
    chroma_step_q3: int,
    level: str,
) -> None:
    _core.choose_level(level)
    rng = np.random.default_rng(seed)
    got = planes_of(rng, palette, rows, columns)
    blocks = blocks_of(rng, rows, columns, reach)
    expected = copies(got)
    _core.deblock(blocks, step_q3, chroma_step_q3, got)
    deblock.picture(
        *(blocks.modes, blocks.field, blocks.counts, blocks.splits),
        *((step_q3, chroma_step_q3), expected),
    )
    assert_same(got, expected)


@given(
    seed=seeds,
    rows=sides,
    columns=sides,
    palette=palettes,
    step_q3=steps,
    chroma_step_q3=steps,
    values=extremes,
    least_gain=st.integers(-1, 10**6),
    level=levels,
)
@settings(max_examples=40)
def test_the_loop_filter(
    *,
    seed: int,
    rows: int,
    columns: int,
    palette: tuple[int, ...],
    step_q3: int,
    chroma_step_q3: int,
    values: tuple[int, ...],
    least_gain: int,
    level: str,
) -> None:
    _core.choose_level(level)
    rng = np.random.default_rng(seed)
    got = planes_of(rng, palette, rows, columns)
    source = planes_of(rng, palette, rows, columns)
    blocks = blocks_of(rng, rows, columns, 0)
    weights = rng.choice(values, (2, loopfilter.CLASSES, loopfilter.PAIRS)).astype(np.int16)
    both = (step_q3, chroma_step_q3)
    before, expected = copies(got), copies(got)
    flags = _core.filter_search(source, got, blocks, both, weights, (least_gain, least_gain))
    wanted = loopfilter.search(
        source, expected, blocks.counts, blocks.modes, both, weights, (least_gain, least_gain)
    )
    np.testing.assert_array_equal(flags, wanted)
    assert_same(got, expected)
    _core.filter_rebuild(before, flags, blocks, both, weights)
    assert_same(before, expected)


@given(
    seed=seeds,
    rows=sides,
    columns=sides,
    palette=palettes,
    fy=st.integers(0, 3),
    fx=st.integers(0, 3),
    level=levels,
)
@settings(max_examples=40)
def test_the_searchs_shifts(
    *, seed: int, rows: int, columns: int, palette: tuple[int, ...], fy: int, fx: int, level: str
) -> None:
    _core.choose_level(level)
    rng = np.random.default_rng(seed)
    luma = planes_of(rng, palette, rows, columns)[0]
    margin, reach = 32, _core.REACH_PX  # samples around the planes, and where vectors end
    planes = np.zeros((16, luma.shape[0] + 2 * margin, luma.shape[1] + 2 * margin), np.uint8)
    _core.shifts(luma, planes)
    ends = luma.shape[0] + reach - 7, luma.shape[1] + reach - 7
    for y, x in rng.integers((-reach, -reach), ends, (6, 2)).tolist():
        expected = compensate.luma_block(luma, y, x, (fy, fx), 8)
        seen = planes[4 * fy + fx, y + margin : y + margin + 8, x + margin : x + margin + 8]
        np.testing.assert_array_equal(seen, expected)
