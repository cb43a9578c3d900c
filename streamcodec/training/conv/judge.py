# SPDX-License-Identifier: Apache-2.0
"""PSNR that a correction gains on whole held-out frames."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.networks.conv.shape import STEPS_Q3
from streamcodec.training.conv.batches import Batch

AREA_BLOCKS = 4
LEVELS = (0.0, 0.5, 1.0)
_WEIGHTS = (6 / 8, 1 / 8, 1 / 8)
_MU = 0.1  # lambda is this many squared steps for a bit
_FLAG_BITS = 1.0

Correction = Callable[[Batch], torch.Tensor]  # (n, 24, H/4, W/4) in steps


def planes_of(correction: torch.Tensor, quality: torch.Tensor) -> list[torch.Tensor]:
    """Grey levels (n, 1, H, W) of each plane from corrections in steps."""
    known = torch.from_numpy(STEPS_Q3).to(correction.device)
    steps = known[quality.long()].to(torch.float32) / 8
    luma, chroma = steps[:, 0, None, None, None], steps[:, 1, None, None, None]
    return [
        F.pixel_shuffle(correction[:, :16], 4) * luma,
        F.pixel_shuffle(correction[:, 16:20], 2) * chroma,
        F.pixel_shuffle(correction[:, 20:], 2) * chroma,
    ]


@dataclass(frozen=True, slots=True)
class Verdict:
    """PSNR 6:1:1 in dB gained on one frame."""

    quality: int
    psnr_db: float  # without correction
    ungated_db: float
    gated_db: float
    gated_luma_db: float
    with_moved_db: float  # gated, also on moved copies


def verdict(batch: Batch, correction: torch.Tensor) -> Verdict:
    """The gains of a single frame's correction."""
    added = planes_of(correction, batch.quality)
    coded = batch.acts(moved=False)
    moved = batch.acts(moved=True)
    totals = []
    for number, (source, decoded, change) in enumerate(
        zip(batch.source, batch.decoded, added, strict=True)
    ):
        side = 8 if number else 16
        x = source[0, 0].to(torch.float32)
        d = decoded[0, 0].to(torch.float32)
        row = []
        for mask in (coded, moved):
            m = mask[0].repeat_interleave(side, 0).repeat_interleave(side, 1)
            row.append(
                [
                    (x - (d + level * change[0, 0] * m).clamp(0, 255).round()) ** 2
                    for level in LEVELS
                ]
            )
        totals.append(row)
    sums = [[_areas(totals[n][k], 8 if n else 16) for n in range(3)] for k in range(2)]
    hurdles = [_MU * (s / 8) ** 2 * _FLAG_BITS for s in STEPS_Q3[int(batch.quality[0])]]
    pixels = [t.numel() for t in (batch.source[0], batch.source[1], batch.source[2])]

    def gated(of: list[npt.NDArray[np.float64]]) -> list[float]:
        luma = _least(of[0], hurdles[0])
        level = _choice(of[1] + of[2], hurdles[1])
        u, v = (np.take_along_axis(of[n], level[None], 0)[0].sum() for n in (1, 2))
        return [luma, float(u), float(v)]

    plain = [float(s[0].sum()) for s in sums[0]]
    full = [float(s[2].sum()) for s in sums[0]]
    chosen, chosen_moved = gated(sums[0]), gated(sums[1])

    def db(errors: list[float]) -> list[float]:
        return [
            10 * math.log10(255**2 / max(e / n, 1e-3)) for e, n in zip(errors, pixels, strict=True)
        ]

    def mixed(values: list[float]) -> float:
        return sum(w * v for w, v in zip(_WEIGHTS, values, strict=True))

    base = db(plain)
    return Verdict(
        int(batch.quality[0]),
        mixed(base),
        mixed(db(full)) - mixed(base),
        mixed(db(chosen)) - mixed(base),
        db(chosen)[0] - base[0],
        mixed(db(chosen_moved)) - mixed(base),
    )


def _areas(errors: list[torch.Tensor], side: int) -> npt.NDArray[np.float64]:
    px = side * AREA_BLOCKS
    every = np.stack([e.numpy().astype(np.float64) for e in errors])
    rows = np.arange(0, every.shape[1], px)
    columns = np.arange(0, every.shape[2], px)
    return np.asarray(np.add.reduceat(np.add.reduceat(every, rows, 1), columns, 2))


def _choice(of: npt.NDArray[np.float64], hurdle: float) -> npt.NDArray[np.int64]:
    cost = of.copy()
    cost[1:] += hurdle
    return np.asarray(cost.argmin(0))


def _least(of: npt.NDArray[np.float64], hurdle: float) -> float:
    return float(np.take_along_axis(of, _choice(of, hurdle)[None], 0).sum())
