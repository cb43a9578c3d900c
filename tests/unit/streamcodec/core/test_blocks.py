# SPDX-License-Identifier: Apache-2.0
"""Native quantisation, coding and rebuilding of pictures against their plain twins."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from streamcodec import _core
from streamcodec import contexts as cx
from streamcodec.blocks import layout
from streamcodec.blocks import transform as steps_of
from tests.reference import families, open_loop, quantise, rebuild, transform

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
Planes = tuple[U8, U8, U8]

INTER16, INTER8, INTRA16, INTRA8 = range(4)
EIGHT, FOUR, PLAIN = range(3)
STEPS_Q3 = steps_of.CHANNEL_STEPS_Q3[37]  # odd steps: no sum of samples lies on a rounding edge


def picture(rng: np.random.Generator, rows: int, columns: int) -> Planes:
    """Smooth planes with an edge and noise."""
    planes = []
    for size in (16, 8, 8):
        y, x = np.mgrid[: size * rows, : size * columns]
        smooth = 120 + 60 * np.sin(3 * y / size + rng.uniform(0, 6)) * np.cos(2 * x / size)
        edge = 50 * (x + 2 * y > size * rng.uniform(1, rows + columns))
        noise = rng.normal(0, 4, y.shape)
        planes.append(np.clip(smooth + edge + noise, 0, 255).astype(np.uint8))
    return planes[0], planes[1], planes[2]


def copied(planes: Planes) -> Planes:
    return planes[0].copy(), planes[1].copy(), planes[2].copy()


def random_blocks(rng: np.random.Generator, rows: int, columns: int, modes: list[int]) -> Any:
    """Blocks as a packet may describe them."""
    blocks = _core.Blocks(rows, columns)
    blocks.modes[:] = rng.choice(modes, (rows, columns))
    for row, column in product(range(rows), range(columns)):
        mode = blocks.modes[row, column]
        own = (slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        if mode == INTRA16:
            blocks.intra_modes[own] = rng.integers(35)
        elif mode == INTRA8:
            blocks.intra_modes[own] = rng.integers(0, 35, (2, 2))
            blocks.splits[row, column] = rng.integers(1, 82)
        else:
            blocks.splits[row, column] = rng.integers(0, 82)
            blocks.field[own] = rng.integers(-3, 4, 2) if rng.random() < 0.5 else 0
    blocks.counts[:] = rng.integers(0, 5, (rows, columns))
    return blocks


def random_symbols(rng: np.random.Generator, counts: U8) -> npt.NDArray[np.int16]:
    """Few and small ones, more at low frequencies; none beyond the counted groups."""
    symbols = rng.geometric(0.6, (counts.size, 384)) - 1
    symbols *= rng.integers(0, 2, symbols.shape) * 2 - 1
    symbols[rng.random(symbols.shape) < np.linspace(0.2, 0.95, 384)] = 0
    for index, count in enumerate(counts.ravel()):
        symbols[index, layout.GROUP_STARTS[count] :] = 0
    return symbols.astype(np.int16)


def rebuilt_by_the_twin(blocks: Any, symbols: npt.NDArray[np.int16], planes: Planes) -> Planes:
    result = copied(planes)
    rebuild.rebuild(blocks, symbols, STEPS_Q3, result)
    return result


def same(a: Planes, b: Planes) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(a, b, strict=True))


def test_plain_quantisation_is_the_twins(level: str) -> None:
    rng = np.random.default_rng(2)
    coefficients = rng.laplace(0, 12, (6, 384)).astype(np.float32)
    coefficients[1, 6:] = 0
    coefficients[2, 0] = -4e6
    coefficients[3] = 0
    expected, out = np.ones((6, 384), np.int16), np.ones((6, 384), np.int16)
    needed, counts = np.zeros((2, 3), np.uint8), np.zeros((2, 3), np.uint8)
    open_loop.quantise_plainly(coefficients, STEPS_Q3, 0.35, expected, needed)
    _core.quantise_plainly(coefficients, STEPS_Q3, 0.35, out, counts)
    assert np.array_equal(out, expected)
    assert np.array_equal(counts, needed)


def test_counting_groups_alone_gives_what_plain_quantisation_counts(level: str) -> None:
    coefficients = np.zeros((385, 384), np.float32)
    steps = STEPS_Q3.astype(np.float32) / 8
    for last in range(384):  # each block has one last level, of just one step
        coefficients[last, : last + 1] = 0.6 * steps[: last + 1]
        coefficients[last, last] = -0.66 * steps[last]
    symbols = np.zeros((385, 384), np.int16)
    needed, counts = np.zeros((5, 77), np.uint8), np.ones((5, 77), np.uint8)
    _core.quantise_plainly(coefficients, STEPS_Q3, 0.35, symbols, needed)
    _core.count_groups(coefficients, STEPS_Q3, 0.35, counts)
    assert np.array_equal(counts, needed)
    assert set(needed.flat) == {0, 1, 2, 3, 4}


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_is_rebuilt_exactly(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    modes = [[INTER16, INTER8], [INTRA16, INTRA8], [INTER16, INTRA16, INTRA8], [INTRA8]][seed]
    blocks = random_blocks(rng, 3, 4, modes)
    symbols = random_symbols(rng, blocks.counts)
    planes = picture(rng, 3, 4)
    expected = rebuilt_by_the_twin(blocks, symbols, planes)
    _core.rebuild(blocks, symbols, STEPS_Q3, planes)
    assert same(planes, expected)


def test_inter_blocks_in_bands_before_intra_ones_give_the_picture_of_raster_order() -> None:
    """Twenty-four rows are cut into three bands; intra blocks are among inter ones."""
    rng = np.random.default_rng(9)
    blocks = random_blocks(rng, 24, 3, [INTER16, INTER16, INTRA16, INTRA8])
    assert _core.band_count(24) > 1
    symbols = random_symbols(rng, blocks.counts)
    planes = picture(rng, 24, 3)
    expected = rebuilt_by_the_twin(blocks, symbols, planes)
    pool = _core.Pool(3)
    for helper in (None, pool):
        result = copied(planes)
        _core.rebuild(blocks, symbols, STEPS_Q3, result, helper)
        assert same(result, expected)
    pool.close()


def inter_problem(seed: int) -> tuple[Any, Planes, Planes, npt.NDArray[np.int16]]:
    rng = np.random.default_rng(seed)
    blocks = random_blocks(rng, 4, 5, [INTER16, INTER16, INTER16, INTER8, INTRA16])
    blocks.field[:4, :4] = (2, -1)
    blocks.modes[:2, :2] = INTER16  # a square of blocks with one vector
    source = picture(rng, 4, 5)
    shift = [np.roll(plane, 1, 1) for plane in source]
    before = rng.integers(-1, 2, blocks.field.shape).astype(np.int16)
    return blocks, source, (shift[0], shift[1], shift[2]), before


def first_look(problem: tuple[Any, Planes, Planes, npt.NDArray[np.int16]]) -> tuple[F32, U8]:
    """Coefficients and `free` of an inter problem, its splits filled."""
    blocks, source, prediction, before = problem
    coefficients = np.empty((blocks.modes.size, 384), np.float32)
    free = np.full(blocks.modes.shape, 9, np.uint8)
    _core.transform_inter(
        *(_core.BlocksWorkspace(), source, prediction, blocks, before, 1 / 9, coefficients, free)
    )
    _core.open_loop(source, blocks, coefficients)
    return coefficients, free


def test_the_first_look_at_an_inter_frame_is_the_twins(level: str) -> None:
    problem = inter_problem(3)
    blocks, source, prediction, before = problem
    blocks.splits[:] = 0
    coefficients, free = first_look(problem)
    samples, marks = open_loop.inter_samples(source, prediction, blocks, before)
    splits, expected = np.zeros_like(free), np.empty_like(samples)
    transform.cheaper(samples, 1 / 9, splits.reshape(-1), expected)
    open_loop.open_loop(source, blocks, splits, expected)
    assert np.array_equal(free, marks)
    assert set(free.ravel()) == {0, 1, 2}
    assert np.array_equal(blocks.splits, splits)
    assert np.abs(coefficients - expected).max() < 1e-3


def test_the_first_look_does_not_depend_on_threads() -> None:
    rng = np.random.default_rng(4)
    blocks = random_blocks(rng, 24, 2, [INTER16, INTER8, INTRA16])
    source, prediction = picture(rng, 24, 2), picture(rng, 24, 2)
    before = np.zeros_like(blocks.field)
    pool = _core.Pool(3)
    results = []
    for helper in (None, pool):
        own = blocks.copy()
        coefficients = np.empty((48, 384), np.float32)
        free = np.zeros((24, 2), np.uint8)
        workspace = _core.BlocksWorkspace()
        _core.transform_inter(
            *(workspace, source, prediction, own, before, 1 / 9, coefficients, free, helper)
        )
        _core.open_loop(source, own, coefficients, helper)
        results.append((coefficients.tobytes(), free.tobytes(), own.splits.tobytes()))
    pool.close()
    assert results[0] == results[1]


def test_open_loop_coefficients_of_intra_blocks_are_the_twins(level: str) -> None:
    rng = np.random.default_rng(7)
    blocks = random_blocks(rng, 2, 3, [INTRA16, INTRA8, INTER16])
    source = picture(rng, 2, 3)
    expected = np.full((6, 384), 5, np.float32)
    coefficients = expected.copy()
    open_loop.open_loop(source, blocks, blocks.splits, expected)
    _core.open_loop(source, blocks, coefficients)
    assert np.abs(coefficients - expected).max() < 1e-3


def coding(rng: np.random.Generator, blocks: Any) -> dict[str, Any]:
    """Prices of symbols: tables whose price grows with the level, random contexts."""
    costs = rng.integers(20, 500, (64, 16)).cumsum(1).astype(np.int32)
    contexts = cx.fresh()
    for family in (families.SKIP, families.COUNT):
        first, last = families.BASE[family, 0], families.BASE[family, 3]
        contexts[first:last] = rng.integers(2000, 63000, (last - first, 2))
    return {
        "tables": rng.integers(0, 64, (blocks.modes.size, 384), np.uint8),
        "costs_q8": costs,
        "steps_q3": STEPS_Q3,
        "contexts": contexts,
        "reference_counts": rng.integers(0, 5, blocks.modes.shape).astype(np.uint8),
        "hurdle": (rng.random(blocks.modes.shape) < 0.2).astype(np.uint8) * 96,
    }


@pytest.mark.parametrize("seed", [11, 12, 13, 14])
def test_symbols_and_the_picture_are_the_twins(level: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    problem = inter_problem(seed)
    blocks, source, prediction, _ = problem
    if seed % 2:
        coefficients, free = first_look(problem)
        first_symbols = np.empty((blocks.modes.size, 384), np.int16)
        _core.quantise_plainly(coefficients, STEPS_Q3, 0.35, first_symbols, blocks.counts)
    else:
        blocks = random_blocks(rng, 3, 4, [INTRA16, INTRA8])
        blocks.splits[blocks.modes == INTRA16] = 0
        source = prediction = picture(rng, 3, 4)
        coefficients = np.zeros((blocks.modes.size, 384), np.float32)
        free = np.zeros(blocks.modes.shape, np.uint8)
    told = coding(rng, blocks)
    twin, planes = blocks.copy(), copied(prediction)
    expected = np.full((blocks.modes.size, 384), 7, np.int16)
    mu, trend = (0.1, 1) if seed < 13 else (0.4, 2)
    prices = rebuild.Prices(mu=mu, trend=trend, free=free, **told)
    rebuild.code(source, twin, coefficients, prices, expected, planes)
    symbols, result = np.full_like(expected, 7), copied(prediction)
    before = blocks.copy()
    _core.code(
        workspace=_core.BlocksWorkspace(),
        params=_core.CodeParams(mu, trend),
        source=source,
        blocks=blocks,
        coefficients=coefficients,
        free=free,
        symbols=symbols,
        planes=result,
        **told,
    )
    assert np.array_equal(blocks.counts, twin.counts)
    assert 0 < twin.counts.astype(int).sum() < 4 * twin.counts.size
    assert np.array_equal(symbols, expected)
    assert same(result, planes)
    assert np.array_equal(blocks.splits, before.splits)
    # Whatever was chosen, a decoder reconstructs the same picture.
    decoded = copied(prediction)
    _core.rebuild(blocks, symbols, STEPS_Q3, decoded)
    assert same(decoded, result)


def test_levels_beyond_the_tables_and_beyond_int16_are_coded(level: str) -> None:
    rng = np.random.default_rng(21)
    blocks = _core.Blocks(1, 1)
    blocks.counts[:] = 4
    coefficients = np.zeros((1, 384), np.float32)
    coefficients[0, :4] = (700, -300, 5e6, -16)
    source = picture(rng, 1, 1)
    told = coding(rng, blocks) | {"hurdle": np.zeros((1, 1), np.uint8)}
    symbols = np.zeros((1, 384), np.int16)
    _core.code(
        workspace=_core.BlocksWorkspace(),
        params=_core.CodeParams(0.1, 1),
        source=source,
        blocks=blocks,
        coefficients=coefficients,
        free=np.zeros((1, 1), np.uint8),
        symbols=symbols,
        planes=copied(source),
        **told,
    )
    inverse = (np.float32(8) / STEPS_Q3).astype(np.float32)
    expected = np.zeros(384, np.int16)
    quantise.weighed(
        *(coefficients[0], inverse, 0, 384, told["tables"][0], told["costs_q8"], 0.1),
        *(expected, np.zeros(2, np.float32)),
    )
    assert np.array_equal(symbols[0], expected)
    assert expected[2] == quantise.MAX_LEVEL


def test_what_no_packet_can_mean_is_refused() -> None:
    rng = np.random.default_rng(1)
    blocks = random_blocks(rng, 2, 2, [INTRA16])
    symbols = np.zeros((4, 384), np.int16)
    blocks.intra_modes[:] = -1
    with pytest.raises(IndexError):
        _core.rebuild(blocks, symbols, STEPS_Q3, picture(rng, 2, 2))
    blocks.modes[:] = INTER16
    blocks.counts[:] = 5
    with pytest.raises(IndexError):
        _core.rebuild(blocks, symbols, STEPS_Q3, picture(rng, 2, 2))
    with pytest.raises(ValueError, match="as large as the blocks"):
        _core.rebuild(blocks, symbols, STEPS_Q3, picture(rng, 2, 3))
    with pytest.raises(ValueError, match="symbols"):
        _core.rebuild(blocks, symbols[:3], STEPS_Q3, picture(rng, 2, 2))
