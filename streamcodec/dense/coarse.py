# SPDX-License-Identifier: Apache-2.0
"""Coarse motion search: full search on pictures of a quarter of the sides."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

SHRINK = 4
REACH = 12  # coarse samples to all sides: 48 of the picture
# Cost of each coarse sample of motion, in mean difference a sample: of two vectors that fit equally
# well, the shorter one wins.
_DISTANCE_COST = 0.02
_ROWS = 5  # of offsets at once: bounded by memory, not arithmetic


def search(luma: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Best vectors (rows, columns, 2) int32 in quarter samples, by two sizes of window.

    The first window is 3x3 blocks, the middle one with extra weight; the second the block alone.
    """
    small, reference_small = _shrunk(luma), _shrunk(reference)
    height, width = small.shape
    padded = F.pad(reference_small[None, None], (REACH,) * 4, mode="replicate")[0, 0]
    shifted = padded.unfold(0, height, 1).unfold(1, width, 1)  # (span, span, height, width)
    span = 2 * REACH + 1
    distance_cost = (torch.arange(span, device=luma.device) - REACH).abs() * _DISTANCE_COST
    found: list[tuple[torch.Tensor, torch.Tensor]] = []
    for first in range(0, span, _ROWS):
        own = shifted[first : first + _ROWS]
        difference = (small - own).abs_().flatten(0, 1)[:, None]
        distance = (distance_cost[first : first + _ROWS, None] + distance_cost).reshape(-1, 1, 1)
        block = F.avg_pool2d(difference, 4)[:, 0]
        wide = F.avg_pool2d(block[:, None], 3, stride=1, padding=1, count_include_pad=False)[:, 0]
        costs = torch.stack([0.75 * wide + 0.25 * block, block], 1) + distance[:, None]
        least, at = costs.min(0)
        found.append((least, at + first * span))
    least, which = torch.stack([one for one, _ in found]).min(0)
    at = torch.gather(torch.stack([place for _, place in found]), 0, which[None])[0]
    vectors = torch.stack([at // span - REACH, at % span - REACH], -1) * (4 * SHRINK)
    both = vectors.to(torch.int32)
    return both[0], both[1]


def _shrunk(luma: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(luma[None, None].to(torch.float32), SHRINK)[0, 0]
