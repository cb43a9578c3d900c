# SPDX-License-Identifier: Apache-2.0
"""A recording sent again on a manual clock: same packets, their own times, whole chains."""

from __future__ import annotations

import pytest

from services.errors import SourceError
from services.protocol import messages as m
from services.protocol.packing import pack, unpack
from streamcodec.container import Record
from streamcodec.frame import Reference
from tests.fakes import FakeCodec, noise_frame
from tests.manual import WAY_US, Clock, ManualReceiver
from tests.manual_serving import ManualReplay

STEP_US = 20_000


def recording(frames: int, *, keyframes: set[int], step_us: int = STEP_US) -> list[Record]:
    """Records as a sender would have made them."""
    codec, records = FakeCodec(), []
    reference: Reference | None = None
    for number in range(frames):
        before = None if number in keyframes else reference
        encoded = codec.encode(noise_frame(seed=3, shift=number % 40), before, quality=20)
        assert encoded.packet is not None
        reference = encoded.reference
        records.append(Record(number, number * step_us, encoded.packet))
    return records


class Taker:
    """Takes every packet at once, and notes when it came."""

    def __init__(self, clock: Clock, replay: ManualReplay) -> None:
        self.packets: list[bytes] = []
        self.came_us: list[int] = []
        self.epochs: list[int] = []
        self.said: list[m.Message] = []
        self._clock, self._replay = clock, replay
        replay.join(b"taker", self._take)
        self._say(m.Hello((m.VERSION,), b"", b"", "", "taker", 9, b""))

    def _say(self, message: m.Message) -> None:
        data = pack(message)
        self._clock.at(self._clock.now_us, lambda: self._replay.hear(b"taker", data))

    def _take(self, data: bytes) -> None:
        message = unpack(data)
        self.said.append(message)
        if isinstance(message, m.Welcome):
            self._say(m.Ready(message.epoch))
        elif isinstance(message, m.FrameHead):
            epoch, sequence = message.epoch, message.sequence
            self.packets.append(message.first)
            self.epochs.append(epoch)
            self.came_us.append(self._clock.now_us)
            now = self._clock.now_us
            self._say(m.FrameAck(epoch, sequence, message.size_bytes, now, now))
            self._say(m.FrameShown(epoch, sequence, m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 0, 0, 1))


def test_packets_are_the_same_and_leave_at_their_own_times_from_the_first_receiver_on() -> None:
    clock, records = Clock(), recording(50, keyframes={0})
    replay = ManualReplay(clock, records)
    clock.run(60)
    assert replay.core.counters.captured == 0  # nobody watches
    taker = Taker(clock, replay)
    clock.run(10)
    assert taker.packets == [record.packet for record in records]
    begin_us = taker.came_us[0]
    assert [at_us - begin_us for at_us in taker.came_us] == [r.timestamp_us for r in records]
    assert replay.core.ended
    assert taker.said[-1] == m.Bye(m.ByeCode.END_OF_STREAM, "the recording is over")


def test_who_comes_late_gets_the_chain_from_the_last_keyframe() -> None:
    clock = Clock()
    replay = ManualReplay(clock, recording(200, keyframes={0}))
    early = ManualReceiver(clock, replay, name="early")
    clock.run(1)
    late = ManualReceiver(clock, replay, name="late")
    clock.run(1)
    assert late.shown[-1].frame.same_pixels(early.shown[-1].frame)
    assert late.snapshot().damaged_packets == 0


def test_a_loop_begins_again_as_another_epoch_and_nothing_is_lost() -> None:
    clock, records = Clock(), recording(15, keyframes={0, 7})
    taker = Taker(clock, ManualReplay(clock, records, loop=True))
    clock.run(2)
    assert taker.packets[:60] == [record.packet for record in records] * 4
    assert taker.epochs[:60] == [epoch for epoch in range(1, 5) for _ in records]


def test_a_viewer_that_cannot_keep_up_never_gets_a_packet_without_its_reference() -> None:
    clock = Clock()
    replay = ManualReplay(clock, recording(300, keyframes={0, 100}, step_us=5_000))
    slow = ManualReceiver(clock, replay, sink_us=20_000)
    clock.run(20)
    counted = slow.snapshot()
    assert len(slow.shown) > 40
    assert (counted.damaged_packets, counted.keyframe_requests) == (0, 0)
    assert replay.core.ended


def test_a_round_ends_five_seconds_after_its_last_packet_for_who_shows_nothing() -> None:
    clock = Clock()
    replay = ManualReplay(clock, recording(10, keyframes={0}))
    ManualReceiver(clock, replay, sink_us=60_000_000)
    clock.run(5 + 9 * STEP_US / 1e6)
    assert not replay.core.ended
    clock.run(0.1 + WAY_US * 4 / 1e6)
    assert replay.core.ended


def test_a_person_who_asks_for_a_keyframe_gets_no_packet_twice() -> None:
    clock, records = Clock(), recording(60, keyframes={0})
    replay = ManualReplay(clock, records)
    taker = Taker(clock, replay)
    clock.run(0.3)
    replay.hear(b"taker", pack(m.KeyframeRequest(1, 5, m.KeyframeReason.USER)))
    clock.run(5)
    assert taker.packets == [record.packet for record in records]


@pytest.mark.parametrize(
    ("packet", "why"),
    [
        (b"no packet", "tape.scv: "),
        (recording(1, keyframes={0})[0].packet + bytes(m.MAX_PACKET_BYTES), "lower quality"),
    ],
)
def test_a_recording_that_cannot_be_sent_says_which_file(packet: bytes, why: str) -> None:
    clock = Clock()
    replay = ManualReplay(clock, [Record(0, 0, packet)])
    Taker(clock, replay)
    with pytest.raises(SourceError, match=why):
        clock.run(1)


def test_one_that_is_stopped_before_the_end_leaves_and_does_not_end_the_stream() -> None:
    clock = Clock()
    replay = ManualReplay(clock, recording(10, keyframes={0}))
    assert replay.core.farewell()[0] is m.ByeCode.LEAVING
    Taker(clock, replay)
    clock.run(1)
    assert replay.core.farewell()[0] is m.ByeCode.END_OF_STREAM
