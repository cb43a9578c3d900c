# SPDX-License-Identifier: Apache-2.0
"""A live stream from a network address: shown while it lasts, opened again when it returns."""

from __future__ import annotations

import io
import socket
import threading
import time

import av
import pytest

from services.media.avframes import from_frame
from services.media.scene import Scene
from services.media.sources import open_source


def transport_stream(frames: int) -> bytes:
    """A short MPEG transport stream of the scene."""
    scene, buffer = Scene(64, 48, fps=25), io.BytesIO()
    with av.open(buffer, "w", format="mpegts") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(frames):
            container.mux(stream.encode(from_frame(scene.frame(number))))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("scheme", ["tcp", "http"])
def test_a_stream_that_ends_is_opened_again(scheme: str) -> None:
    data = transport_stream(60)
    stopping = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.1)

        def serve() -> None:
            while not stopping.is_set():
                try:
                    peer, _ = server.accept()
                except TimeoutError:
                    continue
                with peer:
                    if scheme == "http":
                        peer.recv(4096)
                        peer.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data))
                    peer.sendall(data)

        thread = threading.Thread(target=serve)
        thread.start()
        told: list[str] = []
        port = server.getsockname()[1]
        source = open_source(f"{scheme}://127.0.0.1:{port}", tell=told.append)
        try:
            assert (source.width, source.height) == (64, 48)
            until = time.monotonic() + 20
            after_return = 0
            while not after_return and time.monotonic() < until:
                captured = source.read(0.2)
                if captured is not None and len(told) >= 2:
                    after_return += 1
        finally:
            source.close()
            stopping.set()
            thread.join()
    assert after_return
    assert "ended; trying again until it is back" in told[0]
    assert told[1].endswith("back again")
