# SPDX-License-Identifier: Apache-2.0
"""Sender and receiver over real loopback sockets with the fake codec."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from services.protocol.broadcast import Rules
from services.receiver import ReceiverConfig, ReceiverDaemon
from services.sender import Sender, SenderConfig
from services.transport import MAX_PACKET_MESSAGE_BYTES, Endpoint
from tests.fakes import FakeCodec, FakeSink, FakeSource

ANY_PORT = "tcp://127.0.0.1:0"


def wait_for(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    """Wait until a condition holds; the test fails when it never does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.005)


def make_sender(
    url: str = ANY_PORT,
    *,
    bind: bool = True,
    source: FakeSource | None = None,
    codec: FakeCodec | None = None,
    rules: Rules | None = None,
) -> Sender:
    return Sender(
        SenderConfig(Endpoint(url, bind=bind), rules=rules or Rules(quality=40, adaptive=False)),
        codec=codec or FakeCodec(),
        source=source or FakeSource(),
    )


def make_receiver(
    url: str,
    *sinks: FakeSink,
    bind: bool = False,
    codec: FakeCodec | None = None,
    name: str = "receiver",
) -> ReceiverDaemon:
    return ReceiverDaemon(
        ReceiverConfig(
            Endpoint(url, bind=bind, max_message_bytes=MAX_PACKET_MESSAGE_BYTES), name=name
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
                wait_for(lambda: len(sink.frames) >= 20)
    else:
        receiver = make_receiver(ANY_PORT, sink, bind=True)
        with running(receiver):
            sender = make_sender(receiver.url, bind=False)
            with running(sender):
                wait_for(lambda: len(sink.frames) >= 20)
    sent, got = sender.snapshot(), receiver.snapshot()
    assert sent.key_frames_encoded == 1
    assert got.hostile_messages == sent.hostile_messages == 0
    assert got.frames_displayed >= 20
    assert sink.closed
