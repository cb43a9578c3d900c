# SPDX-License-Identifier: Apache-2.0
"""The dense encoder's parts against the core's: what a decoder computes comes out equal."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec import Codec, _core
from streamcodec import contexts as cx
from streamcodec.blocks import layout, transform
from streamcodec.dense import compensate, intra, prior, quantise
from streamcodec.dense import transform as forward
from streamcodec.dense.costs import SourceBlocks, estimated_bits
from streamcodec.dense.field import candidates_of, sides_of
from streamcodec.dense.prices import Prices
from streamcodec.dense.shifts import Windows, shifts
from streamcodec.dense.transfers import Transfers
from tests.unit.streamcodec.core.test_contexts import learned

CPU = torch.device("cpu")
SIZES = [(1, 1), (5, 6), (1, 4), (4, 1), (9, 7)]


def tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array).astype(np.int32))


def blocks_of(
    rng: np.random.Generator, rows: int, columns: int, *, reach: int = 90
) -> _core.Blocks:
    """Blocks with vectors within reach, some shared, some intra."""
    blocks = _core.Blocks(rows, columns)
    few = rng.integers(-reach, reach, (4, 2))
    blocks.modes[:] = rng.choice([0, 0, 0, 1, 2, 3], (rows, columns))
    field = few[rng.integers(0, 4, (2 * rows, 2 * columns))]
    for y in range(rows):
        for x in range(columns):
            if blocks.modes[y, x] == 0:
                field[2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = field[2 * y, 2 * x]
    blocks.field[:] = field
    new = blocks.modes >= 2
    blocks.intra_modes[:] = np.where(new.repeat(2, 0).repeat(2, 1), 1, -1)
    blocks.field[new.repeat(2, 0).repeat(2, 1)] = 0
    blocks.counts[:] = rng.integers(0, 5, (rows, columns))
    blocks.splits[:] = rng.integers(0, 82, (rows, columns)) * (blocks.modes != 2)
    return blocks


def picture(rng: np.random.Generator, rows: int, columns: int) -> tuple[np.ndarray, ...]:
    return tuple(
        rng.integers(0, 256, (side * rows, side * columns)).astype(np.uint8) for side in (16, 8, 8)
    )


@pytest.mark.parametrize("size", SIZES)
def test_the_prediction_is_the_decoders_with_overlap(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    for _ in range(3):
        reference, blocks = picture(rng, *size), blocks_of(rng, *size)
        expected = tuple(np.zeros_like(plane) for plane in reference)
        _core.predict(reference, blocks, expected)
        y, u, v = (torch.from_numpy(plane) for plane in reference)
        found = compensate.predict(
            Windows(shifts(y)), (u, v), tensor(blocks.field), torch.from_numpy(blocks.modes < 2)
        )
        for a, b in zip(found, expected, strict=True):
            assert np.array_equal(a.numpy(), b)


@pytest.mark.parametrize("size", [(12, 9), (20, 2), (2, 20)])
def test_the_prediction_is_the_decoders_with_the_longest_vectors(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(9)
    rows, columns = size
    reference, blocks = picture(rng, *size), _core.Blocks(rows, columns)
    for y in range(rows):
        for x in range(columns):
            # Each vector points to an edge of the picture or beyond it, by 24 samples at most.
            ends = [(-24, 16 * n + 8) for n in size]
            to_y, to_x = (int(rng.choice(e)) for e in ends)
            vector = 4 * (to_y - 16 * y), 4 * (to_x - 16 * x)
            blocks.field[2 * y : 2 * y + 2, 2 * x : 2 * x + 2] = vector
    expected = tuple(np.zeros_like(plane) for plane in reference)
    _core.predict(reference, blocks, expected)
    luma, u, v = (torch.from_numpy(plane) for plane in reference)
    whole = torch.ones(size, dtype=torch.bool)
    found = compensate.predict(Windows(shifts(luma)), (u, v), tensor(blocks.field), whole)
    for a, b in zip(found, expected, strict=True):
        assert np.array_equal(a.numpy(), b)


@pytest.mark.parametrize("side", [1, 2, 4])
@pytest.mark.parametrize("size", SIZES)
def test_candidates_squares_and_prices_are_the_cores(size: tuple[int, int], side: int) -> None:
    rng = np.random.default_rng(2)
    few = np.array([[0, 0], [0, 0], [4, -2], [9, 1]], np.int16)
    rows, columns = size
    field = few[rng.integers(0, 4, (2 * rows, 2 * columns))]
    reference_field = few[rng.integers(0, 4, (2 * rows, 2 * columns))]
    candidate_index = rng.integers(0, 3, size).astype(np.uint8)
    own = field[::2, ::2].repeat(2, 0).repeat(2, 1)
    own[: rows // 4 * 4] = own[0, 0]
    sides = np.ones(size, np.uint8)
    _core.unite(np.zeros(size, np.uint8), own, sides)
    reference_counts = rng.integers(0, 5, size).astype(np.uint8)
    contexts = learned(4)
    prices = Prices(Transfers(CPU), contexts, tensor(reference_counts), tensor(reference_field), 2)
    found = candidates_of(tensor(field), tensor(reference_field), side)
    which = prices.which(tensor(field), found, tensor(candidate_index), side, 1)
    whole = torch.ones(size, dtype=torch.bool)
    assert np.array_equal(sides_of(whole, tensor(own)).numpy(), sides)
    yes, no = prices.united(tensor(sides), side) if side > 1 else (None, None)
    for row in range(0, rows, side):
        for column in range(0, columns, side):
            at = row // side, column // side
            expected = _core.candidates(field, reference_field, row, column, side)
            assert int(found.count[at]) == len(expected)
            for k, (dy, dx, source) in enumerate(expected):
                assert found.at[at][k].tolist() == [dy, dx]
                assert k == 0 or int(found.source[at][k]) == source
            taking = _core.which_prices(
                contexts, candidate_index, field, reference_field, row, column, side, 1
            )
            for k in range(len(expected)):
                assert (
                    abs(float(which[at][k]) - taking[k] / 16) < 0.13
                )  # sixteenths, rounded down twice
            if yes is not None and no is not None:
                told = _core.united_prices(
                    contexts, sides, reference_field, reference_counts, 2, row, column, side
                )
                assert (float(yes[at]) * 256, float(no[at]) * 256) == told


@pytest.mark.parametrize("size", SIZES)
def test_prices_of_skips_and_counts_are_the_cores(size: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    rows, columns = size
    field = np.zeros((2 * rows, 2 * columns, 2), np.int16)
    counts, before = (rng.integers(0, 5, size).astype(np.uint8) for _ in range(2))
    skips = rng.integers(0, 2, size).astype(np.uint8)
    contexts = learned(5)
    prices = Prices(Transfers(CPU), contexts, tensor(before), tensor(field), 0)
    yes, no = prices.skip(tensor(skips))
    for kind in range(5):
        kinds = torch.full(size, kind, dtype=torch.int32)
        found = prices.count(tensor(counts), kinds)
        for row in range(rows):
            for column in range(columns):
                expected = _core.count_prices(contexts, counts, field, before, 0, row, column, kind)
                assert [round(256 * float(p)) for p in found[row, column]] == list(expected)
                told = _core.skip_prices(contexts, skips, field, before, 0, row, column)
                assert (256 * float(yes[row, column]), 256 * float(no[row, column])) == told


@pytest.mark.parametrize("size", [(1, 1), (5, 6), (4, 3)])
@pytest.mark.parametrize("quality", [3, 40])
def test_the_prior_chooses_the_tables_that_the_core_does(
    codec: Codec, size: tuple[int, int], quality: int
) -> None:
    rng = np.random.default_rng(quality)
    blocks, reference = blocks_of(rng, *size), picture(rng, *size)
    count = size[0] * size[1]
    prediction = tuple(np.zeros_like(plane) for plane in reference)
    _core.predict(reference, blocks, prediction)
    starts = np.array([*layout.GROUP_STARTS[1:]])
    group = np.searchsorted(starts, np.arange(layout.CHANNELS), side="right")
    symbols = rng.geometric(0.5, (count, layout.CHANNELS)) - 1
    symbols = symbols * rng.choice([-1, 1], symbols.shape) * (rng.random(symbols.shape) < 0.3)
    symbols = (symbols * (group[None] < blocks.counts.reshape(-1, 1))).astype(np.int16)
    memory = rng.integers(0, 16, (count, layout.CHANNELS)).astype(np.uint8)
    reference_counts = rng.integers(0, 5, size).astype(np.uint8)
    moved, moved_counts = np.empty_like(memory), np.empty_like(reference_counts)
    _core.move_memory(blocks, memory, reference_counts, moved, moved_counts)
    workspace = _core.PriorWorkspace()
    _core.describe(workspace, blocks, moved_counts, quality, 30, False)
    steps = transform.plane_steps_q3(quality)
    _core.remember_reference(workspace, blocks, moved, prediction, *steps)
    expected = np.zeros(symbols.shape, np.uint8)
    _core.find_tables(codec.model.prior, workspace, blocks.counts, quality, symbols, expected)

    assert codec.model.stacks is not None
    there = prior.Prior(codec.model.stacks, CPU)
    inter = torch.from_numpy(blocks.modes < 2)
    again, again_counts = prior.move(
        tensor(blocks.field), inter, torch.from_numpy(memory), tensor(reference_counts)
    )
    assert np.array_equal(again.numpy(), moved)
    assert np.array_equal(again_counts.numpy(), moved_counts)
    misc = prior.misc(
        there,
        modes=tensor(blocks.modes),
        splits=tensor(blocks.splits),
        counts=tensor(blocks.counts),
        field=tensor(blocks.field),
        moved_counts=again_counts,
        intra_modes=tensor(blocks.intra_modes),
        quality=quality,
        reference_quality=30,
    )
    y, u, v = (torch.from_numpy(plane) for plane in prediction)
    rows = prior.memory(
        there,
        again,
        (y, u, v),
        counted=inter & torch.from_numpy(blocks.counts > 0),
        steps_q3=steps,
    )
    frame = prior.Frame(there, key=False, quality=quality, misc=misc, memory=rows, shape=size)
    found = frame.tables(torch.from_numpy(symbols.astype(np.int32))).numpy()
    coded = group[None] < blocks.counts.reshape(-1, 1)
    assert np.array_equal(np.where(coded, found, 0), expected)


def test_estimated_bits_are_the_cores() -> None:
    rng = np.random.default_rng(6)
    bit_weights = (0.01, 0.2)
    for size in (8, 16):
        for spread in (3, 60, 255):
            own, other = (rng.integers(0, spread + 1, (16, 16)).astype(np.uint8) for _ in range(2))
            apart = torch.from_numpy(own.astype(np.int16) - other)[:size, :size]
            expected = _core.hadamard_bits(own, other, size, bit_weights)
            assert (
                abs(16 * float(estimated_bits(apart, bit_weights)) - expected) <= 4
            )  # cut four times


@pytest.mark.parametrize("scale", [2, 12, 90])
def test_transforms_and_their_kinds_are_the_cores(scale: int) -> None:
    rng = np.random.default_rng(scale)
    step = 6.0
    planes = [np.cumsum(rng.normal(0, scale, (side, 6 * side)), 1) for side in (16, 8, 8)]
    planes[0][:, 32:48] *= rng.random((16, 16)) < 0.1
    whole = [torch.from_numpy(plane.astype(np.float32)) for plane in planes]
    found = forward.forward((whole[0], whole[1], whole[2]), 1 / step)
    for block in range(6):
        samples = np.concatenate(
            [
                plane[:, side * block : side * (block + 1)].ravel()
                for plane, side in zip(planes, (16, 8, 8), strict=True)
            ]
        ).astype(np.float32)
        expected = np.zeros(layout.CHANNELS, np.float32)
        assert int(found.splits[block]) == _core.block_forward_cheapest(samples, 1 / step, expected)
        assert np.allclose(found.coefficients[block].numpy(), expected, atol=0.02)


@pytest.mark.parametrize("mode", [intra.PLANAR, intra.MEAN])
@pytest.mark.parametrize("size", [8, 16])
def test_new_blocks_are_predicted_as_a_decoder_does(size: int, mode: int) -> None:
    plane = np.random.default_rng(7).integers(0, 256, (48, 64)).astype(np.uint8)
    found = intra.predictions(torch.from_numpy(plane), size)[mode].numpy()
    out = np.zeros((size, size), np.uint8)
    for row in range(48 // size):
        for column in range(64 // size):
            right = size if row else 0
            _core.intra_square(plane, size * row, size * column, size, right, 0, mode, out)
            assert np.array_equal(found[row, column], out)


def test_symbols_and_counts_are_chosen_as_the_core_does(codec: Codec) -> None:
    """On a single block neighbours do not matter, so nothing depends on the order of choice."""
    rng = np.random.default_rng(8)
    model = codec.model
    steps_q3 = transform.CHANNEL_STEPS_Q3[30]
    contexts = model.contexts[1]
    zero = np.zeros((1, 1), np.uint8)
    costs = torch.from_numpy(model.costs_q8.astype(np.float32) / 256)
    field = np.zeros((2, 2, 2), np.int16)
    for trial in range(60):
        decay = np.exp(-np.arange(layout.CHANNELS) / (4 + trial))
        levels = (rng.laplace(0, 3, layout.CHANNELS) * decay).astype(np.float32)
        coefficients = (levels * steps_q3 / 8)[None].astype(np.float32)
        tables = np.clip(40 * decay + 5, 0, 63).astype(np.uint8)[None]
        free = np.full((1, 1), trial % 3, np.uint8)
        blocks = _core.Blocks(1, 1)
        blocks.intra_modes[:] = -1
        blocks.counts[:] = 4
        grey = (np.full((16, 16), 128, np.uint8), *(np.full((8, 8), 128, np.uint8),) * 2)
        expected = np.zeros((1, layout.CHANNELS), np.int16)
        _core.code(
            _core.BlocksWorkspace(),
            _core.CodeParams(mu=0.1, trend=1),
            grey,
            blocks,
            coefficients,
            tables,
            model.costs_q8,
            steps_q3,
            contexts,
            zero,
            free,
            zero,
            expected,
            tuple(plane.copy() for plane in grey),
        )
        prices = Prices(Transfers(CPU), contexts, tensor(zero), tensor(field), 1)
        found, counts = quantise.choose(
            torch.from_numpy(coefficients),
            torch.from_numpy(steps_q3.astype(np.float32) / 8),
            torch.from_numpy(tables.astype(np.int64)),
            costs=costs,
            mu=0.1,
            blocks=quantise.BlockLimits(
                tensor(free), tensor(zero), torch.full((1, 1), 4, dtype=torch.int32), tensor(zero)
            ),
            prices=prices,
        )
        assert int(counts) == int(blocks.counts[0, 0])
        assert np.array_equal(found.numpy().astype(np.int16), expected)


def test_no_two_vectors_lie_farther_apart_than_the_syntax_can_say() -> None:
    luma = torch.zeros((16, 4096), dtype=torch.uint8)
    blocks = SourceBlocks(luma, Windows(shifts(luma)), 16)
    far = torch.full((1, 256, 2), 30_000, dtype=torch.int32)
    apart = blocks.clamp(far).amax((0, 1)) - blocks.clamp(-far).amin((0, 1))
    assert (apart < 1 << 13).all()
    assert float(blocks.sad(far).min()) >= 1 << 28


def test_fresh_contexts_price_every_mixed_bit_at_one() -> None:
    zero = np.zeros((2, 3), np.uint8)
    prices = Prices(
        Transfers(CPU), cx.fresh(), tensor(zero), torch.zeros((4, 6, 2), dtype=torch.int32), 1
    )
    yes, no = prices.skip(tensor(zero))
    assert torch.allclose(yes, torch.ones(2, 3), atol=0.01)
    assert torch.allclose(no, torch.ones(2, 3), atol=0.01)
