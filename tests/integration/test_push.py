# SPDX-License-Identifier: Apache-2.0
"""The bridge feeds a listening server, and outlives one that is not there or says nothing.

The servers are processes that can be killed: a wait inside FFmpeg has no time limit.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import pytest

from services.demo.supervisor import free_port
from services.errors import SinkError
from services.media.sinks.push import PushSink
from tests.fakes import noise_frame

pytestmark = pytest.mark.live

FFMPEG = shutil.which("ffmpeg")
LONG_SECONDS = int(os.environ.get("STREAMCODEC_SOAK_SECONDS", "60"))
SIZE = (128, 96)
FPS = 30
# The same server without the command: PyAV's own FFmpeg, in a process of its own.
LISTEN = """
import sys, av
url, out = sys.argv[1:]
frames = 0
with av.open(url, options={"listen": "1"}) as server, av.open(out, "w", format="flv") as file:
    stream = file.add_stream_from_template(server.streams.video[0])
    for packet in server.demux(video=0):
        if packet.dts is not None:
            packet.stream = stream
            file.mux(packet)
"""


def listening(kind: str, url: str, out: Path) -> list[str]:
    """The command of a server that writes what it gets to a file."""
    if kind == "PyAV":
        return [sys.executable, "-c", LISTEN, url, str(out)]
    if FFMPEG is None:
        pytest.skip("there is no ffmpeg here")
    listen = ["-rtsp_flags", "listen"] if url.startswith("rtsp") else ["-listen", "1"]
    copy = ["-c", "copy", "-f", "flv", "-y", str(out)]
    return [FFMPEG, "-loglevel", "error", "-nostdin", *listen, "-i", url, *copy]


@contextmanager
def server(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def feed(sink: PushSink, seconds: float) -> int:
    """Push until the server had pictures for that long; how many it had."""
    begin_s, number = time.monotonic(), 0
    while sink.frames < seconds * FPS:
        assert time.monotonic() < begin_s + seconds + 30.0, "the server takes nothing"
        sink.write(noise_frame(*SIZE, shift=number % 40), shown_us=number * 1_000_000 // FPS)
        number += 1
        time.sleep(max(0.0, begin_s + number / FPS - time.monotonic()))
    return sink.frames


def pictures(path: Path) -> list[tuple[int, int]]:
    with av.open(str(path)) as file:
        return [(picture.width, picture.height) for picture in file.decode(video=0)]


def check_bridge(kind: str, scheme: str, folder: Path, *, seconds: float) -> None:
    url, out = f"{scheme}://127.0.0.1:{free_port()}/live/door", folder / "got.flv"
    with server(listening(kind, url, out)) as listener:
        # A look whether it listens already would be taken for the stream: the sink tries again.
        sink = PushSink(url, fps=FPS)
        try:
            pushed = feed(sink, seconds)
        finally:
            sink.close()
        listener.wait(20)
    got = pictures(out)
    assert set(got) == {SIZE}
    # What FFmpeg holds back to learn the rate of the stream is in the file, or lost at its end.
    assert pushed - FPS <= len(got) <= pushed


@pytest.mark.parametrize(
    ("kind", "scheme"), [("PyAV", "rtmp"), ("ffmpeg", "rtmp"), ("ffmpeg", "rtsp")]
)
def test_a_listening_server_gets_pictures(kind: str, scheme: str, tmp_path: Path) -> None:
    check_bridge(kind, scheme, tmp_path, seconds=2.0)


@pytest.mark.soak
@pytest.mark.timeout(2 * LONG_SECONDS + 120)
@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_a_listening_ffmpeg_gets_pictures_for_a_minute(scheme: str, tmp_path: Path) -> None:
    check_bridge("ffmpeg", scheme, tmp_path, seconds=LONG_SECONDS)


def test_a_server_that_is_away_costs_a_sentence_and_no_stream() -> None:
    now = [0.0]
    sink = PushSink(f"rtmp://127.0.0.1:{free_port()}/live", fps=FPS, clock_s=lambda: now[0])
    for number in range(10):
        sink.write(noise_frame(), shown_us=number)
    assert (sink.frames, sink.failures) == (0, 1)
    now[0] = 2.5
    sink.write(noise_frame(), shown_us=11)
    assert sink.failures == 2
    sink.close()


@pytest.mark.parametrize("scheme", ["rtmp", "rtsp"])
def test_a_server_that_says_nothing_is_left_and_holds_up_nobody(scheme: str) -> None:
    rounds, stop = [0], threading.Event()

    def live() -> None:
        """The rest of the process, which must go on."""
        while not stop.wait(0.01):
            rounds[0] += 1

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        sink = PushSink(f"{scheme}://127.0.0.1:{port}/live", fps=FPS, timeout_s=1.5)
        rest = threading.Thread(target=live)
        rest.start()
        sink.write(noise_frame(), shown_us=0)
        meanwhile = rounds[0]
        stop.set()
        rest.join()
        sink.close()
    assert sink.failures == 1
    assert meanwhile > 5


def runs(process: int) -> bool:
    """Whether it is there, and no zombie that nobody has asked after."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    except OSError:
        return False


def test_a_process_that_waits_for_a_server_does_not_outlive_its_parent_for_long() -> None:
    code = """
        import pathlib, sys
        import numpy as np
        from services.media.sinks.push import PushSink
        from streamcodec.frame import Frame
        sink = PushSink(sys.argv[1], fps=30.0, timeout_s=2.0)
        print(*pathlib.Path("/proc/thread-self/children").read_text().split(), flush=True)
        sink.write(Frame.grey(np.zeros((48, 64), np.uint8)), shown_us=0)
    """
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live"
        parent = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), url], stdout=subprocess.PIPE
        )
        try:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            peer, _ = silent.accept()  # now it waits
        finally:
            parent.kill()
            parent.wait()
            parent.stdout.close()  # type: ignore[union-attr]  # it is a pipe
        with peer:
            deadline = time.monotonic() + 20.0
            while runs(child):
                assert time.monotonic() < deadline
                time.sleep(0.05)


def test_a_protocol_that_is_not_built_in_is_told_at_the_start() -> None:
    try:
        av.open("srt://", "r", timeout=1.0).close()
    except av.ProtocolNotFoundError:
        pass
    except (OSError, av.FFmpegError):
        pytest.skip("this FFmpeg has SRT")
    with pytest.raises(SinkError, match=r"srt://host: .* built without srt"):
        PushSink("srt://host:9000", fps=FPS)


@pytest.mark.parametrize("url", ["", "http://host/x", "rtmp://", "file.mp4"])
def test_other_addresses_are_refused(url: str) -> None:
    with pytest.raises(SinkError, match="rtsp://"):
        PushSink(url, fps=FPS)
