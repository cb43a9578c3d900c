# SPDX-License-Identifier: Apache-2.0
"""Where vectors are predicted from, for all blocks or squares of a field at once.

Fields are (2 rows, 2 columns, 2) int32, (dy, dx) in quarter samples on the 8x8 grid. Squares of
`side` blocks lie at multiples of it; results are (squares down, squares across, ...).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

CANDIDATES = 3
LEFT, ABOVE, BEFORE, ABOVE_RIGHT = range(4)  # sources of those after the first


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Vectors around squares; `has_*` say where they lie inside the picture."""

    left: torch.Tensor
    above: torch.Tensor
    above_right: torch.Tensor
    has_left: torch.Tensor
    has_above: torch.Tensor
    has_right: torch.Tensor


@dataclass(frozen=True, slots=True)
class Candidates:
    """Vectors that squares may take over: `at` (down, across, 3, 2), the first the predictor."""

    at: torch.Tensor
    source: torch.Tensor  # (down, across, 3): of those after the first
    count: torch.Tensor

    def which(self, vectors: torch.Tensor) -> torch.Tensor:
        """The candidate that equals each vector (..., down, across, 2), or -1."""
        found = torch.full(vectors.shape[:-1], -1, dtype=torch.int32, device=vectors.device)
        for k in reversed(range(CANDIDATES)):
            same = (vectors == self.at[:, :, k]).all(-1) & (self.count > k)
            found = torch.where(same, k, found)
        return found

    def some(self, index: torch.Tensor) -> Candidates:
        """Those of the squares of these numbers (n,), in a row."""
        return Candidates(
            self.at.reshape(-1, CANDIDATES, 2)[index],
            self.source.reshape(-1, CANDIDATES)[index],
            self.count.reshape(-1)[index],
        )


def neighbours(field: torch.Tensor, size: int) -> Neighbours:
    """Left, upper and upper right vectors of all squares of `size` cells of 8x8."""
    rows, columns = field.shape[:2]
    # One row and column of zeros before, `size` beyond.
    wide = torch.zeros((rows + 1, columns + 1 + size, 2), dtype=field.dtype, device=field.device)
    wide[1:, 1 : columns + 1] = field
    y = torch.arange(0, rows, size, device=field.device)
    x = torch.arange(0, columns, size, device=field.device)
    shape = (len(y), len(x))
    return Neighbours(
        wide[1::size, 0:columns:size],
        wide[0:rows:size, 1 : columns + 1 : size],
        wide[0:rows:size, 1 + size : columns + 1 + size : size],
        (x > 0)[None].expand(shape),
        (y > 0)[:, None].expand(shape),
        (x + size < columns)[None].expand(shape),
    )


def cell_predictor(field: torch.Tensor) -> torch.Tensor:
    """(2 rows, 2 columns, 2): what each cell's vector is told against in a block of four."""
    around = neighbours(field, 1)
    y = torch.arange(field.shape[0], device=field.device)[:, None]
    x = torch.arange(field.shape[1], device=field.device)[None]
    # Above right of the last cell lies in a block to come.
    return predictor(replace(around, has_right=around.has_right & ((y % 2 == 0) | (x % 2 == 0))))


def predictor(around: Neighbours) -> torch.Tensor:
    """(down, across, 2): the median of three vectors; of the nearest where some lie outside."""
    above = around.above
    left = torch.where(around.has_left[..., None], around.left, above)
    known = (around.has_above & around.has_right)[..., None]
    right = torch.where(known, around.above_right, above)
    middle = torch.maximum(
        torch.minimum(left, above), torch.minimum(torch.maximum(left, above), right)
    )
    first_row = torch.where(around.has_left[..., None], around.left, torch.zeros_like(above))
    return torch.where(around.has_above[..., None], middle, first_row)


def candidates(field: torch.Tensor, before: torch.Tensor, side: int) -> Candidates:
    """Distinct vectors that each square may take over: docs/bitstream.md, section 5."""
    around = neighbours(field, 2 * side)
    first = predictor(around)
    middle = 2 * (side // 2)
    rows, columns = before.shape[:2]
    y = (torch.arange(0, rows, 2 * side, device=field.device) + middle).clamp(max=rows - 1)
    x = (torch.arange(0, columns, 2 * side, device=field.device) + middle).clamp(max=columns - 1)
    offers = (
        (around.left, around.has_left),
        (around.above, around.has_above),
        (before[y][:, x], torch.ones_like(around.has_left)),
        (around.above_right, around.has_above & around.has_right),
    )
    at = [first, first, first]
    source = [torch.zeros(first.shape[:2], dtype=torch.int32, device=field.device)] * CANDIDATES
    count = torch.ones(first.shape[:2], dtype=torch.int32, device=field.device)
    for number, (vector, exists) in enumerate(offers):
        known = (vector == at[0]).all(-1)
        for k in (1, 2):
            known = known | ((vector == at[k]).all(-1) & (count > k))
        taken = exists & ~known & (count < CANDIDATES)
        for k in (1, 2):
            put = taken & (count == k)
            at[k] = torch.where(put[..., None], vector, at[k])
            source[k] = torch.where(put, number, source[k])
        count = count + taken.to(torch.int32)
    return Candidates(torch.stack(at, 2), torch.stack(source, 2), count)


def votes(
    field: torch.Tensor, before: torch.Tensor, side: int, vectors: torch.Tensor
) -> torch.Tensor:
    """How many of the vectors around each square, in both fields, equal its own; at most 4."""
    size = 2 * side
    rows, columns = field.shape[:2]

    def seen(grid: torch.Tensor, down: int, right: int) -> torch.Tensor:
        wide = torch.zeros(
            (rows + 1 + size, columns + 1 + size), dtype=torch.bool, device=grid.device
        )
        wide[1 : rows + 1, 1 : columns + 1] = True
        values = torch.zeros(
            (rows + 1 + size, columns + 1 + size, 2), dtype=grid.dtype, device=grid.device
        )
        values[1 : rows + 1, 1 : columns + 1] = grid
        part = (slice(1 + down, rows + 1 + down, size), slice(1 + right, columns + 1 + right, size))
        return (values[part] == vectors).all(-1) & wide[part]

    found = torch.zeros(vectors.shape[:2], dtype=torch.int32, device=vectors.device)
    for down, right in ((0, -1), (-1, 0), (-1, -1), (-1, size)):
        found += seen(field, down, right)
    for down, right in ((0, 0), (0, size), (size, 0)):
        found += seen(before, down, right)
    return found.clamp(max=4)


def sides_of(inter16: torch.Tensor, field: torch.Tensor) -> torch.Tensor:
    """(rows, columns) int32: the side in blocks of the square that each is coded in: 4, 2 or 1."""
    rows, columns = inter16.shape
    sides = torch.ones((rows, columns), dtype=torch.int32, device=field.device)
    for side in (2, 4):
        one = united(inter16, field, side)
        whole = one.repeat_interleave(side, 0)[:rows].repeat_interleave(side, 1)[:, :columns]
        sides = torch.where(whole, side, sides)
    return sides


def may_unite(rows: int, columns: int, side: int, device: torch.device) -> torch.Tensor:
    """(squares down, squares across): true where a square reaches beyond its first quarter."""
    y = torch.arange(0, rows, side, device=device)[:, None] + side // 2 < rows
    x = torch.arange(0, columns, side, device=device)[None] + side // 2 < columns
    return y | x


def united(inter16: torch.Tensor, field: torch.Tensor, side: int) -> torch.Tensor:
    """(squares down, squares across): true where all blocks have one vector, and the same."""
    rows, columns = inter16.shape
    first = field[:: 2 * side, :: 2 * side]
    spread = first.repeat_interleave(2 * side, 0)[: 2 * rows]
    spread = spread.repeat_interleave(2 * side, 1)[:, : 2 * columns]
    differs = (spread != field).any(-1)
    other = differs[::2, ::2] | differs[1::2, ::2] | differs[::2, 1::2] | differs[1::2, 1::2]
    none = ~by_square(other | ~inter16, side, outside=False).any(-1)
    return none & may_unite(rows, columns, side, field.device)


def by_square(values: torch.Tensor, side: int, *, outside: float) -> torch.Tensor:
    """Blocks' values (..., rows, columns) as (..., squares down, across, side * side)."""
    *lead, rows, columns = values.shape
    down, across = -(-rows // side), -(-columns // side)
    if (down * side, across * side) != (rows, columns):
        wide = values.new_full((*lead, down * side, across * side), outside)
        wide[..., :rows, :columns] = values
        values = wide
    tiles = values.reshape(*lead, down, side, across, side)
    return tiles.transpose(-3, -2).reshape(*lead, down, across, side * side)


def spread(squares: torch.Tensor, side: int, rows: int, columns: int) -> torch.Tensor:
    """Squares' values (down, across, ...) given to each of their blocks."""
    return squares.repeat_interleave(side, 0)[:rows].repeat_interleave(side, 1)[:, :columns]
