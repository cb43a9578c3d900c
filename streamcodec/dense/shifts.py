# SPDX-License-Identifier: Apache-2.0
"""All quarter-sample shifts of a picture's luma, exactly as a decoder interpolates."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.dense.constants import constant

PAD_PX = 48  # around the picture, its edges repeated
# ITU-T H.265, table 8-11.
TAPS = (
    (0, 0, 0, 64, 0, 0, 0, 0),
    (-1, 4, -10, 58, 17, -5, 1, 0),
    (-1, 4, -11, 40, 40, -11, 4, -1),
    (0, 1, -5, 17, 58, -10, 4, -1),
)
_BEFORE, _BEYOND = 3, 4


def shifts(luma: torch.Tensor) -> torch.Tensor:
    """(16, H + 96, W + 96) uint8 of luma (H, W) uint8: plane 4 * fy + fx is shifted by quarters.

    Products of float32 hold integers below 2**24: exact in any order of adding.
    """
    reach = (PAD_PX + _BEFORE, PAD_PX + _BEYOND) * 2
    wide = F.pad(luma[None, None].to(torch.float32), reach, mode="replicate")[0, 0]
    taps = constant(TAPS, luma.device).to(torch.float32).T
    across = wide.unfold(1, len(taps), 1) @ taps  # (H + 103, W + 96, 4)
    both = across.unfold(0, len(taps), 1) @ taps  # (H + 96, W + 96, 4 across, 4 down)
    rounded = ((both + 2048) / 4096).floor_().clamp_(0, 255).to(torch.uint8)
    height, width = rounded.shape[:2]
    return rounded.permute(3, 2, 0, 1).reshape(16, height, width).contiguous()


class Windows:
    """Blocks of the shifted picture, by place and vector."""

    def __init__(self, planes: torch.Tensor) -> None:
        _, self.height, self.width = planes.shape
        self._planes = planes
        area = self.height * self.width
        self._plane_steps = constant((4 * area, area), planes.device)
        self._steps = constant((self.width, 1), planes.device)

    def corners(self, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Offsets of squares at (y, x), as `at` takes them."""
        return (y + PAD_PX) * self.width + x + PAD_PX

    def at(self, corners: torch.Tensor, by: torch.Tensor, size: int) -> torch.Tensor:
        """Blocks (..., size, size) uint8 that squares with vectors (..., 2) are predicted from.

        No vector may lead farther outside than `PAD_PX` less the square's size.
        """
        positions = (by & 3) * self._plane_steps + (by >> 2) * self._steps
        first = self._planes.numel() - (size - 1) * (self.width + 1)
        view = self._planes.as_strided((first, size, size), (1, self.width, 1))
        return view[positions.sum(-1) + corners]
