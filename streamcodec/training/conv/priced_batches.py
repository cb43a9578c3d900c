# SPDX-License-Identifier: Apache-2.0
"""Crops of coded frames with the inputs of their quantiser, in batches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec.training.coded import Coded, Entry, Shard

U8 = npt.NDArray[np.uint8]
Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
_TRIES = 3  # crops of an inter frame compared; the one with most coded blocks is used
_INTRA = 2  # modes from here on are intra


@dataclass(frozen=True, slots=True, eq=False)
class PricedBatch:
    """Planes float32 (n, 1, H, W) and half of it; maps (n, rows, columns).

    `base` is the prediction of every block, `predicted` that of inter blocks, a network's input:
    None in keyframes, zeros in intra blocks of inter frames.
    """

    key: bool
    source: Planes
    decoded: Planes
    base: Planes
    predicted: Planes | None
    counts: torch.Tensor
    modes: torch.Tensor
    splits: torch.Tensor
    moves: torch.Tensor
    most: torch.Tensor
    tables: torch.Tensor  # (n, rows, columns, 384)
    quality: torch.Tensor  # (n,)


class PricedMaterial:
    """Frames of one type: for training, and held out."""

    def __init__(self, found: Sequence[Shard], *, key: bool, limits: Sequence[int] = ()) -> None:
        """`limits` is the number of entries of each shard when a run began."""
        self.limits = tuple(limits) or tuple(len(s.entries) for s in found)
        self.train: list[tuple[Shard, Entry]] = []
        self.held: list[tuple[Shard, Entry]] = []
        for shard, limit in zip(found, self.limits, strict=False):
            for entry in shard.entries[:limit]:
                if entry.key == key and entry.priced:
                    (self.held if entry.held_out else self.train).append((shard, entry))

    def batch(self, rng: np.random.Generator, count: int, side: int) -> PricedBatch:
        """Random crops of `side` blocks of 16 a side."""
        crops: list[tuple[Coded, int, int]] = []
        while len(crops) < count:
            shard, entry = self.train[int(rng.integers(len(self.train)))]
            if min(entry.rows, entry.columns) < side:
                continue
            frame = shard.frame(entry)
            best = (-1, 0, 0)
            for _ in range(1 if entry.key else _TRIES):
                row = int(rng.integers(entry.rows - side + 1))
                column = int(rng.integers(entry.columns - side + 1))
                busy = int(np.count_nonzero(_cut(frame.counts, row, column, side, side, 1)))
                best = max(best, (busy, row, column))
            crops.append((frame, best[1], best[2]))
        return _stacked(crops, side, side)

    @staticmethod
    def whole(shard: Shard, entry: Entry) -> PricedBatch:
        """A whole frame."""
        return _stacked([(shard.frame(entry), 0, 0)], entry.rows, entry.columns)


def _cut(  # noqa: PLR0917  # one private caller
    plane: U8, row: int, column: int, rows: int, columns: int, side: int
) -> U8:
    return plane[side * row : side * (row + rows), side * column : side * (column + columns)]


def _stacked(crops: Sequence[tuple[Coded, int, int]], rows: int, columns: int) -> PricedBatch:
    def maps(of: Sequence[U8]) -> torch.Tensor:
        cut = [
            _cut(plane, row, column, rows, columns, 1)
            for plane, (_, row, column) in zip(of, crops, strict=True)
        ]
        return torch.from_numpy(np.stack(cut))

    def planes(of: Sequence[tuple[U8, U8, U8]]) -> Planes:
        found = []
        for number in range(3):
            side = 8 if number else 16
            cut = [
                _cut(three[number], row, column, rows, columns, side)
                for three, (_, row, column) in zip(of, crops, strict=True)
            ]
            found.append(torch.from_numpy(np.stack(cut)[:, None]).float())
        return found[0], found[1], found[2]

    frames = [frame for frame, _, _ in crops]
    told = [frame.priced for frame in frames if frame.priced is not None]
    key = frames[0].entry.key
    modes = maps([f.modes for f in frames])
    base = planes([t.base for t in told])
    return PricedBatch(
        key,
        planes([f.source for f in frames]),
        planes([f.decoded for f in frames]),
        base,
        None if key else _shown(base, modes),
        maps([f.counts for f in frames]),
        modes,
        maps([f.splits for f in frames]),
        maps([f.moves for f in frames]),
        maps([t.most for t in told]),
        maps([t.tables for t in told]),
        torch.tensor([f.entry.quality for f in frames]),
    )


def _shown(base: Planes, modes: torch.Tensor) -> Planes:
    between = (modes < _INTRA).float()[:, None]
    y, u, v = (
        plane * between.repeat_interleave(side, 2).repeat_interleave(side, 3)
        for plane, side in zip(base, (16, 8, 8), strict=True)
    )
    return y, u, v
