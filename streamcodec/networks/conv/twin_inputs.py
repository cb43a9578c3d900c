# SPDX-License-Identifier: Apache-2.0
"""The decoder network's inputs in plain int64, the reference for every device."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from streamcodec.networks.conv.shape import STEPS_Q3

U8 = npt.NDArray[np.uint8]
I64 = npt.NDArray[np.int64]
Planes = tuple[U8, U8, U8]


def at_quarter(planes: Planes, predicted: Planes | None, quality: int) -> I64:
    """(27 or 51, H/4, W/4) in -64..63, as `inputs.at_quarter` makes them."""
    deviations, means, differences = [], [], []
    for number, plane in enumerate(planes):
        side = 2 if number else 4
        step_q3 = int(STEPS_Q3[quality, min(number, 1)])
        cells = _cells(plane.astype(np.int64), side)
        sums = cells.sum(0)
        around = np.pad(sums, 1, mode="edge")
        height, width = sums.shape
        nine = sum(around[i : i + height, j : j + width] for i in range(3) for j in range(3))
        count = 9 * side * side
        deviations.append(_scaled(cells * count - nine, 64 / (count * step_q3), 20))
        means.append((sums[None] * 16 // side**2 >> 5) - 64)
        if predicted is not None:
            guess = _cells(predicted[number].astype(np.int64), side)
            differences.append(_scaled(cells - guess, 64 / step_q3, 16))
    return np.concatenate([*deviations, *means, *differences])


def maps(counts: U8, modes: U8, splits: U8) -> I64:
    """(5, H/8, W/8), as `inputs.maps` makes them."""
    rows, columns = counts.shape
    found = np.zeros((5, 2 * rows, 2 * columns), np.int64)
    for y in range(2 * rows):
        for x in range(2 * columns):
            block = y // 2, x // 2
            quarter = 2 * (y % 2) + x % 2
            split = int(splits[block])
            kind = 1 + (split - 1) // 3**quarter % 3 if split else 0
            places = 63 * (y % 2), 63 * (x % 2)
            found[:, y, x] = 16 * int(counts[block]), 21 * int(modes[block]), 21 * kind, *places
    return found


def _cells(plane: I64, side: int) -> I64:
    h, w = plane.shape
    cells = plane.reshape(h // side, side, w // side, side)
    return cells.transpose(1, 3, 0, 2).reshape(side * side, h // side, w // side)


def _scaled(values: I64, factor: float, bits: int) -> I64:
    whole = round(factor * (1 << bits))
    return np.asarray(np.clip((values * whole + (1 << (bits - 1))) >> bits, -64, 63))
