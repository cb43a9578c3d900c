# SPDX-License-Identifier: Apache-2.0
"""All quarter-sample shifts of a picture's luma, exactly as a decoder interpolates."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

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
    """(16, H + 96, W + 96) uint8 of luma (H, W) uint8: plane 4 * fy + fx is shifted by quarters."""
    reach = (PAD_PX + _BEFORE, PAD_PX + _BEYOND) * 2
    wide = F.pad(luma[None, None].to(torch.float32), reach, mode="replicate")[0].to(torch.int32)
    across = torch.cat([_filtered(wide, 2, taps) for taps in TAPS])
    rounded = [(_filtered(across, 1, taps) + 2048) >> 12 for taps in TAPS]
    return torch.cat(rounded).clamp_(0, 255).to(torch.uint8)


def _filtered(values: torch.Tensor, dim: int, taps: tuple[int, ...]) -> torch.Tensor:
    size = values.shape[dim] - _BEFORE - _BEYOND
    total: torch.Tensor | None = None
    for k, tap in enumerate(taps):
        if tap == 0:
            continue
        part = values.narrow(dim, k, size)
        total = part * tap if total is None else torch.add(total, part, alpha=tap)
    assert total is not None
    return total


class Windows:
    """Blocks of the shifted picture, by place and vector."""

    def __init__(self, planes: torch.Tensor) -> None:
        self.planes = planes
        self._of: dict[int, torch.Tensor] = {}

    def at(self, y: torch.Tensor, x: torch.Tensor, by: torch.Tensor, size: int) -> torch.Tensor:
        """Blocks (..., size, size) uint8 that squares at (y, x) moved by (..., 2) come from."""
        view = self._of.get(size)
        if view is None:
            count, height, width = self.planes.shape
            shape = (count, height - size + 1, width - size + 1, size, size)
            view = self.planes.as_strided(shape, (height * width, width, 1, width, 1))
            self._of[size] = view
        dy, dx = by[..., 0], by[..., 1]
        plane = (dy & 3) * 4 + (dx & 3)
        down = (y + (dy >> 2) + PAD_PX).clamp(0, view.shape[1] - 1)
        right = (x + (dx >> 2) + PAD_PX).clamp(0, view.shape[2] - 1)
        return view[plane.long(), down.long(), right.long()]
