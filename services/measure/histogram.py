# SPDX-License-Identifier: Apache-2.0
"""Percentiles from log-spaced buckets: mergeable, bounded, 2% wide; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import floor, log2

STEPS_PER_OCTAVE = 32
_OCTAVES = 41  # 1 us to 25 days


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram as it was at one moment. Values are microseconds."""

    buckets: Mapping[int, int]
    count: int
    sum_us: int
    min_us: int
    max_us: int

    def percentile_us(self, share: float) -> float:
        """The value that `share` (0..1) of all stay below, to 2%; 0 with no values."""
        if self.count == 0:
            return 0.0
        rank, seen = share * self.count, 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                middle = 0.0 if bucket < 0 else 2 ** ((bucket + 0.5) / STEPS_PER_OCTAVE)
                return min(max(middle, float(self.min_us)), float(self.max_us))
        return float(self.max_us)

    @property
    def mean_us(self) -> float:
        """The average; 0 with no values."""
        return self.sum_us / self.count if self.count else 0.0

    def since(self, earlier: Distribution) -> Distribution:
        """What came after an earlier snapshot of the same histogram (minimum, maximum: of all)."""
        buckets = {
            bucket: count - earlier.buckets.get(bucket, 0)
            for bucket, count in self.buckets.items()
            if count > earlier.buckets.get(bucket, 0)
        }
        return Distribution(
            buckets,
            self.count - earlier.count,
            self.sum_us - earlier.sum_us,
            self.min_us,
            self.max_us,
        )

    def percentiles_ms(self) -> dict[str, float]:
        """p50, p95 and p99 in milliseconds, as the statistics print them."""
        return {
            name: round(self.percentile_us(share) / 1000, 3)
            for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99))
        }


class Histogram:
    """Counts durations. Values at or below zero share a bucket and keep the sum true."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self._count = 0
        self._sum_us = 0
        self._min_us = 0
        self._max_us = 0

    def add(self, value_us: int) -> None:
        """Count one value."""
        bucket = -1
        if value_us > 0:
            bucket = min(floor(log2(value_us) * STEPS_PER_OCTAVE), _OCTAVES * STEPS_PER_OCTAVE)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self._min_us = value_us if self._count == 0 else min(self._min_us, value_us)
        self._max_us = value_us if self._count == 0 else max(self._max_us, value_us)
        self._count += 1
        self._sum_us += value_us

    def snapshot(self) -> Distribution:
        """An immutable copy."""
        return Distribution(
            dict(self._buckets), self._count, self._sum_us, self._min_us, self._max_us
        )
