# SPDX-License-Identifier: Apache-2.0
"""Sender and receiver over real loopback sockets with the fake codec."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from services.measure.stats import summary
from services.protocol.planner import Rules
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.sender.daemon import Sender, SenderConfig
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from streamcodec.bitstream import read_header
from streamcodec.frame import Reference
from tests.fakes import FakeCodec, FakeSink, FakeSource

pytestmark = pytest.mark.live

ANY_PORT = "tcp://127.0.0.1:0"


def wait_for(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Wait until a condition holds; the test fails when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def wait_for_frames(sink: FakeSink, count: int, *, seconds: float = 5.0) -> None:
    """Wait until a sink was shown that many frames."""
    wait_for(lambda: len(sink.frames) >= count, seconds=seconds)


def make_sender(
    url: str = ANY_PORT,
    *,
    bind: bool = True,
    source: FakeSource | None = None,
    codec: FakeCodec | None = None,
    rules: Rules | None = None,
    stream: str = "main",
) -> Sender:
    return Sender(
        SenderConfig(
            Endpoint(url, bind=bind),
            stream,
            rules=rules or Rules(quality=40, adaptive=False),
            waits_for_viewer=True,
        ),
        codec=codec or FakeCodec(),
        source=source or FakeSource(),
    )


def make_receiver(
    url: str,
    *sinks: FakeSink,
    bind: bool = False,
    codec: FakeCodec | None = None,
    name: str = "receiver",
    stream: str = "",
) -> ReceiverDaemon:
    return ReceiverDaemon(
        ReceiverConfig(
            Endpoint(url, bind=bind, max_message_bytes=MAX_PACKET_MESSAGE_BYTES),
            stream=stream,
            name=name,
        ),
        codec=codec or FakeCodec(),
        sinks=sinks,
    )


@contextmanager
def running(*parts: Sender | ReceiverDaemon) -> Iterator[None]:
    """Start the parts, and stop them in reverse order whatever happens."""
    started: list[Sender | ReceiverDaemon] = []
    try:
        for part in parts:
            part.start()
            started.append(part)
        yield
    finally:
        for part in reversed(started):
            part.stop()


@pytest.mark.parametrize("sender_binds", [True, False])
def test_frames_reach_the_screen_whichever_end_listens(sender_binds: bool) -> None:
    sink = FakeSink()
    if sender_binds:
        sender = make_sender()
        with running(sender):
            receiver = make_receiver(sender.url, sink)
            with running(receiver):
                wait_for_frames(sink, 20)
    else:
        receiver = make_receiver(ANY_PORT, sink, bind=True)
        with running(receiver):
            sender = make_sender(receiver.url, bind=False)
            with running(sender):
                wait_for_frames(sink, 20)
    sent, got = sender.snapshot(), receiver.snapshot()
    assert sent.key_frames_encoded == 1
    assert got.hostile_messages == sent.hostile_messages == 0
    assert got.frames_displayed >= 20
    assert sink.closed


@pytest.mark.parametrize("sender_binds", [True, False])
def test_a_receiver_with_several_models_takes_the_senders(sender_binds: bool) -> None:
    own, theirs = FakeCodec(), FakeCodec(model=b"theirs")
    theirs.size = "M"
    sink = FakeSink()

    def take(url: str, *, bind: bool = False) -> ReceiverDaemon:
        config = ReceiverConfig(
            Endpoint(url, bind=bind, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
        )
        return ReceiverDaemon(config, codec=own, others=[theirs], sinks=[sink])

    if sender_binds:
        sender = make_sender(codec=theirs)
        with running(sender):
            receiver = take(sender.url)
            assert receiver.size == "S"
            with running(receiver):
                wait_for_frames(sink, 5)
                assert receiver.size == "M"
    else:
        receiver = take(ANY_PORT, bind=True)
        with running(receiver), running(make_sender(receiver.url, bind=False, codec=theirs)):
            wait_for_frames(sink, 5)
            assert receiver.size == "M"


def test_a_camera_that_comes_late_is_waited_for() -> None:
    sink = FakeSink()
    with (
        running(sender := make_sender(source=FakeSource(failures=1))),
        running(make_receiver(sender.url, sink)),
    ):
        wait_for_frames(sink, 3)
    assert sender.snapshot().source_restarts == 1


def test_recordings_get_every_frame_from_a_keyframe_on() -> None:
    sink, tape = FakeSink(delay_s=0.03), FakeSink(every_frame=True)
    with (
        running(sender := make_sender()),
        running(receiver := make_receiver(sender.url, sink, tape)),
    ):
        wait_for_frames(sink, 10)
    assert len(tape.packets) == receiver.snapshot().frames_decoded
    assert tape.closed
    codec, held = FakeCodec(), dict[bytes, Reference]()
    for packet in tape.packets:
        assert packet is not None
        header = read_header(packet)
        after = codec.decode(packet, None if header.keyframe else held[header.reference]).reference
        held[after.digest] = after


def test_the_end_of_the_source_ends_both_ends() -> None:
    sink = FakeSink()
    with running(sender := make_sender(source=FakeSource(count=40, live=False))):
        receiver = make_receiver(sender.url, sink)
        with running(receiver):
            sender.wait(5.0)
            receiver.wait(5.0)
            assert sender.ended
            assert receiver.ended
    shown = receiver.snapshot()
    assert sender.snapshot().frames_idle == 0  # a file begins with its first viewer
    assert shown.frames_displayed + shown.frames_dropped == sender.snapshot().frames_encoded


def test_who_comes_after_the_end_is_told_so() -> None:
    with running(sender := make_sender(source=FakeSource(count=3))):
        sender.wait(5.0)
        with running(receiver := make_receiver(sender.url, FakeSink())):
            wait_for(lambda: receiver.ended)


def test_encoding_and_decoding_keep_to_their_threads() -> None:
    sending, receiving, sink = FakeCodec(), FakeCodec(), FakeSink()
    with (
        running(sender := make_sender(codec=sending)),
        running(make_receiver(sender.url, sink, codec=receiving)),
    ):
        wait_for_frames(sink, 5)
    assert len(sending.encoding_threads) == len(receiving.decoding_threads) == 1
    assert sending.encoding_threads != receiving.decoding_threads


def test_snapshots_name_what_the_demo_prints() -> None:
    sink = FakeSink()
    with running(sender := make_sender()), running(receiver := make_receiver(sender.url, sink)):
        wait_for_frames(sink, 20)
        printed = summary(sender.snapshot().as_json(), receiver.snapshot().as_json(), seconds=0.3)
    names = """
        framesCaptured framesEncoded keyFramesEncoded framesDropped framesReceived framesDecoded
        framesDisplayed bytesSent kbps fps psnr_db freezeCount latency_ms legs_ms width height
    """
    assert set(names.split()) <= printed.keys()
    assert json.loads(json.dumps(printed)) == printed
