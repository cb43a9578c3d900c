# SPDX-License-Identifier: Apache-2.0
"""The scenario matrix of the link benchmark: links, what runs on them, and the targets."""

from __future__ import annotations

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
from services.emulator.simulate import SimulationOptions
from services.emulator.trace import read_trace
from services.rate.tuning import Tuning


@dataclass(frozen=True, slots=True)
class Targets:
    """Bounds of a row; delays in milliseconds without encoding, shares as fractions."""

    utilisation: float | None
    p95_ms: float | None
    p99_ms: float | None
    skip: float | None = None
    skip_outside: float | None = 0.05  # of the frames outside outages
    p95_outside_ms: float | None = None
    p95_screen_ms: float | None = None  # of the frames on screen, outages included
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
    link: str  # description
    profile: Profile
    targets: Targets | None
    options: SimulationOptions = field(default_factory=SimulationOptions)
    real_time: bool = False  # also run over sockets


def scenarios(traces: Path | None) -> list[Scenario]:
    """The matrix; rows on recorded traces only with their folder."""
    base = SimulationOptions(quality=63)  # only the link limits, not the sender's quality cap
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
    """A constant rate on a path with loss, delay or aggregation."""
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
    """Links with outages, or almost too thin for a stream."""
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
    """One Mahimahi trace."""
    profile = _profile(TraceRate(read_trace(path), name=path.name), queue_bytes=300_000)
    options = SimulationOptions(seconds=seconds)
    return Scenario(path.name, f"trace {path.name}", profile, None, options)


def _trace_rows(traces: Path, base: SimulationOptions) -> list[Scenario]:
    """Recorded links."""

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
            "ATT-LTE-driving-2016.down, default quality cap",
            _profile(rate("ATT-LTE-driving-2016.down"), queue_bytes=300_000),
            Targets(None, None, None, p95_outside_ms=120, p95_screen_ms=120, fresh_each_ms=400),
            SimulationOptions(seconds=60),
        ),
        Scenario(
            "umts-up",
            "TMobile-UMTS-driving.up, default quality cap",
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
