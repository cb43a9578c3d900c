# SPDX-License-Identifier: Apache-2.0
"""The targets of a link scenario, compared with what was measured."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.link_scenarios import Scenario
from services.emulator.profile import Profile
from services.emulator.simulate import SimulationResult

ENCODE_MS = 10.0  # assumed in virtual time
_DEAD_BPS = 150_000  # a link with less carries no stream

Check = tuple[str, float, str, float, bool]  # what, measured, relation, bound, met


def checks(scenario: Scenario, result: SimulationResult) -> list[Check]:
    """Each bound of a row beside what was measured."""
    targets = scenario.targets
    if targets is None:
        return []
    worst = [stream.summary for stream in result.streams]
    encode_ms = max(ENCODE_MS, result.encode_ms)
    bounds: list[tuple[str, float, str, float | None]] = [
        ("utilisation", result.utilisation, ">=", targets.utilisation),
        ("p95 ms", max(s.frame_delay_ms.p95 for s in worst), "<=", _and(targets.p95_ms, encode_ms)),
        ("p99 ms", max(s.frame_delay_ms.p99 for s in worst), "<=", _and(targets.p99_ms, encode_ms)),
        (
            "p95 outside",
            max(s.delay_outside_p95_ms for s in worst),
            "<=",
            _and(targets.p95_outside_ms, encode_ms),
        ),
        (
            "p95 screen",
            max(s.screen_delay_ms.p95 for s in worst),
            "<=",
            _and(targets.p95_screen_ms, encode_ms),
        ),
        ("fresh each", max(s.fresh_ms for s in worst), "<=", targets.fresh_each_ms),
        ("skip", max(s.skip_share for s in worst), "<=", targets.skip),
        ("skip outside", max(s.skip_outside for s in worst), "<=", targets.skip_outside),
        ("fps", min(s.frames_per_second for s in worst), ">=", targets.frames_per_second),
        ("fresh ms", fresh_frame_ms(result, scenario.profile), "<=", targets.fresh_ms),
        ("Jain", result.jain, ">=", targets.jain),
        ("worst 2 s kbps", worst_rate_kbps(result, 2.0), ">=", targets.worst_2s_kbps),
        ("after bulk", _recovered_share(result), ">=", targets.recovered),
        ("settles in ms", _settled_ms(result), "<=", targets.settle_ms),
        ("refills in s", _refilled_s(result), "<=", targets.refill_s),
    ]
    relation: dict[str, Callable[[float, float], bool]] = {
        ">=": lambda a, b: a >= b,
        "<=": lambda a, b: a <= b,
    }
    return [
        (what, value, sign, bound, relation[sign](value, bound))
        for what, value, sign, bound in bounds
        if bound is not None
    ]


def _and(bound_ms: float | None, encode_ms: float) -> float | None:
    return None if bound_ms is None else bound_ms + encode_ms


def fresh_frame_ms(result: SimulationResult, profile: Profile) -> float:
    """From the return of the link to the display of the first frame captured after it.

    The return is the end of an outage, else of the trace's longest gap while the stream ran.
    """
    frames = result.streams[0].frames
    outages = profile.up.outages
    back_us = outages[0].end_us if outages else _gap_end_us(result)
    fresh = [f.shown_us for f in frames if f.captured_us >= back_us and f.shown_us is not None]
    return (min(fresh) - back_us) / 1000 if fresh else float("inf")


def worst_rate_kbps(result: SimulationResult, span_s: float) -> float:
    """The lowest rate of the first stream over any span within the summary's window."""
    options = result.options
    end_s = options.seconds - options.cool_down_s
    starts = range(int(options.warm_up_s * 10), int((end_s - span_s) * 10))
    return min((_carried_kbps(result, s / 10, s / 10 + span_s) for s in starts), default=0.0)


def _carried_kbps(result: SimulationResult, start_s: float, end_s: float) -> float:
    frames = result.streams[0].frames
    return sum(
        (f.size_bytes or 0) * 8 / 1000
        for f in frames
        if f.arrived_us is not None and start_s <= f.arrived_us / 1e6 < end_s
    ) / (end_s - start_s)


def _capacity_kbps(result: SimulationResult, start_s: float, end_s: float) -> float:
    rates = [s.capacity_bps / 1000 for s in result.samples if start_s < s.at_us / 1e6 <= end_s]
    return sum(rates) / max(1, len(rates))


def _recovered_share(result: SimulationResult) -> float:
    if result.options.bulk is None:
        return 1.0
    start_s, end_s = result.options.bulk[1] + 5, result.options.seconds - 0.5
    return _carried_kbps(result, start_s, end_s) / max(1, _capacity_kbps(result, start_s, end_s))


def _settled_ms(result: SimulationResult) -> float:
    """From the step down at 10 s to the capture after which five frames in a row are below
    100 ms; a single slow frame later is caused by the machine, not by the control."""
    arrived = [
        (f.captured_us / 1000 - 10_000, f.arrived_us - f.captured_us <= 100_000)
        for f in result.streams[0].frames
        if f.arrived_us is not None and 9.9e6 <= f.captured_us < 20e6
    ]
    late = next((i for i, (_, fast) in enumerate(arrived) if not fast), None)
    if late is None:
        return 0.0
    for first in range(late, len(arrived) - 4):
        if all(fast for _, fast in arrived[first : first + 5]):
            return max(0.0, arrived[first][0])
    return float("inf")


def _refilled_s(result: SimulationResult) -> float:
    """After the step up at 20 s: when budgets first allow nine tenths of the capacity's share."""
    interval_s = 1 / result.options.frames_per_second
    for frame in result.streams[0].frames:
        seconds = frame.captured_us / 1e6 - 20
        if seconds >= 0 and (frame.budget_bytes or 0) * 8 / interval_s >= 0.9 * 0.95 * 4e6:
            return seconds
    return float("inf")


def _gap_end_us(result: SimulationResult) -> int:
    """End of the longest run of 100 ms samples that could not carry thirty minimal frames."""
    best, length, end_us = 0, 0, 0
    for sample in result.samples:
        length = 0 if sample.capacity_bps > _DEAD_BPS else length + 1
        if length > best:
            best, end_us = length, sample.at_us
    return end_us
