# SPDX-License-Identifier: Apache-2.0
"""What a viewer got over a link: delays, freezes, skips, quality and use of the capacity. Pure.

Delays count from capture. Frame delay: to the last byte's arrival, frames sent only. Screen delay:
the same without frames that a newer one superseded in the instant they came, as what waited for an
outage does: nobody sees them, and a receiver shows the newest alone. Signal delay
(Salsify): for every captured frame the time until the first frame shown that is no older, so that
skips and freezes count. Freeze: as in W3C webrtc-stats, a gap between shown frames above
max(3 T, T + 150 ms). Percentiles by nearest rank.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.emulator.outages import Usefulness, fresh_us

WIRE_SHARE = 1500 / 1448  # IP packet over TCP payload


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """The fate of one captured frame. Sizes and times are None where it did not get that far."""

    index: int
    captured_us: int
    budget_bytes: int | None  # None: skipped by the rate control
    reason: str
    size_bytes: int | None = None  # None: skipped, or nothing fitted the budget
    keyframe: bool = False
    quality: int = -1
    handed_us: int | None = None
    arrived_us: int | None = None
    shown_us: int | None = None
    psnr_db: float | None = None
    ssim_db: float | None = None


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Nearest-rank percentiles; NaN without values."""

    p50: float
    p95: float
    p99: float
    count: int


@dataclass(frozen=True, slots=True)
class Summary:
    """One row of a report; times in milliseconds, rates in Mbit/s, utilisation as a share."""

    captured: int
    sent: int
    shown: int
    skip_share: float
    outside: int  # captured outside outages, while the link carried the least useful rate
    skip_outside: float  # share of these that was skipped
    delay_outside_p95_ms: float
    outages: int
    fresh_ms: float  # the slowest first fresh frame after an outage; NaN without one
    capacity_mbps: float
    longest_gap_ms: float  # in which the link could carry nothing
    throughput_mbps: float
    utilisation: float
    frame_delay_ms: Percentiles
    screen_delay_ms: Percentiles
    signal_delay_ms: Percentiles
    freezes: int
    frozen_ms: float
    longest_freeze_ms: float
    frames_per_second: float
    psnr_db: float
    ssim_db: float
    quality_p50: float
    over_budget: int  # packets above their budget: must be 0
    budget_used_p50: float
    budget_used_p5: float


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; NaN without values."""
    if not values:
        return math.nan
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def percentiles(values: Sequence[float]) -> Percentiles:
    """50, 95 and 99 percent."""
    p50, p95, p99 = (percentile(values, share) for share in (0.5, 0.95, 0.99))
    return Percentiles(p50, p95, p99, len(values))


def signal_delays_us(records: Sequence[FrameRecord]) -> list[int]:
    """For each capture the time until a frame no older than it was shown; without the frames at
    the end that nothing shown covers any more."""
    delays: list[int] = []
    covered_us: int | None = None
    for record in reversed(records):
        if record.shown_us is not None:
            shown = record.shown_us
            covered_us = shown if covered_us is None else min(covered_us, shown)
        if covered_us is not None:
            delays.append(covered_us - record.captured_us)
    return delays[::-1]


def screen_delays_ms(records: Sequence[FrameRecord]) -> list[float]:
    """Of the frames that were on the screen: the newest of those shown in one instant."""
    newest = {record.shown_us: record for record in records if record.shown_us is not None}
    return [(shown_us - record.captured_us) / 1000 for shown_us, record in newest.items()]


def freezes_us(shown_us: Sequence[int], interval_us: int) -> list[int]:
    """The gaps between shown frames that a viewer notices."""
    limit_us = max(3 * interval_us, interval_us + 150_000)
    ordered = sorted(shown_us)
    gaps = [b - a for a, b in pairwise(ordered)]
    return [gap for gap in gaps if gap > limit_us]


def summarise(
    records: Sequence[FrameRecord],
    *,
    interval_us: int,
    start_us: int,
    end_us: int,
    capacity_bytes: int,
    longest_gap_us: int,
    usefulness: Usefulness | None = None,
) -> Summary:
    """Figures of the frames captured from `start_us` to `end_us`; capacity is of the same span.

    Without `usefulness` every frame counts as captured outside outages.
    """
    first = bisect_left(records, start_us, key=lambda record: record.captured_us)
    end = bisect_left(records, end_us, key=lambda record: record.captured_us)
    window = records[first:end]
    span_s = (end_us - start_us) / 1e6
    sent = [record for record in window if record.size_bytes is not None]
    arrived = [record for record in records if record.arrived_us is not None and record.size_bytes]
    carried = sum(
        record.size_bytes or 0
        for record in arrived
        if start_us <= (record.arrived_us or 0) < end_us
    )
    shown = sorted(
        record.shown_us
        for record in records
        if record.shown_us is not None and start_us <= record.shown_us < end_us
    )
    frozen = freezes_us(shown, interval_us)
    delays = _delays_ms(sent)
    # Signal delay needs the frames after the window too: they may be what ended a freeze.
    signal = signal_delays_us(records)[first:end]
    used = [
        record.size_bytes / record.budget_bytes
        for record in sent
        if record.size_bytes is not None and record.budget_bytes
    ]
    outside = [r for r in window if usefulness is None or usefulness.is_outside(r.captured_us)]
    outages = [o for o in (usefulness.outages_us if usefulness else ()) if o[1] < end_us]
    seen = [(r.captured_us, r.shown_us) for r in records if r.shown_us is not None]
    fresh = [us / 1000 for o in outages if (us := fresh_us(o, seen)) is not None]
    return Summary(
        captured=len(window),
        sent=len(sent),
        shown=len(shown),
        skip_share=1 - len(sent) / max(1, len(window)),
        outside=len(outside),
        skip_outside=sum(r.size_bytes is None for r in outside) / max(1, len(outside)),
        delay_outside_p95_ms=percentile(_delays_ms(outside), 0.95),
        outages=len(outages),
        fresh_ms=max(fresh, default=math.nan),
        capacity_mbps=capacity_bytes * 8 / span_s / 1e6,
        longest_gap_ms=longest_gap_us / 1000,
        throughput_mbps=carried * 8 / span_s / 1e6,
        utilisation=carried * WIRE_SHARE / max(1, capacity_bytes),
        frame_delay_ms=percentiles(delays),
        screen_delay_ms=percentiles(screen_delays_ms(window)),
        signal_delay_ms=percentiles([us / 1000 for us in signal]),
        freezes=len(frozen),
        frozen_ms=sum(frozen) / 1000,
        longest_freeze_ms=max(frozen, default=0) / 1000,
        frames_per_second=len(shown) / span_s,
        psnr_db=_mean([r.psnr_db for r in window if r.psnr_db is not None and r.shown_us]),
        ssim_db=_mean([r.ssim_db for r in window if r.ssim_db is not None and r.shown_us]),
        quality_p50=percentile([r.quality for r in sent], 0.5),
        over_budget=sum(
            r.budget_bytes is not None and (r.size_bytes or 0) > r.budget_bytes for r in sent
        ),
        budget_used_p50=percentile(used, 0.5),
        budget_used_p5=percentile(used, 0.05),
    )


def jain_index(shares: Sequence[float]) -> float:
    """Fairness of shares: 1 when all are equal, 1/n when one has everything."""
    squares = sum(share * share for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else math.nan


def _delays_ms(records: Sequence[FrameRecord]) -> list[float]:
    return [(r.arrived_us - r.captured_us) / 1000 for r in records if r.arrived_us is not None]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan
