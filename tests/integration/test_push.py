# SPDX-License-Identifier: Apache-2.0
"""The bridge feeds a listening server, and outlives one that is not there."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import av
import pytest

from services.demo.supervisor import free_port
from services.errors import SinkError
from services.media.sinks.push import PushSink
from tests.fakes import noise_frame


@pytest.mark.soak  # both ends wait inside FFmpeg, where a test's time limit cannot reach them
def test_a_listening_server_gets_pictures() -> None:
    url = f"rtmp://127.0.0.1:{free_port()}/live/door"
    seen: list[tuple[int, int]] = []

    def listen() -> None:
        with suppress(av.FFmpegError), av.open(url, options={"listen": "1"}) as server:
            seen.extend((picture.width, picture.height) for picture in server.decode(video=0))

    server = threading.Thread(target=listen, daemon=True)
    server.start()
    time.sleep(1.0)  # a look whether it listens already would be taken for the stream
    sink = PushSink(url, fps=30.0)
    for number in range(60):
        sink.write(noise_frame(128, 96, shift=number), shown_us=number * 33_333)
    sink.close()
    server.join(20)
    assert len(seen) >= 20
    assert set(seen) == {(128, 96)}


def test_a_server_that_is_away_costs_a_sentence_and_no_stream() -> None:
    now = [0.0]
    sink = PushSink(f"rtmp://127.0.0.1:{free_port()}/live", fps=30.0, clock_s=lambda: now[0])
    for number in range(10):
        sink.write(noise_frame(), shown_us=number)
    assert (sink.frames, sink.failures) == (0, 1)
    now[0] = 2.5
    sink.write(noise_frame(), shown_us=11)
    assert sink.failures == 2
    sink.close()


@pytest.mark.parametrize("url", ["", "http://host/x", "rtmp://", "file.mp4"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SinkError, match="rtsp://"):
        PushSink(url, fps=30.0)
