# SPDX-License-Identifier: Apache-2.0
"""The sender's decisions on a manual clock: frames and messages in, encodes and trains out."""

from __future__ import annotations

import numpy as np
import pytest

from services.protocol import messages as m
from services.protocol.offer import Offer
from services.protocol.packing import pack, unpack
from services.protocol.planner import Rules
from services.rate.enough import MOST_QUALITY
from services.sender.core import TICK_US, Outgoing, SenderCore, SenderSetup, Span
from streamcodec.frame import Frame
from tests.fakes import FakeCodec

FRAME_US = 33_333
WIDTH, HEIGHT = 64, 48
PEER = b"peer"


def picture(number: int) -> Frame:
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    return Frame.grey(np.asarray((rows * 5 + (columns + number) * 3) % 200 + 20, np.uint8))


class Hand:
    """Drives a core with one receiver that acknowledges and shows at once."""

    def __init__(self, rules: Rules | None = None, *, joins: bool = True) -> None:
        self.codec = FakeCodec()
        self.now_us = 1_000_000
        offer = Offer(7, "main", self.codec.model_hash, self.codec.self_test(), "S", b"", FRAME_US)
        setup = SenderSetup(offer, (WIDTH, HEIGHT), rules or Rules())
        self.core = SenderCore(setup, codec=self.codec, now_us=self.now_us)
        self.qualities: list[int] = []
        if joins:
            hello = m.Hello(
                (m.VERSION,), self.codec.model_hash, self.codec.self_test(), "", "hand", 1, b"", 0
            )
            self.say(hello, m.Ready(7))

    def say(self, *said: m.Message) -> list[m.Message]:
        answers = self.core.messages([(PEER, pack(one)) for one in said], self.now_us)
        return [unpack(data) for _, data in answers.messages]

    def film(self, number: int) -> Outgoing | None:
        """Capture and encode a frame, and let the receiver have it."""
        self.now_us += FRAME_US
        self.core.captured(self.now_us)
        encode = self.core.plan(width=WIDTH, height=HEIGHT, now_us=self.now_us)
        if encode is None:
            return None
        (plan,) = encode.plans
        coded = self.core.encode(picture(number), plan)
        span = Span(self.now_us, self.now_us, self.now_us + 2_000)
        out = self.core.coded(encode, plan, coded, span=span)
        if out is None or coded is None:
            return None
        self.qualities.append(coded.quality)
        head, _ = self.core.train(out, now_us=self.now_us + 2_000)
        self.core.handed_over(PEER, head, self.now_us + 2_000)
        self.now_us += 4_000
        ack = m.FrameAck(7, out.sequence, len(out.packet), self.now_us, self.now_us)
        shown = m.FrameShown(7, out.sequence, m.Outcome.SHOWN, 0, m.MAX_SPAN_US, 0, 1_000, 0, 1_000)
        self.say(ack, shown)
        self.now_us -= 4_000
        return out


def test_nobody_watching_costs_no_encode_and_is_no_skip() -> None:
    hand = Hand(joins=False)
    assert hand.film(0) is None
    assert hand.core.skip_reason == "idle"
    hand.core.replaced(hand.now_us)
    snapshot = hand.core.counters.snapshot(
        hand.core.broadcast, endpoint="", width=WIDTH, height=HEIGHT, now_us=hand.now_us
    )
    assert snapshot.frames_skipped == {}


def test_frames_go_out_in_order_to_whoever_watches_and_begin_with_a_keyframe() -> None:
    hand = Hand()
    sent = [out for number in range(5) if (out := hand.film(number)) is not None]
    assert [out.sequence for out in sent] == [1, 2, 3, 4, 5]
    assert all(out.peers == (PEER,) for out in sent)
    head, _ = hand.core.train(sent[0], now_us=hand.now_us)
    assert (head.epoch, head.captured_us) == (7, sent[0].span.captured_us)


@pytest.mark.parametrize("asked", [60, 20])
def test_quality_asked_for_is_the_finest(asked: int) -> None:
    hand = Hand(Rules(quality=asked))
    for number in range(40):
        hand.film(number)
    assert max(hand.qualities) == asked
    assert hand.qualities[-1] == asked


def test_unless_asked_no_quality_is_finer_than_needed() -> None:
    hand = Hand()
    for number in range(40):
        hand.film(number)
    assert max(hand.qualities) <= MOST_QUALITY


def test_a_frame_replaced_while_somebody_watches_is_the_machines_fault() -> None:
    hand = Hand()
    hand.film(0)
    hand.core.replaced(hand.now_us)
    snapshot = hand.core.counters.snapshot(
        hand.core.broadcast, endpoint="", width=WIDTH, height=HEIGHT, now_us=hand.now_us
    )
    assert snapshot.frames_skipped == {"cpu": 1}


def test_timers_run_when_they_are_due_and_not_before() -> None:
    hand = Hand()
    hand.now_us = hand.core.wake_us + 600_000
    assert any(isinstance(one, m.Ping) for one in hand.say())
    due_us = hand.core.wake_us
    assert due_us == hand.now_us + TICK_US
    hand.now_us = due_us - 1
    hand.say()
    assert hand.core.wake_us == due_us
