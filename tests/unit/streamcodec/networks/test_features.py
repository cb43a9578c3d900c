# SPDX-License-Identifier: Apache-2.0
"""What the prior sees: exact on every machine, and about the right thing."""

from __future__ import annotations

import numpy as np

from streamcodec.blocks import layout, transform
from streamcodec.motion import field as fields
from streamcodec.networks import features


def planes(seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.integers(0, 256, (32, 48), np.uint8),
        rng.integers(0, 256, (16, 24), np.uint8),
        rng.integers(0, 256, (16, 24), np.uint8),
    )


def twin(plane: np.ndarray, size: int) -> np.ndarray:
    """The spectrum of one plane in plain int64, (blocks, size * size) by position."""
    basis = transform.basis(size)
    both = np.einsum("ui,vj->uvij", basis, basis)
    whole = np.rint(both * (127 * size / 2)).astype(np.int64)
    tiles = (
        plane.astype(np.int64).reshape(plane.shape[0] // size, size, -1, size).swapaxes(1, 2) - 128
    )
    return np.einsum("uvij,rcij->rcuv", whole, tiles).reshape(-1, size * size)


def test_the_spectrum_equals_its_plain_twin() -> None:
    y, u, v = planes()
    for blocks in ([0, 1, 2, 3, 4, 5], [4], []):
        luma, chroma = features.spectrum((y, u, v), np.array(blocks, np.int32))
        assert np.array_equal(luma, twin(y, 16)[blocks])
        assert np.array_equal(chroma, np.hstack((twin(u, 8), twin(v, 8)))[blocks])


def test_intra_blocks_and_those_that_code_nothing_show_no_prediction() -> None:
    modes = np.array([[fields.INTER16, fields.INTRA16, fields.INTER8], [2, 3, 0]], np.uint8)
    moved = np.zeros((6, layout.CHANNELS), np.uint8)
    counts = np.array([[1, 1, 4], [1, 1, 0]], np.uint8)
    rows = features.reference_rows(moved, planes(), modes, counts, transform.CHANNEL_STEPS_Q3[30])
    assert rows.shape == (6, layout.CHANNELS + features.PREDICTED)
    assert rows.max() <= 127
    shown = rows[:, layout.CHANNELS :].any(axis=1)
    assert shown.tolist() == [True, False, True, False, False, False]


def test_intra_directions_show_as_two_neighbouring_bumps_at_most() -> None:
    modes = np.full((1, 1), fields.INTRA16, np.uint8)
    zeros = np.zeros((1, 1), np.uint8)
    for way in range(35):
        out = np.empty((1, features.MISC), np.uint8)
        intra = np.full((2, 2), way, np.int8)
        field = np.zeros((2, 2, 2), np.int16)
        features.misc(modes, field, intra, zeros, zeros, zeros, 30, 30, out)
        bumps = np.flatnonzero(out[0, 31 : 31 + features.DIRECTIONS])
        assert bool(out[0, 29:31].any()) == (way < 2)
        assert len(bumps) == (0 if way < 2 else len({(way - 2) // 4, -(-(way - 2) // 4)}))
