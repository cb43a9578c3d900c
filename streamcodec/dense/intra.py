# SPDX-License-Identifier: Apache-2.0
"""Intra prediction by the mean or a slope of the samples around a block. No directions.

Open loop, from the source's own samples, so that all blocks are predicted at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

PLANAR, MEAN = 0, 1  # the intra modes of docs/bitstream.md, section 11


def predictions(plane: torch.Tensor, size: int) -> torch.Tensor:
    """(2 modes, squares down, squares across, size, size) int16: what each mode predicts."""
    constant = means(plane, size)[..., None, None].expand(-1, -1, size, size)
    return torch.stack([slopes(plane, size), constant]).to(torch.int16)


def slopes(plane: torch.Tensor, size: int) -> torch.Tensor:
    """(squares down, squares across, size, size) int32: what mode 0 predicts.

    Exact for 16x16 and chroma 8x8. Some quarters of a block use samples here that a decoder does
    not have yet.
    """
    height, width = plane.shape
    rows, columns = height // size, width // size
    values = plane.to(torch.int32)
    lines = torch.cat([values[:1], values[size - 1 : -1 : size]])  # above each row of squares
    wide = torch.cat([lines[:, :1], lines, lines[:, -1:].expand(-1, size + 1)], 1)
    top = wide.unfold(1, size + 3, size)[:, :columns]  # corner, the square's, two beyond
    edges = torch.cat([values[:, :1], values[:, size - 1 : -1 : size]], 1)
    left = edges.reshape(rows, size, columns).transpose(1, 2)
    first_row = torch.arange(rows, device=plane.device)[:, None, None] == 0
    first_column = torch.arange(columns, device=plane.device)[None, :, None] == 0
    top = torch.where(first_row, left[..., :1], top)
    left = torch.where(first_column, top[..., 1:2], left)
    corner = torch.where(first_column, top[..., 1:2], top[..., :1])
    both = first_row & first_column
    top, left, corner = (torch.where(both, 128, part) for part in (top, left, corner))
    top = torch.cat([corner, top[..., 1:]], -1)
    above = (top[..., :-2] + 2 * top[..., 1:-1] + top[..., 2:] + 2) >> 2  # size + 1 of them
    beside = torch.cat([corner, left, left[..., -1:]], -1)
    side = (beside[..., :-2] + 2 * beside[..., 1:-1] + beside[..., 2:] + 2) >> 2
    at = torch.arange(size, device=plane.device)
    across = (size - 1 - at) * side[..., :, None] + (at + 1) * above[..., size:, None]
    down = (size - 1 - at)[:, None] * above[..., None, :size] + (at + 1)[:, None] * (
        left[..., -1:, None]
    )
    return (across + down + size) >> size.bit_length()


def means(plane: torch.Tensor, size: int) -> torch.Tensor:
    """(H / size, W / size) int32: what mode 1 predicts, the mean of the samples around."""
    height, width = plane.shape
    rows, columns = height // size, width // size
    values = plane.to(torch.int32)
    above = values[size - 1 :: size].reshape(rows, columns, size).sum(-1, dtype=torch.int32)
    left = values[:, size - 1 :: size].reshape(rows, size, columns).sum(1, dtype=torch.int32)
    above = F.pad(above[:-1], (0, 0, 1, 0))
    left = F.pad(left[:, :-1], (1, 0))
    # In the first row all upper samples repeat the uppermost left one; columns likewise.
    corner_left = F.pad(values[::size, size - 1 :: size][:, :-1], (1, 0))
    corner_above = F.pad(values[size - 1 :: size, ::size][:-1], (0, 0, 1, 0))
    top = torch.arange(rows, device=plane.device)[:, None] == 0
    first = torch.arange(columns, device=plane.device)[None] == 0
    above = torch.where(top, corner_left * size, above)
    left = torch.where(first, corner_above * size, left)
    shift = size.bit_length()
    mean = (above + left + size) >> shift
    return torch.where(top & first, 128, mean)


def flat(squares: torch.Tensor, size: int) -> torch.Tensor:
    """Squares' values as a plane."""
    return squares.repeat_interleave(size, 0).repeat_interleave(size, 1)
