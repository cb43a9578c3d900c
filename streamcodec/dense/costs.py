# SPDX-License-Identifier: Apache-2.0
"""What blocks would cost under vectors: absolute and squared differences, foretold bits."""

from __future__ import annotations

from functools import lru_cache

import torch

from streamcodec.dense.shifts import Windows

REACH_PX = 24  # a block may start so far outside
FAR = float(1 << 28)


@lru_cache(maxsize=4)
def hadamard(device: torch.device) -> torch.Tensor:
    """(64, 64): the two-dimensional transform of 8x8 samples, not normalised."""
    one = torch.ones((1, 1))
    for _ in range(3):
        one = torch.cat([torch.cat([one, one], 1), torch.cat([one, -one], 1)])
    return torch.kron(one, one).to(device)


def foretold(apart: torch.Tensor, worth: tuple[float, float]) -> torch.Tensor:
    """Bits of differences (..., 16 or 8, the same) int16, by Hadamard coefficients of each 8x8.

    A coefficient costs the less of worth[0] times its square and worth[1] times its size, in 1/16.
    """
    size = apart.shape[-1]
    lead = apart.shape[:-2]
    if size == 16:
        apart = apart.reshape(*lead, 2, 8, 2, 8).transpose(-3, -2)
    squares = apart.reshape(-1, 64).to(torch.float32)
    sizes = (squares @ hadamard(apart.device)).abs_()
    each = torch.minimum(sizes * (worth[0] / 16), sizes.new_tensor(worth[1] / 16)) * sizes
    return each.reshape(*lead, -1).sum(-1)


class Blocks:
    """The source's blocks of 16x16 (or cells of 8x8), and what they cost under vectors."""

    def __init__(self, luma: torch.Tensor, windows: Windows, size: int) -> None:
        height, width = luma.shape
        rows, columns = height // size, width // size
        tiles = luma.reshape(rows, size, columns, size).transpose(1, 2)
        self.samples = tiles.to(torch.int16).contiguous()
        self.size = size
        self.windows = windows
        device = luma.device
        self.y = (size * torch.arange(rows, device=device))[:, None].expand(rows, columns)
        self.x = (size * torch.arange(columns, device=device))[None].expand(rows, columns)
        # A quarter keeps to what its whole block may reach.
        top, left = self.y // 16 * 16, self.x // 16 * 16
        self._least = torch.stack([4 * (-REACH_PX - top), 4 * (-REACH_PX - left)], -1)
        self._most = torch.stack(
            [4 * (height + REACH_PX - 16 - top) + 3, 4 * (width + REACH_PX - 16 - left) + 3], -1
        )

    def hold(self, by: torch.Tensor) -> torch.Tensor:
        """Where vectors (..., rows, columns, 2) keep a block within reach of the reference."""
        return ((by >= self._least) & (by <= self._most)).all(-1)

    def clamp(self, by: torch.Tensor) -> torch.Tensor:
        """The nearest vectors within reach."""
        return torch.minimum(torch.maximum(by, self._least), self._most).to(torch.int32)

    def apart(self, by: torch.Tensor) -> torch.Tensor:
        """Differences (..., rows, columns, size, size) int16 to the moved reference."""
        return self.samples - self.windows.at(self.y, self.x, by, self.size)

    def sad(self, by: torch.Tensor) -> torch.Tensor:
        """Sums of absolute differences, float32; FAR out of reach."""
        total = self.apart(by).abs().sum((-1, -2), dtype=torch.int32).to(torch.float32)
        return torch.where(self.hold(by), total, FAR)

    def bits(self, by: torch.Tensor, worth: tuple[float, float]) -> torch.Tensor:
        """Foretold bits; FAR out of reach."""
        return torch.where(self.hold(by), foretold(self.apart(by), worth), FAR)

    def squared(self, by: torch.Tensor) -> torch.Tensor:
        """Sums of squared differences, float32; FAR out of reach."""
        total = self.apart(by).to(torch.float32).square().sum((-1, -2))
        return torch.where(self.hold(by), total, FAR)
