# SPDX-License-Identifier: Apache-2.0
"""The link model on a virtual clock: exact times and counts, order, conservation."""

from __future__ import annotations

import math
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.emulator.loss import BurstLoss, IndependentLoss, Loss, NoLoss, loss_process
from services.emulator.model import Link
from services.emulator.profile import (
    Direction,
    Jitter,
    JitterKind,
    Outage,
    OutageKind,
    constant,
)
from services.emulator.queue import Discipline, QueueLimits
from services.emulator.service import NEVER_US, PoissonRate, Rate, StepRate, TraceRate, mean_bps

WIDE = QueueLimits(10**12)


def link(
    rate: Rate, *, queue: QueueLimits = WIDE, delay_us: int = 0, seed: int = 1, **kwargs: object
) -> Link[int]:
    return Link(Direction(rate=rate, queue=queue, delay_us=delay_us, **kwargs), seed=seed)  # type: ignore[arg-type]


def bps(value: int) -> StepRate:
    return StepRate(((0, value),))


def test_constant_rate_delivers_at_exact_microseconds() -> None:
    wire = link(bps(2_000_000), delay_us=20_000)
    assert [wire.offer(0, 1500) for _ in range(3)] == [26_000, 32_000, 38_000]


def test_trace_opportunities_are_shared_by_small_packets_and_lost_when_idle() -> None:
    wire = link(TraceRate((10,)))
    assert [wire.offer(0, 752) for _ in range(4)] == [10_000, 10_000, 20_000, 20_000]
    assert wire.offer(35_000, 100) == 40_000
    assert wire.offer(40_000, 100) == 50_000, "an opportunity at the moment of arrival is spent"


def test_trace_wraps_with_the_period_of_its_last_stamp() -> None:
    wire = link(TraceRate((0, 5, 5, 20)))
    times = [wire.offer(0, 1504) for _ in range(9)]
    assert times == [5_000, 5_000, 20_000, 20_000, 25_000, 25_000, 40_000, 40_000, 45_000]


def test_a_packet_may_use_parts_of_several_opportunities() -> None:
    wire = link(TraceRate((1, 2, 3, 10)))
    assert [wire.offer(0, 1000) for _ in range(3)] == [1_000, 2_000, 2_000]


def test_trace_without_loop_ends_in_a_dead_link() -> None:
    wire = link(TraceRate((5, 10), loop=False))
    assert [wire.offer(0, 1504) for _ in range(3)] == [5_000, 10_000, NEVER_US]
    assert wire.capacity_bytes(0, 10**9) == 2 * 1504


def test_offset_and_length_choose_a_part_of_the_trace() -> None:
    rate = TraceRate((5, 10, 30, 100), offset_ms=10, length_ms=20)
    wire = link(rate)
    assert [wire.offer(0, 1504) for _ in range(3)] == [20_000, 20_000, 40_000]
    rotated = link(TraceRate((5, 10, 30), offset_ms=10))
    assert [rotated.offer(0, 1504) for _ in range(4)] == [20_000, 25_000, 30_000, 50_000]


@pytest.mark.parametrize(
    "rate",
    [
        bps(2_000_000),
        bps(3_333_337),
        StepRate(((0, 4_000_000), (10_000_000, 1_000_001), (20_000_000, 3_000_000))),
        StepRate(((0, 100_000), (200_000, 7_000_000)), 400_000),
        TraceRate((3, 3, 9, 50, 51, 52, 60)),
        PoissonRate(2_000_000),
    ],
)
def test_saturated_link_carries_its_capacity_within_one_packet(rate: Rate) -> None:
    wire = link(rate)
    delivered = 0
    while (at := wire.offer(0, 1500)) is not None and at <= 60_000_000:
        delivered += 1500
    assert abs(delivered - wire.capacity_bytes(0, 60_000_000)) <= 1504
    assert mean_bps(rate) > 0


def test_poisson_opportunities_have_the_mean_rate() -> None:
    carried = link(PoissonRate(2_000_000)).capacity_bytes(0, 600_000_000)
    number = carried / 1504
    expected = 2_000_000 * 600 / 8 / 1504
    assert abs(number - expected) < 4 * math.sqrt(expected)


def test_spaced_packets_do_not_wait() -> None:
    wire = link(bps(2_000_000), delay_us=5_000)
    times = [wire.offer(at, 1500) for at in range(0, 1_000_000, 10_000)]
    assert times == [at + 11_000 for at in range(0, 1_000_000, 10_000)]


@pytest.mark.parametrize("limit", [1500, 4499, 4500, 60_000])
def test_byte_limit_accepts_exactly_what_fits(limit: int) -> None:
    wire = link(bps(2_000_000), queue=QueueLimits(limit))
    answers = [wire.offer(0, 1500) for _ in range(100)]
    accepted = sum(answer is not None for answer in answers)
    assert accepted == limit // 1500
    assert wire.statistics.dropped == 100 - accepted


def test_rate_step_inside_a_packet_serves_its_bits_piecewise() -> None:
    # 1500 bytes are 12 000 bits: 4000 of them in 4 ms at 1 Mbit/s, the rest at 2 Mbit/s.
    wire = link(StepRate(((0, 1_000_000), (4_000, 2_000_000))))
    assert wire.offer(0, 1500) == 8_000


def test_rate_zero_holds_and_resumes_at_the_exact_instant() -> None:
    wire = link(StepRate(((0, 1_000_000), (4_000, 0), (1_000_000, 1_000_000))))
    assert wire.offer(0, 1500) == 1_008_000
    assert link(StepRate(((0, 1_000_000), (4_000, 0)))).offer(0, 1500) == NEVER_US


def test_hold_outage_delays_and_drop_outage_loses() -> None:
    held = link(bps(1_000_000), outages=(Outage(4_000, 996_000, OutageKind.HOLD),))
    assert held.offer(0, 1500) == 1_008_000
    assert held.capacity_bytes(0, 2_000_000) == 125_500
    black = link(bps(1_000_000), outages=(Outage(4_000, 6_000, OutageKind.DROP),))
    assert [black.offer(at, 125) for at in (3_999, 4_000, 9_999, 10_000)] == [
        4_999,
        None,
        None,
        11_000,
    ]
    assert black.statistics.outage == 2


def test_trace_opportunities_during_a_hold_outage_are_no_capacity() -> None:
    wire = link(TraceRate((10,)), outages=(Outage(5_000, 20_000),))
    assert wire.offer(0, 1504) == 30_000
    assert wire.capacity_bytes(0, 30_000) == 1504


def test_independent_loss_has_its_probability_and_ignores_other_settings() -> None:
    process = loss_process(IndependentLoss(0.01), Random("x"))
    lost = sum(process.draw() for _ in range(1_000_000))
    assert abs(lost - 10_000) < 3 * math.sqrt(1_000_000 * 0.01 * 0.99)

    def pattern(rate: int, jitter: Jitter) -> list[bool]:
        wire = link(bps(rate), loss=IndependentLoss(0.1), jitter=jitter)
        return [wire.offer(at, 1500) is None for at in range(0, 3_000_000, 1_000)]

    assert pattern(2_000_000, Jitter()) == pattern(90_000, Jitter(20_000, JitterKind.NORMAL))


def test_bursts_have_the_mean_loss_and_length_of_their_model() -> None:
    p, r, number = 0.005, 0.3, 1_000_000
    process = loss_process(BurstLoss(p, r), Random("y"))
    draws = [process.draw() for _ in range(number)]
    share = p / (p + r)
    # Correlated draws: the variance of the mean grows by (2 - p - r) / (p + r).
    deviation = math.sqrt(share * (1 - share) / number * (2 - p - r) / (p + r))
    assert abs(sum(draws) / number - share) < 3 * deviation
    bursts = sum(a and not b for a, b in zip(draws, [*draws[1:], False], strict=True))
    length = sum(draws) / bursts
    assert abs(length - 1 / r) < 3 * math.sqrt((1 - r) / r**2 / bursts)


@pytest.mark.parametrize("kind", list(JitterKind))
def test_jitter_keeps_the_order_unless_told_otherwise(kind: JitterKind) -> None:
    jitter = Jitter(20_000, kind)
    wire = link(bps(100_000_000), delay_us=5_000, jitter=jitter)
    offers = range(0, 2_000_000, 2_000)
    times = [wire.offer(at, 1500) or 0 for at in offers]
    assert times == sorted(times)
    loose = link(bps(100_000_000), delay_us=5_000, jitter=replace(jitter, reorder=True))
    extra = [(loose.offer(at, 1500) or 0) - at - 5_120 for at in offers]
    assert 0 <= min(extra) < 200
    most = 20_000 if kind is JitterKind.UNIFORM else 80_000
    assert 0.9 * 20_000 < max(extra) <= most


def test_drop_head_gives_up_the_oldest_waiting_packet() -> None:
    wire = link(bps(1_000_000), queue=QueueLimits(4500, Discipline.DROP_HEAD))
    assert all(wire.push(0, 1500, item) for item in range(5))
    delivered = [delivery.item for delivery in wire.pop(10**7)]
    assert delivered == [0, 3, 4], "0 is in service; 1 and 2 made room"
    assert wire.statistics.dropped == 2


def test_codel_keeps_a_standing_queue_short_where_drop_tail_does_not() -> None:
    def last_wait_us(discipline: Discipline) -> int:
        wire = link(bps(2_000_000), queue=QueueLimits(400_000, discipline))
        waits = []
        for at in range(0, 20_000_000, 5_000):  # 1.2 times what the link carries
            waits += [d.at_us - d.item for d in wire.pop(at)]
            wire.push(at, 1500, at)
        return max(waits[-200:])

    assert last_wait_us(Discipline.DROP_TAIL) > 1_000_000
    assert last_wait_us(Discipline.CODEL) < 150_000


def test_offer_refuses_queues_that_drop_later_and_packets_above_the_mtu() -> None:
    wire = link(bps(1_000_000), queue=QueueLimits(4500, Discipline.CODEL))
    with pytest.raises(ValueError, match="drop-tail"):
        wire.offer(0, 1500)
    for size in (0, 1505):
        with pytest.raises(ValueError, match=f"packet of {size} bytes"):
            wire.push(0, size, 0)


def test_time_must_not_run_backwards() -> None:
    wire = Link[int](constant(1_000_000).up, seed=1)
    wire.offer(1_000, 100)
    with pytest.raises(ValueError, match="backwards: 999 us"):
        wire.offer(999, 100)


rates = st.one_of(
    st.integers(1, 10**8).map(bps),
    st.lists(st.integers(0, 10**7), min_size=1, max_size=4).map(
        lambda values: StepRate(tuple((i * 50_000, v) for i, v in enumerate([*values, 1_000_000])))
    ),
    st.lists(st.integers(0, 200), min_size=1, max_size=20)
    .map(sorted)
    .map(lambda stamps: TraceRate((*stamps, 201))),
    st.integers(10_000, 10**7).map(PoissonRate),
)
probability = st.floats(0, 1)
losses: st.SearchStrategy[Loss] = st.one_of(
    st.just(NoLoss()),
    st.builds(IndependentLoss, probability),
    st.builds(BurstLoss, probability, st.floats(0.01, 1), probability, probability),
)
directions = st.builds(
    Direction,
    rate=rates,
    queue=st.builds(
        QueueLimits,
        limit_bytes=st.integers(1500, 100_000),
        discipline=st.sampled_from(Discipline),
    ),
    delay_us=st.integers(0, 100_000),
    jitter=st.builds(Jitter, st.integers(0, 50_000), st.sampled_from(JitterKind), st.booleans()),
    loss=losses,
    outages=st.sampled_from(
        [(), (Outage(20_000, 50_000),), (Outage(20_000, 50_000, OutageKind.DROP),)]
    ),
)
offers = st.lists(st.tuples(st.integers(0, 30_000), st.integers(1, 1504)), max_size=60)


@settings(max_examples=150)
@given(directions, offers, st.integers(0, 3))
def test_every_packet_is_accounted_for_and_looking_changes_nothing(
    direction: Direction, packets: list[tuple[int, int]], seed: int
) -> None:
    watched: Link[int] = Link(direction, seed=seed)
    blind: Link[int] = Link(direction, seed=seed)
    log, now_us = [], 0
    for item, (wait_us, size) in enumerate(packets):
        for part in (wait_us // 2, wait_us - wait_us // 2):
            now_us += part
            log += watched.pop(now_us)
            watched.queue_bytes(now_us)
        watched.push(now_us, size, item)
        blind.push(now_us, size, item)
        seen = watched.statistics
        assert seen.offered == item + 1
        fates = seen.delivered + seen.lost + seen.dropped + seen.outage + seen.held
        assert seen.offered == fates
        assert 0 <= watched.queue_bytes(now_us) <= direction.queue.limit_bytes
    log += watched.pop(NEVER_US - 1)
    assert log == blind.pop(NEVER_US - 1)
    arrivals = [at for at, _ in log]
    assert arrivals == sorted(arrivals)


@settings(max_examples=100)
@given(directions, offers)
def test_offer_and_push_agree(direction: Direction, packets: list[tuple[int, int]]) -> None:
    direction = replace(direction, queue=replace(direction.queue, discipline=Discipline.DROP_TAIL))
    eager: Link[int] = Link(direction, seed=1)
    lazy: Link[int] = Link(direction, seed=1)
    now_us = 0
    answers = {}
    for item, (wait_us, size) in enumerate(packets):
        now_us += wait_us
        answer = eager.offer(now_us, size)
        assert lazy.push(now_us, size, item) == (answer is not None)
        if answer is not None and answer < NEVER_US:
            answers[item] = answer
    assert {d.item: d.at_us for d in lazy.pop(NEVER_US - 1)} == answers
