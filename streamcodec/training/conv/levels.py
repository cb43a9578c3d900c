# SPDX-License-Identifier: Apache-2.0
"""The encoder's choice of levels, as the core makes it, with gradients through the choice.

A coefficient of `v` steps with the table t takes the level k that costs least:
(|v| - k + bias)^2 + mu * bits(t, k). What is returned is that level, and the true price; gradients
are those of a softer choice, in which levels that cost about the same share the coefficient.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from streamcodec import quantise
from streamcodec.blocks import layout, transform

_SOFTNESS = 0.15  # squared steps by which a level may cost more and still count for a third
_MAGNITUDES = 16
_ESCAPE_BITS = 8.0
_BIAS = quantise.BIAS_Q8 / 256
_SMALLEST = 0.4  # steps: what is smaller is never coded
_GROUP_OF = np.repeat(np.arange(layout.GROUPS), np.diff(layout.GROUP_STARTS))
_UP_TO = torch.from_numpy((_GROUP_OF[:, None] <= np.arange(layout.GROUPS)).astype(np.float32))
# About what saying costs that a block codes something which coded nothing before.
_SPEAKING_BITS = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Chosen levels (n, rows, columns, 384), with sign, and the bits of each frame's crop (n,)."""

    levels: torch.Tensor
    bits: torch.Tensor

    def groups(self) -> torch.Tensor:
        """(n, rows, columns) uint8 how many groups hold a level other than 0."""
        number = torch.from_numpy(_GROUP_OF + 1).to(self.levels.device)
        return torch.where(self.levels.detach() != 0, number, 0).amax(-1).to(torch.uint8)


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

    `tables` (n, rows, columns, 384), `most` and `counts` (n, rows, columns) are what the encoder
    was told, the groups it might code, and those it coded.
    """
    shape = coefficients.shape
    signed = (coefficients / steps_of(quality)).reshape(-1)
    with torch.no_grad():
        groups = torch.from_numpy(_GROUP_OF).to(most.device)
        may = (groups < most[..., None]).reshape(-1)
        at = ((signed.abs() > _SMALLEST) & may).nonzero()[:, 0]
        place = tables.reshape(-1).int() * _MAGNITUDES
        zero_bits = prices[place]
    own = signed[at]
    size = own.abs()
    with torch.no_grad():
        low = size.floor().clamp(max=_MAGNITUDES - 2)
        first = place[at]
        none_bits = zero_bits[at]
        at_low = first + low.int()
        bits = torch.stack([prices[at_low], prices[at_low + 1], none_bits])
        candidates = torch.stack([low, low + 1, torch.zeros_like(low)])
    cost = (size - candidates + _BIAS * (candidates > 0)) ** 2 + mu * bits
    share = torch.softmax(-cost / _SOFTNESS, 0)
    with torch.no_grad():
        least, best = cost.min(0, keepdim=True)
        hard = torch.zeros_like(share).scatter_(0, best, 1.0)
        # Larger levels than tables know: rounded, at the price of an escape.
        large = size > _MAGNITUDES - 1.5
        keep = _kept(
            -mu * zero_bits.reshape(shape),
            (at, size**2 + mu * none_bits - least[0]),
            most,
            mu * _SPEAKING_BITS * (counts == 0),
        )
        coded = groups < keep[..., None]
        mine = coded.reshape(-1)[at]
    weight = (share + (hard - share).detach()) * mine
    level = torch.where(large, size + (size.round() - size).detach(), (weight * candidates).sum(0))
    more = torch.where(large, prices[first + _MAGNITUDES - 1], (weight * bits).sum(0))
    frame = at // (signed.numel() // len(quality))
    spent = (zero_bits.reshape(shape) * coded).sum((1, 2, 3))
    spent = spent.index_add(0, frame, (more - none_bits) * mine)
    found = torch.zeros_like(signed).index_put((at,), torch.sign(own.detach()) * level * mine)
    return Levels(found.reshape(shape), spent)


def _kept(
    zeros: torch.Tensor,
    others: tuple[torch.Tensor, torch.Tensor],
    most: torch.Tensor,
    hurdle: torch.Tensor,
) -> torch.Tensor:
    """(n, rows, columns) how many groups of a block pay, by what each coefficient gains.

    `others` are places of coefficients and what they gain beside `zeros`.
    """
    gains = zeros.reshape(-1).index_add(0, *others).reshape(zeros.shape)
    total = (gains @ _UP_TO.to(gains.device)) - hurdle[..., None]
    allowed = torch.arange(layout.GROUPS, device=most.device) < most[..., None]
    value, best = torch.where(allowed, total, torch.full_like(total, -1.0)).max(-1)
    return torch.where(value > 0, best + 1, torch.zeros_like(best))


def dequantised(levels: torch.Tensor, quality: torch.Tensor) -> torch.Tensor:
    """Coefficients in grey levels that a decoder makes of levels (n, rows, columns, 384)."""
    return (levels - torch.sign(levels).detach() * _BIAS) * steps_of(quality)
