# SPDX-License-Identifier: Apache-2.0
"""Prediction of vectors, for all blocks or squares of a field at once.

Fields are (2 rows, 2 columns, 2) int32, (dy, dx) in quarter samples on the 8x8 grid. Squares of
`side` blocks lie at multiples of it; results are (squares down, squares across, ...).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F  # noqa: N812

from streamcodec.dense.constants import constant

CANDIDATES = 3
_OFFERS = 5  # the predictor, left, above, the reference's, above right
_NO_VECTOR = 1 << 30  # equals no packed vector


def packed(vectors: torch.Tensor) -> torch.Tensor:
    """Vectors as one int32 each, for comparison."""
    return vectors[..., 0] * 65536 + vectors[..., 1]


@dataclass(frozen=True, slots=True)
class Inside:
    """Masks of neighbours that lie inside the picture; the same for all frames of a size."""

    left: torch.Tensor
    above: torch.Tensor
    above_right: torch.Tensor  # and coded before the square
    offers: torch.Tensor  # (..., 5): the predictor, left, above, the reference's, above right


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Vectors around squares."""

    left: torch.Tensor
    above: torch.Tensor
    above_right: torch.Tensor
    inside: Inside


@dataclass(frozen=True, slots=True)
class Candidates:
    """Vectors that squares may take over: `at` (..., 3, 2), the first the predictor."""

    at: torch.Tensor
    source: torch.Tensor  # (..., 3): of those after the first, 0 to 3 as the bitstream counts them
    count: torch.Tensor

    def same(self, vectors: torch.Tensor) -> torch.Tensor:
        """(..., 3): which candidates equal each vector (..., 2)."""
        slots = constant((0, 1, 2), vectors.device)
        own = packed(vectors)[..., None] == packed(self.at)
        return own & (slots < self.count[..., None])

    def which(self, vectors: torch.Tensor) -> torch.Tensor:
        """The candidate that equals each vector, or -1."""
        same = self.same(vectors)
        return torch.where(same.any(-1), same.to(torch.uint8).argmax(-1), -1).to(torch.int32)


def neighbours(field: torch.Tensor, size: int) -> Neighbours:
    """Left, upper and upper right vectors of all squares of `size` cells of 8x8."""
    rows, columns = field.shape[:2]
    wide = F.pad(field, (0, 0, 1, size, 1, 0))  # a row and a column before, `size` beyond
    return Neighbours(
        wide[1::size, 0:columns:size],
        wide[0:rows:size, 1 : columns + 1 : size],
        wide[0:rows:size, 1 + size : columns + 1 + size : size],
        _masks(rows, columns, size, field.device),
    )


@lru_cache(maxsize=32)
def _masks(rows: int, columns: int, size: int, device: torch.device) -> Inside:
    y = torch.arange(0, rows, size)[:, None]
    x = torch.arange(0, columns, size)[None]
    nothing = torch.zeros((len(y), x.shape[1]), dtype=torch.bool)
    left, above, right = (x > 0) | nothing, (y > 0) | nothing, (x + size < columns) | nothing
    # The last cell of a block has its upper right neighbour in a block coded later.
    known = above & right if size > 1 else above & right & (((y & 1) == 0) | ((x & 1) == 0))
    every = torch.stack([~nothing, left, above, ~nothing, above & right], 2)
    return Inside(*(mask.to(device) for mask in (left, above, known, every)))


def cell_predictor(field: torch.Tensor) -> torch.Tensor:
    """(2 rows, 2 columns, 2): the predictor of each cell's vector in a block of four."""
    return predictor(neighbours(field, 1))


def predictor(around: Neighbours) -> torch.Tensor:
    """(down, across, 2): the median of three vectors, repeated where some lie outside."""
    above = around.above
    inside = around.inside
    left = torch.where(inside.left[..., None], around.left, above)
    right = torch.where(inside.above_right[..., None], around.above_right, above)
    middle = torch.maximum(
        torch.minimum(left, above), torch.minimum(torch.maximum(left, above), right)
    )
    # Padding is zero: the predictor of the first block.
    return torch.where(inside.above[..., None], middle, around.left)


def candidates_of(field: torch.Tensor, reference_field: torch.Tensor, side: int) -> Candidates:
    """Distinct vectors that each square may take over: docs/bitstream.md, section 5."""
    around = neighbours(field, 2 * side)
    first = predictor(around)
    rows, columns = reference_field.shape[:2]
    middle = 2 * (side // 2)
    here = reference_field[middle :: 2 * side, middle :: 2 * side]
    down, across = first.shape[:2]
    if here.shape[:2] != (down, across):  # the middle of the last squares lies outside
        y = torch.arange(0, rows, 2 * side, device=field.device) + middle
        x = torch.arange(0, columns, 2 * side, device=field.device) + middle
        here = reference_field[y.clamp(max=rows - 1)][:, x.clamp(max=columns - 1)]
    offers = torch.stack([first, around.left, around.above, here, around.above_right], 2)
    exists = around.inside.offers
    values = torch.where(exists, packed(offers), _NO_VECTOR)
    earlier = constant(_EARLIER, field.device).to(torch.bool)  # (5, 5): those before each
    seen_before = ((values[..., None] == values[..., None, :]) & earlier).any(-1)
    fresh = exists & ~seen_before
    rank = fresh.to(torch.int32).cumsum(-1)
    count = rank[..., -1].clamp(max=CANDIDATES)
    wanted = constant(((1,), (2,), (3,)), field.device)  # (3, 1)
    selected = fresh[..., None, :] & (rank[..., None, :] == wanted)
    at = selected.to(torch.uint8).argmax(-1)  # 0, the first, where there are fewer
    chosen = torch.gather(offers, 2, at[..., None].expand(-1, -1, -1, 2))
    return Candidates(chosen, (at - 1).clamp(min=0).to(torch.int32), count.to(torch.int32))


_EARLIER = tuple(tuple(int(j < i) for j in range(_OFFERS)) for i in range(_OFFERS))


class Voters:
    """The vectors around each square, in a frame's field and in its reference's."""

    def __init__(self, reference_field: torch.Tensor, side: int) -> None:
        self._side = side
        self._reference = self._sampled(reference_field, ((0, 0), (0, 2 * side), (2 * side, 0)))

    def votes(self, field: torch.Tensor, candidates: Candidates) -> torch.Tensor:
        """(down, across, 3): how many of them equal each candidate; at most 4."""
        size = 2 * self._side
        own = self._sampled(field, ((0, -1), (-1, 0), (-1, -1), (-1, size)))
        every = torch.cat([own, self._reference])
        found = (every[..., None] == packed(candidates.at)).sum(0, dtype=torch.int32)
        return found.clamp_(max=4)

    def _sampled(self, grid: torch.Tensor, positions: tuple[tuple[int, int], ...]) -> torch.Tensor:
        size = 2 * self._side
        rows, columns = grid.shape[:2]
        wide = F.pad(packed(grid), (1, size, 1, size), value=_NO_VECTOR)
        return torch.stack(
            [
                wide[1 + dy : rows + 1 + dy : size, 1 + dx : columns + 1 + dx : size]
                for dy, dx in positions
            ]
        )


def sides_of(inter16: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """(rows, columns) int32: the side in blocks of the square that each is coded in: 4, 2 or 1."""
    rows, columns = inter16.shape
    sides = torch.ones((rows, columns), dtype=torch.int32, device=field.device)
    for side in (2, 4):
        sides = torch.where(spread(united(inter16, field, side), side, rows, columns), side, sides)
    return sides


def may_unite(rows: int, columns: int, side: int, device: torch.device) -> torch.Tensor:
    """(squares down, squares across): true where a square reaches beyond its first quarter."""
    y = torch.arange(0, rows, side, device=device)[:, None] + side // 2 < rows
    x = torch.arange(0, columns, side, device=device)[None] + side // 2 < columns
    return y | x


def united(inter16: torch.Tensor, field: torch.Tensor, side: int) -> torch.Tensor:
    """(squares down, squares across): true where all blocks have one vector, the same."""
    rows, columns = inter16.shape
    values = packed(field[::2, ::2])
    first = spread(values[::side, ::side], side, rows, columns)
    other = (values != first) | ~inter16
    none = ~by_square(other, side, outside=False).any(-1)
    return none & may_unite(rows, columns, side, field.device)


def by_square(values: torch.Tensor, side: int, *, outside: float) -> torch.Tensor:
    """Blocks' values (..., rows, columns) as (..., squares down, across, side * side)."""
    *lead, rows, columns = values.shape
    down, across = -(-rows // side), -(-columns // side)
    if (down * side, across * side) != (rows, columns):
        beyond = (0, across * side - columns, 0, down * side - rows)
        values = F.pad(values, beyond, value=outside)
    tiles = values.reshape(*lead, down, side, across, side)
    return tiles.transpose(-3, -2).reshape(*lead, down, across, side * side)


def spread(squares: torch.Tensor, side: int, rows: int, columns: int) -> torch.Tensor:
    """Squares' values (down, across, ...) repeated for each of their blocks."""
    if side == 1:
        return squares
    down, across, *rest = squares.shape
    every = squares[:, None, :, None].expand(down, side, across, side, *rest)
    return every.reshape(down * side, across * side, *rest)[:rows, :columns]
