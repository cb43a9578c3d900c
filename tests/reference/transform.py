# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/transform.

Block transforms: a float DCT for the encoder, an exact integer one for both ends.

The decoder's arithmetic is integer throughout, so every machine rebuilds the same picture bit for
bit. Dequantised coefficients are in 1/8 of an orthonormal DCT's unit, bases are scaled by 2**12,
and both passes stay below 2**31 (16 x 65535 x 1448 < 2**31).

A block's 384 samples are luma 16x16, then U and V 8x8, by rows; its coefficients are in the same
order, by position, or in channels (`layout.ORDER`).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout
from streamcodec.blocks.transform import basis
from tests.reference.contexts import transform_of, with_transform

_BASIS_BITS = 12
_UNIT_BITS = 3
_LIMIT = 65535

F32 = npt.NDArray[np.float32]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

_REAL = {size: basis(size).astype(np.float32) for size in (4, 8, 16)}
_WHOLE = {size: np.rint(basis(size) * (1 << _BASIS_BITS)).astype(np.int64) for size in (4, 8, 16)}

# How the luma of an 8x8 quarter is transformed: whole, as four 4x4, or not at all. `splits` of a
# block is 0 for one 16x16 transform, else 1 plus the quarters' transforms as digits to the base 3.
EIGHT, FOUR, PLAIN = range(3)

# Bits by which the rough cost of finer transforms must be lower.
FOUR_BITS = 2
PLAIN_BITS = 3
FOUR_RATIO = 1.4
PLAIN_RATIO = 1.8
COARSEST = 12  # bits of a quarter below which no finer kind is tried


def corner(quarter: int, size: int = 8) -> tuple[slice, slice]:
    """Where a quarter of a square of twice the size lies in it."""
    y, x = size * (quarter >> 1), size * (quarter & 1)
    return slice(y, y + size), slice(x, x + size)


def apart(quarter: int) -> tuple[slice, slice]:
    """A quarter's coefficients among those of the whole: every second one."""
    return slice(quarter >> 1, None, 2), slice(quarter & 1, None, 2)


def planes_of(flat: np.ndarray) -> Iterator[np.ndarray]:
    """Views of a block's 384 values: (16, 16), (8, 8), (8, 8)."""
    yield flat[:256].reshape(16, 16)
    yield flat[256:320].reshape(8, 8)
    yield flat[320:].reshape(8, 8)


def dct(square: F32) -> F32:
    """DCT of a square of 4, 8 or 16, rows first, summed in the order of samples."""
    bases = _REAL[len(square)]
    rows = np.zeros_like(square)
    for j in range(len(square)):
        rows += square[:, j : j + 1] * bases[:, j]
    out = np.zeros_like(square)
    for i in range(len(square)):
        out += bases[:, i : i + 1] * rows[i]
    return out


def level_bits(levels: F32, inverse_step: float) -> float:
    """Rough rate-distortion cost of coefficients, each coded or dropped.

    In bits: dropping costs a**2 / 0.13, coding about 2.5 + 2 sqrt(a).
    """
    a = np.abs(levels.ravel()) * np.float32(inverse_step)
    each = np.minimum(a * a * np.float32(7.7), np.float32(2.5) + np.float32(2) * np.sqrt(a))
    return float(each.cumsum()[-1])


def finer(square: F32, coarse: float, inverse_step: float) -> tuple[int, float]:
    """(kind, rough cost) of 8x8 differences; `coarse` is the cost of the 8x8 transform."""
    if coarse < COARSEST:
        return EIGHT, coarse
    fours = [level_bits(dct(square[corner(k, 4)]), inverse_step) for k in range(4)]
    four = (FOUR_BITS + sum(fours)) * FOUR_RATIO
    plain = (PLAIN_BITS + sum(level_bits(row, inverse_step) for row in square)) * PLAIN_RATIO
    return min(((EIGHT, coarse), (FOUR, four), (PLAIN, plain)), key=lambda found: found[1])


def quarter_of(square: F32, kind: int) -> F32:
    """Coefficients of 8x8 differences, transformed as `kind` says."""
    if kind == EIGHT:
        return dct(square)
    out = np.empty_like(square)
    for k in range(4):
        own = square[corner(k, 4)]
        out[apart(k)] = dct(own) if kind == FOUR else own
    return out


def forward(samples: F32, split: int) -> F32:
    """The 384 channels of a block's samples; `split` says how luma is transformed."""
    luma, u, v = planes_of(samples)
    found = np.empty(384, np.float32)
    for out, square in zip(planes_of(found), (luma, u, v), strict=True):
        out[:] = dct(square)
    if split:
        whole = next(planes_of(found))
        for k in range(4):
            whole[apart(k)] = quarter_of(luma[corner(k)], transform_of(split, k))
    return found[layout.ORDER]


def cheaper(samples: F32, inverse_step: float, splits: U8, coefficients: F32) -> None:
    """Transform (blocks, 384) samples into channels, luma by the cheapest transform.

    Fills `splits`.
    """
    for index, own in enumerate(samples):
        luma = next(planes_of(own))
        cost = level_bits(dct(luma), inverse_step)
        # Below this neither transform codes anything.
        if cost > 20:
            split, total = 1, 0.0
            for k in range(4):
                square = luma[corner(k)]
                kind, least = finer(square, level_bits(dct(square), inverse_step), inverse_step)
                split = with_transform(split, k, kind)
                total += least
            if total < cost:
                splits[index] = split
        coefficients[index] = forward(own, int(splits[index]))


def inverse_dct(square: I64) -> I64:
    """Residual, in whole samples, of a square of coefficients in 1/8 units."""
    bases = _WHOLE[len(square)]
    columns = (bases.T @ square + (1 << (_BASIS_BITS - 1))) >> _BASIS_BITS
    columns = np.clip(columns, -_LIMIT, _LIMIT)
    last = _BASIS_BITS + _UNIT_BITS
    return np.asarray((columns @ bases + (1 << (last - 1))) >> last)


def dequantise(symbols: I16, steps_q3: I32, bias_q8: int) -> I64:
    """Coefficients in 1/8 units.

    `bias_q8` pulls them towards zero by so many 1/256 of a step: the mean of a falling density lies
    inside its interval.
    """
    levels, steps = symbols.astype(np.int64), steps_q3.astype(np.int64)
    values = levels * steps - np.sign(levels) * ((steps * bias_q8) >> 8)
    return np.clip(values, -_LIMIT, _LIMIT)


def inverse_quarter(coefficients: I64, kind: int) -> I64:
    """Residual of a quarter's 8x8 coefficients in 1/8 units."""
    if kind == EIGHT:
        return inverse_dct(coefficients)
    out = np.empty_like(coefficients)
    for k in range(4):
        out[corner(k, 4)] = inverse_fine(coefficients[apart(k)], kind)
    return out


def inverse_fine(coefficients: I64, kind: int) -> I64:
    """Residual of a 4x4 square's coefficients in 1/8 units, FOUR or PLAIN."""
    if kind == FOUR:
        return inverse_dct(coefficients)
    return (coefficients + (1 << (_UNIT_BITS - 1))) >> _UNIT_BITS


def inverse(symbols: I16, steps_q3: I32, bias_q8: int, split: int) -> I64:
    """Residual samples (384) of one block's symbols."""
    work = np.empty(384, np.int64)
    work[layout.ORDER] = dequantise(symbols, steps_q3, bias_q8)
    residual = np.empty(384, np.int64)
    for out, square in zip(planes_of(residual), planes_of(work), strict=True):
        out[:] = inverse_dct(square)
    if split:
        whole, luma = next(planes_of(work)), next(planes_of(residual))
        for k in range(4):
            luma[corner(k)] = inverse_quarter(whole[apart(k)], transform_of(split, k))
    return residual
