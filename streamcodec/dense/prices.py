# SPDX-License-Identifier: Apache-2.0
"""What side information costs, for all blocks at once: the mixture that codes it, in parallel.

The rows of the contexts are those of docs/bitstream.md, section 4. A parallel encoder does not know
what neighbours will have said; it takes what they say as things stand.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec import _core
from streamcodec.dense.field import CANDIDATES, Candidates, by_square, votes
from streamcodec.dense.moves import Moves

SKIP, WHICH, WHICH_SECOND, MERGE, COUNT, UNITED, SPLIT = 0, 1, 2, 5, 7, 10, 4
WHOLE, QUARTERS, TAKEN, WITHIN, JOINED = range(5)
GROUPS = 4
_LONGEST = 1023
_LIMIT = 2047


@lru_cache(maxsize=4)
def _tables(device: torch.device) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    costs, stretch, squash = _core.entropy_tables()
    return (
        torch.from_numpy(costs.astype(np.int32)).to(device),
        torch.from_numpy(stretch.astype(np.int64)).to(device),
        torch.from_numpy(squash.astype(np.int32)).to(device),
    )


class Prices:
    """Prices by a reference's contexts; results in bits, float32."""

    def __init__(
        self,
        moves: Moves,
        contexts: np.ndarray[tuple[int, int], np.dtype[np.uint16]],
        counts_before: torch.Tensor,
        field_before: torch.Tensor,
        pace: int,
    ) -> None:
        self.device = moves.device
        self._costs, stretch, self._squash = _tables(self.device)
        rows = moves.up("contexts", contexts.astype(np.int32)).to(torch.int64)
        self._inputs = stretch[rows >> 4]
        self._weights = rows[:, 0] * 65536 + rows[:, 1] - (1 << 31)
        self._bases = _core.context_bases().tolist()
        vectors = moves.up("prices of vectors", _core.vector_prices(contexts))
        self._vectors = vectors.to(torch.float32) / 256
        self.before = field_before
        self.counts_before = counts_before
        self.pace = pace

    def mixed(
        self,
        family: int,
        a: torch.Tensor,
        b: torch.Tensor,
        c: torch.Tensor,
        group: torch.Tensor | int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits of a one and of a zero."""
        bases = self._bases[family]
        inputs = torch.cat(
            [
                self._inputs[(rows + base).long()]
                for rows, base in zip((a, b, c), bases, strict=False)
            ],
            -1,
        )
        place = torch.arange(6, device=self.device)
        if isinstance(group, int):
            weights = self._weights[bases[3] + 6 * group : bases[3] + 6 * group + 6]
        else:
            weights = self._weights[bases[3] + 6 * group.long()[..., None] + place]
        logit = ((inputs * weights).sum(-1) >> 16).clamp(-_LIMIT, _LIMIT)
        one = self._squash[logit + _LIMIT]
        return self._costs[(one >> 6).long()] / 256, self._costs[((32768 - one) >> 6).long()] / 256

    def vector(self, apart: torch.Tensor) -> torch.Tensor:
        """Bits of differences (..., 2)."""
        sizes = apart.abs().clamp(max=_LONGEST).long()
        return self._vectors[0][sizes[..., 0]] + self._vectors[1][sizes[..., 1]]

    def which(
        self, field: torch.Tensor, near: Candidates, takens: torch.Tensor, side: int, skip: int
    ) -> torch.Tensor:
        """(down, across, 3): bits of taking each candidate; `takens` is of blocks."""
        around = Around(takens[::side, ::side], takens, side)
        first, second, third = (votes(field, self.before, side, near.at[:, :, k]) for k in range(3))
        zero = (near.at == 0).all(-1).to(torch.int32)
        square = int(side > 1)
        use = 1 + side // 2 if square else skip
        three = (near.count - 2).clamp(min=0)
        yes, no = self.mixed(
            WHICH,
            6 * square + 3 * three + around.two(0),
            50 * square + 25 * three + 5 * first + second,
            16 * use + 4 * near.source[:, :, 1] + 2 * zero[:, :, 0] + zero[:, :, 1],
            2 * square + three,
        )
        again, not_again = self.mixed(
            WHICH_SECOND,
            3 * square + around.two(1),
            25 * square + 5 * second + third,
            64 * square
            + 16 * near.source[:, :, 1]
            + 4 * near.source[:, :, 2]
            + 2 * zero[:, :, 1]
            + zero[:, :, 2],
            square,
        )
        several = near.count > 1
        three_ways = near.count > 2
        return torch.stack(
            [
                torch.where(several, no, 0.0),
                torch.where(several, yes + torch.where(three_ways, not_again, 0.0), 0.0),
                torch.where(three_ways, yes + again, 0.0),
            ],
            -1,
        )

    def united(self, sides: torch.Tensor, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits of a square's being one, and of its not being one."""
        level = side // 4
        around = Around(sides[::side, ::side], sides, side)
        alike = self._alike(side)
        beyond = torch.zeros_like(alike, dtype=torch.int32)
        beyond[:, :-1] += alike[:, 1:].to(torch.int32)
        beyond[:-1] += alike[1:].to(torch.int32)
        coded = by_square((self.counts_before > 0).to(torch.int32), side, outside=0).sum(-1)
        return self.mixed(
            UNITED,
            3 * level + around.two(side - 1),
            16 * level + around.pattern(side - 1),
            54 * level
            + 18 * self.pace
            + 6 * coded.clamp(max=2)
            + 3 * alike.to(torch.int32)
            + beyond,
            level,
        )

    def _alike(self, side: int) -> torch.Tensor:
        field = self.before
        rows, columns = field.shape[:2]
        first = field[:: 2 * side, :: 2 * side]
        wide = first.repeat_interleave(2 * side, 0)[:rows].repeat_interleave(2 * side, 1)[
            :, :columns
        ]
        differs = (wide != field).any(-1)
        return ~by_square(differs, 2 * side, outside=False).any(-1)

    def skip(self, skips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Bits (rows, columns) of a skip and of none, as `skips` (0 or 1) are around."""
        around = Around(skips, skips, 1)
        before = Around(self.counts_before, self.counts_before, 1)
        own = self.counts_before
        coded = (
            8 * own.clamp(max=2)
            + 4 * (before.right > 0).to(torch.int32)
            + 2 * (before.below > 0).to(torch.int32)
            + ((before.left > 0) | (before.above > 0)).to(torch.int32)
        )
        return self.mixed(
            SKIP,
            3 * (own == 0).to(torch.int32) + around.two(0),
            around.pattern(0),
            24 * self.pace + coded,
            self.pace,
        )

    def count(self, counts: torch.Tensor, kind: torch.Tensor) -> torch.Tensor:
        """Bits (rows, columns, 5) of each count, as `counts` are around; `kind` WHOLE to JOINED.

        A block that took over a vector and is no skip has at least one group: it does not say so.
        """
        around = Around(counts, counts, 1)
        before = Around(self.counts_before, self.counts_before, 1)
        own = self.counts_before
        spent = torch.zeros(counts.shape, dtype=torch.float32, device=self.device)
        found = []
        for k in range(GROUPS):
            yes, no = self.mixed(
                COUNT,
                24 * kind + 6 * k + 3 * (own > k).to(torch.int32) + around.two(k),
                5 * (4 * kind + k) + around.four(k),
                25 * (3 * k + self.pace) + 5 * own + before.cross(k),
                4 * kind + k,
            )
            if k == 0:
                taken = kind == TAKEN
                found.append(torch.where(taken, 0.0, no))
                spent = torch.where(taken, 0.0, yes)
                continue
            found.append(spent + no)
            spent = spent + yes
        return torch.stack([*found, spent], -1)


class Around:
    """Values at the blocks around squares of `side` blocks, by their upper left ones; 0 outside."""

    def __init__(self, own: torch.Tensor, grid: torch.Tensor, side: int) -> None:
        rows, columns = grid.shape
        down, across = own.shape
        wide = F.pad(grid, (1, side, 1, side))

        def seen(dy: int, dx: int) -> torch.Tensor:
            part = wide[1 + dy : 1 + dy + rows : side, 1 + dx : 1 + dx + columns : side]
            return part[:down, :across]

        self.left, self.above = seen(0, -1), seen(-1, 0)
        self.above_left, self.above_right = seen(-1, -1), seen(-1, 1)
        self.right, self.below = seen(0, 1), seen(1, 0)

    def two(self, limit: int) -> torch.Tensor:
        """How many of left and above exceed a limit."""
        return (self.left > limit).to(torch.int32) + (self.above > limit).to(torch.int32)

    def four(self, limit: int) -> torch.Tensor:
        """Of left, above and both upper corners."""
        corners = (self.above_left > limit).to(torch.int32)
        return self.two(limit) + corners + (self.above_right > limit).to(torch.int32)

    def cross(self, limit: int) -> torch.Tensor:
        """Of left, above, right and below."""
        beyond = (self.right > limit).to(torch.int32) + (self.below > limit).to(torch.int32)
        return self.two(limit) + beyond

    def pattern(self, limit: int) -> torch.Tensor:
        """Which of left, above, upper left, upper right, as bits."""
        return (
            (self.left > limit).to(torch.int32)
            + 2 * (self.above > limit).to(torch.int32)
            + 4 * (self.above_left > limit).to(torch.int32)
            + 8 * (self.above_right > limit).to(torch.int32)
        )


assert CANDIDATES == 3
