# SPDX-License-Identifier: Apache-2.0
"""Raw planes as YUV4MPEG2 (.y4m): lossless, and read by nearly every video tool."""

from __future__ import annotations

import contextlib
import sys
from fractions import Fraction
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from services.errors import SinkError
from services.media.files.timeline import Timeline
from services.media.scaling import fitted
from services.media.sinks.sink import StreamFacts, write_failed
from streamcodec.frame import Frame

_AHEAD_FRAMES = 2  # of the times, before one is left out


class Y4mSink:
    """Writes frames to a file, or to standard output for the path `-`.

    The format knows one rate and no times: what is further apart is written again as often as it
    stays on the screen, and what comes faster than the rate is left out, so that the file lasts
    as long as the stream; a gap of more than a few seconds is one frame (`Timeline`), or an hour
    without a source would fill a disk. Less than a frame of unrest changes nothing. Without times
    (`shown_us` the same for all) every frame is written once.

    Frames are written whole: on a full disk the file is cut back to the last of them.
    """

    every_frame = True

    def __init__(self, path: str, *, fps: float | Fraction) -> None:
        """Raises SinkError when the file cannot be written."""
        self._name = "standard output" if path == "-" else path
        self._fps = _rate(fps)
        self._timeline = Timeline()
        self._picture = b""  # the last one, with its mark
        self._written = 0  # pictures in the file so far, repeated ones included
        self._frames = 0
        self._size = (0, 0)
        self._end = 0
        self._was_absent = path != "-" and not Path(path).exists()
        try:
            self._file: FileIO | BinaryIO = (
                sys.stdout.buffer if path == "-" else FileIO(Path(path), "w")
            )
        except OSError as error:
            raise write_failed(path, error, frames=0) from None

    def set_stream(self, stream: StreamFacts) -> None:
        """The frame rate of what comes; the first frame fixes it."""
        if not self._frames:
            self._fps = _rate(stream.fps)

    def write(self, frame: Frame, *, shown_us: int = 0, packet: bytes | None = None) -> None:
        """Write the planes; the first frame decides the size."""
        if not self._frames:
            self._size = (frame.width, frame.height)
            self._timeline = Timeline(step_us=round(1_000_000 / self._fps))
            self._put(self._header(), times=0)
        picture = b"".join((b"FRAME\n", *(p.tobytes() for p in fitted(frame, *self._size).planes)))
        place = Fraction(self._timeline.place(shown_us), 1_000_000) * self._fps
        self._frames += 1
        if place <= self._written - _AHEAD_FRAMES:
            return
        for _ in range(int(place) - self._written if self._picture else 0):
            self._put(self._picture, times=1)
        self._put(picture, times=1)
        self._picture = picture

    def _put(self, data: bytes, *, times: int) -> None:
        try:
            self._write(data)
        except BrokenPipeError:
            raise SinkError(f"{self._name}: its reader went away") from None
        except OSError as error:
            if self._file is not sys.stdout.buffer:
                self._file.truncate(self._end)
            raise write_failed(self._name, error, frames=self._written) from None
        self._end += len(data)
        self._written += times

    def close(self) -> None:
        """Close the file; standard output is flushed and left open."""
        if self._file is not sys.stdout.buffer:
            self._file.close()
            if not self._frames and self._was_absent:  # no file without a picture
                Path(self._name).unlink(missing_ok=True)
        else:
            with contextlib.suppress(OSError, ValueError):
                self._file.flush()

    def _header(self) -> bytes:
        width, height = self._size
        rate = f"F{self._fps.numerator}:{self._fps.denominator}"
        text = f"YUV4MPEG2 W{width} H{height} {rate} Ip A1:1 C420jpeg XCOLORRANGE=LIMITED\n"
        return text.encode("ascii")

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) or 0 :]
        if self._file is sys.stdout.buffer:
            self._file.flush()


def _rate(fps: float | Fraction) -> Fraction:
    """As a fraction that the header can hold, exact for slow ones."""
    if fps < 1:
        return 1 / Fraction(1 / Fraction(fps)).limit_denominator(1000)
    return Fraction(fps).limit_denominator(1001)
