# SPDX-License-Identifier: Apache-2.0
"""A sender serves several receivers from one encode, whatever some of them do."""

from __future__ import annotations

from dataclasses import replace

from services.protocol import messages as m
from services.protocol.packing import pack
from services.protocol.profile import ModelMark
from services.protocol.session import SILENCE_US, State
from services.protocol.viewer import references_held
from tests.unit.services.protocol.conversation import FRAME_US, MODEL, TEST, Conversation


def watched(*peers: bytes, seconds: float = 1.0) -> Conversation:
    """A sender and its receivers, as they are after a while."""
    talk = Conversation()
    for peer in peers:
        talk.join(peer)
    talk.run(seconds)
    return talk


def test_a_receiver_that_joins_gets_one_keyframe_and_then_every_frame() -> None:
    talk = watched(b"a", seconds=2.0)
    assert talk.keyframes(b"a") == 1
    assert len(talk.arrivals[b"a"]) >= 50
    assert talk.broadcast.hostile == talk.intakes[b"a"].hostile == 0


def test_nothing_is_planned_while_nobody_watches() -> None:
    talk = Conversation()
    plans = talk.broadcast.planner.plan(width=64, height=48, encode_us=1, now_us=talk.now_us)
    assert (plans.plans, plans.skipped) == ((), "idle")


def test_a_second_receiver_shares_the_encode() -> None:
    talk = watched(b"a", seconds=1.5)
    talk.join(b"b")
    talk.run(2.0)
    plans = talk.capture()
    assert len(plans) == 1
    assert set(plans[0].viewers) == {b"a", b"b"}


def test_a_slow_receiver_skips_frames_and_the_other_gets_them_all() -> None:
    talk = watched(b"fast", b"slow", seconds=2.0)
    before = len(talk.arrivals[b"fast"])
    for _ in range(4):
        for half in range(10):  # the slow screen stands still every other 50 ms
            talk.blocked = {b"slow"} if half % 2 else set()
            talk.run(0.1)
    assert len(talk.arrivals[b"fast"]) - before >= 118
    assert talk.keyframes(b"fast") <= 2
    assert talk.intakes[b"slow"].keyframe_requests == 0


def test_a_receiver_that_stood_still_comes_back_without_disturbing_the_other() -> None:
    talk = watched(b"fast", b"slow", seconds=2.0)
    keyframes = talk.keyframes(b"fast")
    talk.blocked = {b"slow"}
    talk.run(0.9)
    talk.blocked = set()
    held = len(talk.arrivals[b"slow"])
    talk.run(1.0)
    assert len(talk.arrivals[b"slow"]) > held + 20
    assert talk.keyframes(b"fast") == keyframes  # served from a reference that it still held
    talk.run(6.0)
    assert talk.keyframes(b"fast") == keyframes + 1  # joined again, to save the second encode
    assert len(talk.capture()) == 1


def test_keyframe_requests_of_many_are_answered_by_one_keyframe_a_second() -> None:
    talk = Conversation()
    for number in range(5):
        talk.join(b"v%d" % number)
    talk.run(2.0)
    before = talk.keyframes(b"v0")
    for _ in range(30):
        for number in range(5):
            request = m.KeyframeRequest(77, 1, m.KeyframeReason.USER)
            talk.say(b"v%d" % number, request)
        talk.run(0.1)
    assert 2 <= talk.keyframes(b"v0") - before <= 4


def test_another_model_is_refused_with_the_reason() -> None:
    talk = Conversation()
    intake = talk.join(b"a", model=b"otherxxx")
    talk.run(0.5)
    assert intake.state is State.REFUSED
    assert "same size and weights" in intake.refusal
    assert talk.arrivals[b"a"] == []
    assert refusals(talk) == []  # it may come back with another of its models
    talk.run(9.0)
    (told,) = refusals(talk)
    assert told.startswith("viewer-1: the receiver has model")


def test_a_receiver_that_takes_the_model_of_the_sender_was_not_refused() -> None:
    talk = Conversation()
    talk.join(b"a", model=b"otherxxx", others=(ModelMark(MODEL, TEST),))
    talk.run(5.0)
    assert talk.keyframes(b"a") == 1
    assert refusals(talk) == []


def test_a_frame_that_the_transport_refused_costs_a_keyframe_and_no_credit() -> None:
    talk = watched(b"a")
    (before,) = talk.broadcast.snapshot()
    talk.cut = {b"a"}  # the frame goes nowhere
    (plan,) = talk.capture()
    assert plan.viewers == (b"a",)
    talk.broadcast.not_taken(b"a", talk.sequence)
    talk.cut = set()
    (after,) = talk.broadcast.snapshot()
    assert after.window_frames == before.window_frames
    assert after.bytes_in_flight <= before.bytes_in_flight
    keyframes = talk.keyframes(b"a")
    talk.run(1.5)
    assert talk.keyframes(b"a") == keyframes + 1
    (after,) = talk.broadcast.snapshot()
    assert after.window_frames == before.window_frames


def refusals(talk: Conversation) -> list[str]:
    events = talk.broadcast.events.snapshot()
    return [event.text for event in events if event.name == "refused"]


def test_a_receiver_whose_cable_is_pulled_is_forgotten_and_found_again() -> None:
    talk = watched(b"a")
    talk.cut = {b"a"}
    talk.run(11.0)
    assert talk.broadcast.watching == 0
    assert talk.intakes[b"a"].state is State.SEEKING
    talk.cut = set()
    count = len(talk.arrivals[b"a"])
    talk.run(1.0)
    assert len(talk.arrivals[b"a"]) > count + 10


def test_a_keyframe_never_makes_the_next_two_frames_wait() -> None:
    talk = watched(b"a", seconds=2.0)
    congestion = talk.budgets[0]
    seen = len(congestion.floors)
    talk.broadcast.planner.request_keyframe()
    talk.run(0.2)
    keyframe = max(floor or 0 for floor in congestion.floors[seen:])
    assert 0 < keyframe * 8e6 / congestion.capacity_bps < 2 * FRAME_US


def test_an_outage_of_less_than_ten_seconds_breaks_no_session() -> None:
    talk = watched(b"a")
    talk.pull_cable(b"a", seconds=8.0)
    talk.run(0.5)
    assert talk.broadcast.peers_lost == 0
    assert talk.intakes[b"a"].reconnects == 0
    assert talk.keyframes(b"a") == 1


def test_a_sender_that_comes_back_is_taken_for_a_new_one() -> None:
    talk = Conversation()
    intake = talk.join(b"a")
    talk.run(1.0)
    talk.broadcast = talk.make_broadcast(77)  # it died: no farewell, no memory
    talk.run(1.0)
    assert intake.state is State.STREAMING
    assert talk.keyframes(b"a") == 2


def test_a_receiver_that_returns_keeps_its_rate_control() -> None:
    talk = watched(b"a")
    talk.pull_cable(b"a", seconds=11.0)
    talk.run(1.0)
    assert len(talk.budgets) == 1
    assert talk.budgets[0].resets == 1


def test_a_receiver_that_returns_goes_on_from_what_it_decoded_last() -> None:
    talk = watched(b"a")
    talk.pull_cable(b"a", seconds=11.0)
    count = len(talk.arrivals[b"a"])
    talk.run(1.0)
    assert len(talk.arrivals[b"a"]) > count + 10
    assert talk.keyframes(b"a") == 1
    assert talk.intakes[b"a"].keyframe_requests == 0


def test_a_receiver_that_returns_after_its_references_are_gone_gets_a_keyframe() -> None:
    talk = watched(b"a", b"b")
    talk.pull_cable(b"a", seconds=11.0)  # b goes on, and so do the references
    talk.run(2.0)
    assert talk.keyframes(b"a") == 2


def test_a_relay_that_returns_begins_with_a_keyframe() -> None:
    talk = Conversation()
    talk.join(b"a", model=b"")
    talk.run(1.0)
    talk.pull_cable(b"a", seconds=11.0)
    talk.run(1.0)
    assert talk.keyframes(b"a") == 2


def test_a_receiver_that_restarts_replaces_its_former_self() -> None:
    talk = Conversation()
    talk.join(b"old", instance=9)
    talk.run(1.0)
    del talk.intakes[b"old"]
    talk.join(b"new", instance=9)
    talk.run(0.5)
    assert [viewer.name for viewer in talk.broadcast.snapshot()] == ["viewer-9"]
    assert talk.keyframes(b"new") == 1


def test_a_new_size_starts_with_a_keyframe() -> None:
    talk = watched(b"a")
    talk.run(0.5, size=(128, 96))
    assert talk.keyframes(b"a") == 2
    assert talk.intakes[b"a"].reconnects == 0


def test_no_more_than_64_receivers_are_served() -> None:
    talk = Conversation()
    for number in range(70):
        talk.join(b"v%d" % number, instance=number)
    talk.run(1.0)
    assert talk.broadcast.watching == 64


def test_one_encode_for_several_fits_the_slowest_of_them() -> None:
    talk = Conversation()
    for number in range(3):
        talk.join(b"v%d" % number)
    talk.run(1.5)
    for budget, size in zip(talk.budgets, (900, 5_000, 9_000), strict=True):
        budget.size_bytes = size
    (plan,) = talk.capture()
    assert plan.budget_bytes == 900
    assert len(plan.viewers) == 3


def test_a_receiver_whose_link_is_full_skips_the_frame() -> None:
    talk = watched(b"a")
    talk.budgets[0].size_bytes = None
    plans = talk.broadcast.planner.plan(width=64, height=48, encode_us=1, now_us=talk.now_us)
    assert (plans.plans, plans.skipped) == ((), "bandwidth")


def test_messages_that_belong_elsewhere_are_counted_and_change_nothing() -> None:
    talk = watched(b"a")
    welcome = m.Welcome(1, "x", b"", b"", "S", 0, 0, 33_000, b"")
    for data in (b"garbage", pack(welcome), pack(m.FrameRest(77, 1, b"x"))):
        assert talk.broadcast.on_message(b"a", data, talk.now_us).messages == []
    assert talk.broadcast.hostile == 3
    assert talk.broadcast.watching == 1


def test_a_wrong_size_in_an_ack_is_a_lie() -> None:
    talk = watched(b"a")
    talk.capture()
    sequence = talk.sequence
    ack = pack(m.FrameAck(77, sequence, 999_999, 5, 6))
    talk.broadcast.on_message(b"a", ack, talk.now_us)
    assert talk.broadcast.hostile == 1


def test_acknowledgements_reach_rate_control() -> None:
    talk = watched(b"a")
    assert len(talk.budgets[0].acks) >= 25
    assert all(ack.size_bytes == 8 for ack in talk.budgets[0].acks)


def test_latency_legs_add_up_to_what_the_receiver_measured() -> None:
    talk = watched(b"a")
    (viewer,) = talk.broadcast.snapshot()
    total = viewer.latency.total
    assert total.count > 20
    assert sum(leg.sum_us for leg in viewer.latency.legs.values()) == total.sum_us
    assert total.mean_us == 20_000


def test_who_asks_but_lacks_nothing_goes_on_meanwhile() -> None:
    talk = watched(b"a", b"b", seconds=2.0)
    for _ in range(5):  # more than it is allotted
        talk.say(b"a", m.KeyframeRequest(77, 1, m.KeyframeReason.USER))
        talk.run(1.0)
    before = len(talk.arrivals[b"a"])
    talk.say(b"a", m.KeyframeRequest(77, 1, m.KeyframeReason.USER))
    talk.run(1.0)
    assert len(talk.arrivals[b"a"]) - before >= 28


def test_one_that_asks_and_asks_costs_the_others_few_keyframes_and_no_frame() -> None:
    for encode_us in (8_000, 30_000):  # with time for a second encode, and without
        talk = Conversation(encode_us=encode_us)
        talk.join(b"honest")
        talk.join(b"liar")
        talk.run(3.0)
        frames, keyframes = len(talk.arrivals[b"honest"]), talk.keyframes(b"honest")
        for _ in range(300):
            talk.say(b"liar", m.KeyframeRequest(77, 1, m.KeyframeReason.DAMAGED))
            talk.run(0.1)
        assert len(talk.arrivals[b"honest"]) - frames >= 0.97 * 30 * 30
        assert talk.keyframes(b"honest") - keyframes <= 2 + 30 / 5


def test_with_time_for_it_who_is_not_allotted_more_gets_a_keyframe_of_its_own() -> None:
    talk = watched(b"honest", b"liar", seconds=3.0)
    before = talk.keyframes(b"honest"), talk.keyframes(b"liar")
    for _ in range(30):
        talk.say(b"liar", m.KeyframeRequest(77, 1, m.KeyframeReason.DAMAGED))
        talk.run(1.0)
    assert talk.keyframes(b"liar") - before[1] >= 20
    assert talk.keyframes(b"honest") - before[0] <= 8


def test_newcomers_without_end_do_not_freeze_those_who_watch() -> None:
    talk = watched(b"honest", seconds=3.0)
    frames, keyframes = len(talk.arrivals[b"honest"]), talk.keyframes(b"honest")
    for number in range(60):
        talk.join(b"n%d" % (number % 8), instance=1000 + number)
        talk.run(0.5)
    assert len(talk.arrivals[b"honest"]) - frames >= 0.95 * 30 * 30
    assert talk.keyframes(b"honest") - keyframes <= 3 + 30 / 3


def test_a_frame_that_was_not_acknowledged_cannot_have_been_shown() -> None:
    talk = watched(b"a")
    talk.blocked.add(b"a")
    talk.cut.add(b"a")
    talk.capture()
    talk.cut.clear()
    sequence = talk.sequence
    hostile = talk.broadcast.hostile
    lie = m.FrameShown(77, sequence, m.Outcome.SHOWN, 0, 0, 0, 0, 0, 1)
    talk.broadcast.on_message(b"a", pack(lie), talk.now_us)
    assert talk.broadcast.hostile == hostile + 1


def test_one_key_has_sixteen_places_and_another_still_gets_in() -> None:
    talk = Conversation(name_of=lambda peer: "alice" if peer.startswith(b"a") else "bob")
    for number in range(17):
        talk.join(b"a%d" % number)
    talk.join(b"b")
    talk.run(1.0)
    assert talk.broadcast.watching == 17
    assert [peer for peer, intake in talk.intakes.items() if intake.busy] == [b"a16"]
    assert "alice" in talk.intakes[b"a16"].busy


def test_who_never_gets_ready_loses_its_place() -> None:
    talk = Conversation()
    hello = m.Hello((2,), b"", b"", "", "squatter", 5, b"")
    for number in range(64):
        talk.broadcast.on_message(b"s%d" % number, pack(replace(hello, instance=number)), 0)
    talk.join(b"honest", instance=900)
    talk.run(0.5)
    assert talk.intakes[b"honest"].busy
    for _ in range(40):
        for number in range(64):  # it lives, and says nothing else
            talk.broadcast.on_message(b"s%d" % number, pack(m.Ping(1, 1)), talk.now_us)
        talk.run(0.1)
    assert talk.intakes[b"honest"].state is State.STREAMING


def test_a_flood_is_not_heard_and_then_cut() -> None:
    talk = Conversation()
    cuts = []
    for _ in range(5000):
        cuts += talk.broadcast.on_message(b"x", pack(m.Ping(1, 1)), talk.now_us).cuts
    assert talk.broadcast.flooded == 4000
    assert [peer for peer, _ in cuts] == [b"x"]


def test_the_connection_of_one_that_acknowledges_nothing_is_ended() -> None:
    talk = watched(b"a")
    talk.cut = {b"a"}
    talk.capture()
    assert talk.broadcast.tick(talk.now_us + 9_000_000).cuts == []
    answers = talk.broadcast.tick(talk.now_us + SILENCE_US + 1)
    assert answers.cuts == [(b"a", "no acknowledgement")]


def test_large_pictures_are_kept_fewer_times() -> None:
    assert references_held(320 * 180) == references_held(1920 * 1080) == 6
    assert references_held(2560 * 1440) == 3
    assert references_held(4096 * 2304) == references_held(0) - 4 == 2
