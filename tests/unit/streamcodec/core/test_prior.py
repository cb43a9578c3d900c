# SPDX-License-Identifier: Apache-2.0
"""The prior in the core: equal to plain integers at every level, for any frame."""

from __future__ import annotations

import numpy as np
import pytest

from streamcodec import Codec, _core
from streamcodec.blocks import layout
from streamcodec.entropy import tables
from streamcodec.networks import prior as priors
from streamcodec.weights import HIDDEN
from tests.reference import features

ROWS, COLUMNS = 3, 4


def arrays(hidden: int, seed: int = 0, *, extreme: bool = False) -> dict[str, np.ndarray]:
    """Random stacks, or stacks whose every weight is -127 or 127."""
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}
    for stack_id in priors.stack_ids():
        shapes = (
            ("w1", (stack_id.features, hidden)),
            ("w2", (hidden, hidden)),
            ("w3", (hidden, stack_id.channels)),
        )
        for part, shape in shapes:
            made[f"{stack_id.name}.{part}"] = (
                rng.choice([-127, 127], shape) if extreme else rng.integers(-127, 128, shape) // 8
            ).astype(np.int8)
        made |= {
            f"{stack_id.name}.b1": rng.integers(-9000, 9000, (64, hidden)).astype(np.int32),
            f"{stack_id.name}.b2": rng.integers(-9000, 9000, hidden).astype(np.int32),
            f"{stack_id.name}.b3": rng.integers(0, 63 * 256, (64, stack_id.channels)).astype(
                np.int32
            ),
        }
    return made


def frame(seed: int, *, key: bool) -> tuple[_core.Blocks, features.BlockSyntax, np.ndarray]:
    """Random blocks, the same for the twin, and symbols (blocks, 384)."""
    rng = np.random.default_rng(seed)
    blocks = _core.Blocks(ROWS, COLUMNS)
    blocks.modes[:] = rng.integers(2 if key else 0, 4, blocks.modes.shape)
    blocks.field[:] = rng.integers(-200, 200, blocks.field.shape)
    blocks.intra_modes[:] = rng.integers(0, 35, blocks.intra_modes.shape)
    blocks.counts[:] = rng.integers(0, 5, blocks.counts.shape)
    blocks.splits[:] = rng.integers(0, 82, blocks.splits.shape)
    symbols = (rng.laplace(0, 3, (ROWS * COLUMNS, 384)) * (rng.random((12, 384)) < 0.4)).astype(
        np.int16
    )
    symbols[0, :3] = (30_000, -30_000, 15)
    syntax = features.BlockSyntax(
        blocks.modes, blocks.field, blocks.intra_modes, blocks.counts, blocks.splits
    )
    return blocks, syntax, symbols


def planes(seed: int) -> features.Planes:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (16 * ROWS, 16 * COLUMNS), np.uint8),
        rng.integers(0, 256, (8 * ROWS, 8 * COLUMNS), np.uint8),
        np.full((8 * ROWS, 8 * COLUMNS), 255, np.uint8),
    )


@pytest.mark.parametrize("hidden", [1, 40, 128, 512])
def test_stacks_equal_plain_integers(hidden: int, level: str) -> None:
    made = arrays(hidden, hidden)
    priors.check(priors.build(made), made, rows=7)


def test_stacks_do_not_saturate_at_the_extremes(level: str) -> None:
    made = arrays(64, extreme=True)
    prior = priors.build(made)
    for stack_id in priors.stack_ids():
        rows = np.full((5, stack_id.features), 127, np.uint8)
        found = prior.tables(stack_id.frame_type == 0, stack_id.group, stack_id.phase, rows, 63)
        assert np.array_equal(found, priors.twin_tables(made, stack_id, rows, 63))


def test_sums_stay_far_below_what_32_bits_hold() -> None:
    assert max(priors.INTER_FEATURES, *HIDDEN.values()) * 127 * 127 < 2**24


def test_shipped_stacks_equal_plain_integers(codec: Codec, level: str) -> None:
    assert codec.model.prior.tables(True, 0, 0, np.zeros((1, 328), np.uint8), 5).shape == (1, 6)


@pytest.mark.parametrize("key", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_features_equal_their_plain_twin(seed: int, key: bool, level: str) -> None:
    blocks, syntax, symbols = frame(seed, key=key)
    rng = np.random.default_rng(seed + 100)
    moved = rng.integers(0, 256, symbols.shape, np.uint8)
    moved_counts = rng.integers(0, 5, syntax.modes.shape, np.uint8)
    prediction = planes(seed)
    workspace = _core.PriorWorkspace()
    _core.describe(workspace, blocks, moved_counts, 30, 27, key)
    reference = None
    if not key:
        _core.remember_reference(workspace, blocks, moved, prediction, 91, 60, None)
        reference = features.reference_rows(moved, prediction, syntax, 91, 60)
    found = _core.feature_rows(workspace, blocks.counts, symbols)
    expected = features.walk(
        syntax, symbols, features.misc(syntax, moved_counts, 30, 27), reference
    )
    assert [(group, phase, turn.ravel().tolist()) for group, phase, turn, _ in found] == [
        (group, phase, turn) for group, phase, turn, _ in expected
    ]
    for (*_, rows), (*_, twin) in zip(found, expected, strict=True):
        assert np.array_equal(rows, twin)


def test_tables_follow_from_the_features(level: str) -> None:
    made = arrays(48)
    prior = priors.build(made)
    blocks, _, symbols = frame(9, key=False)
    workspace = _core.PriorWorkspace()
    _core.describe(workspace, blocks, np.zeros((ROWS, COLUMNS), np.uint8), 40, 40, False)
    moved = np.zeros(symbols.shape, np.uint8)
    _core.remember_reference(workspace, blocks, moved, planes(9), 40, 40, None)
    found = np.full(symbols.shape, 9, np.uint8)
    _core.find_tables(prior, workspace, blocks.counts, 40, symbols, found, None)
    expected = np.zeros(symbols.shape, np.uint8)
    for group, phase, turn, rows in _core.feature_rows(workspace, blocks.counts, symbols):
        first, last = layout.GROUP_STARTS[group], layout.GROUP_STARTS[group + 1]
        stack_id = priors.StackId(1, group, phase)
        expected[turn.ravel(), first:last] = priors.twin_tables(made, stack_id, rows, 40)
    assert np.array_equal(found, expected)
    with_threads = np.zeros_like(found)
    pool = _core.Pool(3)
    _core.find_tables(prior, workspace, blocks.counts, 40, symbols, with_threads, pool)
    pool.close()
    assert np.array_equal(with_threads, expected)


def test_symbols_are_read_back_as_they_were_written(level: str) -> None:
    prior = priors.build(arrays(48))
    blocks, _, symbols = frame(11, key=True)
    for block, count in enumerate(blocks.counts.flat):
        symbols[block, layout.GROUP_STARTS[count] :] = 0
    workspace = _core.PriorWorkspace()
    _core.describe(workspace, blocks, np.zeros((ROWS, COLUMNS), np.uint8), 20, 20, True)
    found = np.zeros(symbols.shape, np.uint8)
    _core.find_tables(prior, workspace, blocks.counts, 20, symbols, found, None)
    cumulative = tables.from_probabilities(np.ones((64, 16)))
    writer = _core.Writer()
    reader = _core.Reader(writer.encode(blocks.counts, symbols, found, cumulative))
    read = np.zeros_like(symbols)
    _core.read_symbols(prior, workspace, reader, cumulative, blocks.counts, 20, read, None)
    assert reader.finished()
    assert np.array_equal(read, symbols)


@pytest.mark.parametrize("size", [16, 8])
def test_the_spectrums_basis_is_the_rounded_transform_far_from_any_tie(size: int) -> None:
    found = _core.luma_basis() if size == 16 else _core.chroma_basis()
    expected = features.basis(size).reshape(size * size, size * size).T
    assert np.array_equal(found, expected)
    k, x = np.arange(size)[:, None], np.arange(size)[None]
    one = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * np.sqrt(2 / size)
    one[0] /= np.sqrt(2)
    exact = np.einsum("ui,vj->uvij", one, one) * (127 * size / 2)
    apart = np.abs(np.abs(exact % 1) - 0.5)
    half = size // 2
    apart[::half, ::half] = 1  # the ties that the format settles
    assert apart.min() > 1e-6
    assert np.abs(exact).max() < 127


def test_memory_moves_with_the_blocks_and_stays_inside() -> None:
    blocks = _core.Blocks(2, 2)
    memory = np.arange(4, dtype=np.uint8)[:, None] * np.ones((1, 384), np.uint8)
    counts = np.array([[0, 1], [2, 3]], np.uint8)
    blocks.field[:2, :2] = (0, 64)  # one block to the right
    blocks.field[:2, 2:] = (-32_768, 32_767)  # far beyond the upper right corner
    blocks.modes[1, 0] = 2  # intra: nothing
    moved, moved_counts = np.empty_like(memory), np.empty_like(counts)
    _core.move_memory(blocks, memory, counts, moved, moved_counts)
    assert moved[:, 0].tolist() == [1, 1, 0, 3]
    assert moved_counts.tolist() == [[1, 1], [0, 3]]


def test_memory_is_this_frames_symbols_or_half_of_what_was() -> None:
    symbols = np.zeros((2, 384), np.int16)
    symbols[0, :4] = (-3, 15, 30_000, -16)
    moved = np.full((2, 384), 9, np.uint8)
    out = np.empty_like(moved)
    _core.remember_symbols(np.array([[1, 0]], np.uint8), symbols, moved, out)
    assert out[0, :5].tolist() == [3, 15, 15, 15, 0]
    assert (out[1] == 4).all()


def test_damaged_stacks_are_refused_in_a_sentence() -> None:
    made = arrays(16)
    broken = dict(made)
    broken["prior.inter.2.1.w2"] = np.zeros((16, 8), np.int8)
    with pytest.raises(Exception, match=r"prior\.inter\.2\.1"):
        priors.build(broken)
    broken = dict(made)
    broken["prior.key.0.0.b2"] = np.full(16, 2**31 - 1, np.int32)
    with pytest.raises(Exception, match=r"prior\.key\.0\.0.*range"):
        priors.build(broken)
