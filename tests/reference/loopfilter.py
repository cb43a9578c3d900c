# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/pictures/loopfilter: a classified linear filter, sample by sample."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tests.reference.compensate import window

PAIRS, CLASSES, AREA_BLOCKS = 6, 15, 4
PLACES = ((0, 1), (1, 0), (0, 2), (2, 0), (1, 1), (1, -1))  # one of each pair, (down, right)

U8 = npt.NDArray[np.uint8]
I16 = npt.NDArray[np.int16]
I64 = npt.NDArray[np.int64]
F64 = npt.NDArray[np.float64]
Planes = tuple[U8, U8, U8]


def class_of(seen: I64, step_q3: int) -> int:
    """Class of a 4x4 square, given with two samples around it."""
    middle = 2 * seen[2:6, 2:6]
    across = int(np.abs(middle - seen[2:6, 1:5] - seen[2:6, 3:7]).sum())
    down = int(np.abs(middle - seen[1:5, 2:6] - seen[3:7, 2:6]).sum())
    activity = ((across + down) * 2) // max(step_q3, 1)
    level = sum(activity >= bound for bound in (2, 4, 8, 16))
    return 3 * level + (1 if across > 2 * down else 2 if down > 2 * across else 0)


def differences(seen: I64, step_q3: int) -> I64:
    """Of each sample of a square (PAIRS, 4, 4): clipped differences to a pair, summed."""
    limit = max(step_q3 >> 3, 1)

    def clipped(dy: int, dx: int) -> I64:
        moved = seen[2 + dy : 6 + dy, 2 + dx : 6 + dx]
        return np.clip(moved - seen[2:6, 2:6], -limit, limit)

    return np.array([clipped(dy, dx) + clipped(-dy, -dx) for dy, dx in PLACES])


def _squares(shape: tuple[int, ...], counts: U8, modes: U8) -> Iterator[tuple[int, int]]:
    side = shape[0] // counts.shape[0]
    for y in range(0, shape[0], 4):
        for x in range(0, shape[1], 4):
            if counts[y // side, x // side] or modes[y // side, x // side] >= 2:
                yield y, x


def filtered(plane: U8, counts: U8, modes: U8, step_q3: int, weights: I16) -> U8:
    """The plane with every block filtered that coded something or is intra."""
    out = plane.copy()
    for y, x in _squares(plane.shape, counts, modes):
        seen = window(plane, y - 2, x - 2, 8, 8)
        chosen = weights[class_of(seen, step_q3)].astype(np.int64)
        total = np.tensordot(chosen, differences(seen, step_q3), 1)
        out[y : y + 4, x : x + 4] = np.clip(seen[2:6, 2:6] + ((total + 128) >> 8), 0, 255)
    return out


def _area(plane: U8, blocks: int, a: int, b: int) -> tuple[slice, slice]:
    side = AREA_BLOCKS * plane.shape[0] // blocks
    return slice(a * side, (a + 1) * side), slice(b * side, (b + 1) * side)


def rebuild(
    planes: Planes, flags: U8, counts: U8, modes: U8, steps_q3: tuple[int, int], weights: I16
) -> None:
    """Filter the flagged areas of all planes in place."""
    for number, plane in enumerate(planes):
        kind = min(number, 1)
        after = filtered(plane, counts, modes, steps_q3[kind], weights[kind])
        for a, b in np.argwhere(flags[kind]):
            area = _area(plane, counts.shape[0], a, b)
            plane[area] = after[area]


def search(
    source: Planes,
    planes: Planes,
    counts: U8,
    modes: U8,
    steps_q3: tuple[int, int],
    weights: I16,
    least_gain: tuple[int, int],
) -> U8:
    """Filter areas in place where that saves more squared error than `least_gain`; their flags."""
    down, across = (-(-side // AREA_BLOCKS) for side in counts.shape)
    gains = np.zeros((2, down, across), np.int64)
    for number, plane in enumerate(planes):
        kind = min(number, 1)
        after = filtered(plane, counts, modes, steps_q3[kind], weights[kind])
        saved = (source[number].astype(np.int64) - plane) ** 2 - (
            source[number].astype(np.int64) - after
        ) ** 2
        for a in range(down):
            for b in range(across):
                gains[kind, a, b] += saved[_area(plane, counts.shape[0], a, b)].sum()
    flags = (gains > np.array(least_gain)[:, None, None]).astype(np.uint8)
    rebuild(planes, flags, counts, modes, steps_q3, weights)
    return flags


def accumulate(
    plane: U8, source: U8, counts: U8, modes: U8, step_q3: int, squares: F64, products: F64
) -> None:
    """Add a plane's normal equations: squares (CLASSES, 6, 6), products (CLASSES, 6)."""
    for y, x in _squares(plane.shape, counts, modes):
        seen = window(plane, y - 2, x - 2, 8, 8)
        c = class_of(seen, step_q3)
        f = differences(seen, step_q3).reshape(PAIRS, -1)
        miss = source[y : y + 4, x : x + 4].astype(np.int64) - seen[2:6, 2:6]
        products[c] += f @ miss.reshape(-1)
        squares[c] += f @ f.T
