# SPDX-License-Identifier: Apache-2.0
"""Blocks that nothing predicts: flat, from the mean of the samples around. No directions.

Looked at open loop, from the source's own neighbours, so that all blocks are weighed at once.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

MEAN = 1  # the intra mode of docs/bitstream.md, section 11


def means(plane: torch.Tensor, size: int) -> torch.Tensor:
    """(H / size, W / size) int32: what mode 1 predicts each square from the samples around it."""
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
