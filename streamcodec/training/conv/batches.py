# SPDX-License-Identifier: Apache-2.0
"""Crops of coded frames in batches; seed and step alone decide which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec.training.coded import Coded, Entry, Shard

U8 = npt.NDArray[np.uint8]
Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_TRIES = 3  # crops compared; the one with most coded blocks is used


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Planes int32 (n, 1, H, W) and half of it; maps (n, rows, columns); `errors` (n, 3)."""

    source: Planes
    decoded: Planes
    predicted: Planes | None
    counts: torch.Tensor
    modes: torch.Tensor
    splits: torch.Tensor
    moves: torch.Tensor
    quality: torch.Tensor  # (n,)
    errors: torch.Tensor  # mean squared error of the whole frame's planes

    def acts(self, moved: bool = True) -> torch.Tensor:
        """(n, rows, columns) bool: acting blocks; without `moved`, those that are not copies."""
        coded = (self.counts > 0) | (self.modes >= 2)
        return coded | (self.moves > 0) if moved else coded


class Material:
    """Frames of one type: for training, and held out."""

    def __init__(self, found: Sequence[Shard], *, key: bool, limits: Sequence[int] = ()) -> None:
        """`limits` is the number of entries of each shard when a run began."""
        self.limits = tuple(len(s.entries) for s in found) if not limits else tuple(limits)
        self.train: list[tuple[Shard, Entry]] = []
        self.held: list[tuple[Shard, Entry]] = []
        for shard, limit in zip(found, self.limits, strict=False):
            for entry in shard.entries[:limit]:
                if entry.key == key:
                    (self.held if entry.held_out else self.train).append((shard, entry))

    def batch(self, rng: np.random.Generator, count: int, side_blocks: int) -> Batch:
        """Random crops of `side_blocks` blocks of 16 a side, flipped at random."""
        crops: list[_Crop] = []
        while len(crops) < count:
            shard, entry = self.train[int(rng.integers(len(self.train)))]
            if min(entry.rows, entry.columns) < side_blocks:
                continue
            frame = shard.frame(entry)
            row, column = self._where(frame, rng, side_blocks)
            crops.append(
                _cut(frame, row, column, side_blocks, side_blocks, flip=int(rng.integers(4)))
            )
        return _stack(crops)

    @staticmethod
    def _where(frame: Coded, rng: np.random.Generator, side: int) -> tuple[int, int]:
        best = (-1, 0, 0)
        for _ in range(1 if frame.entry.key else _TRIES):
            row = int(rng.integers(frame.entry.rows - side + 1))
            column = int(rng.integers(frame.entry.columns - side + 1))
            busy = int(np.count_nonzero(frame.counts[row : row + side, column : column + side]))
            best = max(best, (busy, row, column))
        return best[1], best[2]

    @staticmethod
    def whole(shard: Shard, entry: Entry) -> Batch:
        """A whole frame."""
        frame = shard.frame(entry)
        return _stack([_cut(frame, 0, 0, entry.rows, entry.columns, flip=0)])


@dataclass(frozen=True, slots=True)
class _Crop:
    planes: tuple[U8, ...]
    maps: tuple[U8, ...]
    entry: Entry


def _cut(frame: Coded, row: int, column: int, rows: int, columns: int, *, flip: int) -> _Crop:
    def turn(a: U8) -> U8:
        return a[:: -1 if flip & 2 else 1, :: -1 if flip & 1 else 1]

    def cut(plane: U8, side: int) -> U8:
        return turn(
            plane[side * row : side * (row + rows), side * column : side * (column + columns)]
        )

    groups = [frame.source, frame.decoded] + ([frame.predicted] if frame.predicted else [])
    planes = tuple(
        cut(plane, 8 if number else 16) for group in groups for number, plane in enumerate(group)
    )
    splits = cut(frame.splits, 1)
    if flip:
        splits = FLIPPED[flip][splits]
    return _Crop(
        planes,
        (cut(frame.counts, 1), cut(frame.modes, 1), splits, cut(frame.moves, 1)),
        frame.entry,
    )


def _flipped_splits() -> U8:
    """(4 flips, 256) the split of a mirrored block, whose quarters swap."""
    table = np.zeros((4, 256), np.uint8)
    for flip in range(4):
        for split in range(1, 82):
            digits = [(split - 1) // 3**k % 3 for k in range(4)]
            turned = [digits[k ^ flip] for k in range(4)]
            table[flip, split] = 1 + sum(d * 3**k for k, d in enumerate(turned))
    return table


FLIPPED = _flipped_splits()


def _stack(crops: Sequence[_Crop]) -> Batch:
    def planes(number: int) -> torch.Tensor:
        return torch.from_numpy(np.stack([c.planes[number] for c in crops])[:, None]).to(
            torch.int32
        )

    def maps(number: int) -> torch.Tensor:
        return torch.from_numpy(np.stack([c.maps[number] for c in crops]))

    every = [planes(n) for n in range(len(crops[0].planes))]
    return Batch(
        (every[0], every[1], every[2]),
        (every[3], every[4], every[5]),
        (every[6], every[7], every[8]) if len(every) > 6 else None,
        maps(0),
        maps(1),
        maps(2),
        maps(3),
        torch.tensor([c.entry.quality for c in crops]),
        torch.tensor([c.entry.errors for c in crops]),
    )
