# SPDX-License-Identifier: Apache-2.0
"""The encoder's first look at a frame: modes, vectors, predictions, coefficients. Done once.

Nothing here depends on the quality that will be chosen: motion is weighed by the reference's
quality, which is close to it, so one analysis serves the search over all 64 qualities. A keyframe
has no reference; its modes are weighed by the middle of the sixteen qualities that the chosen one
lies in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec import _core, quantise
from streamcodec.blocks import layout, transform
from streamcodec.decoder import empty_planes, room_for_planes
from streamcodec.effort import Trying
from streamcodec.state import Planes, ReferenceState
from streamcodec.workspace import Workspace

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

# A bit of motion costs as much as this many steps of absolute difference. The root of lambda would
# be 0.32; but a vector that is right serves the frames after, too. Of 0.12 to 0.44 the best on
# training clips, by 2 points.
LAMBDA_PER_STEP = 0.18
# In keyframes a mode's bits weigh more: neighbours' modes are predicted from it (measured: 1.6
# points).
KEY_LAMBDA_PER_STEP = 0.6
# Mean absolute difference, in steps, below which a residual would be quantised away: no search. Of
# 0.015 to 0.06 the best on training clips.
STILL_PER_STEP = 0.04
# An error that is left in a still block is shown, and copied, for many frames: it weighs more than
# one that this frame alone shows. Of 1, 3, 5, 8, 14 and 20 the best on training clips.
INHERITED = 8
KEY_BUCKET = 16


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Modes and coefficients of one frame.

    `blocks` has no counts yet; `coefficients` (blocks, 384) float32; `prediction` is empty in
    keyframes; `free` (rows, columns) is 0, TAKEN (1) or JOINED (2): blocks whose skip is nearly
    free.
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
    """Look at a keyframe; depends on `quality` only through its bucket of sixteen."""
    middle = quality // KEY_BUCKET * KEY_BUCKET + KEY_BUCKET // 2
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(middle) / 8
    blocks = _core.Blocks(rows, columns)
    bit_weights = hadamard_weights(step, quantise.KEY_MU, KEY_LAMBDA_PER_STEP)
    _core.analyse_key(source[0], bit_weights, 1 / step, blocks, pool)
    # Attempts of several buckets may be held at once: each has its own coefficients.
    coefficients = np.zeros((rows * columns, layout.CHANNELS), np.float32)
    _core.open_loop(source, blocks, coefficients, pool)
    free = np.zeros((rows, columns), np.uint8)
    return Analysis(source, True, blocks, coefficients, empty_planes(rows, columns), free)


def analyse_inter(
    source: Planes,
    state: ReferenceState,
    trying: Trying,
    workspace: Workspace,
    pool: _core.Pool | None,
) -> Analysis:
    """Look at an inter frame against its reference."""
    rows, columns = source[0].shape[0] // 16, source[0].shape[1] // 16
    step = transform.step_q3(state.quality) / 8
    blocks = _core.Blocks(rows, columns)
    bit_weights = hadamard_weights(step, quantise.MU, LAMBDA_PER_STEP)
    params = _core.MotionParams(
        lambda_q8=int(256 * LAMBDA_PER_STEP * step),
        still=int(256 * STILL_PER_STEP * step),
        bit_weights=bit_weights,
        per_square=16 * INHERITED / (quantise.MU * step * step),
        effort=_core.search_effort(trying.search),
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
        trying.apart_from,
        trying.finer_from,
    )
    _core.open_loop(source, blocks, coefficients, pool)
    return Analysis(source, False, blocks, coefficients, prediction, free)


def hadamard_weights(step: float, mu: float, per_step: float) -> tuple[float, float]:
    """Estimated cost in 1/16 bit of a Hadamard coefficient, 8 times its orthonormal size.

    A coefficient of a steps is dropped at a**2 / mu bits, or costs a / `per_step`.
    """
    unit = 8 * step
    return 16 / (mu * unit * unit), 16 / (per_step * unit)
