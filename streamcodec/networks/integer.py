# SPDX-License-Identifier: Apache-2.0
"""Layers whose results are exact integers on every machine.

Activations are 0..127, weights -127..127, sums stay far below 2**31: an int8 product, a float32
product in any order (below 2**24) and this file's int64 twin all agree. `torch._int_mm` uses the
processor's byte products where it has them; 7-bit activations keep older ones, which saturate pairs
at 2**15, exact too.
"""

from __future__ import annotations

import numba as nb
import numpy as np
import numpy.typing as npt
import torch

I8 = npt.NDArray[np.int8]
U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

ACTIVATION_SHIFT = 6
INDEX_SHIFT = 8


def product(activations: U8, weights: torch.Tensor) -> I32:
    """(n, k) activations 0..127 times (k, m) int8 weights, as (n, m) int32."""
    # torch hands its thread count to a thread only when asked in it; without this a product in any
    # thread but the first takes all cores, and 6 to 50 times as long when they are busy.
    torch.get_num_threads()
    a = torch.from_numpy(activations.view(np.int8))
    return np.asarray(torch._int_mm(a, weights).numpy())


def product_twin(activations: U8, weights: torch.Tensor) -> npt.NDArray[np.int64]:
    """The same in plain int64, for tests and the device check."""
    return np.asarray(activations.astype(np.int64) @ weights.numpy().astype(np.int64))


@nb.njit(nogil=True, cache=True)
def activate(sums: I32, bias: I32, out: U8) -> None:
    """out = clamp((sums + bias + 32) >> 6, 0, 127), row by row."""
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            value = (sums[i, j] + bias[j] + 32) >> ACTIVATION_SHIFT
            out[i, j] = np.uint8(min(max(value, 0), 127))


@nb.njit(nogil=True, cache=True)
def table_indices(sums: I32, base: I32, out: U8) -> None:
    """out = clamp((sums + base + 128) >> 8, 0, 63), row by row."""
    for i in range(sums.shape[0]):
        for j in range(sums.shape[1]):
            value = (sums[i, j] + base[j] + 128) >> INDEX_SHIFT
            out[i, j] = np.uint8(min(max(value, 0), 63))
