# SPDX-License-Identifier: Apache-2.0
"""Rate-distortion quantisation of all coefficients at once, then how many groups to code.

In units of the step: a coefficient of size a at level k costs (a - k)**2 + mu * bits(k), with the
bits of its table (core/blocks/quantise.hpp).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from streamcodec.blocks.layout import GROUP_STARTS, GROUPS
from streamcodec.dense.constants import constant
from streamcodec.dense.prices import JOINED, QUARTERS, TAKEN, WHOLE, WITHIN, Prices
from streamcodec.quantise import BIAS_Q8

MAX_LEVEL = 30_000
_MAGNITUDES = 16
_ESCAPE_BITS = 8.0
_CANDIDATE_BITS = 1.0  # between "no skip" and the count, of a block with a candidate's vector
_BIAS = BIAS_Q8 / 256
_ROUNDS = 2


def plainly(coefficients: torch.Tensor, steps: torch.Tensor, rounding: float) -> torch.Tensor:
    """Symbols (blocks, 384) int32 with a fixed rounding offset; `steps` (384,)."""
    levels = coefficients / steps
    sizes = (levels.abs() + rounding).floor().clamp(max=MAX_LEVEL)
    return (sizes * levels.sign()).to(torch.int32)


def needed(symbols: torch.Tensor) -> torch.Tensor:
    """Groups (blocks,) int32 up to the last symbol that is not zero."""
    count = torch.zeros(len(symbols), dtype=torch.int32, device=symbols.device)
    for group in range(GROUPS):
        part = symbols[:, GROUP_STARTS[group] : GROUP_STARTS[group + 1]]
        count = torch.where((part != 0).any(1), group + 1, count)
    return count


@dataclass(frozen=True, slots=True, eq=False)
class BlockLimits:
    """Limits of each block's count: grids (rows, columns)."""

    free: torch.Tensor  # 0; TAKEN (1): a candidate's vector; JOINED (2): part of a square
    modes: torch.Tensor
    most: torch.Tensor  # groups that may be coded
    hurdle: torch.Tensor  # bits that coding must gain

    def kinds(self) -> torch.Tensor:
        """The kind of each block, for the prices of counts."""
        kind = torch.where(self.free == 1, TAKEN, WHOLE)
        kind = torch.where(self.free == 2, JOINED, kind)
        kind = torch.where(self.modes == 1, QUARTERS, kind)
        return torch.where(self.modes >= 2, WITHIN, kind).to(torch.int32)


def choose(
    coefficients: torch.Tensor,
    steps: torch.Tensor,
    tables: torch.Tensor,
    *,
    costs: torch.Tensor,
    mu: float,
    blocks: BlockLimits,
    prices: Prices,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Symbols (blocks, 384) int32 and counts (rows, columns) int32.

    `tables` (blocks, 384) int64 name rows of `costs` (64, 16), bits of each magnitude.
    """
    x = coefficients / steps
    size = x.abs()
    flat = costs.reshape(-1)
    row = tables * _MAGNITUDES
    upper = (size + 0.5).floor()
    large = upper >= _MAGNITUDES - 1
    level = upper.clamp(max=_MAGNITUDES - 1).long()
    # Levels beyond the tables are rounded; no other one is tried.
    first_price = flat[row + level] + torch.where(large, _ESCAPE_BITS, 0.0)
    upper = upper.clamp(max=MAX_LEVEL)
    zero = size * size + mu * costs[:, 0][tables]
    first = (size - upper + _BIAS).square() + mu * first_price
    second = (size - upper + 1 + _BIAS).square() + mu * flat[row + (level - 1).clamp(min=0)]
    take_first = (upper >= 1) & (
        large | (first < torch.minimum(zero, second)) | ((first < zero) & (upper < 2))
    )
    take_second = (upper >= 2) & ~large & ~take_first & (second < zero)
    chosen = torch.where(take_first, upper, torch.where(take_second, upper - 1, 0.0))
    gain = torch.where(take_first, zero - first, torch.where(take_second, zero - second, 0.0))
    # Coding a group also codes its zeros.
    net = gain - mu * costs[:, 0][tables]
    gains = torch.stack(
        [net[:, GROUP_STARTS[g] : GROUP_STARTS[g + 1]].sum(1) for g in range(GROUPS)], 1
    ).cumsum(1)
    counts = _counts(gains, chosen, mu, blocks, prices)
    group = torch.bucketize(
        torch.arange(chosen.shape[1], device=x.device),
        constant(GROUP_STARTS[1:], x.device),
        right=True,
    )
    kept = torch.where(group < counts.reshape(-1, 1), chosen, 0.0)
    symbols = (kept * x.sign()).to(torch.int32)
    return symbols, needed(symbols).reshape(counts.shape)


def _counts(
    gains: torch.Tensor, chosen: torch.Tensor, mu: float, blocks: BlockLimits, prices: Prices
) -> torch.Tensor:
    """Groups to code (rows, columns), priced with the neighbours' choices of the last round."""
    shape = blocks.free.shape
    kinds = blocks.kinds()
    gains = gains.reshape(*shape, GROUPS)
    ends = constant(GROUP_STARTS[1:], gains.device) - 1
    any_symbol = (chosen != 0).cumsum(1)[:, ends].reshape(*shape, GROUPS) > 0
    counts = torch.where(any_symbol.any(-1), blocks.most, 0).to(torch.int32)
    for _ in range(_ROUNDS):
        price = prices.count(counts, kinds)
        skips = ((counts == 0) & (blocks.free > 0)).to(torch.int32)
        skip, no_skip = prices.skip(skips)
        by_candidate = kinds == TAKEN
        none = torch.where(by_candidate, skip, price[..., 0])
        signalled = torch.where(by_candidate, no_skip + _CANDIDATE_BITS, 0.0)
        nets = gains - mu * (price[..., 1:] + (signalled - none)[..., None])
        groups = torch.arange(1, GROUPS + 1, device=gains.device)
        nets = torch.where(any_symbol & (groups <= blocks.most[..., None]), nets, -1e9)
        best, at = nets.max(-1)
        counts = torch.where(best > mu * blocks.hurdle, at + 1, 0).to(torch.int32)
    return counts
