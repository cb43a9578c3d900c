# SPDX-License-Identifier: Apache-2.0
"""Percentiles are within 2.5% of the exact ones, whatever the values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.measure.histogram import Histogram


def filled(values: list[int]) -> Histogram:
    histogram = Histogram()
    for value in values:
        histogram.add(value)
    return histogram


@given(
    st.lists(st.integers(1, 10**9), min_size=1, max_size=300),
    st.floats(0.01, 1.0),
)
def test_percentiles_are_close_to_the_exact_ones(values: list[int], share: float) -> None:
    rank = share * len(values)
    exact = next(v for i, v in enumerate(sorted(values), 1) if i >= rank)
    found = filled(values).snapshot().percentile_us(share)
    assert abs(found - exact) <= 0.025 * exact


@given(st.lists(st.integers(-1000, 10**9), max_size=50), st.lists(st.integers(1, 10**9)))
def test_the_difference_of_two_snapshots_is_what_came_between(
    first: list[int], second: list[int]
) -> None:
    histogram = filled(first)
    before = histogram.snapshot()
    for value in second:
        histogram.add(value)
    between, alone = histogram.snapshot().since(before), filled(second).snapshot()
    assert between.buckets == alone.buckets
    assert (between.count, between.sum_us) == (len(second), sum(second))


def test_negative_values_keep_the_sum_true() -> None:
    snapshot = filled([-500, 1500]).snapshot()
    assert snapshot.sum_us == 1000
    assert snapshot.min_us == -500


def test_an_empty_histogram_says_zero() -> None:
    assert Histogram().snapshot().percentiles_ms() == {"p50": 0.0, "p95": 0.0, "p99": 0.0}


def test_a_snapshot_does_not_change_later() -> None:
    histogram = filled([10])
    snapshot = histogram.snapshot()
    histogram.add(10)
    assert snapshot.count == sum(snapshot.buckets.values()) == 1
