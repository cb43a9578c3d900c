# SPDX-License-Identifier: Apache-2.0
"""Prices of side information, for all blocks at once, by the mixtures that code it.

The rows of the contexts are those of docs/bitstream.md, section 4. A parallel encoder does not know
its neighbours' final choices; it uses their choices so far.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import _core
from streamcodec.dense.constants import constant
from streamcodec.dense.field import Candidates, Voters, by_square, packed, spread
from streamcodec.dense.transfers import Transfers

SKIP, WHICH, WHICH_SECOND, COUNT, UNITED = 0, 1, 2, 7, 10  # families of the bitstream
WHOLE, QUARTERS, TAKEN, WITHIN, JOINED = range(5)  # kinds of a block
GROUPS = 4
_LONGEST = 1023
_LIMIT = 2047
_INPUTS = 6


@lru_cache(maxsize=4)
def _tables(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits of probabilities, and bits of a one and of a zero (4095, 2) by the mixture's logit."""
    costs, stretch, squash = _core.entropy_tables()
    one = squash.astype(np.int64)
    bits = np.stack([costs[one >> 6], costs[(32768 - one) >> 6]], 1).astype(np.float32) / 256
    return (
        torch.from_numpy(stretch.astype(np.int64)).to(device),
        torch.from_numpy(bits).to(device),
    )


class Prices:
    """Prices by a reference's contexts; results in bits, float32."""

    def __init__(
        self,
        transfers: Transfers,
        contexts: np.ndarray[tuple[int, int], np.dtype[np.uint16]],
        reference_counts: torch.Tensor,
        reference_field: torch.Tensor,
        trend: int,
    ) -> None:
        self.device = transfers.device
        stretch, self._bits = _tables(self.device)
        rows = transfers.up("contexts", contexts.astype(np.int32)).to(torch.int64)
        self._inputs = stretch[rows >> 4]
        self._weights = rows[:, 0] * 65536 + rows[:, 1] - (1 << 31)
        self._bases = _core.context_bases().tolist()
        vectors = transfers.up("prices of vectors", _core.vector_prices(contexts))
        self._vectors = vectors.to(torch.float32).reshape(-1) / 256
        self.reference_field = reference_field
        self.reference_counts = reference_counts
        self.trend = trend
        self._voters: dict[int, Voters] = {}
        self._uniformities: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}
        self._counted = Around(reference_counts, 1)

    def _mixed(self, decisions: list[tuple[int, torch.Tensor]]) -> torch.Tensor:
        """(2, decisions, ...): bits of ones and of zeros.

        Each decision is a family and (4, ...) rows in it: of contexts A, B, C, and of the weights.
        """
        bases = tuple(tuple(self._bases[family]) for family, _ in decisions)
        rows = torch.stack([own for _, own in decisions], 1)  # (4, bits, ...)
        scale = constant((1, 1, 1, _INPUTS), self.device)
        lead = (4, len(decisions)) + (1,) * (rows.dim() - 2)
        first = constant(bases, self.device).T.reshape(lead)
        positions = rows * scale.reshape(4, *(1,) * (rows.dim() - 1)) + first
        inputs = self._inputs[positions[:3]].movedim(0, -2).flatten(-2)  # (bits, ..., 6)
        weights = self._weights.unfold(0, _INPUTS, 1)[positions[3]]
        logit = ((inputs * weights).sum(-1) >> 16).clamp_(-_LIMIT, _LIMIT)
        return self._bits[logit + _LIMIT].movedim(-1, 0)

    def vector(self, apart: torch.Tensor) -> torch.Tensor:
        """Bits of differences (..., 2)."""
        sizes = apart.abs().clamp_(max=_LONGEST) + constant((0, _LONGEST + 1), self.device)
        return self._vectors[sizes].sum(-1)

    def which(
        self,
        field: torch.Tensor,
        candidates: Candidates,
        candidate_index: torch.Tensor,
        side: int,
        skip: int,
    ) -> torch.Tensor:
        """(down, across, 3): bits of each candidate; `candidate_index` is of blocks."""
        if side not in self._voters:
            self._voters[side] = Voters(self.reference_field, side)
        first, second, third = self._voters[side].votes(field, candidates).unbind(-1)
        around = Around(candidate_index, side)
        zero = (packed(candidates.at) == 0).to(torch.int32)
        square = int(side > 1)
        use = 1 + side // 2 if square else skip
        three = (candidates.count - 2).clamp(min=0)
        none = torch.zeros_like(three)
        source = candidates.source
        rows = torch.stack(
            [
                6 * square + 3 * three + around.two(0),
                50 * square + 25 * three + 5 * first + second,
                16 * use + 4 * source[..., 1] + 2 * zero[..., 0] + zero[..., 1],
                2 * square + three,
            ]
        )
        more = 64 * square + 16 * source[..., 1] + 4 * source[..., 2]
        again = torch.stack(
            [
                3 * square + around.two(1),
                25 * square + 5 * second + third,
                more + 2 * zero[..., 1] + zero[..., 2],
                square + none,
            ]
        )
        (yes, once_more), (no, no_more) = self._mixed([(WHICH, rows), (WHICH_SECOND, again)])
        bits = torch.stack(
            [no, yes + torch.where(candidates.count > 2, no_more, 0.0), yes + once_more], -1
        )
        return torch.where((candidates.count > 1)[..., None], bits, 0.0)

    def united(self, sides: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits of a square with one vector, and of one without."""
        level = side // 4
        around = Around(sides, side)
        if side not in self._uniformities:
            self._uniformities[side] = self._uniformity(side)
        uniform, levels = self._uniformities[side]
        rows = torch.stack(
            [
                3 * level + around.two(side - 1),
                16 * level + around.pattern(side - 1),
                uniform,
                levels,
            ]
        )
        yes, no = self._mixed([(UNITED, rows)])[:, 0]
        return yes, no

    def _uniformity(self, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Context C of squares, from the reference, and their level."""
        level = side // 4
        uniform = self._uniform(side).to(torch.int32)
        beyond = F.pad(uniform[:, 1:], (0, 1)) + F.pad(uniform[1:], (0, 0, 0, 1))
        coded = by_square((self.reference_counts > 0).to(torch.int32), side, outside=0).sum(-1)
        rows = 54 * level + 18 * self.trend + 6 * coded.clamp(max=2) + 3 * uniform + beyond
        return rows, torch.full_like(uniform, level)

    def _uniform(self, side: int) -> torch.Tensor:
        values = packed(self.reference_field)
        rows, columns = values.shape
        first = spread(values[:: 2 * side, :: 2 * side], 2 * side, rows, columns)
        return ~by_square(first != values, 2 * side, outside=False).any(-1)

    def skip(self, skips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits (rows, columns) of a skip and of none, with these `skips` (0 or 1) around."""
        around = Around(skips, 1)
        reference = self._counted
        own = self.reference_counts
        coded = 8 * own.clamp(max=2) + reference.beyond_as_bits()
        rows = torch.stack(
            [
                3 * (own == 0) + around.two(0),
                around.pattern(0),
                24 * self.trend + coded,
                torch.full_like(own, self.trend),
            ]
        )
        yes, no = self._mixed([(SKIP, rows)])[:, 0]
        return yes, no

    def count(self, counts: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Bits (rows, columns, 5) of each count, with these `counts` around.

        `kind` is WHOLE to JOINED. A block with a candidate's vector that is no skip has at least
        one group, which is not coded.
        """
        around, reference = Around(counts, 1), self._counted
        own = self.reference_counts
        k = constant(((0,), (1,), (2,), (3,)), self.device)[..., None]  # (4, 1, 1)
        rows = torch.stack(
            [
                24 * kind + 6 * k + 3 * (own > k) + around.two(k),
                5 * (4 * kind + k) + around.four(k),
                25 * (3 * k + self.trend) + 5 * own + reference.cross(k),
                4 * kind + k,
            ]
        )
        more, enough = self._mixed([(COUNT, rows)])[:, 0]
        more = torch.cat([torch.where(kind == TAKEN, 0.0, more[:1]), more[1:]])
        spent = F.pad(more.cumsum(0), (0, 0, 0, 0, 1, 0))
        enough = F.pad(
            torch.cat([torch.where(kind == TAKEN, 0.0, enough[:1]), enough[1:]]), (0, 0, 0, 0, 0, 1)
        )
        return (spent + enough).movedim(0, -1)


class Around:
    """Values (rows, columns) at the neighbours of each square's upper left block; 0 outside."""

    def __init__(self, grid: torch.Tensor, side: int) -> None:
        rows, columns = grid.shape
        wide = F.pad(grid, (1, side, 1, side))
        seen = [
            wide[1 + dy : 1 + dy + rows : side, 1 + dx : 1 + dx + columns : side]
            for dy, dx in ((0, -1), (-1, 0), (-1, -1), (-1, 1), (0, 1), (1, 0))
        ]
        self._every = torch.stack(seen)  # left, above, both upper corners, right, below

    def _more(self, limit: torch.Tensor | int, first: int, last: int) -> torch.Tensor:
        own = self._every[first:last]
        if isinstance(limit, int):
            return own > limit
        return own[:, None] > limit

    def two(self, limit: torch.Tensor | int) -> torch.Tensor:
        """How many of left and above exceed a limit, or several (k, 1, 1)."""
        return self._more(limit, 0, 2).sum(0, dtype=torch.int32)

    def four(self, limit: torch.Tensor | int) -> torch.Tensor:
        """Of left, above and both upper corners."""
        return self._more(limit, 0, 4).sum(0, dtype=torch.int32)

    def cross(self, limit: torch.Tensor | int) -> torch.Tensor:
        """Of left, above, right and below."""
        return self.two(limit) + self._more(limit, 4, 6).sum(0, dtype=torch.int32)

    def pattern(self, limit: int) -> torch.Tensor:
        """Which of left, above, upper left, upper right, as bits."""
        weights = constant(((1,), (2,), (4,), (8,)), self._every.device)[..., None]
        return (self._more(limit, 0, 4) * weights).sum(0)

    def beyond_as_bits(self) -> torch.Tensor:
        """4 where right, 2 where below, 1 where left or above is more than 0."""
        some = self._every > 0
        return 4 * some[4] + 2 * some[5] + (some[0] | some[1]).to(torch.int64)
