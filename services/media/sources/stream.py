# SPDX-License-Identifier: Apache-2.0
"""Network streams through PyAV: the newest picture, whatever the stream's own pace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import av

from services.errors import EndOfSource, SourceError
from services.media.avframes import to_frame
from services.media.sources.latest import LatestFrames
from services.media.sources.source import CapturedFrame, Clock
from streamcodec.errors import FrameError
from streamcodec.frame import Frame

SCHEMES = ("rtsp", "rtsps", "rtmp", "rtmps", "http", "https", "udp", "rtp", "srt", "tcp")
_OPEN_TIMEOUT_S = 5.0
_READ_TIMEOUT_S = 3.0
_DEFAULT_FPS = 30.0
_OPTIONS = {"fflags": "nobuffer", "rtsp_transport": "tcp", "analyzeduration": "1000000"}


def is_address(spec: str) -> bool:
    """Whether a source is named by a network address."""
    scheme, found, _ = spec.partition("://")
    return bool(found) and scheme.lower() in SCHEMES


class StreamSource:
    """A live stream from an address, decoded in a thread of its own."""

    live = True

    def __init__(self, address: str, *, clock: Clock) -> None:
        """Connect and wait for the first picture. Raises SourceError when there is none."""
        self.name = without_credentials(address)
        try:
            self._container = av.open(
                address,
                "r",
                options=dict(_OPTIONS),
                timeout=(_OPEN_TIMEOUT_S, _READ_TIMEOUT_S),
            )
        except (av.FFmpegError, OSError, ValueError) as error:
            raise SourceError(f"{self.name}: cannot be opened ({_reason(error)})") from None
        try:
            self._pictures = self._decoded()
            first = self._grab()
        except (SourceError, EndOfSource, FrameError) as error:
            self._container.close()
            raise SourceError(f"{self.name}: no picture came ({error})") from None
        self.width, self.height = first.width, first.height
        rate = self._container.streams.video[0].average_rate
        self.fps = float(rate) if rate else _DEFAULT_FPS
        self._frames = LatestFrames(
            self.name, self._grab, release=self._container.close, clock=clock
        )

    def read(self, timeout_s: float) -> CapturedFrame | None:
        """See `Source.read`."""
        return self._frames.read(timeout_s)

    def close(self) -> None:
        """Stop reading and disconnect."""
        self._frames.close()

    def _decoded(self) -> Iterator[av.VideoFrame]:
        if not self._container.streams.video:
            raise SourceError(f"{self.name}: there is no video in this stream")
        return self._container.decode(video=0)

    def _grab(self) -> Frame:
        try:
            picture: Any = next(self._pictures, None)
        except (av.FFmpegError, OSError) as error:
            raise SourceError(f"{self.name}: the stream broke off ({_reason(error)})") from None
        if picture is None:
            raise SourceError(f"{self.name}: the stream ended")
        return to_frame(picture)


def without_credentials(address: str) -> str:
    """The address as it may be shown and logged: user and password left out."""
    scheme, found, rest = address.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{found}{host.rpartition('@')[2]}{slash}{path}"


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
