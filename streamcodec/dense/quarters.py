# SPDX-License-Identifier: Apache-2.0
"""Four vectors in a block where one fits badly: each 8x8 cell searches around its block's."""

from __future__ import annotations

import torch

from streamcodec.dense.constants import constant
from streamcodec.dense.costs import UNREACHABLE, SourceBlocks, estimated_bits
from streamcodec.dense.field import cell_predictor
from streamcodec.dense.motion import AROUND, Found, Search, on_grid

FROM_BITS = 60.0  # estimated bits of a whole block from which four vectors are tried
_MODE_BITS = 3.0
_STEPS = (4, 2, 1)  # quarter samples


def divide(search: Search, found: Found, luma: torch.Tensor) -> Found:
    """Give blocks four vectors where that is cheaper."""
    cells = SourceBlocks(luma, search.blocks.windows, 8)
    vectors = on_grid(found.vectors)
    tries = torch.stack([vectors, *(on_grid(by) for by in search.neighbour_vectors(found.vectors))])
    sads = cells.sad(tries)
    vectors, sads = _cheapest(search, vectors, tries, sads)
    for step in _STEPS:
        steps = (constant(AROUND, luma.device) * step).to(torch.int32)
        tries = torch.cat([vectors[None], vectors + steps[:, None, None]])
        sads = torch.cat([sads[None], cells.sad(tries[1:])])
        vectors, sads = _cheapest(search, vectors, tries, sads)
    vector_bits = search.prices.vector(vectors - cell_predictor(vectors))
    bits = vector_bits + estimated_bits(cells.difference(vectors), search.params.bit_weights)
    total = _MODE_BITS + bits.reshape(search.rows, 2, search.columns, 2).sum((1, 3))
    candidates, candidate_bits = search.candidates_of(found.vectors)
    whole = found.costs + search.rate(found.vectors, candidates, candidate_bits + 1)
    better = (total < whole) & (whole >= FROM_BITS) & ~found.static
    return Found(
        found.vectors, torch.where(better, total, found.costs), found.static, better, vectors
    )


def _cheapest(
    search: Search, now: torch.Tensor, tries: torch.Tensor, sads: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    rate = search.prices.vector(tries - cell_predictor(now))
    at = (sads + search.params.per_bit * rate).clamp(max=UNREACHABLE).argmin(0)[None]
    chosen = torch.gather(tries, 0, at[..., None].expand(*at.shape, 2))[0]
    return chosen, torch.gather(sads, 0, at)[0]
