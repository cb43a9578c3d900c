# SPDX-License-Identifier: Apache-2.0
"""Motion search of all blocks at once, coarse to fine, with the prices of the bitstream.

A decoder reads vectors in raster order, each predicted from those before it. Here all blocks choose
in parallel, in several rounds, each by its neighbours' last choices. Half of the blocks choose at a
time, the fields of a chessboard, so that two neighbours cannot swap their choices back and forth.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from streamcodec.dense import coarse
from streamcodec.dense.constants import constant
from streamcodec.dense.costs import UNREACHABLE, SourceBlocks
from streamcodec.dense.field import Candidates, candidates_of, neighbours, packed, predictor, spread
from streamcodec.dense.prices import Prices

AROUND = ((1, 0), (-1, 0), (0, 1), (0, -1), (-1, -1), (1, -1), (-1, 1), (1, 1))
_EXPLICIT_BITS = 2.0  # signalling that a vector is coded, besides its difference
# Rough bits of the first candidate and of another one, during the search.
_FIRST_BITS, _CANDIDATE_BITS = 0.25, 1.5
_ALONE_BITS = 4.0  # extra cost of motion where all neighbours are static
_COARSE_STEPS = (8, 4)  # quarter samples
_FINE_STEPS = (2, 1)
_ROUNDS = 2


@dataclass(frozen=True, slots=True)
class Params:
    """Prices of the search: `per_bit` in absolute differences; blocks with less difference than
    `static_below` are not searched; in 1/16 bit `bit_weights` of Hadamard coefficients and
    `per_square` of a squared difference."""

    per_bit: float
    static_below: float
    bit_weights: tuple[float, float]
    per_square: float


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Vectors (rows, columns, 2), and the bits of each block without its motion."""

    vectors: torch.Tensor
    costs: torch.Tensor
    static: torch.Tensor  # true where a block's cost is the error that stays uncoded
    divided: torch.Tensor  # true where a block has four vectors: `costs` include their bits
    cells: torch.Tensor  # (2 rows, 2 columns, 2): the four vectors

    def field(self) -> torch.Tensor:
        """Vectors on the 8x8 grid."""
        own = self.divided.repeat_interleave(2, 0).repeat_interleave(2, 1)
        return torch.where(own[..., None], self.cells, on_grid(self.vectors))


class Search:
    """One frame's search."""

    def __init__(
        self, blocks: SourceBlocks, prices: Prices, reference_field: torch.Tensor, params: Params
    ) -> None:
        self.blocks = blocks
        self.prices = prices
        self.reference_field = reference_field
        self.params = params
        self.rows, self.columns = blocks.samples.shape[:2]
        self._numbers = phases(self.rows, self.columns, reference_field.device)
        phase_mask = torch.zeros(
            self.rows * self.columns, dtype=torch.bool, device=reference_field.device
        )
        first = phase_mask.index_fill(0, self._numbers[0], True).reshape(self.rows, self.columns)
        self.phases = (first, ~first)
        self._halves = tuple(blocks.select(numbers) for numbers in self._numbers)

    def run(self, luma: torch.Tensor, reference: torch.Tensor) -> Found:
        """Search all blocks of `luma` (H, W) uint8 in `reference`."""
        vectors, sads = self._start(luma, reference)
        static = sads < self.params.static_below
        for step in _COARSE_STEPS:
            vectors, sads = self._refine(vectors, sads, static, step)
        for phase in range(2):
            vectors, sads = self._take_over(vectors, sads, phase)
        for step in _FINE_STEPS:
            vectors, sads = self._refine(vectors, sads, static, step)
        for _ in range(_ROUNDS):
            for phase in range(2):
                vectors, sads = self._take_over(vectors, sads, phase)
        return self._weigh(vectors)

    def candidates_of(self, vectors: torch.Tensor) -> tuple[Candidates, torch.Tensor]:
        """Candidates of all blocks in the present field, and the bits of each."""
        field = on_grid(vectors)
        found = candidates_of(field, self.reference_field, 1)
        candidate_index = found.which(vectors).clamp(min=0)
        return found, self.prices.which(field, found, candidate_index, 1, 1)

    def explicit_bits(self, by: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """Bits of vectors that are coded, as differences to the first candidate."""
        return _EXPLICIT_BITS + self.prices.vector(by - candidates.at[..., 0, :])

    def _rough(self, by: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
        """Rough bits of vectors (tries, rows, columns, 2), with `vectors` as their neighbours."""
        around = neighbours(on_grid(vectors), 2)
        predicted = predictor(around)
        candidates = torch.stack([around.left, around.above, self.reference_field[::2, ::2]])
        own = packed(by)
        explicit = _EXPLICIT_BITS + self.prices.vector(by - predicted)
        by_candidate = (own[:, None] == packed(candidates)).any(1)
        explicit = torch.where(by_candidate, explicit.clamp(max=_CANDIDATE_BITS), explicit)
        return torch.where(own == packed(predicted), _FIRST_BITS, explicit)

    def rate(
        self, by: torch.Tensor, candidates: Candidates, candidate_bits: torch.Tensor
    ) -> torch.Tensor:
        """Bits of vectors: the cheaper of coding them and of a candidate that equals them."""
        by_candidate = torch.where(candidates.same(by), candidate_bits, UNREACHABLE).amin(-1)
        return torch.minimum(self.explicit_bits(by, candidates), by_candidate)

    def cost(self, by: torch.Tensor, static: torch.Tensor) -> torch.Tensor:
        """Bits of blocks without motion: the error that stays of static ones, else estimated."""
        bits, squared = self.blocks.bits_and_error(by, self.params.bit_weights)
        error = (squared * (self.params.per_square / 16)).clamp(max=UNREACHABLE)
        return torch.where(static, error, bits)

    def neighbour_vectors(self, vectors: torch.Tensor) -> list[torch.Tensor]:
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
                *self.neighbour_vectors(here)[:2],
                wide,
                own,
                *self.neighbour_vectors(wide)[:2],
            ]
        )
        tries = self.blocks.clamp(tries)
        sads = self.blocks.sad(tries)
        rate = self.prices.vector(tries - here)
        # A block that is static, or keeps its motion, needs no search.
        good = sads[:2] < self.params.static_below
        keeps = good.any(0)
        total = sads + self.params.per_bit * rate
        total = torch.cat([total[:2], torch.where(keeps, UNREACHABLE, total[2:])])
        return _cheapest(tries, sads, total)

    def _refine(
        self, vectors: torch.Tensor, sads: torch.Tensor, static: torch.Tensor, step: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Move by a step in any of eight directions where that is better; not static blocks."""
        steps = (constant(AROUND, vectors.device) * step).to(torch.int32)
        tries = torch.cat([vectors[None], vectors + steps[:, None, None]])
        found = self.blocks.sad(tries[1:])
        found = torch.cat([sads[None], torch.where(static, UNREACHABLE, found)])
        return _cheapest(tries, found, found + self.params.per_bit * self._rough(tries, vectors))

    def _take_over(
        self, vectors: torch.Tensor, sads: torch.Tensor, phase: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Let half of the blocks choose again: their own vector, a candidate, a neighbour's."""
        numbers = self._numbers[phase]
        predicted = predictor(neighbours(on_grid(vectors), 2))
        here = self.reference_field[::2, ::2]
        tries = torch.stack([vectors, predicted, here, *self.neighbour_vectors(vectors)])
        rate = self._rough(tries, vectors).reshape(len(tries), -1)[:, numbers]
        tries = tries.reshape(len(tries), -1, 2)[:, numbers]
        flat = sads.reshape(-1)
        found = torch.cat([flat[numbers][None], self._halves[phase].sad(tries[1:])])
        chosen, least = _cheapest(tries, found, found + self.params.per_bit * rate)
        after = vectors.reshape(-1, 2).index_copy(0, numbers, chosen)
        return after.reshape(vectors.shape), flat.index_copy(0, numbers, least).reshape(sads.shape)

    def _weigh(self, vectors: torch.Tensor) -> Found:
        candidates, candidate_bits = self.candidates_of(vectors)
        tries = candidates.at.permute(2, 0, 1, 3)
        candidate_cost = self.blocks.sad(tries) + self.params.per_bit * candidate_bits.movedim(
            -1, 0
        )
        static = candidate_cost.min(0).values < self.params.static_below
        costs = self.cost(vectors, static)
        for _ in range(_ROUNDS):
            for phase in self.phases:
                vectors, costs = self.choose(vectors, costs, static, phase)
        return Found(vectors, costs, static, torch.zeros_like(static), on_grid(vectors))

    def choose(
        self,
        vectors: torch.Tensor,
        costs: torch.Tensor,
        static: torch.Tensor,
        phase: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Let a phase's blocks choose by estimated bits: their own vector or a candidate."""
        candidates, candidate_bits = self.candidates_of(vectors)
        own = self.explicit_bits(vectors, candidates)
        alone = (candidates.count == 1) & (candidates.at[:, :, 0] == 0).all(-1)
        own = own + torch.where(alone, _ALONE_BITS, 0.0)
        # A static block must use a candidate.
        total = torch.where(static & (candidates.which(vectors) < 0), UNREACHABLE, own + costs)
        slots = constant((0, 1, 2), vectors.device)[:, None, None]
        others = self.cost(candidates.at.movedim(2, 0), static)
        candidate_cost = candidate_bits.movedim(-1, 0) + 1 + others
        candidate_cost = torch.where(slots < candidates.count, candidate_cost, 2 * UNREACHABLE)
        tries = torch.cat([candidates.at.movedim(2, 0), vectors[None]])
        # argmin takes the first of equals: candidates win ties.
        found = torch.cat([others, costs[None]])
        chosen, least = _cheapest(tries, found, torch.cat([candidate_cost, total[None]]))
        return torch.where(phase[..., None], chosen, vectors), torch.where(phase, least, costs)


@lru_cache(maxsize=8)
def phases(rows: int, columns: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Numbers of the blocks of either field of a chessboard."""
    odd = ((torch.arange(rows)[:, None] + torch.arange(columns)[None]) & 1).reshape(-1)
    every = torch.arange(rows * columns)
    return every[odd == 0].to(device), every[odd == 1].to(device)


def on_grid(vectors: torch.Tensor) -> torch.Tensor:
    """Blocks' vectors (rows, columns, 2) on the 8x8 grid."""
    return spread(vectors, 2, 2 * vectors.shape[0], 2 * vectors.shape[1])


def _cheapest(
    tries: torch.Tensor, found: torch.Tensor, total: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    at = total.argmin(0)[None]
    chosen = torch.gather(tries, 0, at[..., None].expand(*at.shape, 2))[0]
    return chosen, torch.gather(found, 0, at)[0]
