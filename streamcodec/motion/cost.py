# SPDX-License-Identifier: Apache-2.0
"""What a block would cost, foretold: by differences, or by Hadamard coefficients."""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt

from streamcodec.motion.compensate import PAD_PX

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]

FAR = 1 << 28  # beyond every cost


@nb.njit(nogil=True, cache=True)
def sad(source: U8, planes: U8, y: int, x: int, vy: int, vx: int, size: int, best: int) -> int:
    """Sum of absolute differences to the moved reference; gives up beyond `best`."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    total = np.int32(0)
    if size == 16:
        for i in range(16):
            a = source[y + i, x : x + 16]
            b = plane[top + i, left : left + 16]
            for j in range(16):
                total += np.int32(abs(np.int32(a[j]) - np.int32(b[j])))
            if (i & 3) == 3 and total >= best:
                return np.int64(total)
    else:
        for i in range(8):
            a = source[y + i, x : x + 8]
            b = plane[top + i, left : left + 8]
            for j in range(8):
                total += np.int32(abs(np.int32(a[j]) - np.int32(b[j])))
    return np.int64(total)


@nb.njit(nogil=True, cache=True)
def squared(source: U8, planes: U8, y: int, x: int, vy: int, vx: int) -> int:
    """Sum of squared differences of a 16x16 block to the moved reference."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    total = np.int32(0)
    for i in range(16):
        a = source[y + i, x : x + 16]
        b = plane[top + i, left : left + 16]
        for j in range(16):
            d = np.int32(a[j]) - np.int32(b[j])
            total += d * d
    return np.int64(total)


@nb.njit(nogil=True, cache=True, fastmath=True)
def _worth(work: I32, worth: F32) -> int:
    """Foretold cost in 1/16 bit of the 8x8 differences work[64], by their Hadamard coefficients.

    The less of worth[0] times a coefficient's square, and worth[1] times its size.
    """
    for _ in range(2):
        for half in (4, 2, 1):
            for base in range(0, 8, 2 * half):
                for k in range(base, base + half):
                    for j in range(8):
                        a = work[k * 8 + j]
                        b = work[(k + half) * 8 + j]
                        work[k * 8 + j] = a + b
                        work[(k + half) * 8 + j] = a - b
        for i in range(8):
            for j in range(i):
                a = work[i * 8 + j]
                work[i * 8 + j] = work[j * 8 + i]
                work[j * 8 + i] = a
    total = np.float32(0)
    dropped, coded = worth[0], worth[1]
    for i in range(64):
        a = np.float32(abs(work[i]))
        total += min(a * a * dropped, a * coded)
    return np.int64(total)


def worths(step: float, mu: float, per_step: float) -> F32:
    """(2,) foretold cost in 1/16 bit of a Hadamard coefficient, 8 times its orthonormal size.

    A coefficient of a steps is dropped at a**2 / mu bits, or costs a / `per_step`.
    """
    unit = 8 * step
    return np.array([16 / (mu * unit * unit), 16 / (per_step * unit)], np.float32)


@nb.njit(nogil=True, cache=True)
def cost_moved(
    source: U8,
    planes: U8,
    y: int,
    x: int,
    vy: int,
    vx: int,
    size: int,
    worth: F32,
    work: I32,
    best: int,
) -> int:
    """Foretold cost of a block against the moved reference, in 1/16 bit; gives up beyond `best`."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    top = y + PAD_PX + (vy >> 2)
    left = x + PAD_PX + (vx >> 2)
    total = 0
    for by in range(0, size, 8):
        for bx in range(0, size, 8):
            for i in range(8):
                a = source[y + by + i, x + bx : x + bx + 8]
                b = plane[top + by + i, left + bx : left + bx + 8]
                for j in range(8):
                    work[i * 8 + j] = np.int32(a[j]) - np.int32(b[j])
            total += _worth(work, worth)
            if total > best:
                return total
    return total


@nb.njit(nogil=True, cache=True)
def cost_block(source: U8, y: int, x: int, size: int, prediction: U8, worth: F32, work: I32) -> int:
    """Foretold cost of a block against prediction[:size, :size], in 1/16 bit."""
    total = 0
    for by in range(0, size, 8):
        for bx in range(0, size, 8):
            for i in range(8):
                for j in range(8):
                    work[i * 8 + j] = np.int32(source[y + by + i, x + bx + j]) - np.int32(
                        prediction[by + i, bx + j]
                    )
            total += _worth(work, worth)
    return total


@nb.njit(nogil=True, cache=True, inline="always")
def vector_bits_q8(prices: I32, dy: int, dx: int) -> int:
    """Price of a vector difference; prices is (2, 1024) by component and magnitude."""
    return prices[0, min(abs(dy), 1023)] + prices[1, min(abs(dx), 1023)]
