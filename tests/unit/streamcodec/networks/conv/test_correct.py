# SPDX-License-Identifier: Apache-2.0
"""The correction of a picture: exact, nowhere on copies, and never for the worse."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from streamcodec.networks.conv import inputs, twin, twin_inputs
from streamcodec.networks.conv.correct import (
    Blocks,
    Correction,
    areas_acting,
    bits_of,
    choose,
    corrected,
    correction_of,
    no_levels,
)
from streamcodec.networks.conv.network import ExecutedNetwork
from tests.unit.streamcodec.networks.conv import samples

ROWS, COLUMNS = 5, 6
QUALITIES = [0, 23, 47, 63]


def executed(*, predicted: bool) -> ExecutedNetwork:
    return ExecutedNetwork(samples.network(predicted=predicted), torch.device("cpu"), "float")


def even(planes: samples.Planes, sixteenths: int) -> Correction:
    y, u, v = (np.full(p.shape, sixteenths, np.int16) for p in planes)
    return Correction((y, u, v))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("predicted", [False, True])
def test_inputs_equal_their_int64_twin(predicted: bool, quality: int) -> None:
    picture = samples.planes(ROWS, COLUMNS)
    guess = samples.planes(ROWS, COLUMNS, seed=9) if predicted else None

    def tensors(planes: samples.Planes) -> inputs.Planes:
        y, u, v = (torch.from_numpy(p)[None, None].to(torch.int32) for p in planes)
        return y, u, v

    found = inputs.at_quarter(
        tensors(picture), None if guess is None else tensors(guess), torch.tensor([quality])
    )
    assert np.array_equal(found[0].numpy(), twin_inputs.at_quarter(picture, guess, quality))


def test_maps_equal_their_int64_twin() -> None:
    own = samples.blocks(ROWS, COLUMNS)
    found = inputs.maps(*(torch.from_numpy(a)[None] for a in (own.counts, own.modes, own.splits)))
    expected = twin_inputs.maps(own.counts, own.modes, own.splits)
    assert np.array_equal(found[0].numpy(), expected)
    assert expected.min() >= 0
    assert expected.max() <= 127


@pytest.mark.parametrize("quality", QUALITIES)
def test_a_correction_is_the_twins_in_sixteenths_of_a_grey_level(quality: int) -> None:
    network = executed(predicted=True)
    picture, guess = samples.planes(ROWS, COLUMNS), samples.planes(ROWS, COLUMNS, seed=9)
    own = samples.blocks(ROWS, COLUMNS)
    found = correction_of(network, picture, guess, own, quality)
    raw = twin.correction(
        network.weights,
        twin_inputs.at_quarter(picture, guess, quality),
        twin_inputs.maps(own.counts, own.modes, own.splits),
        quality,
    )
    step_q3 = int(inputs.STEPS_Q3[quality, 0])
    # raw is in 1/64 step: times step_q3 / 8 grey levels, times 16.
    expected = np.floor(raw[:16] / 64 * step_q3 / 8 * 16 + 0.5)
    cells = expected.reshape(4, 4, 4 * ROWS, 4 * COLUMNS).transpose(2, 0, 3, 1)
    assert np.array_equal(found.planes[0], cells.reshape(16 * ROWS, 16 * COLUMNS))
    assert [p.shape for p in found.planes] == [p.shape for p in picture]


def test_blocks_act_that_coded_or_moved_or_are_new() -> None:
    none = np.zeros((2, 2), np.uint8)
    field = np.zeros((4, 4, 2), np.int16)
    still = Blocks(none, none, none, field)
    assert not still.acting().any()
    moved = field.copy()
    moved[3, 0, 1] = -1
    assert Blocks(none, none, none, moved).acting().tolist() == [[False, False], [True, False]]
    one = np.array([[0, 1], [0, 0]], np.uint8)
    assert Blocks(one, none, none, field).acting().tolist() == [[False, True], [False, False]]
    assert Blocks(none, 2 * one, none, None).acting().tolist() == [[False, True], [False, False]]
    assert not Blocks(none, one, none, field).acting().any()


def test_levels_add_nothing_half_or_all_and_nothing_on_copies() -> None:
    picture = samples.planes(ROWS, COLUMNS)
    own = samples.blocks(ROWS, COLUMNS)
    forty = even(picture, 40)  # 2.5 levels
    levels = no_levels(ROWS, COLUMNS)
    levels[0, 0, 0], levels[0, 1, 1], levels[1, 0, 1] = 1, 2, 2
    y, u, v = corrected(picture, forty, own, levels)
    acting = np.repeat(np.repeat(own.acting(), 16, 0), 16, 1)
    added = y.astype(int) - picture[0]
    assert (added[~acting] == 0).all()
    assert (added[:64, 64:] == 0).all()
    inside = acting[:64, :64] & (picture[0][:64, :64] < 250)
    assert set(added[:64, :64][inside]) == {1}  # 1.25
    below = acting[64:, 64:] & (picture[0][64:, 64:] < 250)
    assert set(added[64:, 64:][below]) == {3}  # 2.5
    assert (u[:, :32] == picture[1][:, :32]).all()
    assert (v[:, 32:] != picture[2][:, 32:]).any()


@pytest.mark.parametrize("seed", range(4))
def test_what_is_chosen_never_moves_an_area_away_from_the_source(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = samples.planes(ROWS, COLUMNS, seed)

    def noisy(plane: samples.U8) -> samples.U8:
        return np.asarray(np.clip(plane + rng.integers(-9, 10, plane.shape), 0, 255), np.uint8)

    picture = noisy(source[0]), noisy(source[1]), noisy(source[2])
    # Right in some areas, wrong in others.
    ways = rng.normal(0.4, 0.8, (2, 2))
    spread = np.repeat(np.repeat(ways, 64, 0), 64, 1)
    change = []
    for number, (s, p) in enumerate(zip(source, picture, strict=True)):
        part = spread[:: 2 if number else 1, :: 2 if number else 1][: s.shape[0], : s.shape[1]]
        change.append(((s.astype(int) - p) * 16 * part).astype(np.int16))
    own = samples.blocks(ROWS, COLUMNS, seed)
    correction = Correction((change[0], change[1], change[2]))
    levels = choose(source, picture, correction, own, (0.0, 0.0))
    assert 0 < np.count_nonzero(levels) < levels.size
    after = corrected(picture, correction, own, levels)

    def errors(planes: samples.Planes, kind: int, a: int, b: int) -> int:
        side = 32 if kind else 64
        where = slice(a * side, (a + 1) * side), slice(b * side, (b + 1) * side)
        pairs = [(source[n], planes[n]) for n in ((1, 2) if kind else (0,))]
        return sum(int(((s[where].astype(int) - p[where]) ** 2).sum()) for s, p in pairs)

    for kind, a, b in np.ndindex(levels.shape):
        before_area, after_area = errors(picture, kind, a, b), errors(after, kind, a, b)
        assert (after_area < before_area) == (levels[kind, a, b] > 0)
        assert after_area <= before_area


def test_a_level_must_gain_more_than_it_is_worth() -> None:
    source = samples.planes(4, 4)
    y, u, v = (np.where(p > 0, p - 1, p).astype(np.uint8) for p in source)
    picture = y, u, v
    added = even(source, 16)
    own = samples.blocks(4, 4)
    assert choose(source, picture, added, own, (10.0, 10.0)).any()
    assert not choose(source, picture, added, own, (1e9, 1e9)).any()


def test_only_areas_where_something_acts_carry_a_level() -> None:
    none = np.zeros((5, 9), np.uint8)
    counts = none.copy()
    counts[4, 3] = 1
    areas = areas_acting(Blocks(counts, none, none))
    assert areas.tolist() == [[False, False, False], [True, False, False]]
    levels = no_levels(5, 9)
    assert bits_of(levels, np.zeros_like(areas)) < 4
    levels[:, :, ::2] = 2
    assert bits_of(levels, np.ones_like(areas)) > 2 * bits_of(0 * levels, np.ones_like(areas))
