# SPDX-License-Identifier: Apache-2.0
"""The bridge: H.264 to a media server, for audiences beyond what relays serve."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from fractions import Fraction
from typing import Any
from urllib.parse import urlsplit

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from services import logs
from services.errors import SinkError
from services.media.avframes import from_frame
from services.media.scaling import fitted
from streamcodec.frame import Frame

FORMATS = {"rtsp": "rtsp", "rtmp": "flv", "srt": "mpegts"}
_TIME_BASE = Fraction(1, 90_000)
_QUALITY = {"preset": "veryfast", "tune": "zerolatency", "crf": "21"}
_RETRY_S = 2.0
_TIMEOUT_S = 5.0


class PushSink:
    """Encodes frames again and hands them to a server; a server that goes is tried again.

    Works in the recorder's thread, so that a slow server costs pictures there and none here.
    """

    every_frame = True

    def __init__(
        self, url: str, *, fps: float, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises SinkError when the address is none that can be pushed to."""
        parts = urlsplit(url)
        if parts.scheme not in FORMATS or not parts.hostname:
            raise SinkError(f"{url}: can push to rtsp://, rtmp:// and srt:// addresses only")
        self._url, self._format, self._fps = url, FORMATS[parts.scheme], fps
        # Addresses hold stream keys: only the host is ever told.
        self._name = f"{parts.scheme}://{parts.hostname}"
        self._clock_s = clock_s
        self._log = logs.get("push")
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._retry_s = clock_s()
        self._start_us = 0
        self._last_pts = -1
        self._size = (0, 0)
        self.frames = 0
        self.failures = 0

    def write(self, frame: Frame, *, shown_us: int, packet: bytes | None = None) -> None:
        """Encode and send; while the server is away frames are left out."""
        if self._container is None and self._clock_s() < self._retry_s:
            return
        try:
            if self._container is None:
                self._open(frame, shown_us)
            assert self._container is not None
            assert self._stream is not None
            picture = from_frame(fitted(frame, *self._size))
            ticks = round((shown_us - self._start_us) * _TIME_BASE.denominator / 1_000_000)
            self._last_pts = max(self._last_pts + 1, ticks)
            picture.pts, picture.time_base = self._last_pts, _TIME_BASE
            self._container.mux(self._stream.encode(picture))
            self.frames += 1
        except (OSError, av.FFmpegError) as error:
            self.failures += 1
            self._retry_s = self._clock_s() + _RETRY_S
            self._log.warning("push_failed", to=self._name, reason=str(error.strerror))
            self._drop()

    def close(self) -> None:
        """End the stream at the server."""
        if self._container is not None and self._stream is not None:
            with contextlib.suppress(OSError, av.FFmpegError):
                self._container.mux(self._stream.encode(None))
        self._drop()

    def _open(self, frame: Frame, shown_us: int) -> None:
        options = {"rtsp_transport": "tcp"} if self._format == "rtsp" else {}
        self._container = av.open(
            self._url, "w", format=self._format, options=options, timeout=_TIMEOUT_S
        )
        rate = Fraction(self._fps).limit_denominator(1001)
        stream: Any = self._container.add_stream("libx264", rate=rate, options=dict(_QUALITY))
        self._size = (frame.width // 2 * 2, frame.height // 2 * 2)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = max(1, round(2 * self._fps))
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 1
        stream.codec_context.colorspace = stream.codec_context.color_range = 1
        self._stream, self._start_us, self._last_pts = stream, shown_us, -1

    def _drop(self) -> None:
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            with contextlib.suppress(OSError, av.FFmpegError):
                container.close()
