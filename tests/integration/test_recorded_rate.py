# SPDX-License-Identifier: Apache-2.0
"""What a receiver writes has the frame rate of the stream, whatever it is."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from services.media.sinks import open_sink
from services.protocol.planner import Rules
from services.receiver.daemon import ReceiverConfig, ReceiverDaemon
from services.sender.daemon import Sender, SenderConfig
from services.wire.endpoint import MAX_PACKET_MESSAGE_BYTES, Endpoint
from streamcodec.container import ScvReader
from tests.fakes import FakeCodec, FakeSource
from tests.integration.test_stream import ANY_PORT, running, wait_for

pytestmark = pytest.mark.live

FPS = 12.5


def test_recordings_and_y4m_have_the_rate_and_the_length_of_the_stream(tmp_path: Path) -> None:
    """An output that breaks down meanwhile ends alone."""
    y4m, scv, mp4 = (str(tmp_path / f"12:30.{kind}") for kind in ("y4m", "scv", "mp4"))

    class Broken:
        every_frame = True

        def write(self, *_: object, **__: object) -> None:
            raise TypeError("int() argument must be a string")

        def close(self) -> None:
            """Nothing is open."""

    sender = Sender(
        SenderConfig(
            Endpoint(ANY_PORT, bind=True),
            rules=Rules(quality=30, adaptive=False),
            waits_for_viewer=True,
        ),
        codec=FakeCodec(),
        source=FakeSource(width=64, height=48, fps=FPS, count=30, live=False),
    )
    sender.start()
    receiver = ReceiverDaemon(
        ReceiverConfig(
            Endpoint(sender.url, bind=False, max_message_bytes=MAX_PACKET_MESSAGE_BYTES)
        ),
        codec=FakeCodec(),
        sinks=[open_sink(y4m, fps=30), open_sink(scv, fps=30), open_sink(mp4, fps=30), Broken()],
    )
    try:
        with running(receiver):
            wait_for(lambda: receiver.ended, seconds=60)
            failed = [event.text for event in receiver.events() if event.name == "recording_failed"]
    finally:
        sender.stop()
    assert any("int() argument" in text for text in failed)
    with ScvReader(Path(scv)) as reader:
        times = [place.timestamp_us for place in reader.places()]
        assert reader.header.fps == FPS
    lasts_s = (times[-1] - times[0]) / 1e6
    with av.open(f"file:{y4m}") as container:
        assert container.streams.video[0].average_rate == FPS
        count = sum(1 for _ in container.decode(video=0))
    assert count / FPS == pytest.approx(lasts_s + 1 / FPS, abs=2.1 / FPS)
    with av.open(f"file:{mp4}") as container:
        assert sum(1 for _ in container.decode(video=0)) == len(times)
