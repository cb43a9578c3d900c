# SPDX-License-Identifier: Apache-2.0
"""Quality measures against closed forms, scikit-image, SciPy and plain twins."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from streamcodec.errors import FrameError
from streamcodec.frame import Frame, Plane
from streamcodec.metrics import MAX_PSNR_DB, bd_rate, ms_ssim, pchip_slopes, psnr, psnr611, ssim

# The example that accompanies most public BD-rate scripts (kbit/s, dB).
ANCHOR = [(686.76, 40.28), (309.58, 37.18), (157.11, 34.24), (85.95, 31.42)]
OTHER = [(893.34, 40.39), (407.8, 37.21), (204.93, 34.17), (112.75, 31.24)]


def picture(height: int, width: int, seed: int) -> Plane:
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.normal(0, 255, (height, width)), (0, 0), 4) * 4
    return np.clip(smooth + 128 + rng.normal(0, 6, (height, width)), 0, 255).astype(np.uint8)


def damaged(plane: Plane, seed: int, strength: float = 12) -> Plane:
    rng = np.random.default_rng(seed)
    return np.clip(plane + rng.normal(0, strength, plane.shape), 0, 255).astype(np.uint8)


def test_psnr_of_a_constant_error_is_its_closed_form() -> None:
    first = Frame(*(np.full(s, 100, np.uint8) for s in ((16, 32), (8, 16), (8, 16))))
    second = Frame(first.y + 1, first.u + 2, first.v)
    planes = psnr(first, second)
    assert planes.y_db == pytest.approx(20 * math.log10(255))
    assert planes.u_db == pytest.approx(20 * math.log10(255 / 2))
    assert planes.v_db == MAX_PSNR_DB
    assert psnr611(first, second) == pytest.approx((6 * planes.y_db + planes.u_db + 100) / 8)


def test_planes_of_different_shape_are_refused() -> None:
    plane = picture(32, 32, 0)
    for measure in (ssim, ms_ssim):
        with pytest.raises(FrameError, match="shape"):
            measure(plane, plane[:, 1:])


@pytest.mark.parametrize(("height", "width"), [(64, 96), (33, 47), (11, 11)])
def test_ssim_equals_scikit_image(height: int, width: int) -> None:
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed")
    first = picture(height, width, 1)
    second = damaged(first, 2)
    expected = metrics.structural_similarity(
        first,
        second,
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    assert ssim(first, second) == pytest.approx(expected, abs=2e-5)


def test_equal_pictures_have_similarity_one() -> None:
    plane = picture(180, 200, 3)
    assert ssim(plane, plane) == pytest.approx(1, abs=1e-6)
    assert ms_ssim(plane, plane) == pytest.approx(1, abs=1e-6)


def plain_ms_ssim(first: Plane, second: Plane, weights: list[float]) -> float:
    """The definition in float64, window by window."""
    offsets = np.arange(11) - 5
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def means(values: np.ndarray) -> np.ndarray:
        views = np.lib.stride_tricks.sliding_window_view(values, (11, 11))
        return np.einsum("ijkl,kl->ij", views, window)

    a, b, result = first.astype(float), second.astype(float), 1.0
    for scale, weight in enumerate(weights):
        mean_a, mean_b = means(a), means(b)
        var_a, var_b = means(a * a) - mean_a**2, means(b * b) - mean_b**2
        cov = means(a * b) - mean_a * mean_b
        term = (2 * cov + c2) / (var_a + var_b + c2)
        if scale == len(weights) - 1:
            term = term * (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
        result *= max(float(term.mean()), 0.0) ** weight
        h, w = a.shape[0] // 2, a.shape[1] // 2
        a, b = (p[: 2 * h, : 2 * w].reshape(h, 2, w, 2).mean((1, 3)) for p in (a, b))
    return result


def test_ms_ssim_equals_its_definition() -> None:
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    first = picture(178, 185, 4)
    second = damaged(first, 5, 25)
    expected = plain_ms_ssim(first, second, weights)
    assert 0.5 < expected < 0.99
    assert ms_ssim(first, second) == pytest.approx(expected, abs=2e-5)


def test_small_pictures_use_the_scales_that_fit() -> None:
    first = picture(50, 70, 6)
    second = damaged(first, 7)
    total = 0.0448 + 0.2856 + 0.3001
    expected = plain_ms_ssim(first, second, [0.0448 / total, 0.2856 / total, 0.3001 / total])
    assert ms_ssim(first, second) == pytest.approx(expected, abs=2e-5)


def test_pchip_slopes_equal_scipy() -> None:
    interpolate = pytest.importorskip("scipy.interpolate", reason="SciPy is not installed")
    rng = np.random.default_rng(8)
    for count in (2, 3, 4, 9):
        x = np.cumsum(rng.uniform(0.1, 2, count))
        for y in (np.cumsum(rng.uniform(0, 1, count)), rng.normal(0, 1, count)):
            expected = interpolate.PchipInterpolator(x, y).derivative()(x)
            assert pchip_slopes(x, y) == pytest.approx(expected, abs=1e-12)


def test_bd_rate_equals_an_independent_integral() -> None:
    interpolate = pytest.importorskip("scipy.interpolate", reason="SciPy is not installed")
    result = bd_rate(ANCHOR, OTHER, low_db=0, high_db=100)
    assert result is not None
    assert (result.low_db, result.high_db) == (31.42, 40.28)
    areas = [
        interpolate.PchipInterpolator(
            [q for _, q in sorted(curve)], [math.log(r) for r, _ in sorted(curve)]
        ).integrate(31.42, 40.28)
        for curve in (ANCHOR, OTHER)
    ]
    expected = (math.exp((areas[1] - areas[0]) / (40.28 - 31.42)) - 1) * 100
    assert result.percent == pytest.approx(expected, abs=1e-9)


def test_a_tenth_fewer_bits_at_every_quality_is_minus_ten_percent() -> None:
    cheaper = [(rate * 0.9, quality) for rate, quality in ANCHOR]
    result = bd_rate(ANCHOR, cheaper)
    assert result is not None
    assert result.percent == pytest.approx(-10)
    assert (result.low_db, result.high_db) == (31.42, 40.28)


def test_range_is_cut_to_the_limits() -> None:
    result = bd_rate(ANCHOR, OTHER, low_db=33, high_db=36)
    assert result is not None
    assert (result.low_db, result.high_db) == (33, 36)


def test_a_point_beaten_by_a_cheaper_one_is_left_out() -> None:
    assert bd_rate(ANCHOR, [*ANCHOR, (500.0, 36.0)]) == bd_rate(ANCHOR, ANCHOR)


def test_curves_without_common_quality_are_not_compared() -> None:
    high = [(rate, quality + 20) for rate, quality in OTHER]
    assert bd_rate(ANCHOR, high) is None
    assert bd_rate(ANCHOR, OTHER[:1]) is None
    assert bd_rate([], []) is None
