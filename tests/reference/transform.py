# SPDX-License-Identifier: Apache-2.0
"""The plain twin of core/blocks/transform.

Block transforms: a float DCT for the encoder, an exact integer one for both ends.

The decoder's arithmetic is integer throughout, so every machine rebuilds the same picture bit for
bit. Dequantised coefficients are in 1/8 of an orthonormal DCT's unit, bases are scaled by 2**12,
and both passes stay below 2**31 (16 x 65535 x 1448 < 2**31).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from streamcodec.blocks import layout

_BASIS_BITS = 12
_UNIT_BITS = 3
_LIMIT = 65535
# Chosen on training clips and pictures; of (44, 8), (52, 6), (52, 8), (63, 6) the best.
CHROMA_LAG_FROM = 52
CHROMA_LAG_Q4 = 6

F32 = npt.NDArray[np.float32]
I16 = npt.NDArray[np.int16]
I32 = npt.NDArray[np.int32]
U8 = npt.NDArray[np.uint8]


def basis(size: int) -> npt.NDArray[np.float64]:
    """Orthonormal DCT-II as (frequency, sample)."""
    k = np.arange(size)[:, None]
    x = np.arange(size)[None]
    rows = np.cos(np.pi * (2 * x + 1) * k / (2 * size)) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return np.asarray(rows)


D16 = basis(16).astype(np.float32)
D8 = basis(8).astype(np.float32)
D4 = basis(4).astype(np.float32)
D16T = np.ascontiguousarray(D16.T)
D4T = np.ascontiguousarray(D4.T)
D8T = np.ascontiguousarray(D8.T)
_B16 = np.rint(basis(16) * (1 << _BASIS_BITS)).astype(np.int32)
_B8 = np.rint(basis(8) * (1 << _BASIS_BITS)).astype(np.int32)
_B4 = np.rint(basis(4) * (1 << _BASIS_BITS)).astype(np.int32)
_ORDER = layout.ORDER
_CHANNEL_OF = layout.CHANNEL_OF


def step_q3(quality: int) -> int:
    """Quantiser step in 1/8: 1.5 at quality 63, 9.05% coarser with each index below (2**(1/8))."""
    return round(8 * 1.5 * 2 ** ((63 - quality) / 8))


STEPS_Q3 = np.array([step_q3(q) for q in range(64)], np.int32)


def chroma_step_q3(quality: int) -> int:
    """Step of both chroma planes in 1/8: finer than luma's at coarse qualities.

    Below quality 52 each luma index moves chroma by 5/8 of an index only, as H.264 and H.265 map
    chroma QPs: chroma has little energy, so its planes gain decibels for few bits.
    """
    lag = max(0, CHROMA_LAG_FROM - quality) * CHROMA_LAG_Q4 / 16
    return max(round(8 * 1.5 * 2 ** ((63 - quality - lag) / 8)), 12)


def plane_steps_q3(quality: int) -> tuple[int, int]:
    """Steps of luma and of chroma in 1/8."""
    return step_q3(quality), chroma_step_q3(quality)


CHROMA_STEPS_Q3 = np.array([chroma_step_q3(q) for q in range(64)], np.int32)
# (64, 384): the step of each channel at each quality.
CHANNEL_STEPS_Q3 = np.where(
    layout.ORDER[None] < 256, STEPS_Q3[:, None], CHROMA_STEPS_Q3[:, None]
).astype(np.int32)


# How the luma of an 8x8 quarter is transformed: whole, as four 4x4, or not at all. `splits` of a
# block is 0 for one 16x16 transform, else 1 plus the quarters' kinds as digits to the base 3.
EIGHT, FOUR, PLAIN = range(3)


def kind_of(split: int, quarter: int) -> int:
    """The kind of a quarter, EIGHT also where the block has one transform."""
    rest = max(split - 1, 0)
    for _ in range(quarter):
        rest //= 3
    return rest % 3


def with_kind(split: int, quarter: int, kind: int) -> int:
    """`split` (at least 1) with the kind of a quarter, EIGHT before, put in."""
    for _ in range(quarter):
        kind *= 3
    return split + kind


def _forward16(block: F32, at: int, tmp: F32, out: F32) -> None:
    """DCT of the 16x16 floats at block[at:], rows first; out gets 256 by position."""
    for i in range(16):
        for k in range(16):
            tmp[i * 16 + k] = np.float32(0)
        for j in range(16):
            sample = block[at + i * 16 + j]
            for k in range(16):
                tmp[i * 16 + k] += sample * D16T[j, k]
    for u in range(16):
        for k in range(16):
            out[u * 16 + k] = np.float32(0)
        for i in range(16):
            weight = D16[u, i]
            for k in range(16):
                out[u * 16 + k] += weight * tmp[i * 16 + k]


def forward8(block: F32, at: int, pitch: int, tmp: F32, out: F32) -> None:
    """DCT of the 8x8 floats at block[at:] with this row pitch; out gets 64."""
    for i in range(8):
        for k in range(8):
            tmp[i * 8 + k] = np.float32(0)
        for j in range(8):
            sample = block[at + i * pitch + j]
            for k in range(8):
                tmp[i * 8 + k] += sample * D8T[j, k]
    for u in range(8):
        for k in range(8):
            out[u * 8 + k] = np.float32(0)
        for i in range(8):
            weight = D8[u, i]
            for k in range(8):
                out[u * 8 + k] += weight * tmp[i * 8 + k]


def forward4(block: F32, at: int, pitch: int, tmp: F32, out: F32) -> None:
    """DCT of the 4x4 floats at block[at:] with this row pitch; out gets 16."""
    for i in range(4):
        for k in range(4):
            tmp[i * 4 + k] = np.float32(0)
        for j in range(4):
            sample = block[at + i * pitch + j]
            for k in range(4):
                tmp[i * 4 + k] += sample * D4T[j, k]
    for u in range(4):
        for k in range(4):
            out[u * 4 + k] = np.float32(0)
        for i in range(4):
            weight = D4[u, i]
            for k in range(4):
                out[u * 4 + k] += weight * tmp[i * 4 + k]


def worth(levels: F32, count: int, inverse_step: float) -> float:
    """Rough weighed cost of coefficients: what coding or dropping each costs.

    In bits: dropping costs a**2 / 0.13, coding about 2.5 + 2 sqrt(a).
    """
    total = np.float32(0)
    for c in range(count):
        a = abs(levels[c]) * np.float32(inverse_step)
        total += min(a * a * np.float32(7.7), np.float32(2.5) + np.float32(2) * np.sqrt(a))
    return total


# Bits by which the rough cost of finer kinds must be lower.
FOUR_BITS = 2
PLAIN_BITS = 3
FOUR_RATIO = 1.4
PLAIN_RATIO = 1.8
COARSEST = 12  # bits of a quarter below which no finer kind is tried


def finer(
    samples: F32, at: int, coarse: float, inverse_step: float, tmp: F32, out: F32
) -> tuple[int, float]:
    """(kind, rough cost) of the 8x8 differences at samples[at:], row pitch 16.

    `coarse` is the cost of the 8x8 transform; `tmp` and `out` are scratch of 64.
    """
    if coarse < COARSEST:
        return EIGHT, coarse
    bits = np.float32(FOUR_BITS)
    four = np.float32(0)
    for k in range(4):
        forward4(samples, at + 64 * (k >> 1) + 4 * (k & 1), 16, tmp, out)
        bits += worth(out, 16, inverse_step)
        four = bits * np.float32(FOUR_RATIO)
        if four >= coarse:
            break
    least = min(four, coarse)
    bits = np.float32(PLAIN_BITS)
    plain = np.float32(0)
    for i in range(8):
        bits += worth(samples[at + 16 * i : at + 16 * i + 8], 8, inverse_step)
        plain = bits * np.float32(PLAIN_RATIO)
        if plain >= least:
            break
    if plain < least:
        return PLAIN, plain
    if four < coarse:
        return FOUR, four
    return EIGHT, coarse


def place(coefficients: F32, quarter: int, luma: F32) -> None:
    """Put the 64 coefficients of a quarter in their places among the luma's 256."""
    a, b = quarter >> 1, quarter & 1
    for u in range(8):
        for v in range(8):
            luma[(2 * u + a) * 16 + 2 * v + b] = coefficients[u * 8 + v]


def spread(samples: F32, quarter: int, kind: int, tmp: F32, out: F32, luma: F32) -> None:
    """Transform a quarter of 16x16 differences and put it in its places among the luma's 256."""
    a, b = quarter >> 1, quarter & 1
    if kind == EIGHT:
        forward8(samples, a * 128 + b * 8, 16, tmp, out)
        place(out, quarter, luma)
        return
    for k in range(4):
        c, d = k >> 1, k & 1
        at = (8 * a + 4 * c) * 16 + 8 * b + 4 * d
        if kind == FOUR:
            forward4(samples, at, 16, tmp, out)
        else:
            for i in range(4):
                for j in range(4):
                    out[i * 4 + j] = samples[at + 16 * i + j]
        for u in range(4):
            for v in range(4):
                luma[(2 * (2 * u + c) + a) * 16 + 2 * (2 * v + d) + b] = out[u * 4 + v]


def forward(samples: F32, split: int, coefficients: F32, tmp: F32, out: F32) -> None:
    """Transform the 384 samples of one block into 384 channels.

    `split` says how luma is transformed; `tmp` and `out` are scratch of 256.
    """
    if split:
        luma = np.empty(256, np.float32)
        for k in range(4):
            spread(samples, k, kind_of(split, k), tmp, out, luma)
        for i in range(256):
            coefficients[_CHANNEL_OF[i]] = luma[i]
    else:
        _forward16(samples, 0, tmp, out)
        for i in range(256):
            coefficients[_CHANNEL_OF[i]] = out[i]
    for plane in range(2):
        forward8(samples, 256 + 64 * plane, 8, tmp, out)
        for i in range(64):
            coefficients[_CHANNEL_OF[256 + 64 * plane + i]] = out[i]


def cheaper(samples: F32, inverse_step: float, splits: U8, coefficients: F32) -> None:
    """Transform (blocks, 384) samples into channels, luma in whichever way is cheapest.

    Fills `splits`. Each block by itself, so that bands of blocks can be done side by side.
    """
    tmp = np.empty(256, np.float32)
    out = np.empty(64, np.float32)
    whole = np.empty(256, np.float32)
    quarters = np.empty(256, np.float32)
    for index in range(samples.shape[0]):
        own = samples[index]
        row = coefficients[index]
        _forward16(own, 0, tmp, whole)
        luma = whole
        cost = worth(whole, 256, inverse_step)
        # Below this nothing is coded in either.
        if cost > 20:
            split = 1
            apart = np.float32(0)
            for k in range(4):
                at = (k >> 1) * 128 + (k & 1) * 8
                forward8(own, at, 16, tmp, out)
                eight = worth(out, 64, inverse_step)
                place(out, k, quarters)
                kind, least = finer(own, at, eight, inverse_step, tmp, out)
                if kind != EIGHT:
                    split = with_kind(split, k, kind)
                    spread(own, k, kind, tmp, out, quarters)
                apart += least
            if apart < cost:
                splits[index] = split
                luma = quarters
        for i in range(256):
            row[_CHANNEL_OF[i]] = luma[i]
        for plane in range(2):
            forward8(own, 256 + 64 * plane, 8, tmp, out)
            for i in range(64):
                row[_CHANNEL_OF[256 + 64 * plane + i]] = out[i]


def _clip(value: int, limit: int) -> int:
    return min(max(value, -limit), limit)


def _inverse_columns(source: I32, at: int, size: int, pitch: int, bases: I32, out: I32) -> None:
    """Inverse DCT of size x size int32 at source[at:], into out (size * size), in whole samples."""
    rounding = 1 << (_BASIS_BITS - 1)
    last = 1 << (_BASIS_BITS + _UNIT_BITS - 1)
    columns = np.zeros(16 * 16, np.int32)
    for i in range(size * size):
        out[i] = 0
    for v in range(size):
        used = False
        for u in range(size):
            value = source[at + u * pitch + v]
            if value:
                used = True
                for i in range(size):
                    columns[v * 16 + i] += np.int32(value * bases[u, i])
        if used:
            for i in range(size):
                value = np.int32(
                    _clip((np.int64(columns[v * 16 + i]) + rounding) >> _BASIS_BITS, _LIMIT)
                )
                for j in range(size):
                    out[i * size + j] += np.int32(value * bases[v, j])
    for i in range(size * size):
        out[i] = (out[i] + last) >> (_BASIS_BITS + _UNIT_BITS)


def dequantised(symbol: int, step_q3: int, bias_q8: int) -> int:
    """A coefficient in 1/8 units.

    `bias_q8` pulls it towards zero by so many 1/256 of a step: the mean of a falling density lies
    inside its interval.
    """
    bias = (step_q3 * bias_q8) >> 8
    value = np.int64(0)
    if symbol > 0:
        value = symbol * step_q3 - bias
    elif symbol < 0:
        value = symbol * step_q3 + bias
    return _clip(value, _LIMIT)


def dequantise(symbols: I16, steps_q3: I32, bias_q8: int, out: I32) -> None:
    """Coefficients by position, in 1/8 units, from 384 symbols by channel."""
    for c in range(384):
        out[_ORDER[c]] = np.int32(dequantised(np.int64(symbols[c]), np.int64(steps_q3[c]), bias_q8))


def inverse_fine(source: I32, kind: int, tmp: I32, out: I32) -> None:
    """Residual out[16] of a 4x4 square's 16 coefficients in 1/8 units, FOUR or PLAIN."""
    if kind == FOUR:
        _inverse_columns(source, 0, 4, 4, _B4, tmp)
        for i in range(16):
            out[i] = tmp[i]
    else:
        for i in range(16):
            out[i] = (source[i] + (1 << (_UNIT_BITS - 1))) >> _UNIT_BITS


def inverse(
    symbols: I16, steps_q3: I32, bias_q8: int, split: int, work: I32, tmp: I32, residual: I32
) -> None:
    """Residual samples (384 int32: luma 16x16, U 8x8, V 8x8) of one block's symbols.

    `work` is scratch of 384 and `tmp` of 256.
    """
    dequantise(symbols, steps_q3, bias_q8, work)
    if split:
        packed = np.empty(64, np.int32)
        out = np.empty(16, np.int32)
        for quarter in range(4):
            a, b = quarter >> 1, quarter & 1
            kind = kind_of(split, quarter)
            if kind == EIGHT:
                for u in range(8):
                    for v in range(8):
                        packed[u * 8 + v] = work[(2 * u + a) * 16 + 2 * v + b]
                _inverse_columns(packed, 0, 8, 8, _B8, tmp)
                for i in range(8):
                    for j in range(8):
                        residual[(a * 8 + i) * 16 + b * 8 + j] = tmp[i * 8 + j]
                continue
            for k in range(4):
                c, d = k >> 1, k & 1
                for u in range(4):
                    for v in range(4):
                        packed[u * 4 + v] = work[(2 * (2 * u + c) + a) * 16 + 2 * (2 * v + d) + b]
                inverse_fine(packed, kind, tmp, out)
                for i in range(4):
                    for j in range(4):
                        residual[(a * 8 + 4 * c + i) * 16 + b * 8 + 4 * d + j] = out[i * 4 + j]
    else:
        _inverse_columns(work, 0, 16, 16, _B16, tmp)
        for i in range(256):
            residual[i] = tmp[i]
    for plane in range(2):
        _inverse_columns(work, 256 + 64 * plane, 8, 8, _B8, tmp)
        for i in range(64):
            residual[256 + 64 * plane + i] = tmp[i]
