# SPDX-License-Identifier: Apache-2.0
"""What a relay takes in goes to its receivers, on its own clock."""

from __future__ import annotations

from services.protocol import messages as m
from services.protocol.fanout import Fanout
from services.protocol.packing import pack, unpack
from services.protocol.profile import Profile
from services.protocol.train import split
from services.relay.core import FeedCore
from streamcodec.frame import Reference
from tests.fakes import FakeCodec, noise_frame

CODEC = FakeCodec()
NOW_US = 3_000_000
AHEAD_US = 7_000_000_000  # the sender's clock before ours
WAY_US = 20_000
WELCOME = m.Welcome(7, "main", CODEC.model_hash, b"", "S", 64, 48, 33_000, b"")


def streaming() -> FeedCore:
    """A feed whose sender has welcomed it, and whose clock it knows."""
    core = FeedCore(
        Profile(b"", b"", "", "relay", 1, b""), Fanout(boot_id=b""), connects=True, now_us=NOW_US
    )
    core.message(b"", pack(WELCOME), NOW_US, encrypted=False)
    core.take_replies()
    there_us = NOW_US + WAY_US + AHEAD_US
    pong = m.Pong(1, NOW_US, there_us, there_us)
    core.message(b"", pack(pong), NOW_US + 2 * WAY_US, encrypted=False)
    return core


def feed(core: FeedCore, packet: bytes, now_us: int) -> list[m.Message]:
    """A packet that was captured WAY_US ago; what the relay answers."""
    captured_us = now_us - WAY_US + AHEAD_US
    head, rest = split(
        packet,
        epoch=7,
        sequence=1,
        captured_us=captured_us,
        encode_start_us=captured_us,
        encode_end_us=captured_us,
        sent_us=captured_us,
    )
    said: list[m.Message] = []
    for message in (head, rest):
        if message is not None:
            results = core.message(b"", pack(message), now_us, encrypted=False)
            said += [unpack(data) for _, data in results.messages]
    return said


def keyframe() -> tuple[bytes, Reference]:
    encoded = CODEC.encode(noise_frame(), quality=20)
    assert encoded.packet is not None
    assert encoded.reference is not None
    return encoded.packet, encoded.reference


def test_a_packet_is_acknowledged_told_as_shown_and_passed_on_with_times_of_our_clock() -> None:
    core = streaming()
    hello = m.Hello((m.VERSION,), CODEC.model_hash, b"", "", "viewer", 2, b"")
    core.fanout.on_message(b"viewer", hello, NOW_US)
    core.fanout.on_message(b"viewer", m.Ready(7), NOW_US)
    now_us = NOW_US + 100_000
    said = feed(core, keyframe()[0], now_us)
    assert [type(message) for message in said] == [m.FrameAck, m.FrameShown]
    (out,) = core.fanout.due(now_us)
    assert out.peer == b"viewer"
    assert out.head.captured_us == now_us - WAY_US
    assert WAY_US <= out.head.error_us <= WAY_US + 10


def test_what_is_no_packet_is_told_as_damaged_and_goes_nowhere() -> None:
    core = streaming()
    said = feed(core, b"no packet at all", NOW_US)
    assert [s.outcome for s in said if isinstance(s, m.FrameShown)] == [m.Outcome.DAMAGED]
    assert core.snapshot(NOW_US, url="").damaged_packets == 1
    assert core.fanout.cached_bytes == 0


def test_a_new_stream_and_its_end_are_told_to_receivers() -> None:
    core = streaming()
    hello = m.Hello((m.VERSION,), CODEC.model_hash, b"", "", "viewer", 2, b"")
    core.fanout.on_message(b"viewer", hello, NOW_US)
    again = m.Welcome(8, "main", CODEC.model_hash, b"", "S", 64, 48, 33_000, b"")
    core.message(b"", pack(again), NOW_US, encrypted=False)
    ((peer, welcome),) = core.take_replies().messages
    assert (peer, getattr(welcome, "epoch", None)) == (b"viewer", 8)
    core.message(b"", pack(m.Bye(m.ByeCode.END_OF_STREAM, "over")), NOW_US, encrypted=False)
    ((_, bye),) = core.take_replies().messages
    assert isinstance(bye, m.Bye)
    assert core.ended
    assert core.take_replies().messages == []


def test_a_keyframe_that_receivers_need_is_asked_for_once() -> None:
    core = streaming()
    hello = m.Hello((m.VERSION,), CODEC.model_hash, b"", "", "viewer", 2, b"")
    core.fanout.on_message(b"viewer", hello, NOW_US)
    core.fanout.on_message(b"viewer", m.Ready(7), NOW_US)
    now_us = NOW_US + 2_000_000
    core.fanout.tick(now_us)
    (request,) = [unpack(data) for _, data in core.request_keyframe(now_us).messages]
    assert isinstance(request, m.KeyframeRequest)
    assert core.request_keyframe(now_us).messages == []
