# SPDX-License-Identifier: Apache-2.0
"""Whatever dies or lies, the other end goes on and no wrong picture is shown."""

from __future__ import annotations

import random
import time

import pytest
import zmq

from services.errors import ConfigError
from services.protocol import messages as m
from services.protocol.flood import MAX_MESSAGES_PER_S
from services.protocol.packing import pack, unpack
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon, ShownFrame
from services.sender.daemon import Sender, SentFrame
from services.wire.endpoint import Endpoint
from streamcodec.frame import Frame
from tests.fakes import FakeCodec, FakeSink, FakeSource
from tests.integration.test_stream import (
    ANY_PORT,
    make_receiver,
    make_sender,
    running,
    wait_for,
    wait_for_frames,
)

pytestmark = pytest.mark.live


class Truth:
    """Every picture that a sender meant to show; a shown picture must be one of them."""

    def __init__(self) -> None:
        self._meant: dict[tuple[int, int], list[Frame]] = {}
        self.wrong = 0
        self.right = 0

    def watch_sender(self, sender: Sender) -> None:
        epoch = sender.snapshot().epoch

        def meant(sent: SentFrame) -> None:
            self._meant.setdefault((epoch, sent.sequence), []).append(sent.reconstruction)

        sender.on_frame(meant)

    def watch_receiver(self, receiver: ReceiverDaemon) -> None:
        def check(shown: ShownFrame) -> None:
            deadline = time.monotonic() + 5.0
            key = (shown.meta.epoch, shown.meta.sequence)
            while key not in self._meant and time.monotonic() < deadline:
                time.sleep(0.001)  # the frame overtook its sender's observer
            same = any(frame.same_pixels(shown.frame) for frame in self._meant.get(key, ()))
            self.right += same
            self.wrong += not same

        receiver.on_frame(check)


def test_a_receiver_outlives_its_senders() -> None:
    truth, sink = Truth(), FakeSink()
    with running(first := make_sender()):
        url = first.url
        truth.watch_sender(first)
        receiver = make_receiver(url, sink)
        truth.watch_receiver(receiver)
        receiver.start()
        wait_for_frames(sink, 5)
    try:
        for _ in range(2):
            sender = make_sender(url)
            truth.watch_sender(sender)
            count = len(sink.frames)
            with running(sender):
                wait_for_frames(sink, count + 5, seconds=2.0)
                assert receiver.snapshot().epoch == sender.snapshot().epoch
    finally:
        receiver.stop()
    assert receiver.snapshot().reconnects >= 2
    assert truth.wrong == 0


def test_a_receiver_may_start_long_before_its_sender() -> None:
    with running(placeholder := make_sender()):
        url = placeholder.url
    sink = FakeSink()
    with running(make_receiver(url, sink)):
        time.sleep(0.3)
        with running(make_sender(url)):
            wait_for_frames(sink, 5, seconds=2.0)


def test_another_model_is_refused_and_run_says_why() -> None:
    with running(sender := make_sender()):
        receiver = make_receiver(sender.url, codec=FakeCodec(model=b"other"))
        with pytest.raises(ConfigError, match=r"same size and weights at both ends"):
            receiver.run(5.0)
        wait_for(lambda: any(event.name == "refused" for event in sender.snapshot().events))


def test_a_device_that_parses_otherwise_is_refused() -> None:
    with running(sender := make_sender()):
        receiver = make_receiver(sender.url, codec=FakeCodec(self_test=b"otherone"))
        with pytest.raises(ConfigError, match="streamcodec doctor"):
            receiver.run(5.0)


@pytest.mark.parametrize("target", ["sender", "receiver"])
def test_random_messages_to_a_port_are_counted_and_nothing_else(target: str) -> None:
    bombard(target, messages=10_000)


@pytest.mark.soak
@pytest.mark.parametrize("target", ["sender", "receiver"])
def test_a_hundred_thousand_random_messages_are_counted_and_nothing_else(target: str) -> None:
    bombard(target, messages=100_000)


def bombard(target: str, *, messages: int) -> None:
    """Random bytes, and real messages with a byte changed, at the port that listens."""
    truth, sink = Truth(), FakeSink()
    if target == "sender":
        listener: Sender | ReceiverDaemon = make_sender()
        with running(listener):
            other: Sender | ReceiverDaemon = make_receiver(listener.url, sink)
            stream_under_fire(listener, other, truth=truth, sink=sink, messages=messages)
        hostile = listener.snapshot().hostile_messages
    else:
        listener = make_receiver(ANY_PORT, sink, bind=True)
        with running(listener):
            other = make_sender(listener.url, bind=False)
            stream_under_fire(listener, other, truth=truth, sink=sink, messages=messages)
        hostile = listener.snapshot().hostile_messages
    assert hostile > messages // 2
    assert truth.wrong == 0
    assert truth.right > 0


def stream_under_fire(
    listener: Sender | ReceiverDaemon,
    other: Sender | ReceiverDaemon,
    *,
    truth: Truth,
    sink: FakeSink,
    messages: int,
) -> None:
    for part in (listener, other):
        if isinstance(part, Sender):
            truth.watch_sender(part)
        else:
            truth.watch_receiver(part)
    with running(other):
        wait_for_frames(sink, 3)
        seen = listener.snapshot().hostile_messages
        fire(listener.url, random.Random(5), messages)
        wait_for(lambda: listener.snapshot().hostile_messages - seen > messages // 2, seconds=60.0)
        count = len(sink.frames)
        wait_for_frames(sink, count + 5)


def fire(url: str, rng: random.Random, messages: int) -> None:
    """Send hostile messages from plain DEALERs as fast as the port takes them.

    A new one before the flood limit of a peer is reached: what one says beyond it is not looked at.
    """
    each = MAX_MESSAGES_PER_S // 2
    for first in range(0, messages, each):
        fire_from_one(url, rng, range(first, min(first + each, messages)))


def fire_from_one(url: str, rng: random.Random, numbers: range) -> None:
    """Send hostile messages from one peer."""
    samples = [
        pack(m.Hello((1,), b"", b"", "", "x", 1, b"")),
        pack(m.Ready(1)),
        pack(m.FrameHead(1, 1, 1, 1, 2, 3, 9, b"123456789")),
        pack(m.FrameAck(1, 1, 9, 5, 6)),
        pack(m.Ping(1, 5)),
        pack(m.Pong(1, 5, 6, 7)),
    ]
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.linger = 0
    socket.sndtimeo = 10_000
    try:
        socket.connect(url)
        for number in numbers:
            if number % 4:
                data = rng.randbytes(rng.randrange(0, 200))
            else:
                changed = bytearray(rng.choice(samples))
                changed[rng.randrange(len(changed))] ^= rng.randrange(1, 256)
                data = bytes(changed)
            if number % 50 == 7:
                socket.send_multipart([data, data])
            else:
                socket.send(data)
        time.sleep(0.05)
    finally:
        socket.close(linger=2_000)
        context.term()


def test_a_message_beyond_the_limit_costs_its_sender_the_connection() -> None:
    sink = FakeSink()
    with running(sender := make_sender()), running(make_receiver(sender.url, sink)):
        wait_for_frames(sink, 3)
        context = zmq.Context()
        socket = context.socket(zmq.DEALER)
        try:
            socket.connect(sender.url)
            socket.send(bytes(1_000_000))
            count = len(sink.frames)
            wait_for_frames(sink, count + 10)
        finally:
            socket.close(linger=0)
            context.term()
    assert sender.snapshot().hostile_messages == 0


def test_a_sender_that_lies_about_its_frames_shows_nothing() -> None:
    """Every byte of a real frame message changed, sent by a peer that passed the handshake."""
    sink, codec = FakeSink(), FakeCodec()
    receiver = make_receiver(ANY_PORT, sink, bind=True, codec=codec)
    key = codec.encode(next_frame(), quality=30)
    assert key.packet is not None
    packet = key.packet[:1300]
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.rcvtimeo = 5_000
    with running(receiver):
        try:
            socket.connect(receiver.url)
            socket.send(pack(m.Ping(1, 1)))
            while not isinstance(hello := unpack(socket.recv()), m.Hello):
                pass
            assert hello.model_hash == codec.model_hash
            welcome = m.Welcome(
                9, "main", codec.model_hash, codec.self_test(), "S", 64, 48, 33_000, b""
            )
            socket.send(pack(welcome))
            # Before it is trusted, so many messages would cost it the connection.
            while not isinstance(unpack(socket.recv()), m.Ready):
                pass
            whole = pack(m.FrameHead(9, 1, 1, 1, 2, 3, len(packet), packet))
            for position in range(len(whole)):
                changed = bytearray(whole)
                changed[position] ^= 0xFF
                socket.send(bytes(changed))
            wait_for(lambda: receiver.snapshot().hostile_messages >= 20)
            time.sleep(0.2)
            assert sink.frames == []
        finally:
            socket.close(linger=0)
            context.term()


def next_frame() -> Frame:
    captured = FakeSource(fps=1000).read(1.0)
    assert captured is not None
    return captured.frame


def test_a_port_in_use_is_one_sentence() -> None:
    with (
        running(sender := make_sender()),
        pytest.raises(ConfigError, match=r"cannot listen on .*in use"),
    ):
        make_sender(sender.url).run(1.0)


def test_a_receiver_without_a_sender_gives_up_when_told_to() -> None:
    config = ReceiverConfig(Endpoint("tcp://127.0.0.1:9", bind=False), patience_s=0.1)
    receiver = ReceiverDaemon(config, codec=FakeCodec())
    with pytest.raises(Exception, match="no sender at"):
        receiver.run(5.0)
