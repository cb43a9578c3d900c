# SPDX-License-Identifier: Apache-2.0
"""Squares of blocks that share one vector: united where that is cheaper, small ones first."""

from __future__ import annotations

from dataclasses import replace

import torch

from streamcodec.dense.costs import FAR
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

# Fixed signalling overhead besides the vector: of a block that takes one over, of a block on its
# own, of a square with one vector (core/motion/squares.hpp).
TAKING_BITS = 4 / 16
SINGLE_BITS = 6 / 16
SQUARE_BITS = 4 / 16
_OUTSIDE = 1 << 14  # no vector component
_ROUNDS = 2
_TRIES = 4  # vectors of a square's own blocks


def unite(search: Search, found: Found) -> Found:
    """Give squares one vector."""
    now = found
    for _ in range(_ROUNDS):
        candidates, taking = search.candidates_of(now.vectors)
        taken = _taken(now.vectors, candidates, taking) + TAKING_BITS
        told = torch.minimum(search.anew(now.vectors, candidates), taken)
        apart = SINGLE_BITS + torch.where(now.divided, 0.0, told)
        for side in (2, 4):
            now, apart = _unite(search, now, apart, side)
    vectors, costs = now.vectors, now.costs
    stays = (sides_of(~now.divided, on_grid(vectors)) == 1) & ~now.divided
    for turn in search.turns:
        vectors, costs = search.choose(vectors, costs, now.static, turn & stays)
    return replace(now, vectors=vectors, costs=costs)


def _taken(vectors: torch.Tensor, candidates: Candidates, taking: torch.Tensor) -> torch.Tensor:
    """Bits of taking vectors over; FAR where no candidate equals them."""
    return torch.where(candidates.same(vectors), taking, FAR).amin(-1)


def _unite(
    search: Search, now: Found, apart: torch.Tensor, side: int
) -> tuple[Found, torch.Tensor]:
    """Unite squares of this side. `apart` is the price of motion of blocks, or of half squares;
    what is returned beside the field is that of these squares."""
    rows, columns = search.rows, search.columns
    vectors, costs, whole = now.vectors, now.costs, ~now.divided
    field = now.field()
    yes, no = search.prices.united(sides_of(whole, field), side)
    candidates = candidates_of(field, search.reference_field, side)
    candidate_index = torch.zeros((rows, columns), dtype=torch.int32, device=field.device)
    taking = search.prices.which(field, candidates, candidate_index, side, 1)
    motions = no + by_square(apart, 2, outside=0).sum(-1)
    is_one = united(whole, field, side)
    best = torch.where(is_one, FAR, motions + by_square(costs, side, outside=0).sum(-1))
    able = may_unite(rows, columns, side, field.device)
    tries = torch.stack([*candidates.at.unbind(2), *_commonest(vectors, side)])
    motion = (
        yes
        + SQUARE_BITS
        + torch.minimum(
            search.anew(tries, candidates), _taken(tries, candidates, taking) + TAKING_BITS
        )
    )
    wide = torch.stack([spread(by, side, rows, columns) for by in tries])
    same = (packed(wide) == packed(vectors)) & whole
    fresh = torch.where(same, costs, search.cost(wide, now.static))
    total = motion + by_square(fresh, side, outside=0).sum(-1)
    least, at = total.min(0)
    better = (least < best) & able
    chosen = torch.gather(tries, 0, at[None, ..., None].expand(1, -1, -1, 2))[0]
    price = torch.where(better, torch.gather(motion, 0, at[None])[0], motions)
    one = spread(better, side, rows, columns)
    kept = torch.gather(fresh, 0, spread(at, side, rows, columns)[None])[0]
    vectors = torch.where(one[..., None], spread(chosen, side, rows, columns), vectors)
    kept = torch.where(one, kept, costs)
    return replace(now, vectors=vectors, costs=kept, divided=now.divided & ~one), price


def _commonest(vectors: torch.Tensor, side: int) -> list[torch.Tensor]:
    """The vectors (down, across, 2) that most blocks of each square have, each once."""
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
