# SPDX-License-Identifier: Apache-2.0
"""A network camera that can be unplugged: an MPEG transport stream over TCP, in real time."""

from __future__ import annotations

import io
import socket
import threading
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path
from types import TracebackType

import av

from services.media.avframes import from_frame
from services.media.files.reader import open_material

_FPS = 30
_MOST_FRAMES = 300
_BIT_RATE = 3_000_000


class NetworkCamera:
    """Plays a clip again and again to whoever connects, one at a time; a context manager.

    While it is unplugged its port refuses connections, and who watched it is cut off.
    """

    def __init__(self, clip: Path, *, port: int) -> None:
        self.url = f"tcp://127.0.0.1:{port}"
        self._port = port
        self._chunks = _chunks(clip)
        self._plugged = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def unplug(self) -> None:
        """Vanish."""
        self._plugged.clear()

    def plug(self) -> None:
        """Come back, on the same port."""
        self._plugged.set()

    def __enter__(self) -> NetworkCamera:
        self.plug()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._plugged.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.is_set():
            self._plugged.wait()
            with socket.create_server(("127.0.0.1", self._port)) as server:
                server.settimeout(0.1)
                while self._on:
                    with suppress(TimeoutError):
                        peer, _ = server.accept()
                        with peer, suppress(OSError):
                            peer.settimeout(1.0)
                            self._play(peer)

    @property
    def _on(self) -> bool:
        return self._plugged.is_set() and not self._closing.is_set()

    def _play(self, peer: socket.socket) -> None:
        number, begin_s = 0, time.monotonic()
        while self._on:
            peer.sendall(self._chunks[number % len(self._chunks)])
            number += 1
            time.sleep(max(0.0, begin_s + number / _FPS - time.monotonic()))


def _chunks(clip: Path) -> list[bytes]:
    """The clip as a transport stream, cut at its frames."""
    frames = [timed.frame for timed in islice(open_material(clip).frames, _MOST_FRAMES)]
    buffer, chunks = io.BytesIO(), list[bytes]()
    with av.open(buffer, "w", format="mpegts", options={"flush_packets": "1"}) as container:
        stream = container.add_stream("mpeg2video", rate=_FPS)
        stream.width, stream.height, stream.pix_fmt = frames[0].width, frames[0].height, "yuv420p"
        stream.bit_rate, stream.gop_size, stream.max_b_frames = _BIT_RATE, 15, 0
        for number, frame in enumerate(frames):
            picture = from_frame(frame)
            picture.pts = number
            before = buffer.tell()
            container.mux(stream.encode(picture))
            chunks.append(buffer.getvalue()[before : buffer.tell()])
    return [chunk for chunk in chunks if chunk]
