# SPDX-License-Identifier: Apache-2.0
"""A stream over links in virtual time: what the rate control promises, end to end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from services.emulator.footage import ClipFootage
from services.emulator.loss import IndependentLoss
from services.emulator.profile import Outage, OutageKind, Profile, constant
from services.emulator.profile_file import load_profile, ready_profiles
from services.emulator.service import StepRate, TraceRate
from services.emulator.simulate import (
    SimulationOptions,
    SimulationResult,
    simulate,
)
from services.emulator.trace import read_trace
from streamcodec.frame import Frame
from tests.fakes import FakeCodec


def texture(shift: int) -> npt.NDArray[np.uint8]:
    rows, columns = np.mgrid[0:48, 0:64]
    return np.asarray((rows * 5 + (columns + shift) * 3) % 200 + 20, dtype=np.uint8)


def changed(base: Profile, **up: object) -> Profile:
    return replace(base, up=replace(base.up, **up))  # type: ignore[arg-type]


def delays_ms(result: SimulationResult, start_s: float, end_s: float) -> list[float]:
    return [
        (f.arrived_us - f.captured_us) / 1000
        for f in result.streams[0].frames
        if f.arrived_us is not None and start_s * 1e6 <= f.captured_us < end_s * 1e6
    ]


def test_the_same_arguments_give_the_same_result() -> None:
    options = SimulationOptions(seconds=5)
    assert simulate(load_profile("wifi-busy"), options) == simulate(
        load_profile("wifi-busy"), options
    )
    assert simulate(load_profile("wifi-busy"), replace(options, seed=2)) != simulate(
        load_profile("wifi-busy"), options
    )


def test_constant_link_is_used_and_stays_short() -> None:
    summary = simulate(constant(2_000_000)).summary
    assert summary.utilisation >= 0.88
    assert summary.frame_delay_ms.p95 <= 85
    assert summary.skip_share <= 0.02
    assert summary.over_budget == 0
    assert summary.freezes == 0


def test_a_deep_queue_is_left_empty() -> None:
    shallow = simulate(constant(2_000_000, queue_bytes=60_000)).summary
    deep = simulate(constant(2_000_000, queue_bytes=1_000_000)).summary
    assert deep.frame_delay_ms == shallow.frame_delay_ms


def test_step_down_is_over_in_half_a_second_and_step_up_used_in_one() -> None:
    result = simulate(load_profile("step"))
    assert max(delays_ms(result, 10.5, 20)) < 100
    after = [s.used_bps for s in result.samples if 21e6 <= s.at_us < 23e6]
    assert sum(after) / len(after) > 0.85 * 4e6


@pytest.mark.parametrize("kind", list(OutageKind))
def test_after_an_outage_a_fresh_frame_shows_soon_and_only_losses_cost_a_connection(
    kind: OutageKind,
) -> None:
    outage = Outage(5_000_000, 3_000_000, kind)
    options = SimulationOptions(seconds=12)
    result = simulate(changed(constant(4_000_000), outages=(outage,)), options)
    fresh = min(
        f.shown_us
        for f in result.streams[0].frames
        if f.captured_us >= outage.end_us and f.shown_us is not None
    )
    held = kind is OutageKind.HOLD
    assert fresh - outage.end_us < (400_000 if held else 1_000_000)
    assert max(delays_ms(result, 9, 11)) < 100
    assert result.streams[0].reconnects == (0 if held else 1)


def test_nothing_shown_is_stale_after_a_reconnect() -> None:
    outage = Outage(5_000_000, 3_000_000, OutageKind.DROP)
    result = simulate(changed(constant(4_000_000), outages=(outage,)))
    frames = [f for f in result.streams[0].frames if f.shown_us is not None]
    assert [f.shown_us for f in frames] == sorted(f.shown_us or 0 for f in frames)
    assert not any(f.keyframe for f in frames[1:]), "the held reference is used again"


def test_losses_cost_delay_and_no_frames_are_wrong() -> None:
    profile = changed(constant(4_000_000), loss=IndependentLoss(0.01))
    summary = simulate(profile).summary
    assert summary.utilisation >= 0.5
    assert summary.frame_delay_ms.p95 <= 140


def test_link_thinner_than_thirty_minimal_frames_still_shows_twelve() -> None:
    summary = simulate(load_profile("thin")).summary
    assert summary.frames_per_second >= 12
    assert summary.frame_delay_ms.p95 <= 270


def test_two_streams_share_and_a_bulk_flow_leaves_the_floor() -> None:
    link = constant(4_000_000)
    two = SimulationOptions(seconds=40, streams=2, second_stream_at_s=5, warm_up_s=5)
    result = simulate(link, two)
    assert result.jain >= 0.95
    assert result.utilisation >= 0.9
    beside = simulate(link, SimulationOptions(seconds=30, warm_up_s=5, bulk=(1, 20)))
    assert beside.bulk_mbps > 1
    shown = [f for f in beside.streams[0].frames if f.shown_us is not None]
    early = sum(f.size_bytes or 0 for f in shown if 5e6 <= f.captured_us < 20e6) * 8 / 15
    late = sum(f.size_bytes or 0 for f in shown if 25e6 <= f.captured_us < 29e6) * 8 / 4
    assert early > 200_000
    assert late > 0.85 * 4e6, "recovered five seconds after the bulk flow ended"


def test_every_ready_profile_streams() -> None:
    for name in ready_profiles():
        summary = simulate(load_profile(name), SimulationOptions(seconds=10)).summary
        assert summary.shown > 30, name
        assert summary.over_budget == 0


def test_a_real_codec_takes_the_place_of_the_model() -> None:
    frames = [Frame.grey(texture(i)) for i in range(4)]
    footage = ClipFootage(FakeCodec(), frames, psnr=lambda _a, _b: 40.0)
    assert [footage.frame(i) is frames[j] for i, j in enumerate([0, 1, 2, 3, 2, 1, 0])] == [
        True
    ] * 7
    result = simulate(
        changed(constant(1_000_000), rate=StepRate(((0, 1_000_000),))),
        SimulationOptions(seconds=5),
        footage=[footage],
    )
    assert result.summary.shown > 50
    assert result.summary.over_budget == 0
    assert result.summary.psnr_db == 40.0


def test_a_link_too_thin_for_the_picture_gets_a_smaller_one_that_is_judged_at_its_full_size() -> (
    None
):
    frames = [Frame.grey(texture(i)) for i in range(4)]
    judged: list[tuple[int, int]] = []

    def psnr(whole: Frame, shown: Frame) -> float:
        assert (whole.width, whole.height) == (shown.width, shown.height)
        judged.append((shown.width, shown.height))
        return 30.0

    thin = changed(constant(40_000), rate=StepRate(((0, 40_000),)))
    options = SimulationOptions(seconds=12)
    adapting = simulate(thin, options, footage=[ClipFootage(FakeCodec(), frames, psnr=psnr)])
    fixed = simulate(
        thin,
        replace(options, adapts=False),
        footage=[ClipFootage(FakeCodec(), frames, psnr=psnr)],
    )
    assert set(judged) == {(64, 48)}
    assert adapting.streams[0].resolution_changes > 0
    assert fixed.streams[0].resolution_changes == 0
    assert adapting.summary.frames_per_second > fixed.summary.frames_per_second


@pytest.mark.parametrize(
    ("trace", "p95_ms"), [("ATT-LTE-driving-2016.down", 130), ("TMobile-UMTS-driving.up", 190)]
)
def test_on_recorded_mobile_links_motion_stays_smooth_outside_outages(
    data_folder: Path, trace: str, p95_ms: int
) -> None:
    rate = TraceRate(read_trace(data_folder / "traces" / trace))
    link = changed(constant(1_000_000, queue_bytes=300_000), rate=rate)
    result = simulate(link, SimulationOptions(seconds=60))
    summary = result.summary
    assert summary.skip_outside <= 0.05
    assert summary.delay_outside_p95_ms <= p95_ms
    assert summary.fresh_ms <= 400
    assert result.streams[0].reconnects == 0
