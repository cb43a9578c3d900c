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
from services.media.scaling import fitted
from services.media.sinks.sink import write_failed
from streamcodec.frame import Frame


class Y4mSink:
    """Writes frames to a file, or to standard output for the path `-`.

    Frames are written whole: on a full disk the file is cut back to the last of them.
    """

    every_frame = True

    def __init__(self, path: str, *, fps: float) -> None:
        """Raises SinkError when the file cannot be written."""
        self._name = "standard output" if path == "-" else path
        self._fps = Fraction(fps).limit_denominator(1001)
        self._frames = 0
        self._size = (0, 0)
        self._end = 0
        try:
            self._file: FileIO | BinaryIO = (
                sys.stdout.buffer if path == "-" else FileIO(Path(path), "w")
            )
        except OSError as error:
            raise write_failed(path, error, frames=0) from None

    def write(self, frame: Frame, *, shown_us: int = 0, packet: bytes | None = None) -> None:
        """Write the planes; the first frame decides the size."""
        head = b"FRAME\n"
        if not self._frames:
            self._size = (frame.width, frame.height)
            head = self._header() + head
        data = b"".join((head, *(p.tobytes() for p in fitted(frame, *self._size).planes)))
        try:
            self._write(data)
        except BrokenPipeError:
            raise SinkError(f"{self._name}: its reader went away") from None
        except OSError as error:
            if self._file is not sys.stdout.buffer:
                self._file.truncate(self._end)
            raise write_failed(self._name, error, frames=self._frames) from None
        self._end += len(data)
        self._frames += 1

    def close(self) -> None:
        """Close the file; standard output is flushed and left open."""
        if self._file is not sys.stdout.buffer:
            self._file.close()
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
