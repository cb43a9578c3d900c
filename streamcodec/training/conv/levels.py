# SPDX-License-Identifier: Apache-2.0
"""The encoder's choice of levels, as the core makes it.

A coefficient of `v` steps with the table t gets the level k that costs least:
(|v| - k + bias)^2 + mu * bits(t, k). How little more the next best level costs is kept as well:
those levels are what an encoder network can change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec import quantise
from streamcodec.blocks import layout, transform

_CLOSENESS = 0.15  # squared steps: how much more a close alternative costs
_MAGNITUDES = 16
_ESCAPE_BITS = 8.0
_BIAS = quantise.BIAS_Q8 / 256
_SMALLEST = 0.4  # steps: smaller coefficients are never coded
_GROUP_OF = np.repeat(np.arange(layout.GROUPS), np.diff(layout.GROUP_STARTS))
_UP_TO = torch.from_numpy((_GROUP_OF[:, None] <= np.arange(layout.GROUPS)).astype(np.float32))
# Rough bits of coding anything in a block that would code nothing.
_FIRST_GROUP_BITS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Levels (n, rows, columns, 384), with sign, and the bits of each frame's crop (n,).

    `towards` is -1 or 1, the direction of the next best level, and `closeness` is 1 where that one
    costs the same, falling to 0 where it costs more.
    """

    levels: torch.Tensor
    bits: torch.Tensor
    towards: torch.Tensor
    closeness: torch.Tensor

    def groups(self) -> torch.Tensor:
        """(n, rows, columns) uint8 how many groups hold a level other than 0."""
        number = torch.from_numpy(_GROUP_OF + 1).to(self.levels.device)
        return torch.where(self.levels != 0, number, 0).amax(-1).to(torch.uint8)


def price_table(costs_q8: npt.NDArray[np.int32]) -> torch.Tensor:
    """(1024,) bits of each level of each table, from a model's (64, 16) costs in 1/256 bit."""
    bits = costs_q8.astype(np.float32) / 256
    bits[:, -1] += _ESCAPE_BITS
    return torch.from_numpy(bits.ravel())


def plane_steps(quality: torch.Tensor) -> torch.Tensor:
    """(n, 2) quantiser steps of luma and chroma in grey levels."""
    known = np.array([transform.plane_steps_q3(q) for q in range(64)], np.float32) / 8
    return torch.from_numpy(known).to(quality.device)[quality.long()]


def steps_of(quality: torch.Tensor) -> torch.Tensor:
    """(n, 1, 1, 384) quantiser steps in grey levels."""
    known = torch.from_numpy(transform.CHANNEL_STEPS_Q3.astype(np.float32) / 8)
    return known.to(quality.device)[quality.long()][:, None, None]


@torch.no_grad()
def chosen(
    coefficients: torch.Tensor,
    quality: torch.Tensor,
    *,
    tables: torch.Tensor,
    most: torch.Tensor,
    counts: torch.Tensor,
    prices: torch.Tensor,
    mu: float,
) -> Levels:
    """Levels of coefficients (n, rows, columns, 384) in grey levels.

    `tables` (n, rows, columns, 384) priced the levels, `most` and `counts` (n, rows, columns) are
    the groups that could be coded, and those that were.
    """
    shape = coefficients.shape
    signed = (coefficients / steps_of(quality)).reshape(-1)
    groups = torch.from_numpy(_GROUP_OF).to(most.device)
    # Most coefficients are never coded: only the others are computed.
    at = ((signed.abs() > _SMALLEST) & (groups < most[..., None]).reshape(-1)).nonzero()[:, 0]
    place = tables.reshape(-1).int() * _MAGNITUDES
    zero_bits = prices[place]
    size = signed[at].abs()
    low = size.floor().clamp(max=_MAGNITUDES - 2)
    first, zero_level_bits = place[at], zero_bits[at]
    at_low = first + low.int()
    bits = torch.stack([prices[at_low], prices[at_low + 1], zero_level_bits])
    candidates = torch.stack([low, low + 1, torch.zeros_like(low)])
    cost = (size - candidates + _BIAS * (candidates > 0)) ** 2 + mu * bits
    least, best = cost.min(0, keepdim=True)
    level = candidates.gather(0, best)[0]
    more = bits.gather(0, best)[0] - zero_level_bits
    # Levels beyond the tables: rounded, at the price of an escape.
    large = size > _MAGNITUDES - 1.5
    level = torch.where(large, size.round(), level)
    more = torch.where(large, prices[first + _MAGNITUDES - 1] - zero_level_bits, more)
    gains = (at, size**2 + mu * zero_level_bits - least[0])
    keep = _kept(
        -mu * zero_bits.reshape(shape), gains, most, mu * _FIRST_GROUP_BITS * (counts == 0)
    )
    coded = groups < keep[..., None]
    mine = coded.reshape(-1)[at]
    spent = (zero_bits.reshape(shape) * coded).sum((1, 2, 3))
    spent = spent.index_add(0, at // (signed.numel() // len(quality)), more * mine)
    sign = torch.sign(signed[at])

    def spread(values: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(signed).index_put((at,), values).reshape(shape)

    apart = (cost[0] - cost[1]).abs() + (level > low + 1) + (level < low)
    return Levels(
        spread(sign * level * mine),
        spent,
        spread(sign * torch.where(level > low, -1.0, 1.0)),
        spread(torch.exp(-apart / _CLOSENESS) * mine),
    )


def _kept(
    zeros: torch.Tensor,
    others: tuple[torch.Tensor, torch.Tensor],
    most: torch.Tensor,
    hurdle: torch.Tensor,
) -> torch.Tensor:
    """(n, rows, columns) how many groups of a block to code, by the gain of each coefficient.

    `zeros` are the gains of all coefficients as zeros; `others` are positions of coefficients and
    their additional gains.
    """
    gains = zeros.reshape(-1).index_add(0, *others).reshape(zeros.shape)
    total = (gains @ _UP_TO.to(gains.device)) - hurdle[..., None]
    allowed = torch.arange(layout.GROUPS, device=most.device) < most[..., None]
    value, best = torch.where(allowed, total, torch.full_like(total, -1.0)).max(-1)
    return torch.where(value > 0, best + 1, torch.zeros_like(best))


def dequantised(levels: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Coefficients in grey levels, as a decoder dequantises levels (n, rows, columns, 384)."""
    return (levels - torch.sign(levels) * _BIAS) * steps_of(quality)
