# SPDX-License-Identifier: Apache-2.0
"""Layers whose results are exact integers on every machine.

Activations are 0..127, weights -127..127, and no sum of their magnitudes reaches 2**24: a product
of bytes, a float32 product in any order and this file's int64 twin all agree. `torch._int_mm` uses
the processor's byte products where it has them (7-bit activations keep older ones, which saturate
pairs at 2**15, exact too); elsewhere it is a plain loop, and floats are ten times as fast.
"""

from __future__ import annotations

import timeit
from collections.abc import Callable
from functools import cache

import numba as nb
import numpy as np
import numpy.typing as npt
import torch

I8 = npt.NDArray[np.int8]
U8 = npt.NDArray[np.uint8]
I32 = npt.NDArray[np.int32]

ACTIVATION_SHIFT = 6
INDEX_SHIFT = 8


def matrix(weights: I8) -> torch.Tensor:
    """(k, m) weights as this processor multiplies them fastest: int8, or float32 of equal value."""
    as_bytes = torch.from_numpy(np.ascontiguousarray(weights, np.int8))
    return as_bytes if _bytes_are_fast() else as_bytes.to(torch.float32)


def product(activations: U8, weights: torch.Tensor) -> I32:
    """(n, k) activations, read as int8, times the (k, m) weights of `matrix`, as (n, m) int32."""
    # torch hands its thread count to a thread only when asked in it; without this a product in any
    # thread but the first takes all cores, and 6 to 50 times as long when they are busy.
    torch.get_num_threads()
    signed = torch.from_numpy(activations.view(np.int8))
    if weights.dtype == torch.int8:
        return np.asarray(torch._int_mm(signed, weights).numpy())
    return np.asarray(torch.mm(signed.to(torch.float32), weights).to(torch.int32).numpy())


@cache
def _bytes_are_fast() -> bool:
    """Whether products of bytes beat those of floats here. Results are equal either way."""

    def least_s(
        multiply: Callable[[torch.Tensor, torch.Tensor], object], ones: torch.Tensor
    ) -> float:
        return min(timeit.repeat(lambda: multiply(ones, ones), number=1, repeat=4))

    torch.get_num_threads()
    ones = torch.ones((256, 256), dtype=torch.int8)
    return least_s(torch._int_mm, ones) < least_s(torch.mm, ones.to(torch.float32))


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
