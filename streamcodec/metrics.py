# SPDX-License-Identifier: Apache-2.0
"""Quality of a decoded picture (PSNR, SSIM, MS-SSIM) and of a codec (BD-rate)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from streamcodec.errors import FrameError
from streamcodec.frame import Frame, Plane

MAX_PSNR_DB = 100.0  # of equal planes, whose PSNR would be infinite
BD_LOW_DB = 30.0
BD_HIGH_DB = 42.0
MIN_OVERLAP_DB = 0.5  # curves that share less are not compared

_PEAK = 255.0
_C1 = (0.01 * _PEAK) ** 2
_C2 = (0.03 * _PEAK) ** 2
_WINDOW = 11
_SIGMA = 1.5
_BORDER = _WINDOW // 2
# Wang, Simoncelli, Bovik: Multi-scale structural similarity, Asilomar 2003, table of section 3.2.
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

Map = npt.NDArray[np.float32]
Points = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class PlanePsnr:
    """PSNR of each plane of one frame, in dB, at most MAX_PSNR_DB."""

    y_db: float
    u_db: float
    v_db: float

    @property
    def weighted_db(self) -> float:
        """PSNR 6:1:1, the mean that JVET reports for 4:2:0: six parts luma, one each chroma."""
        return (6 * self.y_db + self.u_db + self.v_db) / 8


def psnr_plane(original: Plane, decoded: Plane) -> float:
    """PSNR of one 8-bit plane in dB. Raises FrameError when the shapes differ."""
    if original.shape != decoded.shape:
        raise FrameError(f"cannot compare planes of shape {original.shape} and {decoded.shape}")
    squared = float(cv2.norm(original, decoded, cv2.NORM_L2SQR))
    if squared == 0:
        return MAX_PSNR_DB
    return min(MAX_PSNR_DB, 10 * math.log10(_PEAK**2 * original.size / squared))


def psnr(original: Frame, decoded: Frame) -> PlanePsnr:
    """PSNR by plane of two frames of one size."""
    return PlanePsnr(
        psnr_plane(original.y, decoded.y),
        psnr_plane(original.u, decoded.u),
        psnr_plane(original.v, decoded.v),
    )


def psnr611(original: Frame, decoded: Frame) -> float:
    """PSNR 6:1:1 of two frames of one size, in dB."""
    return psnr(original, decoded).weighted_db


def ssim(original: Plane, decoded: Plane) -> float:
    """Structural similarity of two planes, each side at least 11 samples.

    Gaussian window of 11x11 with sigma 1.5, positions wholly inside the picture only (Wang, Bovik,
    Sheikh, Simoncelli, IEEE TIP 2004); equals scikit-image with `gaussian_weights=True`,
    `use_sample_covariance=False`, `data_range=255`.
    """
    full, _ = _similarity(*_comparable(original, decoded))
    return full


def ms_ssim(original: Plane, decoded: Plane) -> float:
    """Multi-scale structural similarity of two planes, 0 to 1.

    Five scales with the weights of Wang et al. 2003, halved by 2x2 means (an odd last row or
    column is left out). Where a side is under 176 samples fewer scales fit the window:
    the weights of those that do are scaled to sum to one.
    """
    first, second = _comparable(original, decoded)
    scales = min(len(_SCALE_WEIGHTS), int(math.log2(min(first.shape) / _WINDOW)) + 1)
    weights = np.array(_SCALE_WEIGHTS[:scales])
    weights /= weights.sum()
    result = 1.0
    for scale, weight in enumerate(weights):
        full, contrast = _similarity(first, second)
        value = full if scale == scales - 1 else contrast
        result *= max(value, 0.0) ** float(weight)
        if scale < scales - 1:
            first, second = _halved(first), _halved(second)
    return result


@dataclass(frozen=True, slots=True)
class BdRate:
    """Mean difference of rate at equal quality: `percent` < 0 means fewer bits."""

    percent: float
    low_db: float
    high_db: float


def bd_rate(
    anchor: Iterable[tuple[float, float]],
    ours: Iterable[tuple[float, float]],
    *,
    low_db: float = BD_LOW_DB,
    high_db: float = BD_HIGH_DB,
) -> BdRate | None:
    """Compare two curves of (rate, quality in dB), Bjontegaard's measure with PCHIP.

    The logarithm of the rate is interpolated over quality by monotone piecewise cubics and
    averaged over the quality that both curves reach within `low_db` to `high_db`. A point that a
    cheaper point of its curve equals or beats is left out. None when either curve has fewer
    than two points or they share less than MIN_OVERLAP_DB.
    """
    first, second = _curve(anchor), _curve(ours)
    if len(first) < 2 or len(second) < 2:
        return None
    low = max(low_db, first[0, 0], second[0, 0])
    high = min(high_db, first[-1, 0], second[-1, 0])
    if high - low < MIN_OVERLAP_DB:
        return None
    difference = (_mean_between(second, low, high)) - _mean_between(first, low, high)
    return BdRate((math.exp(difference) - 1) * 100, float(low), float(high))


def pchip_slopes(x: Points, y: Points) -> Points:
    """Slopes of the monotone piecewise cubic through points of rising x, two or more.

    Fritsch and Butland, SIAM J. Sci. Stat. Comput. 1984: weighted harmonic means inside, zero
    at turning points, and the shape-preserving three-point formula at the ends.
    """
    step = np.diff(x)
    secant = np.diff(y) / step
    if len(x) == 2:
        return np.repeat(secant, 2)
    left, right = secant[:-1], secant[1:]
    weight_left = step[:-1] + 2 * step[1:]
    weight_right = 2 * step[:-1] + step[1:]
    monotone = left * right > 0
    safe_left, safe_right = np.where(monotone, left, 1.0), np.where(monotone, right, 1.0)
    inner = (weight_left + weight_right) / (weight_left / safe_left + weight_right / safe_right)
    return np.concatenate(
        (
            [_end_slope(step[0], step[1], secant[0], secant[1])],
            np.where(monotone, inner, 0.0),
            [_end_slope(step[-1], step[-2], secant[-1], secant[-2])],
        )
    )


def _end_slope(near_step: float, far_step: float, near: float, far: float) -> float:
    slope = ((2 * near_step + far_step) * near - near_step * far) / (near_step + far_step)
    if slope * near <= 0:
        return 0.0
    if near * far <= 0 and abs(slope) > 3 * abs(near):
        return 3 * near
    return float(slope)


def _curve(points: Iterable[tuple[float, float]]) -> Points:
    """Rows of (quality, log rate), rising in both."""
    kept: list[tuple[float, float]] = []
    for rate, quality in sorted(points):
        if rate > 0 and math.isfinite(quality) and (not kept or quality > kept[-1][0]):
            kept.append((quality, math.log(rate)))
    return np.array(kept, np.float64).reshape(-1, 2)


def _mean_between(curve: Points, low: float, high: float) -> float:
    """Mean of the interpolated log rate over low..high, exact for the cubics."""
    x, y = curve[:, 0], curve[:, 1]
    slopes = pchip_slopes(x, y)
    total = 0.0
    for k in range(len(x) - 1):
        start, end = max(low, x[k]), min(high, x[k + 1])
        if start < end:
            total += _hermite_integral(x[k : k + 2], y[k : k + 2], slopes[k : k + 2], end)
            total -= _hermite_integral(x[k : k + 2], y[k : k + 2], slopes[k : k + 2], start)
    return total / (high - low)


def _hermite_integral(
    x: Sequence[float] | Points, y: Sequence[float] | Points, slope: Points, upto: float
) -> float:
    """Integral of one cubic Hermite piece from x[0] to `upto`."""
    h = x[1] - x[0]
    t = (upto - x[0]) / h
    return float(
        h
        * (
            y[0] * (t**4 / 2 - t**3 + t)
            + h * slope[0] * (t**4 / 4 - 2 * t**3 / 3 + t**2 / 2)
            + y[1] * (t**3 - t**4 / 2)
            + h * slope[1] * (t**4 / 4 - t**3 / 3)
        )
    )


def _comparable(original: Plane, decoded: Plane) -> tuple[Map, Map]:
    """Both planes as float32 around zero: float32 variances keep their digits there."""
    if original.shape != decoded.shape:
        raise FrameError(f"cannot compare planes of shape {original.shape} and {decoded.shape}")
    if min(original.shape) < _WINDOW:
        raise FrameError(f"SSIM needs planes of {_WINDOW}x{_WINDOW} or more")
    return original.astype(np.float32) - 128, decoded.astype(np.float32) - 128


def _similarity(first: Map, second: Map) -> tuple[float, float]:
    """Mean SSIM and mean contrast-structure term of two maps around zero."""
    mean_1, mean_2 = _blur(first), _blur(second)
    variance_1 = _blur(first * first) - mean_1 * mean_1
    variance_2 = _blur(second * second) - mean_2 * mean_2
    covariance = _blur(first * second) - mean_1 * mean_2
    contrast = (2 * covariance + _C2) / (variance_1 + variance_2 + _C2)
    mean_1, mean_2 = mean_1 + 128, mean_2 + 128
    luminance = (2 * mean_1 * mean_2 + _C1) / (mean_1 * mean_1 + mean_2 * mean_2 + _C1)
    return _mean(luminance * contrast), _mean(contrast)


def _mean(values: npt.NDArray[np.floating]) -> float:
    return float(np.mean(values, dtype=np.float64))


def _blur(values: Map) -> Map:
    """Gaussian window at every position that lies wholly inside."""
    blurred = cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA, borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred[_BORDER:-_BORDER, _BORDER:-_BORDER], np.float32)


def _halved(values: Map) -> Map:
    height, width = values.shape[0] // 2 * 2, values.shape[1] // 2 * 2
    half = cv2.resize(
        values[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA
    )
    return np.asarray(half, np.float32)
