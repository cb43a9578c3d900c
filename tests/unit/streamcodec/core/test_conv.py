# SPDX-License-Identifier: Apache-2.0
"""The decoder network in the core: its twin's integers at every level, and levels that pay."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec import _core
from streamcodec.correction import Stage, areas_acting, read_levels, room_bytes
from streamcodec.errors import ModelError
from streamcodec.networks.conv import exactness, native, twin, twin_inputs
from streamcodec.networks.conv.native import NativeNetwork
from streamcodec.networks.conv.shape import STEPS_Q3
from tests.reference import correction as reference
from tests.unit.streamcodec.networks.conv import samples

ROWS, COLUMNS = 5, 6


def blocks_of(own: samples.BlockInputs) -> _core.Blocks:
    blocks = _core.Blocks(*own.counts.shape)
    blocks.counts[:], blocks.modes[:], blocks.splits[:] = own.counts, own.modes, own.splits
    blocks.field[:] = own.field
    return blocks


def correction_for(planes: samples.Planes, seed: int, most: int = 900) -> reference.Correction:
    rng = np.random.default_rng(seed)
    y, u, v = (rng.integers(-most, most + 1, p.shape).astype(np.int16) for p in planes)
    return y, u, v


@pytest.mark.parametrize("predicted", [False, True])
@pytest.mark.parametrize("extreme", [False, True])
def test_the_network_equals_its_twin_for_random_and_for_extreme_inputs(
    level: str, predicted: bool, extreme: bool
) -> None:
    weights = samples.network(predicted=predicted, extreme=extreme)
    assert exactness.difference(NativeNetwork(weights).raw, weights) == 0


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("quality", [0, 23, 63])
def test_a_correction_is_the_twins_in_sixteenths_of_a_grey_level(
    level: str, quality: int, threads: int
) -> None:
    weights = samples.network(predicted=True)
    picture, guess = samples.planes(ROWS, COLUMNS), samples.planes(ROWS, COLUMNS, seed=9)
    own = samples.blocks(ROWS, COLUMNS)
    pool = _core.Pool(threads)
    try:
        found = NativeNetwork(weights).correction(
            picture,
            guess,
            blocks_of(own),
            quality,
            workspace=_core.ConvWorkspace(),
            pool=pool,
        )
    finally:
        pool.close()
    raw = twin.raw(
        weights,
        twin_inputs.at_quarter(picture, guess, quality),
        twin_inputs.maps(own.counts, own.modes, own.splits),
        quality,
    )
    for number, (first, side) in enumerate(((0, 4), (16, 2), (20, 2))):
        step_q3 = int(STEPS_Q3[quality, min(number, 1)])
        cells = (raw[first : first + side**2] * step_q3 + 16) >> 5
        expected = cells.reshape(side, side, 4 * ROWS, 4 * COLUMNS).transpose(2, 0, 3, 1)
        assert np.array_equal(found[number], expected.reshape(found[number].shape))


def test_a_workspace_serves_pictures_and_networks_of_any_size() -> None:
    shared = _core.ConvWorkspace()
    for predicted, rows, columns in ((True, 3, 5), (False, 5, 3), (True, 5, 3), (True, 3, 5)):
        network = NativeNetwork(samples.network(predicted=predicted))
        picture = samples.planes(rows, columns)
        guess = samples.planes(rows, columns, seed=9) if predicted else None
        blocks = blocks_of(samples.blocks(rows, columns))
        again, alone = (
            network.correction(picture, guess, blocks, 30, workspace=workspace, pool=None)
            for workspace in (shared, _core.ConvWorkspace())
        )
        assert all(np.array_equal(a, b) for a, b in zip(again, alone, strict=True))


def test_weights_and_pictures_that_do_not_fit_are_refused() -> None:
    weights = samples.network(predicted=True)
    layers = [(own.weight, own.bias, own.shift) for own in weights.layers]
    with pytest.raises(ValueError, match="another shape"):
        _core.ConvNetwork([*layers[:-1], layers[-2]])
    with pytest.raises(ValueError, match="layers"):
        _core.ConvNetwork(layers[:3])
    network = NativeNetwork(weights)
    blocks = _core.Blocks(ROWS, COLUMNS)
    with pytest.raises(ValueError, match="prediction"):
        network.correction(
            samples.planes(ROWS, COLUMNS),
            None,
            blocks,
            30,
            workspace=_core.ConvWorkspace(),
            pool=None,
        )
    with pytest.raises(ValueError, match="as large as the blocks"):
        network.correction(
            samples.planes(ROWS, COLUMNS + 1),
            samples.planes(ROWS, COLUMNS),
            blocks,
            30,
            workspace=_core.ConvWorkspace(),
            pool=None,
        )


def test_a_network_that_differs_from_its_twin_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = samples.network(predicted=False)
    assert native.load(weights).weights is weights
    right = NativeNetwork.raw
    monkeypatch.setattr(NativeNetwork, "raw", lambda *a: right(*a) + 1)
    with pytest.raises(ModelError, match="cannot be computed exactly"):
        native.load(weights)


def test_blocks_act_that_coded_or_moved_or_are_new() -> None:
    blocks = _core.Blocks(5, 9)
    assert not areas_acting(blocks).any()
    assert room_bytes(areas_acting(blocks)) == 0
    blocks.field[9, 7, 1] = -1  # of the block in row 4, column 3
    assert areas_acting(blocks).tolist() == [[0, 0, 0], [1, 0, 0]]
    blocks.counts[0, 8] = 1
    blocks.modes[3, 4] = 2
    blocks.modes[0, 0] = 1  # no effect by itself
    assert areas_acting(blocks).tolist() == [[0, 1, 1], [1, 0, 0]]


@pytest.mark.parametrize("seed", range(3))
def test_what_a_correction_saves_and_adds_is_its_twins(level: str, seed: int) -> None:
    picture, source = samples.planes(ROWS, COLUMNS, seed), samples.planes(ROWS, COLUMNS, seed + 7)
    blocks = blocks_of(samples.blocks(ROWS, COLUMNS, seed))
    correction = correction_for(picture, seed)
    areas = areas_acting(blocks)
    assert np.array_equal(areas, reference.areas(blocks))
    saved = np.full((2, 2, *areas.shape), -1, np.int64)
    _core.correction_saves(source, picture, correction, blocks, saved, None)
    assert np.array_equal(saved, reference.saved(source, picture, correction, blocks))
    levels = np.random.default_rng(seed).integers(0, 3, (2, *areas.shape)).astype(np.uint8)
    y, u, v = picture
    found = (y.copy(), u.copy(), v.copy())
    _core.add_correction(found, correction, blocks, levels, None)
    expected = reference.corrected(picture, correction, blocks, levels)
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def chosen(saved: reference.I64, areas: samples.U8, bit_price: float) -> tuple[samples.U8, float]:
    levels = np.zeros((2, *areas.shape), np.uint8)
    bits = _core.choose_levels(saved, areas, (bit_price, bit_price), levels)
    return levels, bits


@pytest.mark.parametrize("seed", range(5))
def test_levels_save_more_than_their_true_bits_cost(seed: int) -> None:
    rng = np.random.default_rng(seed)
    areas = (rng.random((4, 7)) < 0.8).astype(np.uint8)
    saved = (rng.normal(100, 400, (2, 2, 4, 7)) * areas).astype(np.int64)
    levels, bits = chosen(saved, areas, 60.0)
    assert levels.any()
    assert not levels[:, areas == 0].any()
    assert bits == pytest.approx(reference.bits(levels, areas > 0), abs=0.01)
    taken = np.take_along_axis(saved, np.maximum(levels.astype(int) - 1, 0)[None], 0)[0]
    assert (taken[levels > 0] > 0).all()
    assert taken[levels > 0].sum() > 60.0 * bits
    writer = _core.Writer()
    _core.write_levels(writer, areas, levels)
    packet = writer.encode()
    assert len(packet) <= bits / 8 + 6
    reader = _core.Reader(packet)
    assert np.array_equal(read_levels(reader, areas), levels)
    assert reader.finished()


def test_bits_that_cost_nothing_leave_the_least_error() -> None:
    areas = np.ones((3, 3), np.uint8)
    saved = np.random.default_rng(4).integers(-50, 50, (2, 2, 3, 3)).astype(np.int64)
    levels, _ = chosen(saved, areas, 0.0)
    best = np.where(saved.max(0) > 0, saved.argmax(0) + 1, 0)
    assert np.array_equal(levels, best)


def test_a_frame_whose_levels_cost_more_than_they_save_has_none() -> None:
    # One area in twenty gains three bits: signalling the levels of all costs more.
    areas = np.ones((4, 5), np.uint8)
    saved = np.full((2, 2, 4, 5), -100, np.int64)
    saved[1, 0, 2, 2] = 300
    levels, bits = chosen(saved, areas, 100.0)
    assert not levels.any()
    assert bits == 0
    assert chosen(saved, areas, 2.0)[0].sum() == 2


def test_a_level_cut_short_is_damage() -> None:
    areas = np.ones((20, 20), np.uint8)
    with pytest.raises(_core.Damaged):
        read_levels(_core.Reader(b"\x13\x57\x9b\xdf\x02\x46"), areas)


def test_a_stage_brings_no_area_farther_from_its_source() -> None:
    weights = samples.network(predicted=True)
    source, picture = samples.planes(ROWS, COLUMNS, 2), samples.planes(ROWS, COLUMNS, 3)
    blocks = blocks_of(samples.blocks(ROWS, COLUMNS))
    stage = Stage(NativeNetwork(weights), 30, blocks, samples.planes(ROWS, COLUMNS, seed=9))
    levels, after = stage.choose(source, picture, (80, 80))
    applied = stage.apply(picture, levels)
    assert all(np.array_equal(a, b) for a, b in zip(after, applied, strict=True))

    def errors(planes: samples.Planes) -> list[np.ndarray]:
        still = (np.zeros(p.shape, np.int16) for p in planes)
        y, u, v = still
        whole = _core.Blocks(ROWS, COLUMNS)
        whole.counts[:] = 1
        before = reference.saved(source, planes, (y, u, v), whole)
        assert not before.any()
        found = []
        for number, (s, p) in enumerate(zip(source, planes, strict=True)):
            side = 32 if number else 64
            squares = (s.astype(np.int64) - p) ** 2
            rows, columns = (np.arange(0, n, side) for n in s.shape)
            found.append(np.add.reduceat(np.add.reduceat(squares, rows, 0), columns, 1))
        return [found[0], found[1] + found[2]]

    for kind, (now, then) in enumerate(zip(errors(after), errors(picture), strict=True)):
        assert ((now < then) == (levels[kind] > 0)).all()
        assert (now <= then).all()
