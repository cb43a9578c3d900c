# SPDX-License-Identifier: Apache-2.0
"""Checks the arrays of a weights file: names, shapes, dtypes, ranges.

A file may come from an attacker. What passes is safe to compute with: no index leaves an array, no
sum overflows its integer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from streamcodec.errors import ModelError

Arrays = Mapping[str, npt.NDArray[np.generic]]

MAX_FILE_BYTES = 256 * 1024 * 1024
MAX_HEADER_BYTES = 1024 * 1024
MAX_HIDDEN = 1024
_MAX_ACTIVATION = 127
_SUM_LIMIT = 1 << 24  # of magnitudes in a product; see networks
_BIAS_LIMIT = 1 << 24


def check_header(data: bytes) -> None:
    """Raise ModelError where the file's list of arrays is too long for weights: the library takes
    a minute to parse a long one."""
    listed = int.from_bytes(data[:8], "little")
    if len(data) < 8 or listed > min(MAX_HEADER_BYTES, len(data) - 8):
        raise ModelError(
            f"weights begin with a list of {listed} bytes: that is no safetensors file"
        )


def hidden_width(arrays: Arrays) -> int:
    """The width of the prior's hidden layers in the file. Raises ModelError, or KeyError where the
    array is missing."""
    bias = arrays["prior.key.0.0.b2"]
    if bias.ndim != 1 or not 1 <= bias.size <= MAX_HIDDEN:
        raise ModelError(
            f"weights: prior.key.0.0.b2 has shape {bias.shape}, expected (1..{MAX_HIDDEN},)"
        )
    return int(bias.size)


def check_like(arrays: Arrays, expected: Arrays) -> None:
    """Compare each array of a model of the same width; other arrays are ignored.

    Raises ModelError naming the array, or KeyError for a missing one.
    """
    for name, pattern in expected.items():
        found = arrays[name]
        if found.dtype != pattern.dtype or found.shape != pattern.shape:
            raise ModelError(
                f"weights: {name} is {found.dtype} {found.shape}, "
                f"expected {pattern.dtype} {pattern.shape}: they are of another version"
            )
        if found.dtype == np.int8:
            _check_layer(name, found)
        elif found.dtype == np.int32:
            _check_bias(name, found)


def _check_layer(name: str, found: npt.NDArray[np.generic]) -> None:
    magnitudes = np.abs(found.astype(np.int64))
    if magnitudes.max(initial=0) > _MAX_ACTIVATION:
        raise ModelError(f"weights: {name} holds -128, expected -127 to 127")
    if _MAX_ACTIVATION * magnitudes.sum(axis=0).max(initial=0) >= _SUM_LIMIT:
        raise ModelError(f"weights: a product with {name} can reach 2**24")


def _check_bias(name: str, found: npt.NDArray[np.generic]) -> None:
    largest = np.abs(found.astype(np.int64)).max(initial=0)
    if largest >= _BIAS_LIMIT:
        raise ModelError(f"weights: {name} holds {largest}, expected less than 2**24")
