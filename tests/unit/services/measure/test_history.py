# SPDX-License-Identifier: Apache-2.0
"""From cumulative snapshots to points over time, and onto the screen."""

from __future__ import annotations

import math

import pytest
from rich.console import Console

from services.demo.screen import render, sparkline
from services.measure.history import History, LinkState, Moment
from services.measure.stats import StreamEvent
from tests.unit.services.demo import snapshots


def moment(at_s: float, *totals_ms: float, link: LinkState | None = None) -> Moment:
    return Moment(round(at_s * 1e6), snapshots.sender(), snapshots.receiver(*totals_ms), link)


def test_nothing_is_kept_before_the_first_picture() -> None:
    history = History()
    history.add(Moment(0, None, None))
    history.add(moment(1.0))
    assert history.samples == ()


def test_time_starts_with_the_first_picture() -> None:
    history = History()
    history.add(moment(5.0, 40))
    history.add(moment(6.5, 40, 40))
    assert [s.seconds for s in history.samples] == [0.0, 1.5]


def test_a_sample_holds_the_latency_of_its_own_span_only() -> None:
    history = History()
    history.add(moment(0.0, 20, 20, 20))
    history.add(moment(1.0, 20, 20, 20, 80, 80))
    assert history.samples[0].latency_ms == pytest.approx(20, rel=0.03)
    assert history.samples[1].latency_ms == pytest.approx(80, rel=0.03)
    assert history.samples[1].legs_ms["encode"] == pytest.approx(40, rel=0.03)


def test_a_span_without_a_frame_has_no_latency() -> None:
    history = History()
    history.add(moment(0.0, 20))
    history.add(moment(1.0, 20))
    assert math.isnan(history.samples[1].latency_ms)


def test_a_restarted_receiver_counts_afresh() -> None:
    history = History()
    history.add(moment(0.0, 20, 20, 20))
    history.add(moment(1.0, 60))
    assert history.samples[1].latency_ms == pytest.approx(60, rel=0.03)


def test_the_queue_is_told_as_time() -> None:
    history = History()
    history.add(moment(0.0, 20, link=LinkState(800_000, 500_000, 10_000, 30_000)))
    assert history.samples[0].queue_ms == pytest.approx(100)
    assert history.samples[0].capacity_kbps == 800


def test_a_dead_link_has_no_queue_time() -> None:
    history = History()
    history.add(moment(0.0, 20, link=LinkState(0, 0, 10_000, 30_000)))
    assert math.isnan(history.samples[0].queue_ms)


def screen(moment: Moment, history: History) -> str:
    console = Console(width=110, file=None, record=True, quiet=False, force_terminal=False)
    with console.capture() as captured:
        console.print(render(moment, history.samples, title="scene"))
    return captured.get()


def test_the_screen_says_when_an_end_is_still_starting() -> None:
    text = screen(Moment(0, None, None), History())
    assert "sender: starting" in text
    assert "receiver: starting" in text


def test_the_screen_shows_figures_legs_and_events() -> None:
    history = History()
    event = StreamEvent(500_000, "keyframe", "asked for")
    last = Moment(
        1_000_000,
        snapshots.sender(reason="bandwidth"),
        snapshots.receiver(20, 40, events=(event,)),
        LinkState(800_000, 500_000, 0, 0),
    )
    history.add(last)
    text = screen(last, history)
    for part in (
        "38.5 dB",
        "250 kbit/s",
        "limited by bandwidth",
        "encode",
        "capacity",
        "asked for",
    ):
        assert part in text


def test_a_sparkline_scales_to_its_maximum_and_leaves_gaps() -> None:
    assert sparkline([1.0, 8.0, math.nan, 4.0]) == "▁█ ▄"
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)), width=20)) == 20
