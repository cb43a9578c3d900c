# SPDX-License-Identifier: Apache-2.0
"""Coded frames in a device's memory: batches are gathered there, without copies from the host.

Batches as those of `batches.Material`, by index arithmetic instead of slices.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from streamcodec.training.coded import Shard
from streamcodec.training.conv.batches import FLIPPED, Batch


class DeviceMaterial:
    """All training frames of one type that are at least `least_blocks` a side."""

    def __init__(
        self, found: Sequence[Shard], *, key: bool, least_blocks: int, device: torch.device
    ) -> None:
        self.device = device
        pieces: list[torch.Tensor] = []
        rows: list[list[int]] = []
        qualities: list[int] = []
        errors: list[tuple[float, float, float]] = []
        at = 0
        for shard in found:
            for entry in shard.entries:
                if entry.key != key or entry.held_out:
                    continue
                if min(entry.rows, entry.columns) < least_blocks:
                    continue
                data = shard.raw(entry)
                pieces.append(torch.from_numpy(data))
                rows.append([at, entry.rows, entry.columns])
                qualities.append(entry.quality)
                errors.append(entry.errors)
                at += data.size
        if not pieces:
            raise ValueError("no frames to train on")
        self.key = key
        self._bytes = torch.empty(at, dtype=torch.uint8, device=device)
        for piece, (start, *_) in zip(pieces, rows, strict=True):
            self._bytes[start : start + len(piece)] = piece.to(device)
        self._frames = torch.tensor(rows, dtype=torch.long, device=device)
        self._qualities = torch.tensor(qualities, device=device)
        self._errors = torch.tensor(errors, device=device)
        self._flipped = torch.from_numpy(FLIPPED.astype(np.int64)).to(device)

    def __len__(self) -> int:
        return len(self._frames)

    def batch(self, rng: np.random.Generator, count: int, side: int) -> Batch:
        """Random crops of `side` blocks a side, flipped at random."""
        device = self.device
        drawn = torch.from_numpy(rng.random((4, count))).to(device)
        which = (drawn[0] * len(self)).long()
        start, rows, columns = self._frames[which].unbind(1)
        row = (drawn[1] * (rows - side + 1)).long()
        column = (drawn[2] * (columns - side + 1)).long()
        flip = (drawn[3] * 4).long()
        pixels = rows * columns * 256

        def window(offset: torch.Tensor, scale: int) -> torch.Tensor:
            """(count, side * scale, side * scale) of the plane at `offset`."""
            length = side * scale
            along = torch.arange(length, device=device)[None]
            down = torch.where((flip & 2 > 0)[:, None], length - 1 - along, along)
            across = torch.where((flip & 1 > 0)[:, None], length - 1 - along, along)
            y = (row * scale)[:, None] + down
            x = (column * scale)[:, None] + across
            pitch = (columns * scale)[:, None]
            at = (start + offset)[:, None, None] + (y * pitch)[:, :, None] + x[:, None, :]
            return self._bytes[at]

        def planes(number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
            first = pixels * number * 3 // 2
            found = [
                window(first, 16),
                window(first + pixels, 8),
                window(first + pixels + pixels // 4, 8),
            ]
            y, u, v = (plane[:, None].to(torch.int32) for plane in found)
            return y, u, v

        groups = 3 if self.key else 4  # source, decoded, unfiltered, predicted
        maps = [window(pixels * groups * 3 // 2 + n * rows * columns, 1) for n in range(4)]
        maps[2] = self._flipped[flip[:, None, None], maps[2].long()].to(torch.uint8)
        return Batch(
            planes(0),
            planes(1),
            None if self.key else planes(3),
            maps[0],
            maps[1],
            maps[2],
            maps[3],
            self._qualities[which],
            self._errors[which],
        )
