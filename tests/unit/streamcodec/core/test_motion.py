# SPDX-License-Identifier: Apache-2.0
"""The native search decides as its plain twin does, at every level of instructions."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from streamcodec import _core
from streamcodec import contexts as cx
from tests.reference import cost, intra_search, search, shifts
from tests.reference import field as fields
from tests.reference import prices as prices_of

U8 = npt.NDArray[np.uint8]
U16 = npt.NDArray[np.uint16]

LEVELS = _core.levels()
MARGIN_PX = 32


def blocks_to_compare() -> list[tuple[U8, U8]]:
    """Pairs of (16, 16) own samples and (24, 40) others: random, equal, and maximally different."""
    rng = np.random.default_rng(1)
    pairs = [
        (rng.integers(0, 256, (16, 16), np.uint8), rng.integers(0, 256, (24, 40), np.uint8))
        for _ in range(4)
    ]
    flat = np.full((24, 40), 90, np.uint8)
    pairs.append((flat[:16, :16] + rng.integers(0, 3, (16, 16), np.uint8), flat))
    checks = (np.indices((24, 40)).sum(axis=0) % 2 * 255).astype(np.uint8)
    pairs.extend(
        [
            (np.zeros((16, 16), np.uint8), np.full((24, 40), 255, np.uint8)),
            (np.full((16, 16), 255, np.uint8), np.zeros((24, 40), np.uint8)),
            (255 - checks[:16, :16], checks),
            (np.ascontiguousarray(checks[:16, :16]), checks),
        ]
    )
    return pairs


@pytest.mark.parametrize("size", [8, 16])
def test_sums_of_differences_are_exact_at_every_level(level: str, size: int) -> None:
    columns = (0, 1, 9, 24)
    for own, other in blocks_to_compare():
        apart = [
            np.abs(own[:size, :size].astype(int) - other[:size, c : c + size]).sum()
            for c in columns
        ]
        assert list(_core.block_sads(own, other, size, columns)) == apart
        assert [_core.block_sad(own, other[:, c:], size) for c in columns] == apart
        squared = ((own.astype(int) - other[:16, 3:19]) ** 2).sum()
        assert _core.block_squared(own, other[:, 3:]) == squared


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("step", [1.5, 12.0, 352.0])
def test_estimated_costs_are_equal_at_all_levels_and_near_the_plain_sum(
    size: int, step: float
) -> None:
    bit_weights = (16 / (0.1 * (8 * step) ** 2), 16 / (0.18 * 8 * step))
    before = _core.level()
    for own, other in blocks_to_compare():
        found = set()
        for name in LEVELS:
            _core.choose_level(name)
            found.add(_core.hadamard_bits(own, other[:, 5:], size, bit_weights))
        _core.choose_level(before)
        differences = own[:size, :size].astype(np.int64) - other[:size, 5 : 5 + size]
        plain = cost.hadamard_bits(differences, np.array(bit_weights, np.float32))
        assert len(found) == 1
        # Each 8x8 is rounded down; float sums in another order may differ by one.
        assert found.pop() == pytest.approx(plain, rel=1e-6, abs=4)


def test_shifts_are_those_of_the_prediction_as_far_as_vectors_reach(level: str) -> None:
    rng = np.random.default_rng(2)
    luma = rng.integers(0, 256, (32, 80), np.uint8)
    luma[:16, :40] = np.indices((16, 40)).sum(axis=0) % 2 * 255
    out = np.zeros((16, 32 + 2 * MARGIN_PX, 80 + 2 * MARGIN_PX), np.uint8)
    _core.shifts(luma, out)
    beyond = MARGIN_PX - shifts.REACH_PX
    around = shifts.PAD_PX - shifts.REACH_PX
    expected = shifts.shifted_planes(luma)[:, around:-around, around:-around]
    assert (out[:, beyond:-beyond, beyond:-beyond] == expected).all()


def texture(rng: np.random.Generator, height: int, width: int) -> npt.NDArray[np.float64]:
    """Noise in several sizes."""
    total = np.zeros((height, width))
    for size in (1, 2, 4, 8, 16):
        coarse = rng.normal(0, 6 * size**0.5, (height // size + 2, width // size + 2))
        total += np.kron(coarse, np.ones((size, size)))[:height, :width]
    return total


def scene(seed: int, rows: int, columns: int) -> tuple[U8, U8]:
    """(source, reference): parts of one texture that move apart, one static, one new part."""
    rng = np.random.default_rng(seed)
    height, width = 16 * rows, 16 * columns
    wide = np.clip(128 + texture(rng, height + 64, width + 64), 0, 255).astype(np.uint8)
    reference = wide[32 : 32 + height, 32 : 32 + width].copy()
    source = reference.copy()
    planes = shifts.shifted_planes(wide)[:, 48:-48, 48:-48]
    third = width // 3
    for k, (dy, dx) in enumerate(rng.integers(-30, 31, (2, 2))):
        plane = planes[4 * (dy & 3) + (dx & 3)]
        top, left = 32 + (dy >> 2), 32 + (dx >> 2)
        part = slice(k * third, (k + 1) * third)
        source[:, part] = plane[top : top + height, left : left + width][:, part]
    source[-20:, : width // 2] = np.linspace(20, 220, width // 2).astype(np.uint8)
    noise = rng.normal(0, 1.5, source.shape)
    return np.clip(source + noise, 0, 255).astype(np.uint8), reference


def taught_contexts(seed: int) -> U16:
    """Adapted contexts, mixed in equal parts."""
    rng = np.random.default_rng(seed)
    contexts = cx.fresh()
    unsure = (contexts == 32768).all(axis=1)
    contexts[unsure] = rng.integers(3000, 62000, (int(unsure.sum()), 2), np.uint16)
    return contexts


class Case:
    """All inputs of the search of one frame."""

    def __init__(self, seed: int, rows: int, columns: int, step: float) -> None:
        rng = np.random.default_rng(seed + 100)
        self.source, self.reference = scene(seed, rows, columns)
        self.rows, self.columns = rows, columns
        self.reference_field = np.zeros((2 * rows, 2 * columns, 2), np.int16)
        self.reference_field[:, columns:] = rng.integers(-20, 21, (2 * rows, columns, 2))
        self.reference_counts = rng.integers(0, 5, (rows, columns), np.uint8)
        self.contexts = taught_contexts(seed)
        self.lambda_q8 = int(256 * 0.18 * step)
        self.still = int(256 * 0.04 * step)
        self.bit_weights = (16 / (0.1 * (8 * step) ** 2), 16 / (0.18 * 8 * step))
        self.per_square = 16 * 8 / (0.1 * step * step)

    def native(
        self, pool: _core.Pool | None = None, effort: _core.SearchEffort | None = None
    ) -> _core.Blocks:
        blocks = _core.Blocks(self.rows, self.columns)
        params = _core.MotionParams(
            lambda_q8=self.lambda_q8,
            still=self.still,
            bit_weights=self.bit_weights,
            per_square=self.per_square,
            effort=effort or _core.SearchEffort(),
        )
        _core.analyse_inter(
            _core.MotionWorkspace(),
            self.source,
            self.reference,
            blocks,
            params,
            self.contexts,
            self.reference_field,
            self.reference_counts,
            1,
            pool,
        )
        return blocks

    def plain(self) -> tuple[U8, npt.NDArray[np.int16], npt.NDArray[np.int8]]:
        shape = (self.rows, self.columns)
        modes = np.zeros(shape, np.uint8)
        field = np.zeros(self.reference_field.shape, np.int16)
        intra_modes = np.full(self.reference_field.shape[:2], -1, np.int8)
        planes = shifts.shifted_planes(self.reference)
        prices = prices_of.vector_prices(self.contexts)
        for index in range(_core.band_count(self.rows)):
            first, last = _core.band_of(self.rows, index)
            search.analyse_inter(
                self.source,
                planes,
                self.reference_field[2 * first : 2 * last],
                self.lambda_q8,
                prices,
                self.still,
                np.array(self.bit_weights, np.float32),
                self.per_square,
                self.contexts,
                first,
                self.reference_counts[first:last],
                1,
                modes[first:last],
                field[2 * first : 2 * last],
                intra_modes[2 * first : 2 * last],
            )
        return modes, field, intra_modes


@pytest.mark.parametrize(("seed", "step"), [(1, 4.0), (2, 12.0), (3, 60.0)])
def test_search_decides_as_its_twin(seed: int, step: float) -> None:
    case = Case(seed, 5, 6, step)
    blocks = case.native()
    modes, field, intra_modes = case.plain()
    assert (blocks.modes == modes).all()
    assert (blocks.field == field).all()
    assert (blocks.intra_modes == intra_modes).all()
    assert len(np.unique(field.reshape(-1, 2), axis=0)) > 3, "the scene asks for several vectors"


def test_search_decides_the_same_at_every_level_and_with_any_number_of_threads() -> None:
    case = Case(4, 17, 9, 12.0)
    before = _core.level()
    plain = case.native()
    found = []
    for name in LEVELS:
        _core.choose_level(name)
        found.append(case.native())
    _core.choose_level(before)
    for threads in (2, 5):
        pool = _core.Pool(threads)
        found.append(case.native(pool))
        pool.close()
    for blocks in found:
        assert (blocks.modes == plain.modes).all()
        assert (blocks.field == plain.field).all()
        assert (blocks.intra_modes == plain.intra_modes).all()


@pytest.mark.parametrize("name", ["fast", "normal", "best"])
def test_vectors_of_every_effort_stay_within_reach_of_the_reference(name: str) -> None:
    case = Case(5, 4, 5, 6.0)
    case.reference_field[:] = [600, -900]  # far outside: not a candidate
    blocks = case.native(effort=_core.search_effort(name))
    height, width = case.source.shape
    for row in range(case.rows):
        for column in range(case.columns):
            for k in range(4):
                dy, dx = blocks.field[2 * row + k // 2, 2 * column + k % 2]
                assert fields.within_reach(
                    16 * row, 16 * column, int(dy), int(dx), height, width, shifts.REACH_PX
                )


def test_normal_is_the_default_and_other_efforts_have_names() -> None:
    case = Case(6, 4, 5, 6.0)
    normal = case.native(effort=_core.search_effort("normal"))
    assert (normal.field == case.native().field).all()
    with pytest.raises(ValueError, match="fast, normal or best"):
        _core.search_effort("most")


@pytest.mark.parametrize(("seed", "step"), [(7, 3.0), (8, 20.0)])
def test_keyframes_get_the_modes_and_transforms_of_the_twin(
    level: str, seed: int, step: float
) -> None:
    source, _ = scene(seed, 2, 3)
    source[:16, 16:32] = np.where(np.indices((16, 16)).sum(axis=0) % 5 == 0, 250, 20)
    bit_weights = (16 / (0.09 * (8 * step) ** 2), 16 / (0.6 * 8 * step))
    blocks = _core.Blocks(2, 3)
    _core.analyse_key(source, bit_weights, 1 / step, blocks)
    modes = np.zeros((2, 3), np.uint8)
    splits = np.zeros((2, 3), np.uint8)
    intra_modes = np.full((4, 6), -1, np.int8)
    intra_search.analyse_key(
        source, np.array(bit_weights, np.float32), 1 / step, 0, 2, modes, intra_modes, splits
    )
    assert (blocks.modes == modes).all()
    assert (blocks.intra_modes == intra_modes).all()
    assert (blocks.splits == splits).all()


def test_sizes_that_do_not_fit_are_refused() -> None:
    case = Case(9, 2, 2, 6.0)
    case.reference = case.reference[:16]
    with pytest.raises(ValueError, match="reference's luma"):
        case.native()
    case = Case(9, 2, 2, 6.0)
    case.reference_counts = case.reference_counts[:1].copy()
    with pytest.raises(ValueError, match="known of the reference"):
        case.native()
    case = Case(9, 2, 2, 6.0)
    case.contexts = case.contexts[:-1].copy()
    with pytest.raises(ValueError, match="contexts"):
        case.native()
    with pytest.raises(ValueError, match="keyframe"):
        _core.analyse_key(case.source, (1.0, 1.0), 1.0, _core.Blocks(2, 3))
