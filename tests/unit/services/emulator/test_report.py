# SPDX-License-Identifier: Apache-2.0
"""The figures of a report, on records small enough to check by hand."""

from __future__ import annotations

import math

import pytest

from services.emulator.report import (
    FrameRecord,
    freezes_us,
    jain_index,
    percentile,
    screen_delays_ms,
    signal_delays_us,
    summarise,
)

T = 33_333


def record(index: int, shown_ms: int | None, size: int | None = 1000) -> FrameRecord:
    shown_us = None if shown_ms is None else index * T + shown_ms * 1000
    return FrameRecord(
        index,
        captured_us=index * T,
        budget_bytes=1250,
        reason="bandwidth",
        size_bytes=size,
        quality=10,
        arrived_us=shown_us,
        shown_us=shown_us,
        psnr_db=None if shown_ms is None else 40.0,
    )


def test_percentiles_are_nearest_rank() -> None:
    assert [percentile([3, 1, 2], share) for share in (0.5, 0.95, 0.01)] == [2, 3, 1]
    assert math.isnan(percentile([], 0.5))


def test_signal_delay_of_a_skipped_frame_runs_to_the_next_one_shown() -> None:
    frames = [record(0, 60), record(1, None, None), record(2, 60), record(3, None, None)]
    assert signal_delays_us(frames) == [60_000, 60_000 + T, 60_000]


def test_signal_delay_counts_a_newer_frame_that_came_first() -> None:
    late = record(0, 500)
    assert signal_delays_us([late, record(1, 60)]) == [60_000 + T, 60_000]


def test_screen_delay_leaves_out_what_a_newer_frame_superseded_in_the_same_instant() -> None:
    waited = FrameRecord(0, 0, 1250, "bandwidth", shown_us=2 * T)
    fresh = FrameRecord(1, T, 1250, "bandwidth", shown_us=2 * T)
    later = FrameRecord(2, 2 * T, 1250, "bandwidth", shown_us=4 * T)
    skipped = FrameRecord(3, 3 * T, None, "bandwidth")
    assert screen_delays_ms([waited, fresh, later, skipped]) == [T / 1000, 2 * T / 1000]


def test_freezes_are_gaps_beyond_three_periods_and_150_ms_more() -> None:
    shown = [0, T, 2 * T, 2 * T + 183_333, 2 * T + 183_333 + 183_334]
    assert freezes_us(shown, T) == [183_334]


def test_summary_counts_sizes_delays_and_budgets() -> None:
    frames = [record(i, 60) for i in range(10)]
    frames[4] = record(4, None, None)
    summary = summarise(
        frames,
        interval_us=T,
        start_us=0,
        end_us=10 * T,
        capacity_bytes=18_000,
        longest_gap_us=5_000,
    )
    assert (summary.captured, summary.sent, summary.over_budget) == (10, 9, 0)
    assert summary.skip_share == pytest.approx(0.1)
    assert summary.frame_delay_ms.p95 == 60
    assert summary.frame_delay_ms.count == 9
    # Nine were sent; the last one arrives after the window.
    assert summary.shown == 8
    assert summary.utilisation == pytest.approx(8000 * 1500 / 1448 / 18_000)
    assert summary.budget_used_p50 == pytest.approx(0.8)
    assert summary.psnr_db == 40
    assert math.isnan(summary.ssim_db)
    assert summary.longest_gap_ms == 5


def test_jain_index_is_one_for_equal_shares_and_a_half_for_one_of_two() -> None:
    assert jain_index([3, 3]) == pytest.approx(1)
    assert jain_index([1, 0]) == pytest.approx(0.5)
