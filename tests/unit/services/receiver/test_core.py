# SPDX-License-Identifier: Apache-2.0
"""The receiver's decisions on a manual clock: messages in, frames to show and reports out."""

from __future__ import annotations

from typing import TypeVar

from services.protocol import messages as m
from services.protocol.intake import Results
from services.protocol.packing import pack, unpack
from services.protocol.profile import Profile
from services.protocol.session import HELLO_INTERVAL_US
from services.protocol.train import Arrival, split
from services.protocol.upstream import TICK_US
from services.receiver.core import FrameMeta, ReceiverCore
from streamcodec.frame import Frame, Reference
from tests.fakes import FakeCodec, noise_frame

T = TypeVar("T")
BOOT = b"b" * 16
FRAME_US = 33_333
WAY_US = 20_000
DECODE_US = 4_000


class Hand:
    """Drives a core with a sender that encodes every picture at once."""

    def __init__(self, *, hold_us: int = 0, boot_id: bytes = BOOT) -> None:
        self.codec = FakeCodec()
        self.now_us = 5_000_000
        profile = Profile(
            self.codec.model_hash, self.codec.self_test(), "main", "hand", 1, BOOT, hold_us
        )
        self.core = ReceiverCore(profile, connects=True, codec=self.codec, now_us=self.now_us)
        self.said: list[m.Message] = []
        self.reference: Reference | None = None
        self.sequence = 0
        self.say(self.welcome(boot_id=boot_id))
        self.said.clear()

    def welcome(self, *, epoch: int = 7, boot_id: bytes = BOOT) -> m.Welcome:
        codec = self.codec
        return m.Welcome(
            epoch, "main", codec.model_hash, codec.self_test(), "S", 64, 48, FRAME_US, boot_id
        )

    def say(self, message: m.Message) -> Results:
        results = self.core.message(b"", pack(message), self.now_us, encrypted=False)
        self.take(results)
        return results

    def take(self, results: Results) -> None:
        self.said += [unpack(data) for _, data in results.messages]

    def frame(self, picture: Frame, *, epoch: int = 7) -> Arrival:
        """Captured now, here after WAY_US."""
        encoded = self.codec.encode(picture, self.reference, quality=30)
        assert encoded.packet is not None
        self.reference = encoded.reference
        self.sequence += 1
        head, rest = split(
            encoded.packet,
            epoch=epoch,
            sequence=self.sequence,
            captured_us=self.now_us,
            encode_start_us=self.now_us + 1_000,
            encode_end_us=self.now_us + 3_000,
            sent_us=self.now_us + 3_500,
        )
        self.now_us += WAY_US
        came = self.say(head).arrivals
        if rest is not None:
            came = self.say(rest).arrivals
        (arrival,) = came
        return arrival

    def decode(self, arrival: Arrival) -> None:
        result = self.core.decode(arrival.packet)
        start_us = self.now_us
        self.now_us += DECODE_US
        self.take(self.core.decoded(arrival, result, start_us=start_us, end_us=self.now_us))

    def show(self) -> FrameMeta | None:
        due = self.core.due(self.now_us)
        meta = None
        if due.item is not None:
            begin_us = self.now_us
            self.now_us += 2_000
            meta, results = self.core.shown(due.item, begin_us=begin_us, end_us=self.now_us)
            self.take(results)
        for ready in due.superseded:
            self.take(self.core.superseded(ready, self.now_us))
        return meta

    def heard(self, kind: type[T]) -> list[T]:
        return [message for message in self.said if isinstance(message, kind)]

    def counted(self) -> tuple[int, int, int]:
        """Frames decoded, displayed, dropped."""
        snapshot = self.core.counters.snapshot(
            self.core, endpoint="", recorder_drops=0, now_us=self.now_us
        )
        return snapshot.frames_decoded, snapshot.frames_displayed, snapshot.frames_dropped


def test_a_frame_is_acknowledged_decoded_shown_and_told_of_with_its_legs() -> None:
    hand = Hand()
    hand.decode(hand.frame(noise_frame()))
    meta = hand.show()
    assert [ack.sequence for ack in hand.heard(m.FrameAck)] == [1]
    (report,) = hand.heard(m.FrameShown)
    assert (report.outcome, report.latency_us, report.error_us) == (m.Outcome.SHOWN, 26_000, 0)
    assert meta is not None
    assert meta.latency is not None
    assert meta.latency.legs_us == (1_000, 2_000, 500, 16_500, 0, 4_000, 2_000)
    assert meta.latency_us == 26_000
    assert hand.counted() == (1, 1, 0)


def test_only_the_newest_of_what_waits_is_shown_and_the_others_give_credit_back() -> None:
    hand = Hand()
    for shift in range(3):
        hand.decode(hand.frame(noise_frame(shift=shift)))
    meta = hand.show()
    assert meta is not None
    assert meta.sequence == 3
    outcomes = {report.sequence: report.outcome for report in hand.heard(m.FrameShown)}
    assert outcomes == {
        1: m.Outcome.SUPERSEDED,
        2: m.Outcome.SUPERSEDED,
        3: m.Outcome.SHOWN,
    }
    assert hand.counted() == (3, 1, 2)


def test_with_a_buffer_frames_wait_for_their_time() -> None:
    hand = Hand(hold_us=100_000)
    hand.decode(hand.frame(noise_frame()))
    assert hand.core.next_due_us() == hand.now_us + 100_000
    assert hand.show() is None
    hand.now_us += 100_000
    assert hand.show() is not None


def test_a_packet_without_its_reference_is_dropped_and_a_keyframe_is_asked_for_once() -> None:
    hand = Hand()
    hand.frame(noise_frame())  # lost on its way to the decoder
    hand.now_us += 1_000_000  # the sender's own keyframe had its time
    for shift in range(3):
        hand.decode(hand.frame(noise_frame(shift=shift)))
        assert hand.show() is None
    assert [r.outcome for r in hand.heard(m.FrameShown)] == [m.Outcome.REFERENCE_MISSING] * 3
    assert [r.reason for r in hand.heard(m.KeyframeRequest)] == [m.KeyframeReason.REFERENCE_MISSING]
    assert hand.counted() == (0, 0, 3)


def test_what_finds_no_room_before_the_decoder_gives_its_credit_back() -> None:
    hand = Hand()
    arrival = hand.frame(noise_frame())
    hand.now_us += 1_000_000
    hand.take(hand.core.overflowed(arrival, hand.now_us))
    assert [r.outcome for r in hand.heard(m.FrameShown)] == [m.Outcome.DAMAGED]
    assert [r.reason for r in hand.heard(m.KeyframeRequest)] == [m.KeyframeReason.OVERFLOW]


def test_a_new_stream_drops_what_waited_and_tells_nobody_of_it() -> None:
    hand = Hand(hold_us=100_000)
    hand.decode(hand.frame(noise_frame()))
    assert hand.say(hand.welcome(epoch=8)).started is not None
    assert hand.core.next_due_us() is None
    hand.decode(hand.frame(noise_frame(), epoch=8))
    assert hand.counted() == (2, 0, 1)
    assert hand.heard(m.FrameShown) == []


def test_a_frame_of_a_lost_session_is_not_told_to_the_next_one_of_the_same_epoch() -> None:
    hand = Hand()
    first, second = hand.frame(noise_frame()), hand.frame(noise_frame())
    hand.decode(first)
    ready = hand.core.due(hand.now_us).item  # it goes on the screen
    assert ready is not None
    hand.core.disconnected(hand.now_us)
    hand.now_us += 1_000
    hand.say(hand.welcome())  # a relay sends the same frames again from its last keyframe
    _, results = hand.core.shown(ready, begin_us=hand.now_us, end_us=hand.now_us)
    hand.take(results)
    hand.take(hand.core.overflowed(second, hand.now_us))
    assert hand.heard(m.FrameShown) == []
    hand.reference = None
    hand.decode(hand.frame(noise_frame()))
    hand.show()
    assert [report.sequence for report in hand.heard(m.FrameShown)] == [3]


def again(hand: Hand, *arrivals: Arrival) -> None:
    """A relay sends frames a second time; they are acknowledged and decoded."""
    for arrival in arrivals:
        head, rest = split(
            arrival.packet,
            epoch=arrival.head.epoch,
            sequence=arrival.head.sequence,
            captured_us=arrival.head.captured_us,
            encode_start_us=arrival.head.captured_us,
            encode_end_us=arrival.head.captured_us,
            sent_us=hand.now_us,
        )
        came = hand.say(head).arrivals
        if rest is not None:
            came = hand.say(rest).arrivals
        hand.decode(came[0])


def test_frames_that_come_again_are_decoded_and_the_picture_does_not_jump_back() -> None:
    hand = Hand()
    frames = [hand.frame(noise_frame(shift=number)) for number in range(4)]
    for arrival in frames[:3]:
        hand.decode(arrival)
        assert hand.show() is not None
    hand.said.clear()
    again(hand, *frames[:3])
    assert hand.show() is None
    outcomes = [(report.sequence, report.outcome) for report in hand.heard(m.FrameShown)]
    assert outcomes == [(number, m.Outcome.SUPERSEDED) for number in (1, 2, 3)]
    hand.decode(frames[3])
    meta = hand.show()
    assert meta is not None
    assert meta.sequence == 4


def test_frames_that_waited_in_a_buffer_are_shown_once_when_they_come_again() -> None:
    hand = Hand(hold_us=100_000)
    frames = [hand.frame(noise_frame(shift=number)) for number in range(2)]
    for arrival in frames:
        hand.decode(arrival)
    again(hand, *frames)
    shown = []
    while (due_us := hand.core.next_due_us()) is not None:
        hand.now_us = max(hand.now_us, due_us)
        meta = hand.show()
        assert meta is not None
        shown.append(meta.sequence)
    assert shown == [1, 2]


def test_what_waited_when_the_session_was_lost_is_shown_when_it_comes_again() -> None:
    hand = Hand(hold_us=100_000)
    frames = [hand.frame(noise_frame(shift=number)) for number in range(2)]
    for arrival in frames:
        hand.decode(arrival)
    hand.core.disconnected(hand.now_us)
    hand.say(hand.welcome())
    again(hand, *frames)
    hand.now_us += 200_000
    meta = hand.show()
    assert meta is not None
    assert meta.sequence == 2


def test_another_epoch_begins_with_its_first_frame_whatever_its_number() -> None:
    hand = Hand()
    for number in range(3):
        hand.decode(hand.frame(noise_frame(shift=number)))
        hand.show()
    hand.say(hand.welcome(epoch=8))
    hand.reference, hand.sequence = None, 0
    hand.decode(hand.frame(noise_frame(), epoch=8))
    meta = hand.show()
    assert meta is not None
    assert (meta.epoch, meta.sequence) == (8, 1)


def test_before_the_clocks_are_compared_no_latency_is_told() -> None:
    hand = Hand(boot_id=b"o" * 16)
    hand.decode(hand.frame(noise_frame()))
    meta = hand.show()
    assert meta is not None
    assert (meta.captured_us, meta.latency) == (None, None)
    (report,) = hand.heard(m.FrameShown)
    assert (report.latency_us, report.error_us) == (0, m.MAX_SPAN_US)


def test_the_end_of_a_stream_is_known_until_another_begins() -> None:
    hand = Hand()
    hand.say(m.Bye(m.ByeCode.END_OF_STREAM, "over"))
    assert hand.core.ended
    hand.say(hand.welcome(epoch=8))
    assert not hand.core.ended


def test_timers_say_hello_until_there_is_a_sender_and_note_how_long_there_is_none() -> None:
    hand = Hand()
    hand.say(m.Bye(m.ByeCode.LEAVING, "stops"))
    hand.said.clear()
    gone_us = hand.now_us
    while hand.now_us < gone_us + 2_000_000:
        hand.now_us = max(hand.now_us, hand.core.wake_us)
        hand.take(hand.core.tick(hand.now_us))
        assert hand.core.wake_us == hand.now_us + TICK_US
    assert len(hand.heard(m.Hello)) == 1 + 2_000_000 // HELLO_INTERVAL_US
    assert hand.core.heard_us <= gone_us


def test_what_pictures_took_is_given_back_after_three_and_eight_seconds_without_a_session() -> None:
    hand = Hand()
    hand.decode(hand.frame(noise_frame()))
    rests: list[int] = []
    hand.codec.rest = lambda: rests.append(hand.now_us)  # type: ignore[method-assign]
    while hand.now_us < 9_000_000:  # a still source: the session stands
        hand.now_us += TICK_US
        hand.say(m.Ping(1, hand.now_us))
        hand.take(hand.core.tick(hand.now_us))
        hand.core.idle(hand.now_us)
    assert not rests
    hand.say(m.Bye(m.ByeCode.LEAVING, "stops"))
    gone_us = hand.now_us
    while hand.now_us < gone_us + 20_000_000:
        hand.now_us += TICK_US
        hand.take(hand.core.tick(hand.now_us))
        hand.core.idle(hand.now_us)
    assert [(at_us - gone_us) // 1_000_000 for at_us in rests] == [3, 8]


def test_an_endless_flood_of_cut_connections_fills_no_log() -> None:
    hand = Hand()
    for _ in range(1000):
        hand.core.cut(["too large a message"], hand.now_us)
    events = [e for e in hand.core.events.snapshot() if e.name == "connection_cut"]
    assert len(events) <= 20
