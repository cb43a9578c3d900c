# SPDX-License-Identifier: Apache-2.0
"""The prediction of inter blocks, overlap included: the integers of docs/bitstream.md, section 11.

All work is done on cells of 8x8 luma samples, the grid of the vectors: a block with one vector is
four cells with the same vector.
"""

from __future__ import annotations

from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.dense.constants import constant
from streamcodec.dense.field import packed, spread
from streamcodec.dense.shifts import PAD_PX, Windows

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

# ITU-T H.265, table 8-12.
_CHROMA_TAPS = (
    (0, 64, 0, 0),
    (-2, 58, 10, -2),
    (-4, 54, 16, -2),
    (-6, 46, 28, -4),
    (-4, 36, 36, -4),
    (-4, 28, 46, -6),
    (-2, 16, 54, -4),
    (-2, 10, 58, -2),
)
_CHROMA_PAD = PAD_PX // 2
_SIDES = ((0, -1), (-1, 0), (0, 1), (1, 0))  # left, above, right, below


def predict(
    windows: Windows,
    chroma: tuple[torch.Tensor, torch.Tensor],
    field: torch.Tensor,
    inter: torch.Tensor,
) -> Planes:
    """The prediction (three uint8 planes) of a field (2 rows, 2 columns, 2) int32.

    `chroma` are the reference's planes, `inter` (rows, columns) is true for inter blocks; samples
    of other blocks are 0.
    """
    rows, columns = field.shape[:2]
    cells = spread(inter, 2, rows, columns)
    vectors, mixed = [field], []
    for down, right in _SIDES:
        neighbour, exists = _neighbour(field, cells, down, right)
        differs = cells & exists & (packed(neighbour) != packed(field))
        # A vector that wrapped around from the opposite edge may lead too far outside.
        vectors.append(torch.where(differs[..., None], neighbour, field))
        mixed.append(differs[..., None, None])
    luma, colour = _Cells(windows, chroma, rows, columns).moved(torch.stack(vectors))
    own, pair = luma[0], colour[0]
    for side in range(4):
        own = _blend(own, luma[side + 1], side, mixed[side])
        pair = _blend(pair, colour[side + 1], side, mixed[side][..., None])
    shown = cells[..., None, None]
    u, v = pair.unbind(2)
    y, u, v = (
        (part * shown)
        .to(torch.uint8)
        .transpose(1, 2)
        .reshape(rows * part.shape[2], columns * part.shape[3])
        for part in (own, u, v)
    )
    return y, u, v


class _Cells:
    """Cells of a reference: int32 (..., rows, columns, 8, 8), and of chroma (..., 2, 4, 4)."""

    def __init__(
        self, windows: Windows, chroma: tuple[torch.Tensor, torch.Tensor], rows: int, columns: int
    ) -> None:
        device = chroma[0].device
        self._windows = windows
        y = torch.arange(rows, device=device)[:, None].expand(rows, columns)
        x = torch.arange(columns, device=device)[None].expand(rows, columns)
        self._corners = windows.corners(8 * y, 8 * x)
        reach = (_CHROMA_PAD + 1, _CHROMA_PAD + 2) * 2
        both = torch.stack(chroma)[:, None].to(torch.float32)
        both = F.pad(both, reach, mode="replicate")[:, 0].to(torch.int32).contiguous()
        _, height, width = both.shape
        self._steps = constant((width, 1), device)
        self._chroma_corners = (4 * y + _CHROMA_PAD) * width + 4 * x + _CHROMA_PAD
        self._chroma = both.as_strided(
            (height * width - 6 * (width + 1), 2, 7, 7), (1, height * width, width, 1)
        )
        self._taps = constant(_CHROMA_TAPS, device).to(torch.int32)

    def moved(self, by: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The samples that cells with vectors (..., rows, columns, 2) are predicted from."""
        luma = self._windows.at(self._corners, by, 8).to(torch.int32)
        positions = ((by >> 3) * self._steps).sum(-1) + self._chroma_corners
        taps = self._taps[by & 7]  # (..., 2 directions, 4)
        total = _filtered(self._chroma[positions], taps[..., 1, :], -1)
        total = _filtered(total, taps[..., 0, :], -2)
        return luma, ((total + 2048) >> 12).clamp_(0, 255)


def _filtered(samples: torch.Tensor, taps: torch.Tensor, dim: int) -> torch.Tensor:
    """Samples (..., 2, n, m) by each cell's four taps, along the last axis or the one before."""
    weights = taps[..., None, None, None, :]
    total = samples.narrow(dim, 0, 4) * weights[..., 0]
    for k in range(1, 4):
        total = total + samples.narrow(dim, k, 4) * weights[..., k]
    return total


def _neighbour(
    field: torch.Tensor, cells: torch.Tensor, down: int, right: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The field shifted by one cell, and where that cell is an inter block inside the picture."""
    neighbour = torch.roll(field, (-down, -right), (0, 1))
    exists = torch.roll(cells, (-down, -right), (0, 1))
    if down:
        exists[0 if down < 0 else -1] = False
    if right:
        exists[:, 0 if right < 0 else -1] = False
    return neighbour, exists


@lru_cache(maxsize=32)
def _shares(size: int, side: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """By distance from a side: the shift of the blend, its rounding offset, and where it blends."""
    in_range = [k < size // 2 for k in range(size)]
    shift = [2 + (1 if size == 8 else 2) * k if in_range[k] else 0 for k in range(size)]
    half = [1 << (s - 1) if s else 0 for s in shift]
    parts = []
    for row in (shift, half, [int(n) for n in in_range]):
        ordered = tuple(row if side < 2 else row[::-1])
        values = constant(ordered, device).to(torch.int32)
        parts.append(values[:, None] if side & 1 else values)
    return parts[0], parts[1], parts[2].to(torch.bool)


def _blend(own: torch.Tensor, other: torch.Tensor, side: int, mixed: torch.Tensor) -> torch.Tensor:
    shift, half, in_range = _shares(own.shape[-1], side, own.device)
    return torch.where(mixed & in_range, own + ((other - own + half) >> shift), own)
