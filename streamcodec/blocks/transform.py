# SPDX-License-Identifier: Apache-2.0
"""Quantiser steps of the 64 qualities, and the DCT's basis. The core transforms (core/blocks/)."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout

# Chosen on training clips and pictures; of (44, 8), (52, 6), (52, 8), (63, 6) the best.
CHROMA_LAG_FROM = 52
CHROMA_LAG_Q4 = 6


def basis(size: int) -> npt.NDArray[np.float64]:
    """Orthonormal DCT-II as (frequency, sample)."""
    k = np.arange(size)[:, None]
    x = np.arange(size)[None]
    rows = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return np.asarray(rows)


def step_q3(quality: int) -> int:
    """Quantiser step in 1/8: 1.5 at quality 63, 9.05% coarser with each index below (2**(1/8))."""
    return round(8 * 1.5 * 2 ** ((63 - quality) / 8))


STEPS_Q3 = np.array([step_q3(q) for q in range(64)], np.int32)


def chroma_step_q3(quality: int) -> int:
    """Step of both chroma planes in 1/8: finer than luma's at coarse qualities.

    Below quality 52 each luma index moves chroma by 5/8 of an index only, as H.264 and H.265 map
    chroma QPs: chroma has little energy, so its planes gain decibels for few bits.
    """
    lag = max(0, CHROMA_LAG_FROM - quality) * CHROMA_LAG_Q4 / 16
    return max(round(8 * 1.5 * 2 ** ((63 - quality - lag) / 8)), 12)


@lru_cache(maxsize=64)
def plane_steps_q3(quality: int) -> tuple[int, int]:
    """Steps of luma and of chroma in 1/8."""
    return step_q3(quality), chroma_step_q3(quality)


CHROMA_STEPS_Q3 = np.array([chroma_step_q3(q) for q in range(64)], np.int32)
# (64, 384): the step of each channel at each quality.
CHANNEL_STEPS_Q3 = np.where(
    layout.ORDER[None] < 256, STEPS_Q3[:, None], CHROMA_STEPS_Q3[:, None]
).astype(np.int32)
