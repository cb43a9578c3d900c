# SPDX-License-Identifier: Apache-2.0
"""The tree in virtual time repeats itself, breaks no chain, and adds up."""

from __future__ import annotations

import statistics

import pytest

from benchmarks.tree import Plan, Tree, simulate
from benchmarks.tree_live import MATERIAL, predicted
from services.emulator.profile import constant

SMALL = Plan(viewers=60, relays=(2, 4), fps=10.0)


@pytest.fixture(scope="module")
def figures() -> dict[str, object]:
    return simulate(SMALL)


def test_a_seed_gives_the_same_figures_again(figures: dict[str, object]) -> None:
    assert simulate(SMALL) == figures


def test_everybody_has_a_picture_and_no_chain_is_broken(figures: dict[str, object]) -> None:
    storm = figures["storm"]
    assert isinstance(storm, dict)
    assert storm["pictures"] == SMALL.viewers
    assert figures["broken_chains"] == 0


def test_a_storm_reaches_the_sender_as_one_request_a_second_of_each_relay(
    figures: dict[str, object],
) -> None:
    storm = figures["storm"]
    assert isinstance(storm, dict)
    assert 1 <= storm["keyframe_requests_at_sender"] <= 2 * (SMALL.join_s + 1)
    assert storm["keyframes_coded"] <= SMALL.join_s + 2


def test_latency_grows_with_depth(figures: dict[str, object]) -> None:
    by_depth = figures["latency_ms_by_depth"]
    assert isinstance(by_depth, dict)
    medians = [by_depth[str(depth)]["p50"] for depth in range(3)]
    assert medians == sorted(medians)


def test_who_loses_its_relay_has_a_picture_from_another() -> None:
    tree = Tree(SMALL)
    tree.join_all()
    tree.run(4.0)
    behind = tree.lose(tree.leaves[0], silently=True)
    assert len(behind) == SMALL.viewers // 4
    tree.run(4.0)
    assert all(1_000_000 < viewer.gap_us < 3_000_000 for viewer in behind)
    now_us = tree.clockwork.now_us
    assert all(now_us - viewer.heard_us < 1_000_000 for viewer in behind)


def test_relays_in_a_row_add_link_and_hop_each() -> None:
    delay_us, hop_us, bps = 20_000, 3_000, 10_000_000
    profile = constant(bps, delay_us=delay_us, queue_bytes=1_000_000)
    found = predicted(profile, relays=3, hop_us=hop_us, seconds=3.0)
    medians = [statistics.median(latencies) for latencies in found]
    least_us = (MATERIAL.inter_bytes * 8_000_000) // bps  # without any headers
    assert medians[0] == 0
    for depth in (1, 2, 3):
        way_us = medians[depth] - medians[depth - 1]
        assert delay_us + hop_us + least_us < way_us < delay_us + hop_us + 1.3 * least_us + 100
