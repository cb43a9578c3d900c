# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/mixtures: the contexts of vector differences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tests.reference import families

I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]


def size_class(size: int) -> int:
    """0 to 3: nothing, up to half a sample, up to two, more."""
    return 0 if size == 0 else (1 if size <= 2 else (2 if size <= 8 else 3))


def _side(value: int) -> int:
    return 0 if value < 0 else (2 if value > 0 else 1)


def spread(field: I16, y: int, x: int, component: int) -> int:
    """Size class of the difference between the left and the upper vector in one component."""
    if y == 0 or x == 0:
        return 0
    left, above = np.int64(field[y, x - 1, component]), np.int64(field[y - 1, x, component])
    return size_class(abs(left - above))


def hint(
    field: I16,
    reference_field: I16,
    y: int,
    x: int,
    component: int,
    size: int,
    value: int,
    hints: I32,
) -> int:
    """Size class of the reference vector's difference to a value; signs of all neighbours'.

    `hints` (0, 1, 2) gets the reference's here, left, above, above right, and the reference's to
    the right and below.
    """
    rows, columns = field.shape[0], field.shape[1]
    own = np.int64(reference_field[y, x, component]) - value
    hints[0] = _side(own)
    hints[1] = _side(np.int64(field[y, x - 1, component]) - value) if x else 1
    hints[2] = _side(np.int64(field[y - 1, x, component]) - value) if y else 1
    hints[3] = 1
    if y and x + size < columns and y % 2 == 0:
        hints[3] = _side(np.int64(field[y - 1, x + size, component]) - value)
    further = np.int64(0)
    if x + size < columns:
        further += np.int64(reference_field[y, x + size, component]) - value
    if y + size < rows:
        further += np.int64(reference_field[y + size, x, component]) - value
    hints[4] = _side(further)
    return size_class(abs(own))


def by_length(scratch: I32, part: int, spread: int, other: int, apart: int, length: int) -> int:
    return families.name(
        scratch,
        families.VECTOR,
        part * families.LENGTHS + length,
        (4 * part + spread) * families.LENGTHS + length,
        (16 * part + 4 * other + apart) * families.LENGTHS + length,
        2 * part + (1 if length else 0),
    )


def by_sides(scratch: I32, part: int, hints: I32) -> int:
    return families.name(
        scratch,
        families.SIGN,
        3 * part + hints[0],
        9 * part + 3 * hints[1] + hints[2],
        9 * part + 3 * hints[3] + hints[4],
        part,
    )


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """Inputs of the contexts of one component of a vector difference.

    `part` is 0 and 1 for dy and dx of whole blocks, 2 and 3 of quarters; `spread` (0 to 3) how far
    the neighbours' vectors differ, `other` (0 to 3) the size of the other component if coded,
    `apart` and `hints` how neighbouring vectors differ from the predictor (`hint`).
    """

    part: int
    spread: int
    other: int
    apart: int
    hints: I32

    def by_length(self, scratch: I32, length: int) -> int:
        return by_length(scratch, self.part, self.spread, self.other, self.apart, length)
