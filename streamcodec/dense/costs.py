# SPDX-License-Identifier: Apache-2.0
"""What blocks would cost under vectors: absolute and squared differences, estimated bits."""

from __future__ import annotations

from copy import copy
from functools import lru_cache

import torch

from streamcodec.dense.shifts import Windows

REACH_PX = 24  # a block may start so far outside
FAR = float(1 << 28)
_LONGEST = 4095  # of a vector, in quarter samples


@lru_cache(maxsize=4)
def hadamard(device: torch.device) -> torch.Tensor:
    """(64, 64): the two-dimensional transform of 8x8 samples, not normalised."""
    one = torch.ones((1, 1))
    for _ in range(3):
        one = torch.cat([torch.cat([one, one], 1), torch.cat([one, -one], 1)])
    return torch.kron(one, one).to(device)


def estimated_bits(apart: torch.Tensor, bit_weights: tuple[float, float]) -> torch.Tensor:
    """Bits of differences (..., 16 or 8, the same) int16, by Hadamard coefficients of each 8x8.

    In 1/16 bit a coefficient costs the less of `bit_weights[0]` times its square and
    `bit_weights[1]` times its size.
    """
    size = apart.shape[-1]
    lead = apart.shape[:-2]
    if size == 16:
        apart = apart.reshape(*lead, 2, 8, 2, 8).transpose(-3, -2)
    squares = apart.reshape(-1, 64).to(torch.float32)
    sizes = (squares @ hadamard(apart.device)).abs_()
    each = (sizes * (bit_weights[0] / 16)).clamp_(max=bit_weights[1] / 16) * sizes
    return each.reshape(*lead, -1).sum(-1)


class Blocks:
    """The source's blocks of 16x16 (or cells of 8x8), and what they cost under vectors."""

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
        # A quarter keeps to what its whole block may reach.
        top, left = y // 16 * 16, x // 16 * 16
        self.least = torch.stack([4 * (-REACH_PX - top), 4 * (-REACH_PX - left)], -1)
        self.most = torch.stack(
            [4 * (height + REACH_PX - 16 - top) + 3, 4 * (width + REACH_PX - 16 - left) + 3], -1
        )
        # No two vectors lie farther apart than the syntax can say.
        self.least = self.least.clamp(min=-_LONGEST).to(torch.int32)
        self.most = self.most.clamp(max=_LONGEST).to(torch.int32)

    def some(self, index: torch.Tensor) -> Blocks:
        """The blocks of these numbers (n,), in a row."""
        part = copy(self)
        part.samples = self.samples.reshape(-1, self.size, self.size)[index]
        part.corners = self.corners.reshape(-1)[index]
        part.least, part.most = self.least.reshape(-1, 2)[index], self.most.reshape(-1, 2)[index]
        return part

    def clamp(self, by: torch.Tensor) -> torch.Tensor:
        """The nearest vectors that keep a block within reach of the reference."""
        return torch.minimum(torch.maximum(by, self.least), self.most)

    def apart(self, by: torch.Tensor) -> torch.Tensor:
        """Differences (..., blocks, size, size) int16 to the reference, moved within reach."""
        return self.samples - self.windows.at(self.corners, by, self.size)

    def sad(self, by: torch.Tensor) -> torch.Tensor:
        """Sums of absolute differences, float32; FAR out of reach."""
        inside = self.clamp(by)
        total = self.apart(inside).abs_().sum((-1, -2), dtype=torch.int32).to(torch.float32)
        return torch.where((inside == by).all(-1), total, FAR)

    def both(
        self, by: torch.Tensor, bit_weights: tuple[float, float]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Estimated bits, and sums of squared differences; FAR out of reach."""
        inside = self.clamp(by)
        apart = self.apart(inside)
        squared = apart.to(torch.float32).square_().sum((-1, -2))
        holds = (inside == by).all(-1)
        bits = torch.where(holds, estimated_bits(apart, bit_weights), FAR)
        return bits, torch.where(holds, squared, FAR)
