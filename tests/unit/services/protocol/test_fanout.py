# SPDX-License-Identifier: Apache-2.0
"""A fan-out serves each receiver whole chains, and asks upstream no more often than it must."""

from __future__ import annotations

from services.protocol import messages as m
from services.protocol.chain import Chain
from services.protocol.fanout import Fanout
from services.protocol.follower import RECORDED, CatchUp
from tests.unit.services.protocol.packets import (
    EPOCH,
    FRAME_US,
    Taker,
    arrival,
    hello,
    packets,
    welcome,
)

A, B = b"a", b"b"


class Stream:
    """A fan-out that is fed one packet a frame period."""

    def __init__(
        self,
        count: int = 1000,
        *,
        keyframes: frozenset[int] = frozenset({0}),
        catch_up: CatchUp | None = None,
        chain: Chain | None = None,
    ) -> None:
        self.fanout = (
            Fanout(boot_id=b"", chain=chain)
            if catch_up is None
            else Fanout(boot_id=b"", catch_up=catch_up, chain=chain)
        )
        self.fanout.started(welcome())
        self.viewers = Taker(self.fanout)
        self.now_us = 1_000_000
        self.requests_us: list[int] = []
        self.sequence = 0
        self._packets = packets(count, keyframes=keyframes)

    def run(self, frames: int, *, serve: bool = True) -> None:
        for _ in range(frames):
            self.sequence += 1
            came = arrival(next(self._packets), self.sequence, at_us=self.now_us)
            self.fanout.arrived(came, captured_us=self.now_us)
            if serve:
                self.viewers.take(self.now_us)
            self.now_us += FRAME_US
            self.viewers.live(self.now_us)
            self.fanout.tick(self.now_us)
            if self.fanout.take_keyframe_request():
                self.requests_us.append(self.now_us)


def test_a_receiver_that_fell_behind_is_not_served_what_it_has_had() -> None:
    stream = Stream(keyframes=frozenset({0, 60}))
    stream.viewers.join(A, stream.now_us)
    stream.run(10)
    stream.viewers.stalled.add(A)
    stream.run(25)  # credit closes; half a second later it is behind
    before = list(stream.viewers.got[A])
    stream.viewers.stalled.clear()
    stream.viewers.show(A, stream.now_us)
    stream.run(20)
    assert stream.viewers.got[A] == before  # the keyframe in the chain is one it has had
    assert len(stream.requests_us) == 1
    stream.run(20)
    assert stream.viewers.got[A][len(before) :] == list(range(61, 76))


def test_one_that_is_slow_for_good_costs_a_keyframe_in_five_seconds() -> None:
    every_second = frozenset(range(0, 1000, 30))
    stream = Stream(keyframes=every_second)
    stream.viewers.join(A, stream.now_us)
    for _ in range(20):  # each second it falls behind and comes back
        stream.viewers.stalled.add(A)
        stream.run(22)
        stream.viewers.stalled.clear()
        stream.viewers.show(A, stream.now_us)
        stream.run(8)
    assert len(stream.requests_us) <= 20 * 30 * FRAME_US / 5_000_000 + 1


def test_a_keyframe_that_a_person_asks_for_is_asked_upstream_and_nothing_is_sent_twice() -> None:
    stream = Stream(keyframes=frozenset({0, 30}))
    stream.viewers.join(A, stream.now_us)
    stream.run(10)
    stream.viewers.ask(A, m.KeyframeReason.USER, stream.now_us)
    stream.run(30)
    assert len(stream.requests_us) >= 1
    assert stream.viewers.got[A] == list(range(1, 41))


def test_who_lacks_its_reference_is_served_from_the_chain_at_once() -> None:
    stream = Stream()
    stream.viewers.join(A, stream.now_us)
    stream.run(10)
    stream.viewers.ask(A, m.KeyframeReason.REFERENCE_MISSING, stream.now_us)
    stream.run(1)
    assert stream.viewers.got[A] == [*range(1, 11), *range(1, 12)]
    assert not stream.requests_us


def shown(sequence: int) -> m.FrameShown:
    return m.FrameShown(EPOCH, sequence, m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 0, 0, 1)


def test_frames_come_again_in_the_same_epoch_and_late_reports_on_the_first_are_no_lie() -> None:
    stream = Stream()
    stream.viewers.join(A, stream.now_us)
    stream.viewers.stalled.add(A)
    stream.run(2)  # acknowledged, not yet shown
    stream.fanout.started(welcome())  # upstream was found again, behind another relay
    for number, packet in enumerate(packets(2), start=1):
        again = arrival(packet, number, at_us=stream.now_us)
        stream.fanout.arrived(again, captured_us=stream.now_us)
    heads = [
        out.head for out in (*stream.fanout.due(stream.now_us), *stream.fanout.due(stream.now_us))
    ]
    assert [head.sequence for head in heads] == [1, 2]
    reports: list[m.Message] = [shown(1), shown(2)]  # of the first sending
    for head in heads:
        reports += [m.FrameAck(EPOCH, head.sequence, head.size_bytes, 0, 0), shown(head.sequence)]
    for report in reports:
        stream.fanout.on_message(A, report, stream.now_us)
    (viewer,) = stream.fanout.snapshot()
    assert (viewer.frames_displayed, viewer.frames_in_flight, viewer.bytes_in_flight) == (4, 0, 0)


def test_a_receiver_for_whom_the_transport_had_no_room_is_not_given_up_for_it() -> None:
    stream = Stream()
    stream.viewers.join(A, stream.now_us)
    stream.run(10)
    stream.sequence += 1
    came = arrival(next(packets(1)), stream.sequence, at_us=stream.now_us)
    stream.fanout.arrived(came, captured_us=stream.now_us)
    (outgoing,) = stream.fanout.due(stream.now_us)
    stream.fanout.not_taken(A, outgoing.head.sequence)
    (viewer,) = stream.fanout.snapshot()
    assert (viewer.frames_in_flight, viewer.bytes_in_flight) == (0, 0)
    for _ in range(12):  # seconds in which it waits for the next keyframe
        stream.now_us += 1_000_000
        stream.viewers.live(stream.now_us)
        stream.fanout.tick(stream.now_us)
    assert stream.fanout.peers_lost == 0


def test_newcomers_beyond_the_chain_share_one_request_a_second() -> None:
    stream = Stream(chain=Chain(max_frames=5))
    stream.run(20)
    for number in range(50):
        stream.viewers.join(b"%d" % number, stream.now_us)
        stream.run(1)
    seconds = (stream.requests_us[-1] - stream.requests_us[0]) / 1e6
    assert 1 <= len(stream.requests_us) <= seconds + 1


def test_one_that_calls_itself_a_relay_is_heard_no_more_often_than_others() -> None:
    stream = Stream(keyframes=frozenset(range(0, 1000, 15)))
    stream.viewers.join(A, stream.now_us, relay=True)
    stream.run(2)
    for _ in range(20):
        stream.viewers.ask(A, m.KeyframeReason.USER, stream.now_us)
        stream.run(31)
    assert 2 <= len(stream.requests_us) <= 2 + 20 / 5


def test_a_viewer_that_asks_and_asks_is_heard_once_in_five_seconds() -> None:
    stream = Stream(keyframes=frozenset(range(0, 1000, 15)))
    stream.viewers.join(A, stream.now_us)
    for _ in range(20):
        stream.viewers.ask(A, m.KeyframeReason.USER, stream.now_us)
        stream.run(31)
    assert len(stream.requests_us) <= 3 + 20 / 5 + 1


def test_a_recording_leaves_nobody_behind_who_is_late_by_less_than_five_seconds() -> None:
    keyframes = frozenset({0, 50})
    chain = Chain(max_frames=1000, keeps_past=True)
    stream = Stream(keyframes=keyframes, catch_up=RECORDED, chain=chain)
    stream.viewers.join(A, stream.now_us)
    stream.run(20)
    stream.run(100, serve=False)  # 3.3 s
    stream.run(30)
    assert stream.viewers.got[A] == list(range(1, 151))


def test_a_recording_goes_on_at_the_next_keyframe_for_who_is_too_late() -> None:
    chain = Chain(max_frames=1000, keeps_past=True)
    stream = Stream(keyframes=frozenset({0, 100}), catch_up=RECORDED, chain=chain)
    stream.viewers.join(A, stream.now_us)
    stream.run(20)
    stream.viewers.stalled.add(A)
    stream.run(200)
    stream.viewers.stalled.clear()
    got = stream.viewers.got[A]
    stream.viewers.show(A, stream.now_us)
    stream.run(10)
    begin = got.index(101)
    assert got[:begin] == list(range(1, begin + 1))  # a whole chain, broken off
    assert got[begin:] == list(range(101, 231))  # and another from its keyframe


def test_a_stream_that_is_over_says_so_to_who_comes_until_another_begins() -> None:
    fanout = Fanout(boot_id=b"")
    fanout.started(welcome())
    fanout.ended(m.ByeCode.END_OF_STREAM, "the source has ended")
    (answer,) = fanout.on_message(A, hello(), 0).messages
    assert answer == (A, m.Bye(m.ByeCode.END_OF_STREAM, "the source has ended"))
    fanout.started(welcome(epoch=2))
    (answer,) = fanout.on_message(A, hello(), 0).messages
    assert isinstance(answer[1], m.Welcome)


def test_the_error_of_the_clocks_goes_on_to_the_receivers() -> None:
    fanout = Fanout(boot_id=b"")
    fanout.started(welcome())
    viewers = Taker(fanout)
    viewers.join(A, 0)
    fanout.arrived(arrival(next(packets(1)), 1, at_us=5), captured_us=5, error_us=1_234)
    assert [outgoing.head.error_us for outgoing in fanout.due(10)] == [1_234]


def test_one_that_acknowledges_nothing_is_given_up_after_ten_seconds_and_not_before() -> None:
    stream = Stream()
    stream.viewers.join(A, stream.now_us)
    stream.viewers.join(B, stream.now_us)
    stream.run(30)
    stream.viewers.deaf.add(A)
    stream.run(9_900_000 // FRAME_US)
    assert stream.fanout.peers_lost == 0
    stream.run(300_000 // FRAME_US)
    assert stream.fanout.peers_lost == 1
    assert len(stream.fanout.snapshot()) == 1
