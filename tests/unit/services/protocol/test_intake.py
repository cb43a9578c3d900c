# SPDX-License-Identifier: Apache-2.0
"""A receiver takes frames of its own session only, and keeps looking for its sender."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from services.protocol import messages as m
from services.protocol.clock import ClockFilter, summed_error_us
from services.protocol.intake import Intake, Results
from services.protocol.packing import pack, unpack
from services.protocol.profile import ModelMark
from services.protocol.session import HELLO_INTERVAL_US, SILENCE_US, State
from services.protocol.standby import Move
from services.protocol.train import split
from tests.unit.services.protocol.conversation import MODEL, TEST, profile

NOW_US = 10_000_000
WELCOME = m.Welcome(77, "main", MODEL, TEST, "S", 64, 48, 33_000, b"")


def intake(*, connects: bool = True) -> Intake:
    return Intake(profile(), connects=connects, now_us=NOW_US)


def welcomed() -> Intake:
    receiver = intake()
    receiver.on_message(b"", pack(WELCOME), NOW_US)
    return receiver


def said(results: Results) -> list[m.Message]:
    return [unpack(data) for _, data in results.messages]


def frame(sequence: int = 1, *, epoch: int = 77, size: int = 40) -> m.FrameHead:
    head, _ = split(
        bytes(size),
        epoch=epoch,
        sequence=sequence,
        captured_us=1,
        encode_start_us=2,
        encode_end_us=3,
        sent_us=4,
    )
    return head


def test_a_frame_is_acknowledged_at_once_with_its_stamps() -> None:
    results = welcomed().on_message(b"", pack(frame(5)), NOW_US + 123)
    assert said(results) == [m.FrameAck(77, 5, 40, NOW_US + 123, NOW_US + 123)]
    assert len(results.arrivals) == 1


def test_hello_is_repeated_until_a_sender_answers() -> None:
    receiver = intake()
    assert isinstance(said(receiver.tick(NOW_US))[0], m.Hello)
    assert said(receiver.tick(NOW_US + HELLO_INTERVAL_US - 1)) == []
    assert isinstance(said(receiver.tick(NOW_US + HELLO_INTERVAL_US))[0], m.Hello)
    results = receiver.on_message(b"", pack(WELCOME), NOW_US)
    assert said(results) == [m.Ready(77)]
    assert results.started == WELCOME
    assert receiver.state is State.STREAMING


def test_a_silent_sender_means_a_new_socket_and_a_new_hello() -> None:
    receiver = welcomed()
    assert not receiver.tick(NOW_US + SILENCE_US).rebuild
    assert receiver.tick(NOW_US + SILENCE_US + 1).rebuild
    assert receiver.state is State.SEEKING


def test_a_second_connection_takes_over_when_only_it_gets_through() -> None:
    receiver = welcomed()
    assert receiver.tick(NOW_US + 1_000_000).standby is None
    assert receiver.tick(NOW_US + 1_050_000).standby is Move.OPEN
    receiver.standby_connected(NOW_US + 5_000_000)
    assert receiver.tick(NOW_US + 5_050_000).standby is None
    assert receiver.tick(NOW_US + 5_100_000).standby is Move.TAKE
    assert receiver.state is State.SEEKING
    receiver.rebuilt(NOW_US + 5_100_000)
    assert isinstance(said(receiver.tick(NOW_US + 5_100_000))[0], m.Hello)


def test_a_link_that_comes_back_with_what_it_held_keeps_its_connection() -> None:
    receiver = welcomed()
    assert receiver.tick(NOW_US + 1_050_000).standby is Move.OPEN
    receiver.standby_connected(NOW_US + 5_000_000)
    held = receiver.on_message(b"", pack(frame()), NOW_US + 5_050_000)
    assert held.standby is Move.DROP
    assert receiver.tick(NOW_US + 5_200_000).standby is None
    assert receiver.state is State.STREAMING


def test_frames_of_another_epoch_are_dropped() -> None:
    receiver = welcomed()
    results = receiver.on_message(b"", pack(frame(epoch=78)), NOW_US)
    assert not results.arrivals
    assert not results.messages
    assert receiver.stale == 1


def test_frames_before_the_welcome_are_dropped() -> None:
    receiver = intake()
    assert receiver.on_message(b"", pack(frame()), NOW_US).arrivals == []
    assert receiver.hostile == 0


def test_a_sender_that_forgot_us_gets_a_hello() -> None:
    receiver = welcomed()
    receiver.on_message(b"", pack(m.Bye(m.ByeCode.UNKNOWN, "who?")), NOW_US)
    assert isinstance(said(receiver.tick(NOW_US))[0], m.Hello)


def test_the_end_of_the_stream_is_told_from_a_lost_sender() -> None:
    receiver = welcomed()
    bye = m.Bye(m.ByeCode.END_OF_STREAM, "over")
    assert receiver.on_message(b"", pack(bye), NOW_US).ended == "over"


def test_keyframe_requests_are_coalesced() -> None:
    receiver = welcomed()
    at_us = NOW_US + 2_000_000
    asked = [receiver.ask_keyframe(m.KeyframeReason.DAMAGED, at_us + 1_000 * i) for i in range(500)]
    assert sum(len(results.messages) for results in asked) == 1
    receiver.keyframe_came()
    again = receiver.ask_keyframe(m.KeyframeReason.DAMAGED, at_us + 500_000)
    assert len(again.messages) == 1


def test_a_listening_receiver_answers_whoever_knocks_and_keeps_to_one() -> None:
    receiver = intake(connects=False)
    assert receiver.tick(NOW_US).messages == []
    receiver.on_message(b"one", pack(m.Ping(1, 5)), NOW_US)
    receiver.on_message(b"two", pack(m.Ping(1, 5)), NOW_US)
    hellos = receiver.tick(NOW_US + HELLO_INTERVAL_US)
    assert [peer for peer, _ in hellos.messages] == [b"one", b"two"]
    receiver.on_message(b"two", pack(WELCOME), NOW_US)
    late = receiver.on_message(b"one", pack(WELCOME), NOW_US)
    assert said(late) == [m.Bye(m.ByeCode.BUSY, "this receiver has a sender already")]
    assert receiver.on_message(b"one", pack(frame()), NOW_US).arrivals == []


def test_the_offset_of_the_clocks_comes_from_pings() -> None:
    receiver = welcomed()
    assert receiver.offset(NOW_US) is None
    (ping,) = said(receiver.tick(NOW_US))
    assert isinstance(ping, m.Ping)
    pong = m.Pong(ping.number, ping.sent_us, NOW_US + 9_001_000, NOW_US + 9_001_500)
    receiver.on_message(b"", pack(pong), NOW_US + 2_500)
    offset = receiver.offset(NOW_US + 2_500)
    assert offset is not None
    assert offset.offset_us == 9_000_000
    assert offset.error_us == 1_000


KINDS = st.sampled_from(
    [
        pack(WELCOME),
        pack(m.Ready(77)),
        pack(frame()),
        pack(frame(2, size=5000)),
        pack(m.FrameRest(77, 2, bytes(3700))),
        pack(m.Ping(1, 1)),
        pack(m.Pong(1, 1, 1, 1)),
        pack(m.Bye(m.ByeCode.UNKNOWN, "")),
        pack(m.Bye(m.ByeCode.REFUSED, "no")),
        pack(m.Bye(m.ByeCode.END_OF_STREAM, "")),
        b"\xc1",
    ]
)


@given(st.lists(st.tuples(st.sampled_from([b"", b"x"]), KINDS, st.integers(0, 10**6)), max_size=60))
def test_no_order_of_messages_breaks_a_receiver(steps: list[tuple[bytes, bytes, int]]) -> None:
    for connects in (True, False):
        receiver, now_us = intake(connects=connects), NOW_US
        for peer, data, span_us in steps:
            now_us += span_us
            receiver.on_message(peer, data, now_us)
            receiver.tick(now_us)
            receiver.ask_keyframe(m.KeyframeReason.USER, now_us)


def synchronised(*, round_trip_us: int) -> Intake:
    """A receiver whose clock was compared with its sender's once."""
    receiver = welcomed()
    pong = m.Pong(1, NOW_US, NOW_US + round_trip_us // 2, NOW_US + round_trip_us // 2)
    receiver.on_message(b"", pack(pong), NOW_US + round_trip_us)
    return receiver


def test_the_error_of_the_clocks_is_that_of_all_hops_together() -> None:
    receiver = synchronised(round_trip_us=4_000)
    assert receiver.clock_error_us(NOW_US + 4_000) == 2_000
    relayed = replace(frame(1), error_us=1_500)
    receiver.on_message(b"", pack(relayed), NOW_US + 4_000)
    assert receiver.clock_error_us(NOW_US + 4_000) == 3_500


def test_one_hop_that_does_not_know_makes_the_whole_path_unknown() -> None:
    receiver = synchronised(round_trip_us=4_000)
    relayed = replace(frame(1), error_us=m.MAX_SPAN_US)
    receiver.on_message(b"", pack(relayed), NOW_US + 4_000)
    assert receiver.clock_error_us(NOW_US + 4_000) is None


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**9), 10**9),  # what the next clock shows when this one shows 0
            st.integers(0, 300_000),
            st.integers(0, 300_000),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_the_summed_error_bounds_a_time_that_came_over_several_hops(
    hops: list[tuple[int, int, int]],
) -> None:
    true_us = told_us = 2 * 10**10
    error_us = 0
    for ahead_us, up_us, down_us in hops:
        ping_us = 10**11
        at_sender_us = ping_us + up_us - ahead_us
        clock = ClockFilter()
        clock.add(
            sent_us=ping_us,
            received_us=at_sender_us,
            returned_us=at_sender_us,
            now_us=ping_us + up_us + down_us,
        )
        offset = clock.offset(ping_us + up_us + down_us)
        summed = summed_error_us(offset, error_us)
        assert offset is not None
        assert summed is not None
        true_us, told_us, error_us = true_us + ahead_us, offset.to_local(told_us), summed
    assert abs(told_us - true_us) <= error_us


def refuse(receiver: Intake, now_us: int, *, peer: bytes = b"", reason: str = "no") -> None:
    receiver.on_message(peer, pack(m.Bye(m.ByeCode.REFUSED, reason)), now_us)


def next_hello_us(receiver: Intake, *, since_us: int) -> int:
    """When it says HELLO next, in ticks of a tenth of a second, within a minute."""
    for now_us in range(since_us, since_us + 60_000_000, 100_000):
        if any(isinstance(message, m.Hello) for message in said(receiver.tick(now_us))):
            return now_us
    raise AssertionError("it says HELLO no more")


def test_an_end_that_refuses_is_asked_again_after_growing_pauses() -> None:
    receiver = intake()
    now_us, pauses = NOW_US, []
    for _ in range(7):
        refuse(receiver, now_us)
        asked_us = next_hello_us(receiver, since_us=now_us + 100_000)
        pauses.append(round((asked_us - now_us) / 1e6))
        now_us = asked_us
    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    assert [event.name for event in receiver.events.snapshot()] == ["refused"]
    results = receiver.on_message(b"", pack(WELCOME), now_us)
    assert results.started == WELCOME
    assert not receiver.refusal


def test_an_end_that_refuses_costs_no_new_socket_while_it_answers() -> None:
    """And a new connection is asked at once: it may be another program by then."""
    receiver = intake()
    for _ in range(4):
        refuse(receiver, NOW_US)
    assert not any(receiver.tick(NOW_US + s * 1_000_000).rebuild for s in range(13))
    assert receiver.tick(NOW_US + 13_000_001).rebuild
    receiver.rebuilt(NOW_US + 13_100_000)
    assert next_hello_us(receiver, since_us=NOW_US + 13_100_000) == NOW_US + 13_100_000


def test_a_stranger_that_refuses_a_listening_receiver_delays_nobody_else() -> None:
    receiver = intake(connects=False)
    for number in range(5):
        refuse(receiver, NOW_US, peer=b"stranger", reason=f"no {number}")
        receiver.on_message(b"stranger", pack(replace(WELCOME, model_hash=b"x" * 8)), NOW_US)
    for peer in (b"stranger", b"sender"):
        receiver.on_message(peer, pack(m.Ping(1, 5)), NOW_US)
    results = receiver.tick(NOW_US)
    assert [peer for peer, data in results.messages if isinstance(unpack(data), m.Hello)] == [
        b"sender"
    ]
    assert receiver.on_message(b"sender", pack(WELCOME), NOW_US).started == WELCOME
    refuse(receiver, NOW_US, peer=b"stranger")
    assert receiver.state is State.STREAMING


OTHERS = (ModelMark(b"second__", b"test-2__"), ModelMark(b"third___", b"test-3__"))


def several(*, connects: bool = True) -> Intake:
    return Intake(replace(profile(), others=OTHERS), connects=connects, now_us=NOW_US)


def asked_with(results: Results) -> list[tuple[bytes, bytes]]:
    return [(x.model_hash, x.self_test) for x in said(results) if isinstance(x, m.Hello)]


def test_a_sender_that_refuses_one_model_is_asked_with_the_next_at_once() -> None:
    receiver = several()
    refusal = pack(m.Bye(m.ByeCode.REFUSED, "another model"))
    assert asked_with(receiver.tick(NOW_US)) == [(MODEL, TEST)]
    assert asked_with(receiver.on_message(b"", refusal, NOW_US)) == [(b"second__", b"test-2__")]
    assert not receiver.refusal
    assert not receiver.events.snapshot()
    offer = replace(WELCOME, model_hash=b"second__", self_test=b"test-2__")
    assert receiver.on_message(b"", pack(offer), NOW_US).started == offer
    receiver.lost(NOW_US, "disconnected")  # it will want the same again
    again = receiver.tick(NOW_US + HELLO_INTERVAL_US)
    assert asked_with(again) == [(b"second__", b"test-2__")]


def test_a_sender_that_refuses_every_model_is_paused_for_and_begun_anew() -> None:
    receiver = several()
    refusal = pack(m.Bye(m.ByeCode.REFUSED, "another model"))
    receiver.tick(NOW_US)
    answers = [asked_with(receiver.on_message(b"", refusal, NOW_US)) for _ in range(4)]
    assert [len(one) for one in answers] == [1, 1, 0, 0]  # also not while it is paused for
    assert receiver.refusal == "another model"
    asked_us = next_hello_us(receiver, since_us=NOW_US + 1)
    assert asked_us - NOW_US > 1_000_000
    receiver = several()
    receiver.on_message(b"", pack(replace(WELCOME, model_hash=b"fourth__")), NOW_US)
    assert "model S" in receiver.refusal


def test_the_self_test_that_counts_is_that_of_the_model_in_use() -> None:
    receiver = several()
    offer = replace(WELCOME, model_hash=b"third___", self_test=TEST)
    assert receiver.on_message(b"", pack(offer), NOW_US).started is None
    assert "doctor" in receiver.refusal


def test_a_listening_receiver_asks_each_caller_with_the_model_that_it_may_have() -> None:
    receiver = several(connects=False)
    refusal = pack(m.Bye(m.ByeCode.REFUSED, "another model"))
    for number in range(20):  # strangers leave nothing behind but the last few
        refused = receiver.on_message(b"stranger %d" % number, refusal, NOW_US)
        assert asked_with(refused) == [(b"second__", b"test-2__")]
    receiver.on_message(b"sender", pack(m.Ping(1, 5)), NOW_US)
    assert asked_with(receiver.tick(NOW_US)) == [(MODEL, TEST)]
    assert asked_with(receiver.on_message(b"sender", refusal, NOW_US)) == [
        (b"second__", b"test-2__")
    ]


def test_a_stranger_cannot_turn_away_a_receiver_that_listens() -> None:
    receiver = intake(connects=False)
    receiver.on_message(b"stranger", pack(m.Ping(1, NOW_US)), NOW_US)
    for message in (
        m.Bye(m.ByeCode.REFUSED, "no"),
        m.Bye(m.ByeCode.END_OF_STREAM, "over"),
        replace(WELCOME, model_hash=b"otherxxx"),
    ):
        results = receiver.on_message(b"stranger", pack(message), NOW_US)
        assert results.ended is None
        assert receiver.state is State.SEEKING
        assert receiver.refusal == ""
    receiver.on_message(b"sender", pack(WELCOME), NOW_US)
    assert receiver.state is State.STREAMING


def test_a_stranger_cannot_end_the_session_of_another() -> None:
    receiver = intake(connects=False)
    started = receiver.on_message(b"sender", pack(WELCOME), NOW_US)
    assert started.sender == b"sender"
    for message in (m.Bye(m.ByeCode.REFUSED, "no"), m.Bye(m.ByeCode.LEAVING, "bye"), WELCOME):
        receiver.on_message(b"stranger", pack(message), NOW_US)
        assert receiver.state is State.STREAMING
    took = receiver.on_message(b"sender", pack(frame(1)), NOW_US)
    assert len(took.arrivals) == 1


def test_a_sender_that_is_full_says_why_until_there_is_room() -> None:
    receiver = intake()
    receiver.on_message(b"", pack(m.Bye(m.ByeCode.BUSY, "64 are here")), NOW_US)
    assert receiver.busy == "64 are here"
    receiver.on_message(b"", pack(WELCOME), NOW_US)
    assert receiver.busy == ""


def test_strangers_do_not_crowd_other_events_out() -> None:
    receiver = intake(connects=False)
    receiver.on_message(b"sender", pack(WELCOME), NOW_US)
    for number in range(1000):
        refuse(receiver, NOW_US + 1000 * number, peer=b"stranger", reason=f"no {number}")
    assert [event.name for event in receiver.events.snapshot()] == ["connected", "stranger"]
