# SPDX-License-Identifier: Apache-2.0
"""The encoder's analysis of a frame: modes, vectors, predictions, coefficients. Done once.

It does not depend on the quality that will be chosen: lambda follows from the reference's quality,
which is close, so one analysis serves the search over all 64 qualities. A keyframe has no
reference; qualities fall into buckets of sixteen, and lambda follows from the middle of the bucket.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec import _core, quantise
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes, room_for_planes
from streamcodec.effort import EffortParams
from streamcodec.state import Planes, ReferenceState
from streamcodec.workspace import Workspace

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

# Lambda of the motion search: a bit costs this many steps of absolute difference. The square root
# of the quantiser's lambda would be 0.32, but true motion also helps later frames. The best of 0.12
# to 0.44 on training clips, by 2 points.
LAMBDA_PER_STEP = 0.18
# Higher for intra modes in keyframes: neighbours' modes are predicted from them (measured: 1.6
# points).
KEY_LAMBDA_PER_STEP = 0.6
# Mean absolute difference, in steps, below which a block is static: its residual would be quantised
# to zero, so nothing is searched. The best of 0.015 to 0.06 on training clips.
STATIC_PER_STEP = 0.04
# Weight of the error that stays in a static block: many later frames copy it. The best of 1, 3, 5,
# 8, 14 and 20 on training clips.
STATIC_ERROR_WEIGHT = 8
KEY_BUCKET = 16


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Modes and coefficients of one frame.

    `blocks` has no counts yet; `coefficients` (blocks, 384) float32; `prediction` is empty in
    keyframes. `free` (rows, columns) marks blocks that can be skipped at nearly no cost: with a
    candidate's vector (1), or in a square with one vector (2).
    """

    source: Planes
    key: bool
    blocks: _core.Blocks
    coefficients: F32
    prediction: Planes
    free: U8


def padded(planes: Planes) -> Planes:
    """Planes whose sides are multiples of 16 (chroma 8), last samples repeated."""
    y = planes[0]
    down = -y.shape[0] % layout.BLOCK_PX
    right = -y.shape[1] % layout.BLOCK_PX
    height, width = y.shape[0] + down, y.shape[1] + right

    def grow(plane: U8, h: int, w: int) -> U8:
        if plane.shape == (h, w):
            return np.ascontiguousarray(plane)
        own_h, own_w = plane.shape
        grown = np.empty((h, w), np.uint8)
        grown[:own_h, :own_w] = plane
        grown[:own_h, own_w:] = plane[:, -1:]
        grown[own_h:] = grown[own_h - 1]
        return grown

    return (
        grow(y, height, width),
        grow(planes[1], height // 2, width // 2),
        grow(planes[2], height // 2, width // 2),
    )


def analyse_key(
    source: Planes, quality: int, workspace: Workspace, pool: _core.Pool | None
) -> Analysis:
    """Analyse a keyframe; depends on `quality` only through its bucket of sixteen."""
    middle = quality // KEY_BUCKET * KEY_BUCKET + KEY_BUCKET // 2
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(middle) / 8
    blocks = _core.Blocks(rows, columns)
    bit_weights = hadamard_weights(step, quantise.KEY_MU, KEY_LAMBDA_PER_STEP)
    _core.analyse_key(source[0], bit_weights, 1 / step, blocks, pool)
    # Not in the workspace: attempts of several buckets may exist at once.
    coefficients = np.zeros((rows * columns, layout.CHANNELS), np.float32)
    _core.open_loop(source, blocks, coefficients, pool)
    free = np.zeros((rows, columns), np.uint8)
    return Analysis(source, True, blocks, coefficients, empty_planes(rows, columns), free)


def analyse_inter(
    source: Planes,
    state: ReferenceState,
    effort: EffortParams,
    workspace: Workspace,
    pool: _core.Pool | None,
) -> Analysis:
    """Analyse an inter frame against its reference."""
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(state.quality) / 8
    blocks = _core.Blocks(rows, columns)
    bit_weights = hadamard_weights(step, quantise.MU, LAMBDA_PER_STEP)
    params = _core.MotionParams(
        lambda_q8=int(256 * LAMBDA_PER_STEP * step),
        still=int(256 * STATIC_PER_STEP * step),
        bit_weights=bit_weights,
        per_square=16 * STATIC_ERROR_WEIGHT / (quantise.MU * step * step),
        effort=_core.search_effort(effort.search),
    )
    _core.analyse_inter(
        workspace.motion,
        source[0],
        state.planes[0],
        blocks,
        params,
        state.contexts,
        state.field,
        state.counts,
        1,
        pool,
    )
    prediction = room_for_planes(rows, columns)
    _core.predict(state.planes, blocks, prediction, pool)
    free = np.zeros((rows, columns), np.uint8)
    coefficients = workspace.floats("coefficients", (rows * columns, layout.CHANNELS))
    _core.transform_inter(
        workspace.blocks,
        source,
        prediction,
        blocks,
        state.field,
        1 / step,
        coefficients,
        free,
        pool,
        effort.split_from_bits,
        effort.quarter_from_bits,
    )
    _core.open_loop(source, blocks, coefficients, pool)
    return Analysis(source, False, blocks, coefficients, prediction, free)


def hadamard_weights(step: float, mu: float, per_step: float) -> tuple[float, float]:
    """Weights of `estimated bits`: 1/16 bit for a Hadamard coefficient's square, and for its size.

    A coefficient of a steps costs the less of a**2 / mu bits (dropped) and a / `per_step` (coded).
    Hadamard coefficients are 8 times their orthonormal size.
    """
    unit = 8 * step
    return 16 / (mu * unit * unit), 16 / (per_step * unit)
