# SPDX-License-Identifier: Apache-2.0
"""The first look for motion: a full search on pictures of a quarter of the sides."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

SHRINK = 4
REACH = 12  # coarse samples to all sides: 48 of the picture
# What a step of coarse samples away from no motion costs, in mean difference of a sample: of two
# vectors that fit alike, the nearer one.
_FARTHER = 0.02
_ROWS = 5  # of offsets at once: memory, not arithmetic, is what bounds them


def search(luma: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (rows, columns, 2) int32 in quarter samples that fit best, by two sizes of window.

    The windows are 3x3 blocks that lean on the middle one, and the block alone.
    """
    small, before = _shrunk(luma), _shrunk(reference)
    height, width = small.shape
    padded = F.pad(before[None, None], (REACH,) * 4, mode="replicate")[0, 0]
    moved = padded.unfold(0, height, 1).unfold(1, width, 1)  # (span, span, height, width)
    span = 2 * REACH + 1
    away = (torch.arange(span, device=luma.device) - REACH).abs() * _FARTHER
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    for first in range(0, span, _ROWS):
        own = moved[first : first + _ROWS]
        apart = (small - own).abs_().flatten(0, 1)[:, None]
        farther = (away[first : first + _ROWS, None] + away).reshape(-1, 1, 1)
        block = F.avg_pool2d(apart, 4)[:, 0]
        wide = F.avg_pool2d(block[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
        costs = torch.stack([0.75 * wide + 0.25 * block, block], 1) + farther[:, None]
        least, at = costs.min(0)
        found.append((least, at + first * span))
    least, which = torch.stack([one for one, _ in found]).min(0)
    at = torch.gather(torch.stack([place for _, place in found]), 0, which[None])[0]
    vectors = torch.stack([at // span - REACH, at % span - REACH], -1) * (4 * SHRINK)
    both = vectors.to(torch.int32)
    return both[0], both[1]


def _shrunk(luma: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(luma[None, None].to(torch.float32), SHRINK)[0, 0]
