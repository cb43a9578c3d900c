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
from services.rate.congestion import BANDWIDTH, Budget, CongestionController
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon, ShownFrame, now_us
from services.sender.daemon import Sender, SenderConfig
from services.wire.transport import MAX_PACKET_MESSAGE_BYTES, Endpoint
from streamcodec.bitstream import read_header
from streamcodec.frame import Reference
from tests.fakes import FakeCodec, FakeSink, FakeSource

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
    buffer_us: int = 0,
    clock_us: Callable[[], int] = now_us,
) -> ReceiverDaemon:
    return ReceiverDaemon(
        ReceiverConfig(
            Endpoint(url, bind=bind, max_message_bytes=MAX_PACKET_MESSAGE_BYTES),
            stream=stream,
            name=name,
            buffer_us=buffer_us,
        ),
        codec=codec or FakeCodec(),
        sinks=sinks,
        clock_us=clock_us,
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


def test_the_legs_of_latency_add_up() -> None:
    shown: list[ShownFrame] = []
    with running(sender := make_sender()):
        receiver = make_receiver(sender.url, FakeSink())
        receiver.on_frame(shown.append)
        with running(receiver):
            wait_for(lambda: len(shown) >= 20)
            wait_for(lambda: sender.snapshot().viewers[0].frames_displayed >= 20)
            told = sender.snapshot().viewers[0].latency
        summary = receiver.snapshot().latency
    for frame in shown:
        latency, meta = frame.meta.latency, frame.meta
        assert latency is not None
        assert meta.captured_us is not None
        assert sum(latency.legs_us) == meta.shown_us - meta.captured_us
        assert min(latency.legs_us) >= 0
        assert latency.error_us == 0
    assert sum(leg.sum_us for leg in summary.legs.values()) == summary.total.sum_us
    # The sender knows the receiver's truth.
    assert sum(leg.sum_us for leg in told.legs.values()) == told.total.sum_us


def test_several_receivers_share_one_encode() -> None:
    sinks = [FakeSink() for _ in range(3)]
    with running(sender := make_sender()):
        receivers = [make_receiver(sender.url, sink, name=f"r{i}") for i, sink in enumerate(sinks)]
        with running(*receivers):
            wait_for(lambda: all(len(sink.frames) >= 3 for sink in sinks))
            joined = sender.snapshot()
            wait_for(lambda: all(len(sink.frames) >= 40 for sink in sinks))
            sent = sender.snapshot()
    encoded = sent.frames_encoded - joined.frames_encoded
    before = sum(viewer.frames_sent for viewer in joined.viewers)
    assert sum(viewer.frames_sent for viewer in sent.viewers) - before > 2 * encoded


def test_a_slow_screen_does_not_slow_the_others_and_its_latency_stays_flat() -> None:
    fast_sink, slow_sink = FakeSink(), FakeSink(delay_s=0.05)
    with running(sender := make_sender(source=FakeSource(fps=50.0))):
        fast = make_receiver(sender.url, fast_sink, name="fast")
        slow = make_receiver(sender.url, slow_sink, name="slow")
        with running(fast, slow):
            wait_for_frames(slow_sink, 25)
            captured = sender.snapshot()
    quick, late = fast.snapshot(), slow.snapshot()
    assert quick.frames_displayed > 1.5 * late.frames_displayed
    assert late.latency.total.percentile_us(0.95) < 400_000
    skipped = {viewer.name: viewer.frames_skipped for viewer in captured.viewers}
    assert skipped["slow"] > skipped["fast"]


def test_a_buffer_delays_the_picture_and_costs_no_frames() -> None:
    shown: list[ShownFrame] = []
    with running(sender := make_sender()):
        receiver = make_receiver(sender.url, FakeSink(), buffer_us=200_000)
        receiver.on_frame(shown.append)
        with running(receiver):
            wait_for(lambda: len(shown) >= 60)
    sequences = [frame.meta.sequence for frame in shown]
    assert sequences[-1] - sequences[0] <= 1.3 * len(shown)
    assert min(frame.meta.latency_us or 0 for frame in shown) >= 190_000


def test_a_new_picture_size_needs_no_new_connection() -> None:
    sink = FakeSink()
    source = FakeSource(resize=(20, 96, 80))
    with (
        running(sender := make_sender(source=source)),
        running(receiver := make_receiver(sender.url, sink)),
    ):
        wait_for(lambda: any(frame.width == 96 for frame in sink.frames))
    assert receiver.snapshot().reconnects == 0
    assert {frame.width for frame in sink.frames} == {64, 96}


class Starved(CongestionController):
    """Leaves two of three frames no room, as a link far too thin for the picture does."""

    asked = 0

    def budget(self, now_us: int, *, encode_us: int, floor_bytes: int | None = None) -> Budget:
        self.asked += 1
        return Budget(50_000 if self.asked % 3 == 0 else None, BANDWIDTH)


@pytest.mark.parametrize("adapts", [True, False])
def test_a_link_too_thin_for_the_picture_gets_a_smaller_one_in_the_same_session(
    adapts: bool,
) -> None:
    shown, recorded = FakeSink(), FakeSink(every_frame=True)
    sender = Sender(
        SenderConfig(Endpoint(ANY_PORT, bind=True), rules=Rules(quality=40), adapts=adapts),
        codec=FakeCodec(),
        source=FakeSource(),
        congestion=lambda: Starved(frame_interval_us=10_000),
    )
    with running(sender):
        receiver = make_receiver(sender.url, shown, recorded)
        with running(receiver):
            if adapts:
                wait_for(lambda: receiver.snapshot().width == 48, seconds=20)
            else:
                wait_for(lambda: sender.snapshot().uptime_us > 5_500_000, seconds=20)
            sent, got = sender.snapshot(), receiver.snapshot()
    sizes = list(dict.fromkeys((frame.width, frame.height) for frame in recorded.frames))
    assert sizes == [(64, 48), (48, 36)] if adapts else [(64, 48)]
    assert got.reconnects == got.keyframe_requests == 0
    assert (sent.width, sent.height) == (64, 48)
    assert (sent.frame_width, sent.frame_height) == sizes[-1]
    assert sent.resolution_changes == int(adapts)
    assert sent.quality_limitation_reason == "bandwidth"
    told = sent.as_json()
    assert (told["frameWidth"], told["frameHeight"]) == sizes[-1]
    assert told["qualityLimitationResolutionChanges"] == int(adapts)
    assert [event.text for event in sent.events if event.name == "resolution"] == (
        ["48x36"] if adapts else []
    )


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


def test_the_fixed_rate_is_kept() -> None:
    sink = FakeSink()
    rules = Rules(kbps=400, adaptive=False)
    with (
        running(sender := make_sender(rules=rules, source=FakeSource(fps=60.0))),
        running(make_receiver(sender.url, sink)),
    ):
        wait_for_frames(sink, 90)
        sent = sender.snapshot()
    packets = [len(packet) for packet in sink.packets if packet]
    assert max(packets[1:]) <= 2 * 400_000 / 8 / 60
    assert sent.psnr_db is not None
    assert sent.psnr_db > 15


def test_a_rate_too_thin_for_any_frame_still_shows_some() -> None:
    sink = FakeSink()
    rules = Rules(kbps=4, adaptive=False)
    with running(sender := make_sender(rules=rules)), running(make_receiver(sender.url, sink)):
        wait_for_frames(sink, 8)
    assert sender.snapshot().frames_skipped["bandwidth"] >= 8


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
