# SPDX-License-Identifier: Apache-2.0
"""Sender, relays and receivers by their cores on a manual clock: minutes of stream in moments."""

from __future__ import annotations

import pytest

from services.protocol.planner import Rules
from services.rate.budget import BANDWIDTH, Budget
from services.rate.congestion import CongestionController
from streamcodec.frame import Frame
from tests.fakes import noise_frame
from tests.manual import DECODE_US, ENCODE_US, WAY_US, Clock, ManualReceiver, ManualSender, moving
from tests.manual_serving import ManualRelay


def wrong(receiver: ManualReceiver, *senders: ManualSender) -> int:
    """Shown frames that no sender meant to show."""
    meant = {key: frames for sender in senders for key, frames in sender.meant.items()}
    return sum(
        not any(
            frame.same_pixels(shown.frame)
            for frame in meant.get((shown.meta.epoch, shown.meta.sequence), ())
        )
        for shown in receiver.shown
    )


def test_ten_minutes_of_stream_shows_every_frame_with_flat_latency() -> None:
    clock = Clock()
    sender = ManualSender(clock, fps=2.0)
    receiver = ManualReceiver(clock, sender)
    clock.run(600.0)
    assert len(receiver.shown) == pytest.approx(1200, abs=2)
    assert wrong(receiver, sender) == 0
    way_us = ENCODE_US + WAY_US + DECODE_US
    assert {shown.meta.latency_us for shown in receiver.shown[1:]} == {way_us}
    assert sender.snapshot().key_frames_encoded == 1
    assert receiver.snapshot().reconnects == 0


def test_the_legs_of_latency_add_up_at_both_ends() -> None:
    clock = Clock()
    sender = ManualSender(clock)
    receiver = ManualReceiver(clock, sender, sink_us=3_000)
    clock.run(1.0)
    for shown in receiver.shown:
        latency, meta = shown.meta.latency, shown.meta
        assert latency is not None
        assert meta.captured_us is not None
        assert sum(latency.legs_us) == meta.shown_us - meta.captured_us
        assert min(latency.legs_us) >= 0
        assert latency.error_us == 0
    summary = receiver.snapshot().latency
    assert summary.total.count == len(receiver.shown) > 90
    assert sum(leg.sum_us for leg in summary.legs.values()) == summary.total.sum_us
    clock.run(0.004)
    told = sender.snapshot().viewers[0].latency  # the sender knows the receiver's truth
    assert sum(leg.sum_us for leg in told.legs.values()) == told.total.sum_us
    assert told.total.count >= len(receiver.shown) - 1


def test_several_receivers_share_one_encode() -> None:
    clock = Clock()
    sender = ManualSender(clock)
    receivers = [ManualReceiver(clock, sender, name=f"r{i}") for i in range(3)]
    clock.run(2.0)
    joined = sender.snapshot()
    clock.run(2.0)
    sent = sender.snapshot()
    encoded = sent.frames_encoded - joined.frames_encoded
    assert encoded == 200
    for before, after in zip(joined.viewers, sent.viewers, strict=True):
        assert after.frames_sent - before.frames_sent == encoded
    assert all(wrong(receiver, sender) == 0 for receiver in receivers)


def test_a_slow_screen_does_not_slow_the_others_and_its_latency_stays_flat() -> None:
    clock = Clock()
    sender = ManualSender(clock, fps=50.0)
    fast = ManualReceiver(clock, sender, name="fast")
    slow = ManualReceiver(clock, sender, name="slow", sink_us=50_000)
    clock.run(20.0)
    quick, late = fast.snapshot(), slow.snapshot()
    assert quick.frames_displayed > 0.95 * 1000
    assert late.frames_displayed > 0.8 * 20 / 0.05
    assert late.latency.total.percentile_us(0.95) < 200_000
    skipped = {viewer.name: viewer.frames_skipped for viewer in sender.snapshot().viewers}
    assert skipped["slow"] > skipped["fast"]
    assert wrong(fast, sender) == wrong(slow, sender) == 0


def test_a_buffer_delays_the_picture_and_costs_no_frames() -> None:
    clock = Clock()
    sender = ManualSender(clock)
    receiver = ManualReceiver(clock, sender, hold_us=200_000)
    clock.run(5.0)
    sequences = [shown.meta.sequence for shown in receiver.shown]
    assert sequences == list(range(1, len(sequences) + 1))
    assert len(sequences) > 450
    latencies = [shown.meta.latency_us or 0 for shown in receiver.shown]
    assert min(latencies) >= 200_000
    assert max(latencies) <= 220_000


def test_a_new_picture_size_needs_no_new_connection() -> None:
    def growing(number: int) -> Frame:
        return moving(number) if number < 20 else noise_frame(96, 80, seed=number % 5)

    clock = Clock()
    sender = ManualSender(clock, picture=growing)
    receiver = ManualReceiver(clock, sender)
    clock.run(1.0)
    assert receiver.snapshot().reconnects == 0
    assert [shown.frame.width for shown in receiver.shown[:1] + receiver.shown[-1:]] == [64, 96]
    assert wrong(receiver, sender) == 0


class Starved(CongestionController):
    """Leaves two of three frames no room, as a link far too thin for the picture does."""

    asked = 0

    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget:
        self.asked += 1
        return Budget(50_000 if self.asked % 3 == 0 else None, BANDWIDTH)


@pytest.mark.parametrize("adapts", [True, False])
def test_a_link_too_thin_for_the_picture_gets_a_smaller_one_in_the_same_session(
    adapts: bool,
) -> None:
    clock = Clock()
    sender = ManualSender(
        clock,
        rules=Rules(quality=40),
        adapts=adapts,
        congestion=lambda: Starved(frame_interval_us=10_000),
    )
    receiver = ManualReceiver(clock, sender)
    clock.run(6.0)
    sent, got = sender.snapshot(), receiver.snapshot()
    sizes = list(dict.fromkeys((s.frame.width, s.frame.height) for s in receiver.shown))
    assert sizes == [(64, 48), (48, 36)] if adapts else [(64, 48)]
    assert got.reconnects == got.keyframe_requests == 0
    assert (sent.width, sent.height) == (64, 48)
    assert (sent.frame_width, sent.frame_height) == sizes[-1]
    assert sent.resolution_changes == int(adapts)
    assert sent.quality_limitation_reason == "bandwidth"
    told = sent.as_json()
    assert (told["frameWidth"], told["frameHeight"]) == sizes[-1]
    assert told["qualityLimitationResolutionChanges"] == int(adapts)
    assert [event.text for event in sent.events if event.name == "resolution"] == (
        ["48x36"] if adapts else []
    )


def test_the_fixed_rate_is_kept() -> None:
    clock = Clock()
    sender = ManualSender(clock, fps=60.0, rules=Rules(kbps=400, adaptive=False))
    receiver = ManualReceiver(clock, sender)
    clock.run(6.0)
    sizes = [shown.meta.size_bytes for shown in receiver.shown]
    assert max(sizes[1:]) <= 2 * 400_000 / 8 / 60
    assert sum(sizes) * 8 / 6 <= 1.1 * 400_000
    assert len(sizes) > 0.95 * 360


def test_a_rate_too_thin_for_any_frame_still_shows_some() -> None:
    clock = Clock()
    sender = ManualSender(clock, fps=30.0, rules=Rules(kbps=4, adaptive=False))
    receiver = ManualReceiver(clock, sender)
    clock.run(10.0)
    assert len(receiver.shown) >= 8
    assert sender.snapshot().frames_skipped["bandwidth"] >= 8


def test_a_receiver_that_comes_back_sees_the_stream_again() -> None:
    clock = Clock()
    sender = ManualSender(clock)
    for _ in range(3):
        receiver = ManualReceiver(clock, sender)
        clock.run(2.0)
        receiver.stop()
        clock.run(0.1)
        assert len(receiver.shown) > 100
        assert wrong(receiver, sender) == 0
    assert sender.snapshot().viewers == ()


def test_a_receiver_outlives_its_senders() -> None:
    clock = Clock()
    senders = [ManualSender(clock)]
    receiver = ManualReceiver(clock, senders[0])
    for epoch in (8, 9):
        clock.run(0.5)
        senders[-1].stop()
        clock.run(0.3)
        senders.append(ManualSender(clock, epoch=epoch))
        receiver.connect(senders[-1])
        count = len(receiver.shown)
        clock.run(0.5)
        assert len(receiver.shown) > count + 30
        assert receiver.snapshot().epoch == epoch
    assert receiver.snapshot().reconnects == 2
    assert wrong(receiver, *senders) == 0


def test_a_decoder_that_breaks_for_a_while_costs_pictures_only() -> None:
    clock = Clock()
    sender = ManualSender(clock)
    receiver = ManualReceiver(clock, sender)
    clock.run(0.5)
    receiver.codec.fail_decoding = True
    clock.run(3.0)
    receiver.codec.fail_decoding = False
    count = len(receiver.shown)
    clock.run(2.0)
    assert receiver.snapshot().decoder_failures >= 3
    assert len(receiver.shown) > count + 50
    assert sender.snapshot().key_frames_encoded >= 2
    assert wrong(receiver, sender) == 0


def test_a_late_viewer_of_a_relay_has_a_picture_at_once_without_a_keyframe() -> None:
    clock = Clock()
    sender = ManualSender(clock, fps=30.0)
    relay = ManualRelay(clock, sender)
    early = ManualReceiver(clock, relay, name="early")
    clock.run(2.0)
    keyframes = sender.snapshot().key_frames_encoded
    late = ManualReceiver(clock, relay, name="late")
    clock.run(0.3)
    assert late.shown
    assert sender.snapshot().key_frames_encoded == keyframes
    clock.run(1.0)
    assert late.shown[-1].frame.same_pixels(early.shown[-1].frame)


def test_latency_behind_relays_counts_from_the_capture() -> None:
    clock = Clock()
    sender = ManualSender(clock, fps=30.0)
    relays = [ManualRelay(clock, sender, name="first")]
    relays.append(ManualRelay(clock, relays[0], name="second"))
    receiver = ManualReceiver(clock, relays[1])
    clock.run(5.0)
    way_us = ENCODE_US + 3 * WAY_US + DECODE_US
    assert {shown.meta.latency_us for shown in receiver.shown[-60:]} == {way_us}


def test_the_clock_error_behind_relays_bounds_the_whole_path() -> None:
    """Sender, two relays and receiver on clocks of their own, as on four machines."""
    ahead_us = 20_000_000
    clock = Clock()
    sender = ManualSender(clock, fps=30.0, boot_id=b"1" * 16)
    first = ManualRelay(clock, sender, name="first", ahead_us=700_000_000, boot_id=b"2" * 16)
    second = ManualRelay(clock, first, name="second", ahead_us=-300_000_000, boot_id=b"3" * 16)
    receiver = ManualReceiver(clock, second, ahead_us=ahead_us, boot_id=b"4" * 16)
    clock.run(20.0)
    known = [shown.meta for shown in receiver.shown if shown.meta.latency is not None]
    assert len(known) > 500
    ours = receiver.snapshot().clock_error_us
    hop = second.core.intake.clock_error_us(second.now_us)
    assert ours is not None
    assert hop is not None
    assert ours > hop > 0
    for meta in known:
        assert meta.latency_us is not None
        assert meta.latency_error_us is not None
        true_us = meta.shown_us - ahead_us - sender.captured_us[meta.sequence]
        assert abs(meta.latency_us - true_us) <= meta.latency_error_us


def test_a_relay_that_finds_another_parent_goes_on_and_no_report_counts_as_a_lie() -> None:
    clock = Clock()
    sender = ManualSender(clock)
    parents = ManualRelay(clock, sender, name="one"), ManualRelay(clock, sender, name="other")
    relay = ManualRelay(clock, parents[0])  # one that hears a lie raises
    receiver = ManualReceiver(clock, relay, sink_us=25_000)
    clock.run(1)
    sender.core.broadcast.planner.request_keyframe()
    clock.run(0.05)  # the chain is short: what is on the screen comes again
    relay.disconnect()
    relay.connect(parents[1])
    clock.run(1)
    assert receiver.core.intake.reconnects == 0
    assert wrong(receiver, sender) == 0
    assert clock.now_us - receiver.shown[-1].meta.shown_us <= 25_000
    shown = [frame.meta.sequence for frame in receiver.shown]
    assert shown == sorted(set(shown))  # the picture never jumps back
