# SPDX-License-Identifier: Apache-2.0
"""Sources at network addresses: live ones, files that end, bursts, damage, losses, secrets."""

from __future__ import annotations

import contextlib
import io
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from services.errors import EndOfSource, SourceError
from services.measure.source_health import health_of
from services.media.avframes import from_frame
from services.media.scene import Scene
from services.media.sources import CapturedFrame, Source, open_source
from tests.unit.services.media.sources.clocks import ManualClock

pytestmark = pytest.mark.live

FPS = 25
STEP_US = 40_000


def clip(frames: int, kind: str = "mpegts", codec: str = "mpeg2video", b_frames: int = 0) -> bytes:
    """A short clip of the scene."""
    scene, buffer = Scene(64, 48, fps=FPS), io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream: Any = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.max_b_frames = b_frames
        for number in range(frames):
            container.mux(stream.encode(from_frame(scene.frame(number))))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@contextlib.contextmanager
def serving(answer: Callable[[socket.socket, str], None], *, asks: bool = True) -> Iterator[str]:
    """A server on the loopback; `answer` gets each connection and what was asked for."""
    stopping = threading.Event()
    workers: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def talk(peer: socket.socket) -> None:
            with peer, contextlib.suppress(OSError):
                asked = peer.recv(4096).decode("latin-1") if asks else ""
                answer(peer, asked)

        def serve() -> None:
            while not stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    worker = threading.Thread(target=talk, args=(server.accept()[0],))
                    workers.append(worker)
                    worker.start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            stopping.set()
            thread.join()
            for worker in workers:
                worker.join()


def whole(data: bytes, opened: list[str]) -> Callable[[socket.socket, str], None]:
    """A web server with one file, ranges and all."""

    def answer(peer: socket.socket, asked: str) -> None:
        opened.append(asked)
        first = 0
        if "Range: bytes=" in asked:
            first = int(asked.partition("Range: bytes=")[2].partition("-")[0])
        part = data[first:]
        span = f"Content-Range: bytes {first}-{len(data) - 1}/{len(data)}\r\n"
        head = f"HTTP/1.1 206 Partial Content\r\n{span}" if first else "HTTP/1.1 200 OK\r\n"
        rest = f"Accept-Ranges: bytes\r\nContent-Length: {len(part)}\r\nConnection: close\r\n\r\n"
        peer.sendall((head + rest).encode() + part)

    return answer


def all_of(source: Source) -> list[CapturedFrame]:
    """Every picture up to the end."""
    found = []
    with contextlib.suppress(EndOfSource):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            captured = source.read(1.0)
            if captured is not None:
                found.append(captured)
    source.close()
    return found


@pytest.mark.parametrize(
    ("kind", "codec", "b_frames"),
    [("mp4", "libx264", 0), ("mp4", "libx264", 2), ("mpegts", "mpeg2video", 0)],
)
def test_a_file_of_a_web_server_is_played_once_at_its_pace(
    kind: str, codec: str, b_frames: int
) -> None:
    opened: list[str] = []
    with serving(whole(clip(150, kind, codec, b_frames), opened)) as host:
        source = open_source(f"http://{host}/a.{kind}", clock=ManualClock())
        assert not source.live
        times = [captured.captured_us for captured in all_of(source)]
    assert len(times) == 150
    assert np.allclose(np.diff(times), STEP_US, atol=1000)
    assert len(opened) <= 4  # FFmpeg looks at the end of a file, too


def test_a_file_of_a_web_server_begins_again_with_loop() -> None:
    with serving(whole(clip(10), [])) as host:
        source = open_source(f"http://{host}/a.ts", clock=ManualClock(), loop=True)
        frames = [source.read(1.0) for _ in range(60)]
        source.close()
    assert sum(frame is not None for frame in frames) >= 25


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_a_live_stream_that_ends_is_opened_again(scheme: str) -> None:
    data = clip(60)

    def answer(peer: socket.socket, _asked: str) -> None:
        if scheme == "http":
            peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        peer.sendall(data)

    told: list[str] = []
    with serving(answer, asks=scheme == "http") as host:
        source = open_source(f"{scheme}://{host}", tell=told.append, clock=ManualClock())
        assert source.live
        assert (source.width, source.height) == (64, 48)
        until = time.monotonic() + 30
        after_return = 0
        while not after_return and time.monotonic() < until:
            captured = source.read(0.2)
            if captured is not None and len(told) >= 2:
                after_return += 1
        source.close()
    assert after_return
    assert told[0].endswith("; trying again until it is back")
    assert told[1].endswith("back again")


@pytest.mark.parametrize("complete", [True, False])
def test_a_playlist_has_an_end_only_if_it_says_so(complete: bool) -> None:
    segments = [clip(50), clip(50)]
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2", "#EXT-X-MEDIA-SEQUENCE:0"]
    for number in range(2):
        lines += ["#EXT-X-DISCONTINUITY"] * number + ["#EXTINF:2.0,", f"{number}.ts"]
    playlist = "\n".join([*lines, *["#EXT-X-ENDLIST"] * complete, ""]).encode()

    def answer(peer: socket.socket, asked: str) -> None:
        name = asked.split()[1]
        body = playlist if name.endswith("m3u8") else segments[int(name[1])]
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        peer.sendall(head.encode() + body)

    with serving(answer) as host:
        source = open_source(f"http://{host}/a.m3u8", clock=ManualClock(), tell=lambda _text: None)
        assert source.live is not complete
        if complete:
            times = [captured.captured_us for captured in all_of(source)]
            assert len(times) == 100
            assert np.allclose(np.diff(times), STEP_US, atol=1000)  # also over the seam
        source.close()


def test_bursts_are_spread_by_their_times_and_nothing_is_lost() -> None:
    data = clip(250)

    def answer(peer: socket.socket, _asked: str) -> None:
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        step = len(data) // 5
        for at in range(0, len(data), step):
            peer.sendall(data[at : at + step])
            time.sleep(0.05)

    with serving(answer) as host:
        source = open_source(f"http://{host}/live", clock=ManualClock(), tell=lambda _text: None)
        times: list[int] = []
        until = time.monotonic() + 60
        longest_us = 0
        while len(times) < 245 and time.monotonic() < until:
            captured = source.read(1.0)
            longest_us = max(longest_us, health_of(source).buffered_us)
            if captured is not None:
                times.append(captured.captured_us)
        source.close()
    assert len(times) >= 245
    assert np.allclose(np.diff(times), STEP_US, atol=1000)
    assert longest_us <= 3_200_000


def test_the_first_picture_of_a_stream_is_its_first_keyframe() -> None:
    """What FFmpeg read to find out what comes is shown, not thrown away."""
    data = clip(100, codec="libx264")

    def answer(peer: socket.socket, _asked: str) -> None:
        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: video/mp2t\r\n\r\n")
        peer.sendall(data)

    with serving(answer) as host:
        source = open_source(f"http://{host}/live", clock=ManualClock(), tell=lambda _text: None)
        first = source.read(1.0)
        source.close()
    assert first is not None
    truth = Scene(64, 48, fps=FPS).frame(0)
    assert np.abs(first.frame.y.astype(int) - truth.y).mean() < 8


def test_a_damaged_picture_of_a_live_camera_is_left_out() -> None:
    pictures = []
    for number in range(10):
        level = np.full((48, 64, 3), 20 * number, np.uint8)
        level[::2] += 5
        pictures.append(cv2.imencode(".jpg", level)[1].tobytes())
    pictures[4] = pictures[4][:200]
    pictures[8] = pictures[8][: len(pictures[8]) // 2]
    stopping = threading.Event()

    def answer(peer: socket.socket, _asked: str) -> None:
        peer.sendall(
            b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=f\r\n\r\n"
        )
        for data in pictures * 100:
            head = b"--f\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(data)
            peer.sendall(head + data + b"\r\n")
            if stopping.wait(0.01):
                return

    told: list[str] = []
    with serving(answer) as host:
        source = open_source(f"http://{host}/mjpeg", tell=told.append)
        until = time.monotonic() + 30
        seen = 0
        while health_of(source).frames_damaged < 6 and time.monotonic() < until:
            seen += source.read(0.2) is not None
        health = health_of(source)
        stopping.set()
        source.close()
    assert health.frames_damaged >= 6
    assert health.restarts == 0
    assert told == []
    assert seen


def test_an_address_with_a_secret_never_shows_it(capfd: pytest.CaptureFixture[str]) -> None:
    told: list[str] = []

    def answer(peer: socket.socket, _asked: str) -> None:
        peer.sendall(b"HTTP/1.0 401 Unauthorized\r\n\r\n")

    with serving(answer) as host:
        address = f"http://admin:S3cret@{host}/x?token=S3cret"
        with pytest.raises(SourceError) as caught:
            open_source(address, tell=told.append)
    assert "S3cret" not in str(caught.value)
    assert host in str(caught.value)
    assert "S3cret" not in "".join(capfd.readouterr())


def test_a_file_that_is_at_a_server_equals_the_file(tmp_path: Path) -> None:
    data = clip(30, "mp4", "libx264", 2)
    (tmp_path / "a.mp4").write_bytes(data)
    with serving(whole(data, [])) as host:
        remote = all_of(open_source(f"http://{host}/a.mp4", clock=ManualClock()))
    local = all_of(open_source(str(tmp_path / "a.mp4"), clock=ManualClock()))
    assert len(remote) == len(local) == 30
    assert all(a.frame.same_pixels(b.frame) for a, b in zip(remote, local, strict=True))
