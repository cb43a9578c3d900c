# SPDX-License-Identifier: Apache-2.0
"""Squares of blocks that share one vector: united where that is cheaper, small ones first."""

from __future__ import annotations

import torch

from streamcodec.dense.costs import FAR
from streamcodec.dense.field import by_square, candidates, may_unite, sides_of, spread, united
from streamcodec.dense.motion import Found, Search, on_grid

# What stands around a vector: of a block that takes one over, of a block on its own beside its
# motion, of a square with one vector (core/motion/squares.hpp).
TAKING_BITS = 4 / 16
SINGLE_BITS = 6 / 16
SQUARE_BITS = 4 / 16


def unite(search: Search, found: Found, whole: torch.Tensor) -> Found:
    """Give squares one vector. `whole` (rows, columns) is true for blocks with one vector.

    Only squares of whole blocks are united.
    """
    vectors, costs = found.vectors, found.costs
    near, taking = search.near(vectors)
    apart = SINGLE_BITS + torch.minimum(
        search.anew(vectors, near), _taken(vectors, near, taking) + TAKING_BITS
    )
    for side in (2, 4):
        vectors, costs, apart = _unite(search, found, whole, vectors, costs, apart, side)
    stays = sides_of(whole, on_grid(vectors)) == 1
    for turn in search.turns:
        vectors, costs = search.choose(vectors, costs, found.stands, turn & stays & whole)
    return Found(vectors, costs, found.stands)


def _taken(vectors: torch.Tensor, near: object, taking: torch.Tensor) -> torch.Tensor:
    from streamcodec.dense.field import Candidates

    assert isinstance(near, Candidates)
    bits = torch.full(vectors.shape[:-1], FAR, device=vectors.device)
    for k in range(3):
        same = (vectors == near.at[:, :, k]).all(-1) & (near.count > k)
        bits = torch.where(same, torch.minimum(bits, taking[..., k]), bits)
    return bits


def _unite(
    search: Search,
    found: Found,
    whole: torch.Tensor,
    vectors: torch.Tensor,
    costs: torch.Tensor,
    apart: torch.Tensor,
    side: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """`apart` is the price of motion: of blocks, or of squares of half the side."""
    rows, columns = search.rows, search.columns
    field = on_grid(vectors)
    sides = sides_of(whole, field)
    yes, no = search.prices.united(sides, side)
    near = candidates(field, search.before, side)
    takens = torch.zeros((rows, columns), dtype=torch.int32, device=field.device)
    taking = search.prices.which(field, near, takens, side, 1)
    half = side // 2
    motions = no + by_square(apart, 2, outside=0).sum(-1)
    coded = by_square(costs, side, outside=0).sum(-1)
    is_one = united(whole, field, side)
    best = torch.where(is_one, FAR, motions + coded)
    chosen = near.at[:, :, 0]
    price = motions
    kept = costs
    taken = torch.zeros_like(is_one)
    able = by_square(whole, side, outside=True).all(-1) & may_unite(rows, columns, side, field.device)
    tries = [near.at[:, :, k] for k in range(3)]
    for i in (0, half):
        for j in (0, half):
            part = vectors[i::side, j::side]
            tries.append(_fill(part, vectors[::side, ::side]))
    for by in tries:
        motion = yes + SQUARE_BITS + torch.minimum(
            2 + search.prices.vector(by - near.at[:, :, 0]), _taken(by, near, taking) + TAKING_BITS
        )
        wide = spread(by, side, rows, columns)
        fresh = torch.where((wide == vectors).all(-1), costs, search.cost(wide, found.stands))
        total = motion + by_square(fresh, side, outside=0).sum(-1)
        better = (total < best) & able
        best = torch.where(better, total, best)
        chosen = torch.where(better[..., None], by, chosen)
        price = torch.where(better, motion, price)
        kept = torch.where(spread(better, side, rows, columns), fresh, kept)
        taken = taken | better
    wide = spread(taken, side, rows, columns)
    vectors = torch.where(wide[..., None], spread(chosen, side, rows, columns), vectors)
    return vectors, kept, price


def _fill(part: torch.Tensor, whole: torch.Tensor) -> torch.Tensor:
    """`part` (down, across, 2) as large as `whole`, whose values stand beyond it."""
    if part.shape == whole.shape:
        return part
    out = whole.clone()
    out[: part.shape[0], : part.shape[1]] = part
    return out
