# SPDX-License-Identifier: Apache-2.0
"""The motion of all blocks at once: coarse to fine, with the prices that the bitstream asks.

A decoder reads vectors in raster order, each against those before it. Here all blocks choose at
once, several times over, each by what its neighbours chose last; half of the blocks at a time, like
the fields of a chessboard, so that no two neighbours swap back and forth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from streamcodec.dense import coarse
from streamcodec.dense.constants import constant
from streamcodec.dense.costs import FAR, Blocks
from streamcodec.dense.field import Candidates, candidates_of, neighbours, packed, predictor, spread
from streamcodec.dense.prices import Prices

AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (-1, -1), (1, -1), (-1, 1), (1, 1))
_ANEW_BITS = 2.0  # beside the difference: that it is no skip, and no candidate
# About what the first candidate and another cost, while vectors are still sought.
_FIRST_BITS, _TAKEN_BITS = 0.25, 1.5
_ALONE_BITS = 4.0  # more where all neighbours are static: such a block would be a skip
_COARSE_STEPS = (8, 4)  # quarter samples
_FINE_STEPS = (2, 1)
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Params:
    """`per_bit` absolute differences a bit; `still` below which nothing is searched; in 1/16 bit
    `bit_weights` of Hadamard coefficients and `per_square` of a squared difference."""

    per_bit: float
    still: float
    bit_weights: tuple[float, float]
    per_square: float


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Vectors (rows, columns, 2), and bits of each block besides its motion."""

    vectors: torch.Tensor
    costs: torch.Tensor
    static: torch.Tensor  # true where a block is weighed by the error that is left uncoded
    divided: torch.Tensor  # true where a block has four vectors: then `costs` hold their price
    cells: torch.Tensor  # (2 rows, 2 columns, 2): those

    def field(self) -> torch.Tensor:
        """Vectors on the 8x8 grid."""
        own = self.divided.repeat_interleave(2, 0).repeat_interleave(2, 1)
        return torch.where(own[..., None], self.cells, on_grid(self.vectors))


class Search:
    """One frame's search."""

    def __init__(
        self, blocks: Blocks, prices: Prices, reference_field: torch.Tensor, params: Params
    ) -> None:
        self.blocks = blocks
        self.prices = prices
        self.reference_field = reference_field
        self.params = params
        self.rows, self.columns = blocks.samples.shape[:2]
        self._numbers = turns(self.rows, self.columns, reference_field.device)
        colour = torch.zeros(
            self.rows * self.columns, dtype=torch.bool, device=reference_field.device
        )
        first = colour.index_fill(0, self._numbers[0], True).reshape(self.rows, self.columns)
        self.turns = (first, ~first)
        self._halves = tuple(blocks.some(numbers) for numbers in self._numbers)

    def run(self, luma: torch.Tensor, reference: torch.Tensor) -> Found:
        """Search all blocks of `luma` (H, W) uint8 in `reference`."""
        vectors, sads = self._start(luma, reference)
        still = sads < self.params.still
        for step in _COARSE_STEPS:
            vectors, sads = self._refine(vectors, sads, still, step)
        for turn in range(2):
            vectors, sads = self._take_over(vectors, sads, turn)
        for step in _FINE_STEPS:
            vectors, sads = self._refine(vectors, sads, still, step)
        for _ in range(_ROUNDS):
            for turn in range(2):
                vectors, sads = self._take_over(vectors, sads, turn)
        return self._weigh(vectors)

    def candidates_of(self, vectors: torch.Tensor) -> tuple[Candidates, torch.Tensor]:
        """Candidates of all blocks and bits of taking each, by the field as it is now."""
        field = on_grid(vectors)
        found = candidates_of(field, self.reference_field, 1)
        candidate_index = found.which(vectors).clamp(min=0)
        return found, self.prices.which(field, found, candidate_index, 1, 1)

    def anew(self, by: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """Bits of vectors that are told against the first candidate."""
        return _ANEW_BITS + self.prices.vector(by - candidates.at[..., 0, :])

    def _rough(self, by: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """About what vectors (tries, rows, columns, 2) cost beside those of `vectors` around."""
        around = neighbours(on_grid(vectors), 2)
        predicted = predictor(around)
        given = torch.stack([around.left, around.above, self.reference_field[::2, ::2]])
        own = packed(by)
        told = _ANEW_BITS + self.prices.vector(by - predicted)
        taken = (own[:, None] == packed(given)).any(1)
        told = torch.where(taken, told.clamp(max=_TAKEN_BITS), told)
        return torch.where(own == packed(predicted), _FIRST_BITS, told)

    def rate(self, by: torch.Tensor, candidates: Candidates, taking: torch.Tensor) -> torch.Tensor:
        """Bits of vectors, taken over where a candidate equals them."""
        taken = torch.where(candidates.same(by), taking, FAR).amin(-1)
        return torch.minimum(self.anew(by, candidates), taken)

    def cost(self, by: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Bits of blocks besides their motion: of the error left in static ones, else estimated."""
        bits, squared = self.blocks.both(by, self.params.bit_weights)
        apart = (squared * (self.params.per_square / 16)).clamp(max=FAR)
        return torch.where(static, apart, bits)

    def around(self, vectors: torch.Tensor) -> list[torch.Tensor]:
        """Vectors of the right, lower, left and upper block; the block's own outside."""
        found = []
        for dim, by in ((1, -1), (0, -1), (1, 1), (0, 1)):
            seen = torch.roll(vectors, by, dim)
            edge = (-1 if by < 0 else 0) % vectors.shape[dim]
            seen.select(dim, edge).copy_(vectors.select(dim, edge))
            found.append(seen)
        return found

    def _start(
        self, luma: torch.Tensor, reference: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        wide, own = coarse.search(luma, reference)
        here = self.reference_field[::2, ::2]
        tries = torch.stack(
            [
                here,
                torch.zeros_like(here),
                self.reference_field[1::2, 1::2],
                *self.around(here)[:2],
                wide,
                own,
                *self.around(wide)[:2],
            ]
        )
        tries = self.blocks.clamp(tries)
        sads = self.blocks.sad(tries)
        rate = self.prices.vector(tries - here)
        # A block that is static, or moves on as it did, needs no search.
        good = sads[:2] < self.params.still
        keeps = good.any(0)
        total = sads + self.params.per_bit * rate
        total = torch.cat([total[:2], torch.where(keeps, FAR, total[2:])])
        return _least(tries, sads, total)

    def _refine(
        self, vectors: torch.Tensor, sads: torch.Tensor, still: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Move by a step in any of eight directions where that is better, but for still blocks."""
        steps = (constant(AROUND, vectors.device) * step).to(torch.int32)
        tries = torch.cat([vectors[None], vectors + steps[:, None, None]])
        found = self.blocks.sad(tries[1:])
        found = torch.cat([sads[None], torch.where(still, FAR, found)])
        return _least(tries, found, found + self.params.per_bit * self._rough(tries, vectors))

    def _take_over(
        self, vectors: torch.Tensor, sads: torch.Tensor, turn: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Let half of the blocks choose again: their own vector, a candidate, a neighbour's."""
        numbers = self._numbers[turn]
        told = predictor(neighbours(on_grid(vectors), 2))
        tries = torch.stack([vectors, told, self.reference_field[::2, ::2], *self.around(vectors)])
        rate = self._rough(tries, vectors).reshape(len(tries), -1)[:, numbers]
        tries = tries.reshape(len(tries), -1, 2)[:, numbers]
        flat = sads.reshape(-1)
        found = torch.cat([flat[numbers][None], self._halves[turn].sad(tries[1:])])
        chosen, least = _least(tries, found, found + self.params.per_bit * rate)
        after = vectors.reshape(-1, 2).index_copy(0, numbers, chosen)
        return after.reshape(vectors.shape), flat.index_copy(0, numbers, least).reshape(sads.shape)

    def _weigh(self, vectors: torch.Tensor) -> Found:
        candidates, taking = self.candidates_of(vectors)
        tries = candidates.at.permute(2, 0, 1, 3)
        free = self.blocks.sad(tries) + self.params.per_bit * taking.movedim(-1, 0)
        static = free.min(0).values < self.params.still
        costs = self.cost(vectors, static)
        for _ in range(_ROUNDS):
            for turn in self.turns:
                vectors, costs = self.choose(vectors, costs, static, turn)
        return Found(vectors, costs, static, torch.zeros_like(static), on_grid(vectors))

    def choose(
        self,
        vectors: torch.Tensor,
        costs: torch.Tensor,
        static: torch.Tensor,
        turn: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Let the blocks of a turn choose again by estimated bits: their own, or a candidate."""
        candidates, taking = self.candidates_of(vectors)
        own = self.anew(vectors, candidates)
        alone = (candidates.count == 1) & (candidates.at[:, :, 0] == 0).all(-1)
        own = own + torch.where(alone, _ALONE_BITS, 0.0)
        # A static block takes a candidate.
        total = torch.where(static & (candidates.which(vectors) < 0), FAR, own + costs)
        slots = constant((0, 1, 2), vectors.device)[:, None, None]
        others = self.cost(candidates.at.movedim(2, 0), static)
        free = taking.movedim(-1, 0) + 1 + others
        free = torch.where(slots < candidates.count, free, 2 * FAR)
        tries = torch.cat([candidates.at.movedim(2, 0), vectors[None]])
        # Of equals the candidate is taken, so it comes first.
        found = torch.cat([others, costs[None]])
        chosen, least = _least(tries, found, torch.cat([free, total[None]]))
        return torch.where(turn[..., None], chosen, vectors), torch.where(turn, least, costs)


@lru_cache(maxsize=8)
def turns(rows: int, columns: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the blocks of either colour of a chessboard."""
    colour = ((torch.arange(rows)[:, None] + torch.arange(columns)[None]) & 1).reshape(-1)
    every = torch.arange(rows * columns)
    return every[colour == 0].to(device), every[colour == 1].to(device)


def on_grid(vectors: torch.Tensor) -> torch.Tensor:
    """Blocks' vectors (rows, columns, 2) on the 8x8 grid."""
    return spread(vectors, 2, 2 * vectors.shape[0], 2 * vectors.shape[1])


def _least(
    tries: torch.Tensor, found: torch.Tensor, total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    at = total.argmin(0)[None]
    chosen = torch.gather(tries, 0, at[..., None].expand(*at.shape, 2))[0]
    return chosen, torch.gather(found, 0, at)[0]
