# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/kernels/motion and core/motion/cost.

Estimated cost of a block: by differences, or by Hadamard coefficients.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from tests.reference.shifts import PAD_PX

U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]
F32 = npt.NDArray[np.float32]

FAR = 1 << 28  # beyond every cost

HADAMARD = np.array([[1]], np.int64)
for _ in range(3):
    HADAMARD = np.block([[HADAMARD, HADAMARD], [HADAMARD, -HADAMARD]])


def block_of(source: U8, y: int, x: int, size: int) -> npt.NDArray[np.int64]:
    """The square's samples."""
    return source[y : y + size, x : x + size].astype(np.int64)


def moved(planes: U8, y: int, x: int, vy: int, vx: int, size: int) -> npt.NDArray[np.int64]:
    """The reference's samples for a square with the vector (vy, vx), in quarter samples."""
    plane = planes[4 * (vy & 3) + (vx & 3)]
    return block_of(plane, y + PAD_PX + (vy >> 2), x + PAD_PX + (vx >> 2), size)


def sad(source: U8, planes: U8, y: int, x: int, vy: int, vx: int, size: int) -> int:
    """Sum of absolute differences to the moved reference."""
    return int(np.abs(block_of(source, y, x, size) - moved(planes, y, x, vy, vx, size)).sum())


def squared(source: U8, planes: U8, y: int, x: int, vy: int, vx: int) -> int:
    """Sum of squared differences of a 16x16 block to the moved reference."""
    return int(((block_of(source, y, x, 16) - moved(planes, y, x, vy, vx, 16)) ** 2).sum())


def hadamard_bits(differences: npt.NDArray[np.int64], bit_weights: F32) -> int:
    """Estimated cost in 1/16 bit of differences, by the Hadamard coefficients of each 8x8.

    A coefficient costs the less of `bit_weights[0]` times its square and `bit_weights[1]` times
    its size.
    """
    total = 0
    for y in range(0, differences.shape[0], 8):
        for x in range(0, differences.shape[1], 8):
            sizes = np.abs(HADAMARD @ differences[y : y + 8, x : x + 8] @ HADAMARD)
            sizes = sizes.astype(np.float32)
            each = np.minimum(sizes * sizes * bit_weights[0], sizes * bit_weights[1])
            total += int(each.sum(dtype=np.float32))
    return total


def cost_moved(
    source: U8, planes: U8, y: int, x: int, vy: int, vx: int, size: int, bit_weights: F32
) -> int:
    """Estimated cost of a block against the moved reference, in 1/16 bit."""
    return hadamard_bits(
        block_of(source, y, x, size) - moved(planes, y, x, vy, vx, size), bit_weights
    )


def cost_block(source: U8, y: int, x: int, size: int, prediction: U8, bit_weights: F32) -> int:
    """Estimated cost of a block against prediction[:size, :size], in 1/16 bit."""
    return hadamard_bits(block_of(source, y, x, size) - prediction[:size, :size], bit_weights)


def vector_bits_q8(prices: I32, dy: int, dx: int) -> int:
    """Price of a vector difference; prices is (2, 1024) by component and magnitude."""
    return int(prices[0, min(abs(dy), 1023)] + prices[1, min(abs(dx), 1023)])
