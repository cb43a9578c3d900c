# SPDX-License-Identifier: Apache-2.0
"""An addition to the source is coded as part of the source."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from streamcodec import Frame, _core
from streamcodec.blocks import transform
from streamcodec.codec import Codec
from streamcodec.encoder import FrameEncoder
from streamcodec.frame import Reference
from streamcodec.state import ReferenceState

Planes = tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]


def moved(frame: Frame, rng: np.random.Generator) -> tuple[Frame, tuple[np.ndarray, ...]]:
    """A frame with whole grey levels added, and the addition."""
    planes, added = [], []
    for plane in frame.planes:
        shift = rng.integers(-9, 10, plane.shape)
        planes.append(np.clip(plane + shift, 0, 255).astype(np.uint8))
        added.append((planes[-1].astype(np.int32) - plane).astype(np.float32))
    return Frame(*planes), tuple(added)


@pytest.mark.parametrize("split", [0, 1, 41, 60, 81])
def test_coefficients_move_by_the_transform_of_what_is_added(split: int) -> None:
    rng = np.random.default_rng(split)
    added = tuple(rng.normal(0, 5, (s, 2 * s)).astype(np.float32) for s in (16, 8, 8))
    blocks = _core.Blocks(1, 2)
    blocks.splits[:] = split
    coefficients = rng.normal(0, 30, (2, 384)).astype(np.float32)
    expected = coefficients.copy()
    for column in range(2):
        parts = (
            p[:, s * column : s * (column + 1)] for p, s in zip(added, (16, 8, 8), strict=True)
        )
        out = np.zeros(384, np.float32)
        _core.block_forward(np.concatenate([p.ravel() for p in parts]), split, out)
        expected[column] += out
    _core.shift_coefficients((added[0], added[1], added[2]), blocks, coefficients)
    np.testing.assert_allclose(coefficients, expected, atol=1e-4)


def test_intra_blocks_are_coded_as_from_the_moved_source(codec: Codec, frames: list[Frame]) -> None:
    """All modes, splits and prices of one keyframe, its source moved, with an addition."""
    rng = np.random.default_rng(8)
    wanted, added = moved(frames[0], rng)
    at_once = FrameEncoder(codec.model, wanted, None)
    at_once.at(30)
    analysis, first = at_once.analysis_at(30), at_once.first_pass_at(30)

    def coded(source: Planes, extra: tuple[np.ndarray, ...] | None) -> tuple[np.ndarray, Planes]:
        blocks = analysis.blocks.copy()
        blocks.counts[:] = first.counts
        symbols = np.zeros((blocks.rows * blocks.columns, 384), np.int16)
        y, u, v = analysis.prediction
        planes = (y.copy(), u.copy(), v.copy())
        state = ReferenceState.none(codec.model, blocks.rows, blocks.columns, 30)
        _core.code(
            _core.BlocksWorkspace(),
            _core.CodeParams(mu=0.1, trend=1),
            source,
            blocks,
            analysis.coefficients,
            first.tables,
            codec.model.costs_q8,
            transform.CHANNEL_STEPS_Q3[30],
            state.contexts,
            state.counts,
            analysis.free,
            np.zeros_like(blocks.counts),
            symbols,
            planes,
            None if extra is None else (extra[0], extra[1], extra[2]),
        )
        return symbols, planes

    from streamcodec.analysis import padded  # noqa: PLC0415

    shape = analysis.source[0].shape
    assert shape == frames[0].y.shape, "sides that are multiples of 16 need no padding"
    expected, picture = coded(analysis.source, None)
    found, same = coded(padded(frames[0].planes), added)
    assert expected.any()
    np.testing.assert_array_equal(found, expected)
    for one, other in zip(same, picture, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_added_changes_nothing(codec: Codec, frames: list[Frame]) -> None:
    held: Reference | None = None
    for frame in frames[:3]:
        plain = FrameEncoder(codec.model, frame, held)
        expected = plain.at(28)
        other = FrameEncoder(codec.model, frame, held)
        other._added[28] = tuple(  # type: ignore[assignment]  # three planes
            np.zeros(p.shape, np.float32) for p in other._source
        )
        assert other.at(28).packet == expected.packet
        held = plain.reference_after(expected)
