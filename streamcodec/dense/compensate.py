# SPDX-License-Identifier: Apache-2.0
"""The prediction of inter blocks, overlap included: the integers of docs/bitstream.md, section 11.

Everything is done by cells of 8x8 luma samples, the grid of the vectors: a block with one vector is
four cells with the same one.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.dense.constants import constant
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
    device = field.device
    y = torch.arange(rows, device=device)[:, None].expand(rows, columns)
    x = torch.arange(columns, device=device)[None].expand(rows, columns)
    cells = inter.repeat_interleave(2, 0).repeat_interleave(2, 1)
    own = _Cells(windows, chroma, y, x)
    luma, u, v = own.moved(field)
    for side, (down, right) in enumerate(_SIDES):
        theirs, beyond = _neighbour(field, cells, down, right)
        mixed = (cells & beyond & (theirs != field).any(-1))[..., None, None]
        other = own.moved(theirs)
        luma = _blend(luma, other[0], side, mixed)
        u = _blend(u, other[1], side, mixed)
        v = _blend(v, other[2], side, mixed)
    shown = cells[..., None, None]
    return tuple(  # type: ignore[return-value]  # three
        (part * shown)
        .to(torch.uint8)
        .permute(0, 2, 1, 3)
        .reshape(rows * part.shape[2], columns * part.shape[3])
        for part in (luma, u, v)
    )


class _Cells:
    """Cells of a reference: int32 (rows, columns, 8, 8), and twice (rows, columns, 4, 4)."""

    def __init__(
        self,
        windows: Windows,
        chroma: tuple[torch.Tensor, torch.Tensor],
        y: torch.Tensor,
        x: torch.Tensor,
    ) -> None:
        self._windows = windows
        self._y, self._x = y, x
        reach = (_CHROMA_PAD + 1, _CHROMA_PAD + 2) * 2
        padded = [
            F.pad(p[None, None].to(torch.float32), reach, mode="replicate")[0] for p in chroma
        ]
        both = torch.cat(padded).to(torch.int32)
        _, height, width = both.shape
        self._chroma = both.as_strided(
            (height - 6, width - 6, 2, 7, 7), (width, 1, height * width, width, 1)
        )
        self._taps = constant(_CHROMA_TAPS, y.device).to(torch.int32)

    def moved(self, by: torch.Tensor) -> Planes:
        luma = self._windows.at(8 * self._y, 8 * self._x, by, 8).to(torch.int32)
        dy, dx = by[..., 0], by[..., 1]
        down = (4 * self._y + (dy >> 3) + _CHROMA_PAD).clamp(0, self._chroma.shape[0] - 1)
        right = (4 * self._x + (dx >> 3) + _CHROMA_PAD).clamp(0, self._chroma.shape[1] - 1)
        samples = self._chroma[down.long(), right.long()]  # (rows, columns, 2, 7, 7)
        taps = self._taps[(dx & 7).long()][..., None, None, None, :]
        across = sum(samples[..., k : k + 4] * taps[..., k] for k in range(4))
        assert isinstance(across, torch.Tensor)
        taps = self._taps[(dy & 7).long()][..., None, None, None, :]
        total = sum(across[..., k : k + 4, :] * taps[..., k] for k in range(4))
        assert isinstance(total, torch.Tensor)
        both = ((total + 2048) >> 12).clamp(0, 255)
        return luma, both[..., 0, :, :], both[..., 1, :, :]


def _neighbour(
    field: torch.Tensor, cells: torch.Tensor, down: int, right: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """The field seen from one cell on, and where that is an inter block inside the picture."""
    theirs = torch.roll(field, (-down, -right), (0, 1))
    beyond = torch.roll(cells, (-down, -right), (0, 1)).clone()
    if down:
        beyond[0 if down < 0 else -1] = False
    if right:
        beyond[:, 0 if right < 0 else -1] = False
    return theirs, beyond


def _blend(own: torch.Tensor, other: torch.Tensor, side: int, mixed: torch.Tensor) -> torch.Tensor:
    size = own.shape[-1]
    steps = 1 if size == 8 else 2
    k = torch.arange(size, device=own.device)
    from_side = k if side < 2 else size - 1 - k
    shift = 2 + steps * from_side
    near = from_side < size // 2
    if side & 1:
        shift, near = shift[:, None], near[:, None]
    shift = torch.where(near, shift, 0).to(torch.int32)
    half = torch.where(near, 1 << (shift - 1).clamp(min=0), 0).to(torch.int32)
    return torch.where(mixed & near, own + ((other - own + half) >> shift), own)
