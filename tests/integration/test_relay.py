# SPDX-License-Identifier: Apache-2.0
"""One sender, relays, many receivers: everybody sees the stream, and nobody disturbs the others."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from services.protocol import messages as m
from services.protocol.packing import pack
from services.receiver.daemon import ReceiverDaemon
from services.relay.daemon import Feed, Relay, RelayConfig
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from services.wire.transport import Port
from tests.fakes import FakeSink, FakeSource
from tests.integration.test_stream import make_receiver, make_sender, running, wait_for
from tests.integration.viewers import NullViewer

pytestmark = pytest.mark.live

ANY_PORT = "tcp://127.0.0.1:0"


@contextmanager
def relaying(*urls: str, **named: str) -> Iterator[Relay]:
    feeds = [("", url) for url in urls] + list(named.items())
    relay = Relay(
        RelayConfig(
            tuple(
                Feed(Endpoint(url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES), name)
                for name, url in feeds
            ),
            Endpoint(ANY_PORT, bind=True),
        ),
    )
    try:
        relay.start()
        yield relay
    finally:
        relay.stop()


def watcher(url: str) -> tuple[ReceiverDaemon, FakeSink]:
    sink = FakeSink()
    return make_receiver(url, sink), sink


def test_twenty_viewers_cost_the_sender_one_and_the_weak_disturb_nobody() -> None:
    with ExitStack() as stack:
        stack.enter_context(running(sender := make_sender(source=FakeSource(fps=20.0))))
        relay = stack.enter_context(relaying(sender.url))
        watchers = [watcher(relay.url) for _ in range(2)]
        for receiver, _ in watchers:
            stack.enter_context(running(receiver))
        viewers = [stack.enter_context(NullViewer(relay.url)) for _ in range(18)]
        wait_for(lambda: all(viewer.frames >= 5 for viewer in viewers), seconds=20.0)
        wait_for(lambda: all(len(sink.frames) >= 5 for _, sink in watchers), seconds=20.0)
        assert len(relay.snapshot().viewers) == 20

        stalled, killed, flooding = viewers[:3]
        stalled.stall()
        killed.kill()
        flooding.flood(pack(m.Ping(1, 1)))
        before = relay.snapshot()
        shown = [viewer.frames for viewer in viewers[3:]]
        seen = [len(sink.frames) for _, sink in watchers]
        begin = time.monotonic()
        wait_for(
            lambda: all(v.frames >= n + 60 for v, n in zip(viewers[3:], shown, strict=True)),
            seconds=30.0,
        )
        wait_for(
            lambda: all(len(s.frames) >= n + 40 for (_, s), n in zip(watchers, seen, strict=True)),
            seconds=30.0,
        )
        after = relay.snapshot()
        assert after.keyframe_requests_sent - before.keyframe_requests_sent <= 2
        assert after.flooded_messages > 0
        # The one that was killed may be missed at once; the one that stands still has ten seconds.
        assert after.peers_lost <= 1
        assert time.monotonic() - begin < 30

        # Who comes now has a picture within a second of the stream, and costs nobody a keyframe
        # that the relay has.
        begin_frames = sender.snapshot().frames_encoded
        late, picture = watcher(relay.url)
        stack.enter_context(running(late))
        wait_for(lambda: bool(picture.frames), seconds=20.0)
        assert sender.snapshot().frames_encoded - begin_frames <= 20

        sent = sender.snapshot()
        after = relay.snapshot()
        assert len(sent.viewers) == 1
        assert sent.bytes_sent <= 1.2 * after.bytes_received  # what one viewer takes
        # 17 of the 20 are served: one stands still, one is gone, and one is cut for its flood.
        assert after.bytes_sent > 15 * sent.bytes_sent
        assert sent.peers_lost == 0


def test_relays_stand_behind_relays_and_latency_counts_from_the_capture() -> None:
    with ExitStack() as stack:
        stack.enter_context(running(sender := make_sender(source=FakeSource(fps=30.0))))
        first = stack.enter_context(relaying(sender.url))
        second = stack.enter_context(relaying(first.url))
        receiver, sink = watcher(second.url)
        stack.enter_context(running(receiver))
        wait_for(lambda: len(sink.frames) >= 15)
        latency = receiver.snapshot().latency
        direct = max(leg.mean_us for leg in latency.legs.values())
        assert latency.total.count > 0
        assert latency.total.mean_us >= direct
        assert latency.total.mean_us > 0


def test_one_relay_serves_several_streams_by_name() -> None:
    with ExitStack() as stack:
        door = make_sender(source=FakeSource(width=64, fps=30.0), stream="door")
        yard = make_sender(source=FakeSource(width=96, fps=30.0), stream="yard")
        stack.enter_context(running(door, yard))
        relay = stack.enter_context(relaying(door=door.url, yard=yard.url))
        sinks = {name: FakeSink() for name in ("door", "yard")}
        for name, sink in sinks.items():
            stack.enter_context(running(make_receiver(relay.url, sink, stream=name)))
        wait_for(lambda: all(len(sink.frames) >= 10 for sink in sinks.values()))
        assert {frame.width for frame in sinks["door"].frames} == {64}
        assert {frame.width for frame in sinks["yard"].frames} == {96}
        counted = relay.snapshot()
        assert [feed.stream for feed in counted.feeds] == ["door", "yard"]
        assert [len(feed.viewers) for feed in counted.feeds] == [1, 1]
        assert len(door.snapshot().viewers) == len(yard.snapshot().viewers) == 1

        # A relay behind it takes one of them; a name that nobody has is told those there are.
        behind = stack.enter_context(relaying(yard=relay.url))
        far = FakeSink()
        stack.enter_context(running(make_receiver(behind.url, far)))
        wait_for(lambda: len(far.frames) >= 5)
        assert {frame.width for frame in far.frames} == {96}
        lost = make_receiver(relay.url, stream="cellar")
        stack.enter_context(running(lost))
        wait_for(lambda: "'door', 'yard'" in lost.snapshot().refusal)


def test_one_stream_that_ends_leaves_the_others_alone() -> None:
    with ExitStack() as stack:
        door = make_sender(source=FakeSource(fps=30.0), stream="door")
        yard = make_sender(source=FakeSource(fps=30.0), stream="yard")
        stack.enter_context(running(door))
        with running(yard):
            relay = stack.enter_context(relaying(door=door.url, yard=yard.url))
            sink = FakeSink()
            stack.enter_context(running(make_receiver(relay.url, sink, stream="door")))
            wait_for(lambda: len(sink.frames) >= 5)
            wait_for(lambda: all(feed.state == "streaming" for feed in relay.snapshot().feeds))
        wait_for(lambda: relay.snapshot().feeds[1].state == "seeking")
        shown = len(sink.frames)
        wait_for(lambda: len(sink.frames) >= shown + 20)
        assert relay.snapshot().feeds[0].reconnects == 0


def test_the_stream_goes_on_after_the_sender_came_back() -> None:
    with ExitStack() as stack:
        with running(sender := make_sender(source=FakeSource(fps=30.0))):
            url = sender.url
            relay = stack.enter_context(relaying(url))
            receiver, sink = watcher(relay.url)
            stack.enter_context(running(receiver))
            wait_for(lambda: len(sink.frames) >= 5)
        shown = len(sink.frames)
        with running(make_sender(url, source=FakeSource(fps=30.0))):
            wait_for(lambda: len(sink.frames) >= shown + 5, seconds=8.0)


def test_a_relay_needs_neither_networks_nor_a_video_library() -> None:
    code = "import sys, services.relay.daemon, services.wire.addressing, services.commands.relay; "
    code += "heavy = {'torch', 'streamcodec._core', 'av', 'aiohttp'} & set(sys.modules); "
    code += "assert not heavy, heavy"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


def test_hostile_bytes_are_counted_and_nothing_else() -> None:
    with ExitStack() as stack:
        stack.enter_context(running(sender := make_sender(source=FakeSource(fps=30.0))))
        relay = stack.enter_context(relaying(sender.url))
        receiver, sink = watcher(relay.url)
        stack.enter_context(running(receiver))
        port = stack.enter_context(Port(Endpoint(relay.url, bind=False)))
        wait_for(lambda: bool(sink.frames))
        for data in (b"", b"\xc1", b"x" * 4000, pack(m.FrameAck(1, 1, 1, 1, 1))):
            port.poll(5)
            port.send(b"", data)
        wait_for(lambda: relay.snapshot().hostile_messages >= 3)
        shown = len(sink.frames)
        wait_for(lambda: len(sink.frames) >= shown + 10)
