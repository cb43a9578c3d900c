# SPDX-License-Identifier: Apache-2.0
"""Training data of the prior: its inputs and the coded symbols, from the product's own encoder.

A chain is one clip or picture coded at one quality (with some jitter, as under rate control): a
keyframe and the inter frames after it. Every row pairs the features of a block with the magnitudes
of the group that was coded.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streamcodec import contexts as cx
from streamcodec.blocks import layout
from streamcodec.encoder import FrameEncoder
from streamcodec.frame import Frame, Reference
from streamcodec.model import Model
from streamcodec.networks.prior import StackId
from streamcodec.passes import Attempt
from streamcodec.pattern import quality_at
from streamcodec.training.filters import Equations

U8 = npt.NDArray[np.uint8]
# Of one frame, group and phase: keyframes, inter frames. Inter frames are many and similar.
_ROWS_PER_VISIT = (448, 96)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows of one stack. `weight` is the row's share of its frame's bits, about 1 on average."""

    stack: StackId
    inputs: U8  # (n, features)
    targets: U8  # (n, channels of the group) magnitudes up to 15
    quality: U8  # (n,)
    weight: npt.NDArray[np.float32]


def chain(
    model: Model,
    frames: Sequence[Frame],
    quality: int,
    rng: np.random.Generator,
    equations: Equations,
) -> Iterator[tuple[list[Rows], Reference]]:
    """Code frames one after the other; yield the rows of each, and the reference after it.

    Adds to the loop filter's `equations`.
    """
    reference: Reference | None = None
    # The pattern of streamcodec/pattern.py, scaled and shifted in time at random, as a budget would
    # change it.
    share = float(rng.uniform(0, 1.2)) if len(frames) > 1 else 0.0
    phase = int(rng.integers(0, 8))
    for number, frame in enumerate(frames):
        at = 0 if reference is None else number + phase
        offset = round(share * (quality_at(32, at) - 32)) + int(rng.integers(-1, 2))
        jittered = int(np.clip(quality + offset, 0, 63))
        encoder = FrameEncoder(model, frame, reference, keep_unfiltered=True)
        attempt = encoder.at(jittered)
        equations.add_frame(frame, attempt, key=reference is None)
        collected = _rows(encoder, attempt, 0 if reference is None else 1, rng)
        reference = encoder.reference_after(attempt)
        yield collected, reference


def _rows(
    encoder: FrameEncoder, attempt: Attempt, frame_type: int, rng: np.random.Generator
) -> list[Rows]:
    """Some rows of every group and phase of one coded frame."""
    frame_bits = 8 * len(attempt.packet)
    collected = []
    for group, phase, numbers, inputs in encoder.feature_rows(attempt):
        first, last = layout.GROUP_STARTS[group], layout.GROUP_STARTS[group + 1]
        keep = rng.permutation(numbers.size)[: _ROWS_PER_VISIT[frame_type]]
        magnitudes = np.abs(attempt.symbols[numbers[keep], first:last])
        collected.append(
            Rows(
                StackId(frame_type, group, phase),
                inputs[keep],
                np.minimum(magnitudes, 15).astype(np.uint8),
                np.full(keep.size, attempt.quality, np.uint8),
                np.full(keep.size, numbers.size / keep.size / frame_bits, np.float32),
            )
        )
    return collected


def starting_contexts(
    model: Model, clips: Sequence[Sequence[Frame]], rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.uint16]]:
    """The mean of contexts after a keyframe, and after inter frames.

    Every chain is coded at a coarse and at a fine quality.
    """
    ends: tuple[list[npt.NDArray[np.uint16]], list[npt.NDArray[np.uint16]]] = ([], [])
    qualities = [(int(rng.integers(4, 26)), int(rng.integers(26, 50))) for _ in clips]
    for frames, quality in [(c, q) for c, both in zip(clips, qualities, strict=True) for q in both]:
        reference = None
        for frame in frames:
            encoder = FrameEncoder(model, frame, reference)
            attempt = encoder.at(quality)
            ends[0 if reference is None else 1].append(attempt.contexts)
            reference = encoder.reference_after(attempt)
    return cx.mean(ends[0]), cx.mean(ends[1])
