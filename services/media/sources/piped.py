# SPDX-License-Identifier: Apache-2.0
"""A .y4m stream on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction

import av

from services.errors import SourceError
from services.files.reader import TimedFrame
from services.media.avframes import to_frame
from streamcodec.errors import FrameError

_NAME = "standard input"


def piped_frames() -> tuple[float, Iterator[TimedFrame]]:
    """Frame rate and frames of the stream. Raises SourceError, here or while walking."""
    try:
        container = av.open(sys.stdin.buffer, "r", format="yuv4mpegpipe")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(f"{_NAME}: expected a .y4m stream ({error})") from None
    rate = container.streams.video[0].average_rate or Fraction(25)

    def walk() -> Iterator[TimedFrame]:
        with container:
            try:
                for number, picture in enumerate(container.decode(video=0)):
                    yield TimedFrame(to_frame(picture), round(number * 1_000_000 / rate))
            except (av.FFmpegError, OSError, FrameError) as error:
                raise SourceError(f"{_NAME}: the stream is damaged ({error})") from None

    return float(rate), walk()
