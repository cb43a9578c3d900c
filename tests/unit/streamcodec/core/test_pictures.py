# SPDX-License-Identifier: Apache-2.0
"""The native pictures room against its plain twins, sample for sample, at every level."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from streamcodec import _core
from tests.reference import compensate, deblock, loopfilter, overlap

ROWS, COLUMNS = 5, 6  # of blocks: two areas down and across, the second ones smaller
Planes = tuple[np.ndarray, np.ndarray, np.ndarray]
Generator = np.random.Generator
Everywhere = Callable[[], Iterator[Any]]
_MARGIN_PX = 32  # around the search's shifts
CONTENTS = ("noise", "smooth", "black and white", "flat")


@pytest.fixture
def everywhere() -> Iterator[Callable[[], Iterator[Any]]]:
    """Every instruction level of this machine, without and with a pool of threads."""
    before = _core.level()
    threads = _core.Pool(3)

    def each() -> Iterator[Any]:
        for level in _core.levels():
            _core.choose_level(level)
            yield None
            yield threads

    yield each
    _core.choose_level(before)
    threads.close()


def plane(rng: Generator, content: str, height: int, width: int) -> np.ndarray:
    if content == "noise":
        return rng.integers(0, 256, (height, width), np.uint8)
    if content == "black and white":
        return (255 * rng.integers(0, 2, (height, width))).astype(np.uint8)
    if content == "flat":
        return np.full((height, width), int(rng.integers(0, 256)), np.uint8)
    ramp = np.add.outer(np.arange(height) * 1.3, np.arange(width) * 0.8) + rng.integers(0, 60)
    steps = np.kron(rng.integers(-9, 10, (-(-height // 4), -(-width // 4))), np.ones((4, 4)))
    return np.clip(ramp + steps[:height, :width], 0, 255).astype(np.uint8)


def picture(rng: Generator, content: str, rows: int = ROWS, columns: int = COLUMNS) -> Planes:
    return (
        plane(rng, content, 16 * rows, 16 * columns),
        plane(rng, content, 8 * rows, 8 * columns),
        plane(rng, content, 8 * rows, 8 * columns),
    )


def some_blocks(rng: Generator, reach: int, rows: int = ROWS, columns: int = COLUMNS) -> Any:
    """Blocks of all modes; vectors up to `reach` quarter samples, whole blocks with one vector."""
    blocks = _core.Blocks(rows, columns)
    blocks.modes[...] = rng.integers(0, 4, (rows, columns))
    blocks.counts[...] = rng.integers(0, 5, (rows, columns)) * rng.integers(0, 2, (rows, columns))
    blocks.splits[...] = rng.integers(0, 2, (rows, columns))
    vectors = rng.integers(-reach, reach + 1, (2 * rows, 2 * columns, 2))
    vectors[rng.random((2 * rows, 2 * columns)) < 0.3] = (4, -8)
    whole = np.repeat(np.repeat(vectors[::2, ::2], 2, 0), 2, 1)
    one = np.repeat(np.repeat(blocks.modes != 1, 2, 0), 2, 1)
    blocks.field[...] = np.where(one[..., None], whole, vectors)
    return blocks


def copies(planes: Planes) -> Planes:
    return planes[0].copy(), planes[1].copy(), planes[2].copy()


def same(got: Planes, expected: Planes) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("size", [16, 8])
def test_blocks_moved_by_every_fraction_equal_the_twins(
    content: str, size: int, everywhere: Everywhere
) -> None:
    rng = np.random.default_rng(1)
    luma, u, v = picture(rng, content, 3, 4)
    shifts = [(dy, dx) for dy in range(-8, 9) for dx in range(-8, 9)]
    places = rng.integers((16, 16), (24, 32), (len(shifts), 2)).tolist()
    expected = [
        [
            compensate.luma_block(luma, y, x, by, size),
            compensate.chroma_block(u, y // 2, x // 2, by, size // 2),
            compensate.chroma_block(v, y // 2, x // 2, by, size // 2),
        ]
        for (y, x), by in zip(places, shifts, strict=True)
    ]
    for _ in everywhere():
        for (y, x), by, wanted in zip(places, shifts, expected, strict=True):
            moved = _core.luma_block(luma, y, x, by, size)
            chroma = _core.chroma_block(u, v, y // 2, x // 2, by, size // 2)
            assert np.array_equal(moved, wanted[0])
            assert np.array_equal(chroma, wanted[1:])


def test_no_vector_reads_beyond_the_reference(everywhere: Everywhere) -> None:
    rng = np.random.default_rng(2)
    luma, u, v = picture(rng, "noise", 1, 2)
    far = [-32768, 32767, -32767, 0, 3, 61, 130, -70]
    cases = [
        (y, x, size, (vy, vx))
        for vy in far
        for vx in far
        for y, x, size in ((0, 0, 16), (0, 16, 16), (8, 24, 8))
    ]
    expected = [
        (
            compensate.luma_block(luma, y, x, by, size),
            compensate.chroma_block(v, y // 2, x // 2, by, size // 2),
        )
        for y, x, size, by in cases
    ]
    for _ in everywhere():
        for (y, x, size, by), wanted in zip(cases, expected, strict=True):
            assert np.array_equal(_core.luma_block(luma, y, x, by, size), wanted[0])
            chroma = _core.chroma_block(u, v, y // 2, x // 2, by, size // 2)
            assert np.array_equal(chroma[1], wanted[1])


@pytest.mark.parametrize(("height", "width"), [(16, 16), (32, 48), (80, 176)])
def test_the_searchs_shifts_hold_what_blocks_predict_as_far_as_vectors_reach(
    height: int, width: int, everywhere: Everywhere
) -> None:
    rng = np.random.default_rng(3)
    luma = plane(rng, "black and white", height, width)
    reach, size = _core.REACH_PX, 16
    places = [
        (fy, fx, y, x)
        for fy in range(4)
        for fx in range(4)
        for y in range(-reach, height + reach - size + 1, size)
        for x in (-reach, 0, width + reach - size)
    ]
    expected = [compensate.luma_block(luma, y, x, (fy, fx), size) for fy, fx, y, x in places]
    for _ in everywhere():
        seen = np.zeros((16, height + 2 * _MARGIN_PX, width + 2 * _MARGIN_PX), np.uint8)
        _core.shifts(luma, seen)
        for (fy, fx, y, x), wanted in zip(places, expected, strict=True):
            top, left = y + _MARGIN_PX, x + _MARGIN_PX
            found = seen[4 * fy + fx, top : top + size, left : left + size]
            assert np.array_equal(found, wanted)


@pytest.mark.parametrize("reach", [0, 6, 90])
@pytest.mark.parametrize("content", CONTENTS)
def test_prediction_and_overlap_equal_the_twins(
    content: str, reach: int, everywhere: Everywhere
) -> None:
    rng = np.random.default_rng(reach)
    reference = picture(rng, content)
    blocks = some_blocks(rng, reach)
    start = picture(rng, "noise")
    y, u, v = expected = copies(start)
    within = blocks.modes >= 2  # become zero, whatever the input
    y[within.repeat(16, 0).repeat(16, 1)] = 0
    u[within.repeat(8, 0).repeat(8, 1)] = v[within.repeat(8, 0).repeat(8, 1)] = 0
    overlap.predict_plainly(reference, blocks.modes, blocks.field, expected)
    overlap.overlap(reference, blocks.modes, blocks.field, expected)
    for pool in everywhere():
        got = copies(start)
        _core.predict(reference, blocks, got, pool)
        assert same(got, expected)


@pytest.mark.parametrize("steps", [(1, 1), (60, 40), (124, 74), (1600, 900), (1 << 24, 1 << 24)])
@pytest.mark.parametrize("content", CONTENTS)
def test_deblocking_equals_the_twin(
    content: str, steps: tuple[int, int], everywhere: Everywhere
) -> None:
    rng = np.random.default_rng(steps[0])
    planes = picture(rng, content, 9, 3)
    blocks = some_blocks(rng, 5, 9, 3)
    expected = copies(planes)
    deblock.picture(blocks.modes, blocks.field, blocks.counts, blocks.splits, steps, expected)
    if content == "smooth" and steps[0] > 1:
        assert not same(expected, planes)
    for pool in everywhere():
        got = copies(planes)
        _core.deblock(blocks, *steps, got, pool)
        assert same(got, expected)


@pytest.mark.parametrize("values", [(-60, 61), (-32768, 32768), (0, 1), (32767, 32768)])
@pytest.mark.parametrize("steps", [(1, 1), (124, 74), (5000, 3000)])
@pytest.mark.parametrize("content", ["noise", "smooth", "black and white"])
def test_the_loop_filter_equals_the_twin(
    content: str, steps: tuple[int, int], values: tuple[int, int], everywhere: Everywhere
) -> None:
    rng = np.random.default_rng(steps[0])
    planes = picture(rng, content)
    blocks = some_blocks(rng, 0)
    weights = rng.integers(*values, (2, loopfilter.CLASSES, loopfilter.PAIRS)).astype(np.int16)
    flags = rng.integers(0, 2, (2, 2, 2)).astype(np.uint8)
    expected = copies(planes)
    loopfilter.rebuild(expected, flags, blocks.counts, blocks.modes, steps, weights)
    for pool in everywhere():
        got = copies(planes)
        _core.filter_rebuild(got, flags, blocks, steps, weights, pool)
        assert same(got, expected)


@pytest.mark.parametrize("least_gain", [(0, 0), (-1, -1), (300, 120), (1 << 40, 1 << 40)])
@pytest.mark.parametrize("content", ["noise", "smooth"])
def test_the_filters_search_flags_the_same_areas_as_the_twin(
    content: str, least_gain: tuple[int, int], everywhere: Everywhere
) -> None:
    rng = np.random.default_rng(11)
    planes = picture(rng, content)
    noisy = [np.clip(one + rng.normal(0, 3, one.shape), 0, 255).astype(np.uint8) for one in planes]
    source = (noisy[0], noisy[1], noisy[2])
    blocks = some_blocks(rng, 0)
    blocks.modes[:4, :4] = 0
    blocks.counts[:4, :4] = 0  # an area with nothing to filter
    weights = rng.integers(-20, 40, (2, loopfilter.CLASSES, loopfilter.PAIRS)).astype(np.int16)
    steps = (124, 74)
    expected = copies(planes)
    wanted = loopfilter.search(
        source, expected, blocks.counts, blocks.modes, steps, weights, least_gain
    )
    workspace = _core.FilterWorkspace()
    for pool in everywhere():
        got = copies(planes)
        flags = _core.filter_search(
            source, got, blocks, steps, weights, least_gain, pool, workspace
        )
        assert np.array_equal(flags, wanted)
        assert same(got, expected)
        again = copies(planes)
        _core.filter_rebuild(again, flags, blocks, steps, weights, pool, workspace)
        assert same(again, expected)


@pytest.mark.parametrize("number", [0, 1])
def test_normal_equations_equal_the_twins(number: int) -> None:
    rng = np.random.default_rng(12)
    blocks = some_blocks(rng, 0)
    seen = picture(rng, "smooth")[number]
    source = picture(rng, "smooth")[number]

    def sums(accumulate: Callable[..., None]) -> tuple[np.ndarray, np.ndarray]:
        squares, products = np.full((15, 6, 6), 2.0), np.full((15, 6), -1.0)
        accumulate(seen, source, blocks.counts, blocks.modes, 124, squares, products)
        return squares, products

    for got, expected in zip(
        sums(_core.filter_accumulate), sums(loopfilter.accumulate), strict=True
    ):
        assert np.array_equal(got, expected)


def test_planes_and_tables_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(13)
    planes = picture(rng, "noise")
    small = picture(rng, "noise", ROWS - 1, COLUMNS)
    blocks = some_blocks(rng, 0)
    weights = np.zeros((2, 15, 6), np.int16)
    flags = np.zeros((2, 2, 2), np.uint8)
    for call in (
        lambda: _core.predict(small, blocks, planes),
        lambda: _core.predict(planes, blocks, small),
        lambda: _core.deblock(blocks, 8, 8, small),
        lambda: _core.filter_rebuild(small, flags, blocks, (8, 8), weights),
        lambda: _core.filter_rebuild(planes, flags[:, :1].copy(), blocks, (8, 8), weights),
        lambda: _core.filter_rebuild(planes, flags, blocks, (8, 8), weights[:, :3].copy()),
        lambda: _core.filter_search(small, planes, blocks, (8, 8), weights, (0, 0)),
    ):
        with pytest.raises(ValueError, match=r"planes|flags|weights"):
            call()
