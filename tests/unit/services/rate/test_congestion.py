# SPDX-License-Identifier: Apache-2.0
"""The congestion controller on a virtual clock: rate, delay, outages, resets, misbehaving peers."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.rate.budget import BACKLOG, KEEPALIVE, STARTUP, UNACKNOWLEDGED, UNLIMITED, Ack, Budget
from services.rate.congestion import CongestionController
from services.rate.tuning import Tuning

FRAME_US = 33_333
ENCODE_US = 10_000


@dataclass
class Run:
    """Frames over a first-in, first-out pipe whose rate (bytes per second) depends on time."""

    rate_at: Callable[[float], float]
    delay_us: int = 20_000
    offset_us: int = 0  # receiver's clock ahead of the sender's
    ack_grid_us: int = 1
    controller: CongestionController = field(
        default_factory=lambda: CongestionController(frame_interval_us=FRAME_US)
    )
    budgets: list[tuple[int, Budget]] = field(default_factory=list)
    delays_us: list[tuple[int, int]] = field(default_factory=list)
    _free_us: float = 0.0
    _acks: list[tuple[int, Ack]] = field(default_factory=list)

    def until(self, end_s: float) -> Run:
        first = len(self.budgets)
        for number in range(first, int(end_s * 1e6 / FRAME_US)):
            now_us = number * FRAME_US
            self.deliver_acks(now_us)
            budget = self.controller.budget(now_us, encode_us=ENCODE_US)
            self.budgets.append((now_us, budget))
            if budget.size_bytes is not None:
                self.deliver_acks(now_us + ENCODE_US)
                self._send(number, budget.size_bytes, now_us + ENCODE_US)
        return self

    def _send(self, frame_id: int, size: int, now_us: int) -> None:
        self.controller.on_sent(frame_id, size, now_us)
        head_us = self._serve(min(size, 1400), now_us)
        tail_us = self._serve(size - min(size, 1400), now_us)
        self.delays_us.append((now_us, tail_us + self.delay_us - now_us + ENCODE_US))
        ack = Ack(
            frame_id,
            size,
            head_us + self.delay_us + self.offset_us,
            tail_us + self.delay_us + self.offset_us,
        )
        returned = tail_us + 2 * self.delay_us
        returned += -returned % self.ack_grid_us
        heapq.heappush(self._acks, (returned, frame_id, ack))  # type: ignore[misc]

    def _serve(self, size: int, now_us: int) -> int:
        at = max(float(now_us), self._free_us)
        left = float(size + 52 * (size > 0))
        while left > 0:
            step = self.rate_at(at / 1e6) / 1000
            if step >= left:
                at += 1000 * left / step
                break
            left -= step
            at += 1000
        self._free_us = at
        return int(at)

    def deliver_acks(self, now_us: int) -> None:
        while self._acks and self._acks[0][0] <= now_us:
            at, _, ack = heapq.heappop(self._acks)  # type: ignore[misc]
            self.controller.on_ack(ack, at)

    def share_used(self, start_s: float, end_s: float) -> float:
        sent = sum(
            budget.size_bytes or 0
            for now_us, budget in self.budgets
            if start_s * 1e6 <= now_us < end_s * 1e6
        )
        steps = range(int(start_s * 1000), int(end_s * 1000))
        return sent / sum(self.rate_at(ms / 1000) / 1000 for ms in steps)

    def worst_delay_us(self, start_s: float, end_s: float) -> int:
        return max(d for at, d in self.delays_us if start_s * 1e6 <= at < end_s * 1e6)


def constant(rate: float) -> Callable[[float], float]:
    return lambda _: rate


def test_constant_link_is_filled_without_a_queue() -> None:
    run = Run(constant(250_000)).until(20)
    assert 0.88 < run.share_used(3, 20) <= 1.0
    assert run.worst_delay_us(3, 20) < 75_000


@pytest.mark.parametrize("offset_us", [-3_600_000_000, 5_000_000])
def test_offset_between_the_clocks_changes_nothing(offset_us: int) -> None:
    plain = Run(constant(250_000)).until(5)
    shifted = Run(constant(250_000), offset_us=offset_us).until(5)
    assert shifted.budgets == plain.budgets
    assert shifted.controller.min_rtt_us == plain.controller.min_rtt_us


def test_step_down_drains_within_half_a_second_and_step_up_is_used_within_one() -> None:
    rates = Run(lambda s: 500_000 if s < 10 or s >= 20 else 125_000).until(30)
    assert rates.worst_delay_us(10.5, 20) < 110_000
    assert rates.share_used(11, 20) > 0.85
    assert rates.share_used(21, 30) > 0.85


def test_outage_stops_sending_and_restarts_gently_after_it() -> None:
    run = Run(lambda s: 1.0 if 10 <= s < 15 else 500_000).until(30)
    during = [b for at, b in run.budgets if 10.5e6 <= at < 15e6 and b.size_bytes is not None]
    assert sum(b.size_bytes or 0 for b in during) < 10_000
    assert run.worst_delay_us(15.3, 30) < 110_000
    assert run.share_used(17, 30) > 0.85


def test_after_an_outage_one_frame_is_under_way_until_the_first_is_acknowledged() -> None:
    """A link that stopped often stops again, and what is under way then comes late."""

    def broken(t: float) -> float:
        return 0.0 if 4.0 <= t < 5.0 or 5.06 <= t < 5.6 else 250_000.0

    run = Run(broken).until(5.6)
    late = [at for at, delay in run.delays_us if at >= 5_000_000 and delay > 190_000]
    assert len(late) <= 1
    run.until(8.0)
    assert run.share_used(6.2, 8.0) > 0.75


def test_a_pause_too_short_for_an_outage_raises_nothing_by_itself() -> None:
    """Budgets that were only asked for prove nothing: the rate grows with what arrives."""
    run = Run(lambda t: 0.0 if 4.0 <= t < 4.3 else 250_000.0)
    before = run.until(4.0).controller.rate_bps
    assert run.until(4.29).controller.rate_bps <= before


def test_frames_that_waited_for_an_outage_are_not_taken_for_somebody_elses_queue() -> None:
    run = Run(lambda t: 0.0 if 4.0 <= t < 5.2 else 90_000.0).until(8.0)
    after = [delay for at, delay in run.delays_us if 5.6e6 <= at < 7.0e6]
    assert max(after) < 120_000


@pytest.mark.parametrize("least_rate", [2.0, 4.0, 10.0])
def test_a_link_that_slows_down_gets_small_frames_instead_of_none(least_rate: float) -> None:
    """It still carries the least useful rate: at most one frame in twenty is left out."""
    slow = least_rate * 652 * 30
    run = Run(lambda t: 2.5 * slow if int(t / 2) % 2 == 0 else slow).until(20.0)
    captured = [budget for at, budget in run.budgets if at > 2_000_000]
    skipped = sum(budget.size_bytes is None for budget in captured)
    assert skipped <= 0.05 * len(captured)
    delays = sorted(delay for at, delay in run.delays_us if at > 2_000_000)
    assert delays[int(0.95 * len(delays))] < 150_000


def test_a_link_that_stands_still_gets_nothing_after_the_first_overdue_answer() -> None:
    run = Run(lambda t: 0.0 if 4.0 <= t < 6.0 else 250_000.0).until(5.0)
    late = [at for at, budget in run.budgets if budget.size_bytes is not None and at > 4_000_000]
    assert len(late) <= 5


def test_batched_acknowledgements_are_no_alarm() -> None:
    run = Run(constant(500_000), ack_grid_us=50_000).until(20)
    assert run.share_used(3, 20) > 0.85


def test_link_thinner_than_the_smallest_frame_skips_instead_of_queueing() -> None:
    run = Run(constant(18_750), delay_us=30_000).until(30)
    assert run.share_used(5, 30) > 0.8
    assert run.worst_delay_us(5, 30) < 300_000
    sent = sum(b.size_bytes is not None for at, b in run.budgets if at >= 5e6)
    assert sent / 25 >= 12


def test_wide_link_is_capped_by_the_largest_frame() -> None:
    run = Run(constant(5_000_000)).until(5)
    assert run.budgets[-1][1] == Budget(60_000, UNLIMITED)


def test_frames_far_below_their_budget_do_not_raise_it() -> None:
    controller = settled()
    before = controller.budget(3_300_000, encode_us=0).size_bytes
    for number in range(60):
        now_us = 3_300_000 + number * FRAME_US
        controller.on_sent(900 + number, 400, now_us)
        ack = Ack(900 + number, 400, now_us + 20_000, now_us + 20_000)
        controller.on_ack(ack, now_us + 30_000)
        after = controller.budget(now_us + FRAME_US, encode_us=0).size_bytes
    assert before is not None
    assert after is not None
    assert after <= 1.5 * before


def test_only_two_frames_leave_before_the_first_acknowledgement() -> None:
    controller = CongestionController(frame_interval_us=FRAME_US)
    for frame_id in range(2):
        budget = controller.budget(frame_id * FRAME_US, encode_us=0)
        assert budget.reason == STARTUP
        assert budget.size_bytes is not None
        controller.on_sent(frame_id, budget.size_bytes, frame_id * FRAME_US)
    assert controller.budget(2 * FRAME_US, encode_us=0) == Budget(None, STARTUP)


def settled() -> CongestionController:
    run = Run(constant(250_000)).until(3)
    run.deliver_acks(3_200_000)
    return run.controller


def test_missing_acknowledgements_stop_the_stream_and_are_named() -> None:
    controller = settled()
    for frame_id, sent_us in ((900, 3_300_000), (901, 3_333_333)):
        controller.on_sent(frame_id, 5_000, sent_us)
    assert controller.budget(4_200_000, encode_us=0) == Budget(None, UNACKNOWLEDGED)
    assert controller.stalled_us(4_200_000) >= 800_000


def test_idle_link_gets_a_keepalive_frame() -> None:
    controller = CongestionController(frame_interval_us=FRAME_US, min_bytes=5_000, max_bytes=60_000)
    controller.on_reset(0)
    reasons = [controller.budget(now, encode_us=0).reason for now in (100_000, 400_000)]
    assert reasons[-1] in {KEEPALIVE, "bandwidth"}
    assert controller.budget(400_000, encode_us=0).size_bytes == 5_000


def test_reset_forgets_the_path_and_keeps_a_quarter_of_the_rate() -> None:
    controller = settled()
    before = controller.capacity_bps
    controller.on_sent(901, 5_000, 3_300_000)
    controller.on_reset(3_400_000)
    assert controller.capacity_bps == pytest.approx(before / 4, rel=0.01)
    assert controller.bytes_in_flight == 0
    assert controller.min_rtt_us is None
    assert controller.budget(3_433_333, encode_us=0).size_bytes is not None


def test_keyframe_floor_is_granted_on_an_idle_link_and_refused_behind_a_backlog() -> None:
    controller = settled()
    assert controller.budget(4_000_000, encode_us=0, floor_bytes=30_000).size_bytes == 30_000
    controller.on_sent(902, 30_000, 4_000_000)
    refused = controller.budget(4_033_333, encode_us=0, floor_bytes=30_000)
    assert refused == Budget(None, BACKLOG)


def test_unknown_and_repeated_acknowledgements_are_ignored() -> None:
    controller = settled()
    before = (controller.capacity_bps, controller.min_rtt_us)
    controller.on_ack(Ack(5, 600, 0, 0), 3_300_000)
    controller.on_ack(Ack(70_000, 600, 0, 0), 3_300_000)
    assert (controller.capacity_bps, controller.min_rtt_us) == before


def test_an_acknowledgement_covers_earlier_frames_that_were_never_acknowledged() -> None:
    controller = settled()
    for frame_id in (910, 911):
        controller.on_sent(frame_id, 2_000, 3_300_000)
    controller.on_ack(Ack(911, 2_000, 3_330_000, 3_340_000), 3_360_000)
    assert controller.bytes_in_flight == 0


@pytest.mark.parametrize(
    ("interval_us", "least", "most"), [(0, 600, 60_000), (33_333, 0, 1), (33_333, 700, 600)]
)
def test_impossible_settings_are_refused(interval_us: int, least: int, most: int) -> None:
    with pytest.raises(ValueError, match="min_bytes"):
        CongestionController(frame_interval_us=interval_us, min_bytes=least, max_bytes=most)


def test_assertive_tuning_still_keeps_a_private_link_short() -> None:
    controller = CongestionController(frame_interval_us=FRAME_US, tuning=Tuning.assertive())
    run = Run(constant(250_000), controller=controller).until(20)
    assert run.worst_delay_us(3, 20) < 110_000


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 2_000_000),  # time until the next step
            st.sampled_from(["budget", "ack", "ack old", "reset"]),
            st.integers(-(2**40), 2**40),  # what the peer claims
            st.integers(-(2**40), 2**40),
        ),
        max_size=60,
    )
)
def test_no_peer_can_make_a_budget_leave_its_limits(
    steps: list[tuple[int, str, int, int]],
) -> None:
    controller = CongestionController(frame_interval_us=FRAME_US)
    now_us = 0
    sent = 0
    for wait_us, kind, head_us, tail_us in steps:
        now_us += wait_us
        if kind == "budget":
            budget = controller.budget(now_us, encode_us=ENCODE_US)
            if budget.size_bytes is not None:
                assert 600 <= budget.size_bytes <= 60_000
                controller.on_sent(sent, budget.size_bytes, now_us)
                sent += 1
        elif kind == "reset":
            controller.on_reset(now_us)
        else:
            newest = max(0, sent - 1 - 2 * (kind == "ack old"))
            controller.on_ack(Ack(newest, abs(head_us) % 60_001, head_us, tail_us), now_us)
        assert controller.capacity_bps >= 0
