# SPDX-License-Identifier: Apache-2.0
"""Squares of blocks with one vector: united where that is cheaper, small squares first."""

from __future__ import annotations

from dataclasses import replace

import torch

from streamcodec.dense.costs import UNREACHABLE
from streamcodec.dense.field import (
    Candidates,
    by_square,
    candidates_of,
    may_unite,
    packed,
    sides_of,
    spread,
    united,
)
from streamcodec.dense.motion import Found, Search, on_grid

# Fixed signalling overhead besides the vector: of a candidate, of a block that is no part of a
# square, of a square with one vector (core/motion/squares.hpp).
CANDIDATE_BITS = 4 / 16
SINGLE_BITS = 6 / 16
SQUARE_BITS = 4 / 16
_OUTSIDE = 1 << 14  # larger than any vector component
_ROUNDS = 2
_TRIES = 4  # vectors of a square's own blocks


def unite(search: Search, found: Found) -> Found:
    """Give squares one vector."""
    now = found
    for _ in range(_ROUNDS):
        candidates, candidate_bits = search.candidates_of(now.vectors)
        by_candidate = _candidate_rate(now.vectors, candidates, candidate_bits) + CANDIDATE_BITS
        rate = torch.minimum(search.explicit_bits(now.vectors, candidates), by_candidate)
        separate = SINGLE_BITS + torch.where(now.divided, 0.0, rate)
        for side in (2, 4):
            now, separate = _unite(search, now, separate, side)
    vectors, costs = now.vectors, now.costs
    single = (sides_of(~now.divided, on_grid(vectors)) == 1) & ~now.divided
    for phase in search.phases:
        vectors, costs = search.choose(vectors, costs, now.static, phase & single)
    return replace(now, vectors=vectors, costs=costs)


def _candidate_rate(
    vectors: torch.Tensor, candidates: Candidates, candidate_bits: torch.Tensor
) -> torch.Tensor:
    """Bits of vectors as candidates; UNREACHABLE where no candidate equals them."""
    return torch.where(candidates.same(vectors), candidate_bits, UNREACHABLE).amin(-1)


def _unite(
    search: Search, now: Found, separate: torch.Tensor, side: int
) -> tuple[Found, torch.Tensor]:
    """Unite squares of this side. `separate` is the bits of motion of blocks, or of half squares.

    Returns the field and the bits of motion of these squares.
    """
    rows, columns = search.rows, search.columns
    vectors, costs, whole = now.vectors, now.costs, ~now.divided
    field = now.field()
    yes, no = search.prices.united(sides_of(whole, field), side)
    candidates = candidates_of(field, search.reference_field, side)
    candidate_index = torch.zeros((rows, columns), dtype=torch.int32, device=field.device)
    candidate_bits = search.prices.which(field, candidates, candidate_index, side, 1)
    motions = no + by_square(separate, 2, outside=0).sum(-1)
    is_one = united(whole, field, side)
    best = torch.where(is_one, UNREACHABLE, motions + by_square(costs, side, outside=0).sum(-1))
    able = may_unite(rows, columns, side, field.device)
    tries = torch.stack([*candidates.at.unbind(2), *_commonest(vectors, side)])
    by_candidate = _candidate_rate(tries, candidates, candidate_bits) + CANDIDATE_BITS
    rate = torch.minimum(search.explicit_bits(tries, candidates), by_candidate)
    motion = yes + SQUARE_BITS + rate
    wide = torch.stack([spread(by, side, rows, columns) for by in tries])
    same = (packed(wide) == packed(vectors)) & whole
    square_costs = torch.where(same, costs, search.cost(wide, now.static))
    total = motion + by_square(square_costs, side, outside=0).sum(-1)
    least, at = total.min(0)
    better = (least < best) & able
    chosen = torch.gather(tries, 0, at[None, ..., None].expand(1, -1, -1, 2))[0]
    price = torch.where(better, torch.gather(motion, 0, at[None])[0], motions)
    one = spread(better, side, rows, columns)
    kept = torch.gather(square_costs, 0, spread(at, side, rows, columns)[None])[0]
    vectors = torch.where(one[..., None], spread(chosen, side, rows, columns), vectors)
    kept = torch.where(one, kept, costs)
    return replace(now, vectors=vectors, costs=kept, divided=now.divided & ~one), price


def _commonest(vectors: torch.Tensor, side: int) -> list[torch.Tensor]:
    """The most frequent vectors (down, across, 2) of each square's blocks, each once."""
    every = by_square(vectors.movedim(-1, 0), side, outside=_OUTSIDE).movedim(0, -1)
    values = packed(every)
    same = values[..., None] == values[..., None, :]  # (down, across, n, n)
    votes = torch.where(every[..., 0] == _OUTSIDE, -1, same.sum(-1))
    found = []
    for _ in range(_TRIES):
        at = votes.argmax(-1)
        by = torch.gather(every, 2, at[..., None, None].expand(-1, -1, 1, 2))[:, :, 0]
        found.append(by)
        equal = torch.gather(same, 2, at[..., None, None].expand(-1, -1, 1, same.shape[-1]))
        votes = torch.where(equal[:, :, 0], 0, votes)
    return found
