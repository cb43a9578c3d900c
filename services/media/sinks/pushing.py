# SPDX-License-Identifier: Apache-2.0
"""The process behind `PushSink`: encodes pictures as H.264 and hands them to a media server."""

from __future__ import annotations

import contextlib
import signal
import sys
from dataclasses import dataclass
from fractions import Fraction
from multiprocessing.connection import Connection
from typing import Any

import av
from av.container import OutputContainer
from av.video.stream import VideoStream

from services.media.avframes import from_frame
from services.media.boundary import reason
from services.media.scaling import fitted
from streamcodec.frame import Frame

FORMATS = {"rtsp": "rtsp", "rtmp": "flv", "srt": "mpegts"}
_OPTIONAL = ("srt",)  # FFmpeg may be built without
_TIME_BASE = Fraction(1, 90_000)
_QUALITY = {"preset": "veryfast", "tune": "zerolatency", "crf": "21"}


@dataclass(frozen=True, slots=True)
class Picture:
    """To the process: a frame, and when it was shown."""

    frame: Frame
    shown_us: int


@dataclass(frozen=True, slots=True)
class Answer:
    """From the process: once when it is ready, then for each picture. `failure` "": none.

    With `final` it is permanent.
    """

    failure: str = ""
    final: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """To the process, first: where to, and how long it may wait."""

    url: str
    fps: float
    limit_s: float


def main() -> None:
    """The process: its one argument is the descriptor of its pipe."""
    with Connection(int(sys.argv[1])) as pipe:
        task = pipe.recv()
        push_pictures(pipe, task.url, task.fps, task.limit_s)


def push_pictures(pipe: Connection, url: str, fps: float, limit_s: float) -> None:
    """Run until None comes from the other end of the pipe, or it is gone.

    A wait of more than `limit_s` for the server ends the process.
    """
    # Ctrl-C reaches the whole group; the process that started us decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The alarm kills: code of ours would not run while FFmpeg waits with the interpreter's lock.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    scheme = url.partition("://")[0]
    if not _is_built_in(scheme):
        pipe.send(Answer(f"the FFmpeg that PyAV brings here was built without {scheme}", True))
        return
    pusher = Pusher(url, scheme, fps=fps)
    with contextlib.suppress(EOFError, OSError):
        pipe.send(Answer())
        while (picture := pipe.recv()) is not None:
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            answer = pusher.push(picture)
            signal.setitimer(signal.ITIMER_REAL, 0)
            pipe.send(answer)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    pusher.close()


class Pusher:
    """One stream at a time to one server. Waits inside FFmpeg, which knows no time limit here:
    PyAV hands none on for output, and holds the interpreter's lock while it connects."""

    def __init__(self, url: str, scheme: str, *, fps: float) -> None:
        self._url, self._format, self._fps = url, FORMATS[scheme], fps
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None
        self._start_us = 0
        self._last_pts = -1
        self._size = (0, 0)

    def push(self, picture: Picture) -> Answer:
        """Encode and send; connect first where no stream is open."""
        try:
            if self._container is None:
                self._open(picture)
            assert self._container is not None
            assert self._stream is not None
            encoded = from_frame(fitted(picture.frame, *self._size))
            ticks = round((picture.shown_us - self._start_us) * _TIME_BASE.denominator / 1_000_000)
            self._last_pts = max(self._last_pts + 1, ticks)
            encoded.pts, encoded.time_base = self._last_pts, _TIME_BASE
            self._container.mux(self._stream.encode(encoded))
        except Exception as error:  # whatever FFmpeg makes of a server's answer
            self._drop()
            return Answer(reason(error))
        return Answer()

    def close(self) -> None:
        """End the stream at the server."""
        if self._container is not None and self._stream is not None:
            with contextlib.suppress(OSError, av.FFmpegError):
                self._container.mux(self._stream.encode(None))
        self._drop()

    def _open(self, picture: Picture) -> None:
        options = {"rtsp_transport": "tcp"} if self._format == "rtsp" else {}
        self._container = av.open(self._url, "w", format=self._format, options=options)
        rate = Fraction(self._fps).limit_denominator(1001)
        stream: Any = self._container.add_stream("libx264", rate=rate, options=dict(_QUALITY))
        self._size = (picture.frame.width // 2 * 2, picture.frame.height // 2 * 2)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        stream.gop_size = max(1, round(2 * self._fps))
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 1
        stream.codec_context.colorspace = stream.codec_context.color_range = 1
        self._stream, self._start_us, self._last_pts = stream, picture.shown_us, -1

    def _drop(self) -> None:
        container, self._container, self._stream = self._container, None, None
        if container is not None:
            with contextlib.suppress(OSError, av.FFmpegError):
                container.close()


def _is_built_in(scheme: str) -> bool:
    """Whether FFmpeg knows the protocol; asked with an address that leads nowhere."""
    if scheme not in _OPTIONAL:
        return True
    try:
        av.open(f"{scheme}://", "r", timeout=1.0).close()
    except av.ProtocolNotFoundError:
        return False
    except (OSError, av.FFmpegError, ValueError):
        pass
    return True
