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


def search(luma: torch.Tensor, reference: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Vectors (rows, columns, 2) int32 in quarter samples that fit best, by two sizes of window.

    The windows are a block with 8 samples around it, and the block alone.
    """
    small, before = _shrunk(luma), _shrunk(reference)
    height, width = small.shape
    padded = F.pad(before[None, None], (REACH,) * 4, mode="replicate")[0, 0]
    best_wide: torch.Tensor | None = None
    best_own: torch.Tensor | None = None
    at_wide = at_own = None
    span = 2 * REACH + 1
    away = (torch.arange(span, device=luma.device) - REACH).abs().to(torch.float32)
    for dy in range(span):
        rows = padded[dy : dy + height]
        moved = rows.unfold(1, width, 1).transpose(0, 1)  # (span, height, width)
        apart = (small - moved).abs_()
        farther = (_FARTHER * (away + abs(dy - REACH)))[:, None, None]
        own = F.avg_pool2d(apart[:, None], 4)[:, 0]
        wide = F.avg_pool2d(apart[:, None], 8, stride=4, padding=2, count_include_pad=False)[:, 0]
        best_own, at_own = _better(best_own, at_own, own + farther, dy)
        best_wide, at_wide = _better(best_wide, at_wide, wide + farther, dy)
    assert at_wide is not None
    assert at_own is not None
    return at_wide, at_own


def _shrunk(luma: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(luma[None, None].to(torch.float32), SHRINK)[0, 0]


def _better(
    best: torch.Tensor | None, at: torch.Tensor | None, costs: torch.Tensor, dy: int
) -> tuple[torch.Tensor, torch.Tensor]:
    least, dx = costs.min(0)
    unit = 4 * SHRINK
    vector = torch.stack([torch.full_like(dx, (dy - REACH) * unit), (dx - REACH) * unit], -1)
    vector = vector.to(torch.int32)
    if best is None or at is None:
        return least, vector
    closer = least < best
    return torch.where(closer, least, best), torch.where(closer[..., None], vector, at)
