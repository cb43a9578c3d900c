# SPDX-License-Identifier: Apache-2.0
"""The scenario matrix of the link benchmark: links, what runs on them, and what must come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from services.emulator.loss import IndependentLoss
from services.emulator.profile import (
    Direction,
    Jitter,
    Outage,
    OutageKind,
    Profile,
    constant,
    default_return,
)
from services.emulator.queue import Discipline, QueueLimits
from services.emulator.service import Rate, StepRate, TraceRate
from services.emulator.simulate import SimulationOptions, SimulationResult
from services.emulator.trace import read_trace
from services.rate.tuning import Tuning

ENCODE_MS = 10.0
DEAD_BPS = 150_000


@dataclass(frozen=True, slots=True)
class Targets:
    """Bounds of a row; delays in milliseconds without encoding, shares as fractions."""

    utilisation: float | None
    p95_ms: float | None
    p99_ms: float | None
    skip: float | None = None
    skip_outside: float | None = 0.05  # of the frames outside outages
    p95_outside_ms: float | None = None
    p95_screen_ms: float | None = None  # of the frames that were on the screen, outages included
    fresh_each_ms: float | None = None  # as `fresh_ms`, of every outage
    frames_per_second: float | None = None
    fresh_ms: float | None = None  # capture to display of the first frame after a gap
    jain: float | None = None
    worst_2s_kbps: float | None = None
    recovered: float | None = None  # share of the link from 5 s after a bulk flow ended
    settle_ms: float | None = None  # until all frames are below 100 ms after a step down
    refill_s: float | None = None  # until 90% of the rate is used after a step up


@dataclass(frozen=True, slots=True)
class Scenario:
    """One row."""

    name: str
    link: str  # in words
    profile: Profile
    targets: Targets | None
    options: SimulationOptions = field(default_factory=SimulationOptions)
    real_time: bool = False  # also run over sockets


def scenarios(traces: Path | None) -> list[Scenario]:
    """The matrix; rows on recorded traces only where the folder with them is known."""
    base = SimulationOptions(quality=63)  # the link shall be the limit, not the sender's cap
    rows = _rate_rows()
    if traces is not None:
        rows += _trace_rows(traces, base)
    return rows + _path_rows(base) + _hard_rows() + _company_rows(base)


def _rate_rows() -> list[Scenario]:
    """A clean path."""
    return [
        Scenario(
            "const2",
            "2 Mbit/s, 60 kB",
            constant(2_000_000),
            Targets(0.88, 75, 130, skip=0.02),
            real_time=True,
        ),
        Scenario(
            "step414",
            "4-1-4 Mbit/s, 10 s each",
            _profile(_steps(4, 1, 4)),
            Targets(0.85, 75, 150, settle_ms=500, refill_s=1.0),
            real_time=True,
        ),
    ]


def _path_rows(base: SimulationOptions) -> list[Scenario]:
    """A steady rate on a path that loses, delays or gathers."""
    return [
        Scenario(
            "loss1",
            "4 Mbit/s, 1% loss",
            _profile(_rate(4), loss=IndependentLoss(0.01)),
            Targets(0.50, 130, 200, skip=0.12),
            real_time=True,
        ),
        Scenario(
            "rtt200",
            "4 Mbit/s, 2 x 100 ms",
            _profile(_rate(4), delay_us=100_000),
            Targets(0.85, 160, 250),
            real_time=True,
        ),
        Scenario(
            "deep1MB",
            "2 Mbit/s, 1 MB",
            constant(2_000_000, queue_bytes=1_000_000),
            Targets(0.88, 75, 130, skip=0.02),
            real_time=True,
        ),
        Scenario(
            "jitter20",
            "4 Mbit/s, 0 to 20 ms jitter",
            _profile(_rate(4), jitter=Jitter(20_000)),
            Targets(0.65, 95, 140),
        ),
        Scenario(
            "ackagg50",
            "4 Mbit/s, ACKs on a 50 ms grid",
            _profile(_rate(4)),
            Targets(0.85, 95, 140),
            replace(base, ack_grid_us=50_000),
        ),
        Scenario(
            "drift",
            "4 Mbit/s, clock +100 ppm, +5 s",
            _profile(_rate(4)),
            Targets(0.85, 95, 140),
            replace(base, clock_ppm=100.0, clock_offset_us=5_000_000),
        ),
    ]


def _hard_rows() -> list[Scenario]:
    """Links that are away for a while, or nearly too thin for any stream."""
    return [
        Scenario(
            "hold5s",
            "4 Mbit/s, held from 10 to 15 s",
            _profile(_rate(4), outages=(Outage(10_000_000, 5_000_000),)),
            Targets(0.80, 80, 200, fresh_ms=400),
            real_time=True,
        ),
        Scenario(
            "black5s",
            "4 Mbit/s, lost from 10 to 15 s",
            _profile(_rate(4), outages=(Outage(10_000_000, 5_000_000, OutageKind.DROP),)),
            Targets(0.60, 80, 200, fresh_ms=1000),
        ),
        Scenario(
            "thin150k",
            "150 kbit/s, 30 kB, 2 x 30 ms",
            _profile(StepRate(((0, 150_000),)), delay_us=30_000, queue_bytes=30_000),
            Targets(0.85, 260, 350, frames_per_second=12),
        ),
    ]


def _company_rows(base: SimulationOptions) -> list[Scenario]:
    """Another stream, or a bulk transfer, on the same link."""
    beside_bulk = replace(base, seconds=70, warm_up_s=10, cool_down_s=10, bulk=(0.5, 60))
    two = replace(base, seconds=60, streams=2, second_stream_at_s=5.0, warm_up_s=5.0)
    return [
        Scenario(
            "two",
            "4 Mbit/s, two of our streams",
            _profile(_rate(4)),
            Targets(0.90, 160, 250, jain=0.95),
            two,
        ),
        Scenario(
            "bulk",
            "4 Mbit/s, a CUBIC flow beside",
            _profile(_rate(4)),
            Targets(0.10, 350, 500, worst_2s_kbps=200, recovered=0.85, skip_outside=None),
            beside_bulk,
        ),
        Scenario(
            "bulk-codel",
            "the same with CoDel in the link",
            _profile(_rate(4), discipline=Discipline.CODEL),
            None,
            beside_bulk,
        ),
        Scenario(
            "bulk-assert",
            "beside the CUBIC flow, Tuning.assertive()",
            _profile(_rate(4)),
            None,
            replace(beside_bulk, tuning=Tuning.assertive()),
        ),
    ]


def trace_scenario(path: Path, seconds: float) -> Scenario:
    """One Mahimahi trace, read as it is."""
    profile = _profile(TraceRate(read_trace(path), name=path.name), queue_bytes=300_000)
    options = SimulationOptions(seconds=seconds)
    return Scenario(path.name, f"trace {path.name}", profile, None, options)


def _trace_rows(traces: Path, base: SimulationOptions) -> list[Scenario]:
    """Links as they were recorded."""

    def rate(name: str, length_ms: int | None = None) -> Rate:
        return TraceRate(read_trace(traces / name), length_ms=length_ms, name=name)

    minute = replace(base, seconds=60)
    return [
        Scenario(
            "vz-lte-up",
            "Verizon-LTE-short.up, 300 kB",
            _profile(rate("Verizon-LTE-short.up"), queue_bytes=300_000),
            Targets(0.70, 130, 220, skip=0.10),
            minute,
            real_time=True,
        ),
        Scenario(
            "att-drive",
            "ATT-LTE-driving.down, 300 kB",
            _profile(rate("ATT-LTE-driving.down"), queue_bytes=300_000),
            Targets(0.65, 160, 600, fresh_ms=500),
            minute,
            real_time=True,
        ),
        Scenario(
            "umts",
            "TMobile-UMTS-driving.down, 29 s",
            _profile(rate("TMobile-UMTS-driving.down", 29_000), queue_bytes=300_000),
            None,
            replace(base, seconds=29),
        ),
        Scenario(
            "att-2016",
            "ATT-LTE-driving-2016.down, quality as a sender has it",
            _profile(rate("ATT-LTE-driving-2016.down"), queue_bytes=300_000),
            Targets(None, None, None, p95_outside_ms=120, p95_screen_ms=120, fresh_each_ms=400),
            SimulationOptions(seconds=60),
        ),
        Scenario(
            "umts-up",
            "TMobile-UMTS-driving.up, quality as a sender has it",
            _profile(rate("TMobile-UMTS-driving.up"), queue_bytes=300_000),
            Targets(None, None, None, p95_outside_ms=180, p95_screen_ms=180, fresh_each_ms=400),
            SimulationOptions(seconds=60),
        ),
    ]


def _rate(mbps: float) -> StepRate:
    return StepRate(((0, round(mbps * 1e6)),))


def _steps(*mbps: float) -> StepRate:
    return StepRate(tuple((i * 10_000_000, round(m * 1e6)) for i, m in enumerate(mbps)))


def _profile(
    rate: Rate,
    *,
    delay_us: int = 20_000,
    queue_bytes: int = 60_000,
    discipline: Discipline = Discipline.DROP_TAIL,
    **impairments: object,
) -> Profile:
    queue = QueueLimits(queue_bytes, discipline, codel_target_us=15_000)
    up = Direction(rate=rate, queue=queue, delay_us=delay_us, **impairments)  # type: ignore[arg-type]
    return Profile(name="bench", up=up, down=default_return(delay_us))


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
    """The least that any span within the summary's window carried of the first stream."""
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
    100 ms; a single slow frame later is a hiccup of the machine, not of the control."""
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
        length = 0 if sample.capacity_bps > DEAD_BPS else length + 1
        if length > best:
            best, end_us = length, sample.at_us
    return end_us
