# SPDX-License-Identifier: Apache-2.0
"""Latency from capture to display and the seven legs it is the sum of; pure.

Each leg is stamped once: capture (wait before the encoder), encode, queue (wait before the
socket), network, buffer (wait before the decoder), decode, display (wait for its turn, and the
sink's own work).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.measure.histogram import Distribution, Histogram

LEGS = ("capture", "encode", "queue", "network", "buffer", "decode", "display")


@dataclass(frozen=True, slots=True)
class Latency:
    """One frame's way from capture to display. The legs add up to `total_us`."""

    capture_us: int
    encode_us: int
    queue_us: int
    network_us: int
    buffer_us: int
    decode_us: int
    display_us: int
    error_us: int  # how far the clock offset in `network_us` may be off

    @property
    def total_us(self) -> int:
        """Capture to display."""
        return sum(self.legs_us)

    @property
    def legs_us(self) -> tuple[int, ...]:
        """In the order of `LEGS`."""
        return (
            self.capture_us,
            self.encode_us,
            self.queue_us,
            self.network_us,
            self.buffer_us,
            self.decode_us,
            self.display_us,
        )


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """Distributions of the total and of each leg, and the mean clock error."""

    total: Distribution
    legs: Mapping[str, Distribution]
    clock_error_us: int

    def as_json(self) -> dict[str, object]:
        """`latency_ms` {p50, p95, p99}, `clock_error_ms` and `legs_ms` {leg: {p50, p95, mean}}."""
        legs = {}
        for name, leg in self.legs.items():
            percentiles = leg.percentiles_ms()
            legs[name] = {
                "p50": percentiles["p50"],
                "p95": percentiles["p95"],
                "mean": round(leg.mean_us / 1000, 3),
            }
        return {
            "latency_ms": {
                **self.total.percentiles_ms(),
                "mean": round(self.total.mean_us / 1000, 3),
                "max": round(self.total.max_us / 1000, 3),
            },
            "clock_error_ms": round(self.clock_error_us / 1000, 3),
            "legs_ms": legs,
        }


class LatencyStats:
    """Histograms of the latency of shown frames."""

    def __init__(self) -> None:
        self._total = Histogram()
        self._legs = {name: Histogram() for name in LEGS}
        self._error_us = 0

    def add(self, latency: Latency) -> None:
        """Count one shown frame."""
        self._total.add(latency.total_us)
        for name, leg_us in zip(LEGS, latency.legs_us, strict=True):
            self._legs[name].add(leg_us)
        self._error_us = latency.error_us

    def snapshot(self) -> LatencySummary:
        """An immutable copy."""
        legs = {name: leg.snapshot() for name, leg in self._legs.items()}
        return LatencySummary(self._total.snapshot(), legs, self._error_us)
