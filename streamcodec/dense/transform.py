# SPDX-License-Identifier: Apache-2.0
"""All transforms of all blocks as matrix products, and the cheapest transform of each quarter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from streamcodec.blocks import layout
from streamcodec.blocks.transform import basis
from streamcodec.dense.constants import constant

Planes = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

WHOLE, EIGHT, FOUR, PLAIN = range(4)
# As in core/blocks/transform.cpp: bits and ratio by which finer transforms must be cheaper, bits of
# a block below which nothing is coded, and of a quarter below which no finer one is tried.
_FOUR_BITS, _PLAIN_BITS = 2.0, 3.0
_FOUR_RATIO, _PLAIN_RATIO = 1.4, 1.8
_WHOLE_BITS, _COARSEST_BITS = 20.0, 12.0


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Matrices and positions, on a device."""

    sixteen: torch.Tensor  # (256, 256): samples to frequencies
    eight: torch.Tensor
    four: torch.Tensor
    positions: torch.Tensor  # (4 kinds, 384): which of the 1152 coefficients below a channel takes
    quarters: torch.Tensor  # (384,): the quarter that a channel belongs to; 4 for chroma


@lru_cache(maxsize=4)
def tables(device: torch.device) -> Tables:
    """The constants of a device."""

    def both(size: int) -> torch.Tensor:
        one = basis(size)
        return torch.from_numpy(np.kron(one, one).T.astype(np.float32)).to(device)

    positions = np.zeros((4, layout.CHANNELS), np.int64)
    quarters = np.zeros(layout.CHANNELS, np.int64)
    for channel, at in enumerate(layout.ORDER.tolist()):
        if at >= 256:
            positions[:, channel] = 1024 + at - 256
            quarters[channel] = 4
            continue
        y, x = at // 16, at % 16
        quarter = 2 * (y % 2) + x % 2
        u, v = y // 2, x // 2
        square = 16 * (2 * (u % 2) + v % 2) + 4 * (u // 2) + v // 2
        quarters[channel] = quarter
        positions[WHOLE, channel] = at
        positions[EIGHT, channel] = 256 + 64 * quarter + 8 * u + v
        positions[FOUR, channel] = 512 + 64 * quarter + square
        positions[PLAIN, channel] = 768 + 64 * quarter + square
    return Tables(
        both(16),
        both(8),
        both(4),
        torch.from_numpy(positions).to(device),
        torch.from_numpy(quarters).to(device),
    )


def tiles(plane: torch.Tensor, size: int) -> torch.Tensor:
    """(blocks, size * size) of a plane."""
    height, width = plane.shape
    cut = plane.reshape(height // size, size, width // size, size)
    return cut.transpose(1, 2).reshape(-1, size * size)


@dataclass(frozen=True, slots=True, eq=False)
class Transformed:
    """Splits (blocks,) int32 as the bitstream has them, and coefficients (blocks, 384) float32."""

    splits: torch.Tensor
    coefficients: torch.Tensor


def bits_of_levels(levels: torch.Tensor) -> torch.Tensor:
    """Rough rate-distortion cost in bits of coefficients (..., n) in steps, summed over the last
    axis."""
    sizes = levels.abs()
    return torch.minimum(sizes * sizes * 7.7, 2.5 + 2.0 * sizes.sqrt()).sum(-1)


@dataclass(frozen=True, slots=True, eq=False)
class _Quarters:
    """Coefficients (blocks, 4, 64) of quarters by transform, and their costs (blocks, 4)."""

    eight: torch.Tensor
    fours: torch.Tensor
    plains: torch.Tensor
    coarse: torch.Tensor
    kinds: torch.Tensor
    bits: torch.Tensor  # of the cheapest transform


def _quarters(luma: torch.Tensor, inverse_step: float) -> _Quarters:
    """All transforms of the quarters of luma (blocks, 256)."""
    own = tables(luma.device)
    cut = luma.reshape(-1, 2, 8, 2, 8).transpose(2, 3)  # (n, 2, 2, 8, 8)
    parts = cut.reshape(-1, 2, 2, 2, 4, 2, 4).transpose(4, 5).reshape(-1, 4, 4, 16)
    eight = cut.reshape(-1, 4, 64) @ own.eight
    fours = (parts @ own.four).reshape(-1, 4, 64)
    plains = parts.reshape(-1, 4, 64)
    coarse = bits_of_levels(eight * inverse_step)
    four = (_FOUR_BITS + bits_of_levels(fours * inverse_step)) * _FOUR_RATIO
    plain = (_PLAIN_BITS + bits_of_levels(plains * inverse_step)) * _PLAIN_RATIO
    finest = torch.minimum(four, plain)
    finer = (coarse >= _COARSEST_BITS) & (finest < coarse)
    kinds = torch.where(finer, torch.where(plain < four, PLAIN, FOUR), EIGHT)
    return _Quarters(eight, fours, plains, coarse, kinds, torch.where(finer, finest, coarse))


def _split(kinds: torch.Tensor) -> torch.Tensor:
    digits = constant((1, 3, 9, 27), kinds.device)
    return 1 + ((kinds - EIGHT) * digits).sum(-1)


def finer(luma: torch.Tensor, inverse_step: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Of a plane of differences: the cost of each quarter's cheapest transform relative to 8x8
    (blocks, 4), and splits (blocks,)."""
    found = _quarters(tiles(luma, 16), inverse_step)
    return found.bits / found.coarse.clamp(min=1e-6), _split(found.kinds)


def forward(
    differences: Planes, inverse_step: float, whole_only: torch.Tensor | None = None
) -> Transformed:
    """Transform planes of differences (float32), luma by the cheapest transforms.

    Blocks that `whole_only` (blocks,) marks get one 16x16 transform.
    """
    own = tables(differences[0].device)
    luma = tiles(differences[0], 16)
    whole = luma @ own.sixteen
    cost = bits_of_levels(whole * inverse_step)
    quarters = _quarters(luma, inverse_step)
    split = (cost > _WHOLE_BITS) & (quarters.bits.sum(-1) < cost)
    if whole_only is not None:
        split = split & ~whole_only
    kinds = torch.where(split[:, None], quarters.kinds, WHOLE)
    splits = torch.where(split, _split(kinds.clamp(min=EIGHT)), 0)
    found = _channels(whole, quarters, differences, kinds)
    return Transformed(splits.to(torch.int32), found)


def by_splits(planes: Planes, splits: torch.Tensor) -> torch.Tensor:
    """Coefficients (blocks, 384) of planes (float32), each block's luma by its split."""
    luma = tiles(planes[0], 16)
    powers = constant((1, 3, 9, 27), luma.device)
    kinds = EIGHT + (splits.reshape(-1, 1) - 1).clamp(min=0) // powers % 3
    kinds = torch.where(splits.reshape(-1, 1) > 0, kinds, WHOLE)
    return _channels(luma @ tables(luma.device).sixteen, _quarters(luma, 1.0), planes, kinds)


def _channels(
    whole: torch.Tensor, quarters: _Quarters, planes: Planes, kinds: torch.Tensor
) -> torch.Tensor:
    """Channels (blocks, 384): luma by `kinds` (blocks, 4) of transform, then chroma."""
    own = tables(whole.device)
    chroma = torch.cat([tiles(plane, 8) @ own.eight for plane in planes[1:]], 1)
    parts = (quarters.eight, quarters.fours, quarters.plains)
    every = torch.cat([whole, *(part.flatten(1) for part in parts), chroma], 1)
    with_chroma = torch.cat([kinds, torch.zeros_like(kinds[:, :1])], 1)
    chosen = own.positions[
        with_chroma[:, own.quarters], torch.arange(layout.CHANNELS, device=whole.device)
    ]
    return torch.gather(every, 1, chosen)
