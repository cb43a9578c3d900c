# SPDX-License-Identifier: Apache-2.0
"""Costs of blocks under vectors: absolute and squared differences, estimated bits."""

from __future__ import annotations

from copy import copy
from functools import lru_cache

import torch

from streamcodec.dense.shifts import Windows

REACH_PX = 24  # how far outside the picture a block may start
UNREACHABLE = float(1 << 28)
_LONGEST = 4095  # of a vector, in quarter samples


@lru_cache(maxsize=4)
def hadamard(device: torch.device) -> torch.Tensor:
    """(64, 64): the two-dimensional transform of 8x8 samples, not normalised."""
    one = torch.ones((1, 1))
    for _ in range(3):
        one = torch.cat([torch.cat([one, one], 1), torch.cat([one, -one], 1)])
    return torch.kron(one, one).to(device)


def estimated_bits(difference: torch.Tensor, bit_weights: tuple[float, float]) -> torch.Tensor:
    """Bits of differences (..., size, size) int16, size 16 or 8, by 8x8 Hadamard coefficients.

    In 1/16 bit a coefficient costs the less of `bit_weights[0]` times its square and
    `bit_weights[1]` times its size.
    """
    size = difference.shape[-1]
    lead = difference.shape[:-2]
    if size == 16:
        difference = difference.reshape(*lead, 2, 8, 2, 8).transpose(-3, -2)
    squares = difference.reshape(-1, 64).to(torch.float32)
    sizes = (squares @ hadamard(difference.device)).abs_()
    each = (sizes * (bit_weights[0] / 16)).clamp_(max=bit_weights[1] / 16) * sizes
    return each.reshape(*lead, -1).sum(-1)


class SourceBlocks:
    """The source's blocks of 16x16 (or cells of 8x8), and their costs under vectors."""

    def __init__(self, luma: torch.Tensor, windows: Windows, size: int) -> None:
        height, width = luma.shape
        rows, columns = height // size, width // size
        tiles = luma.reshape(rows, size, columns, size).transpose(1, 2)
        device = luma.device
        self.size = size
        self.windows = windows
        self.samples = tiles.to(torch.int16).contiguous()
        y = (size * torch.arange(rows, device=device))[:, None].expand(rows, columns)
        x = (size * torch.arange(columns, device=device))[None].expand(rows, columns)
        self.corners = windows.corners(y, x)
        # A quarter is bounded by what its whole block may reach.
        top, left = y // 16 * 16, x // 16 * 16
        self.least = torch.stack([4 * (-REACH_PX - top), 4 * (-REACH_PX - left)], -1)
        self.most = torch.stack(
            [4 * (height + REACH_PX - 16 - top) + 3, 4 * (width + REACH_PX - 16 - left) + 3], -1
        )
        # Differences of two vectors stay within what the syntax can code.
        self.least = self.least.clamp(min=-_LONGEST).to(torch.int32)
        self.most = self.most.clamp(max=_LONGEST).to(torch.int32)

    def select(self, index: torch.Tensor) -> SourceBlocks:
        """The blocks of these numbers (n,), in a row."""
        part = copy(self)
        part.samples = self.samples.reshape(-1, self.size, self.size)[index]
        part.corners = self.corners.reshape(-1)[index]
        part.least, part.most = self.least.reshape(-1, 2)[index], self.most.reshape(-1, 2)[index]
        return part

    def clamp(self, by: torch.Tensor) -> torch.Tensor:
        """The closest vectors that keep a block within reach of the reference."""
        return torch.minimum(torch.maximum(by, self.least), self.most)

    def difference(self, by: torch.Tensor) -> torch.Tensor:
        """Differences (..., blocks, size, size) int16 to the moved reference; within reach."""
        return self.samples - self.windows.at(self.corners, by, self.size)

    def sad(self, by: torch.Tensor) -> torch.Tensor:
        """Sums of absolute differences, float32; UNREACHABLE out of reach."""
        inside = self.clamp(by)
        total = self.difference(inside).abs_().sum((-1, -2), dtype=torch.int32).to(torch.float32)
        return torch.where((inside == by).all(-1), total, UNREACHABLE)

    def bits_and_error(
        self, by: torch.Tensor, bit_weights: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Estimated bits, and sums of squared differences; UNREACHABLE out of reach."""
        inside = self.clamp(by)
        difference = self.difference(inside)
        squared = difference.to(torch.float32).square_().sum((-1, -2))
        holds = (inside == by).all(-1)
        bits = torch.where(holds, estimated_bits(difference, bit_weights), UNREACHABLE)
        return bits, torch.where(holds, squared, UNREACHABLE)
