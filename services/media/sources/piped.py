# SPDX-License-Identifier: Apache-2.0
"""A .y4m stream on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction

import av

from services.errors import SourceError
from services.media.avframes import to_frame
from services.media.boundary import reading
from services.media.files.reader import TimedFrame

_NAME = "standard input"


def piped_frames() -> tuple[float, Iterator[TimedFrame]]:
    """Frame rate and frames of the stream: its rate is its only clock, its planes are taken as
    they are. Raises SourceError, here or while walking."""
    if sys.stdin is None:  # started with `<&-`
        raise SourceError(f"{_NAME}: it is closed; expected a .y4m stream")
    with reading(_NAME, "expected a .y4m stream"):
        container = av.open(sys.stdin.buffer, "r", format="yuv4mpegpipe")
    stream = container.streams.video[0]
    told = stream.average_rate
    rate = told if told and told > 0 else Fraction(25)
    aspect = stream.sample_aspect_ratio

    def walk() -> Iterator[TimedFrame]:
        with container, reading(_NAME, "the stream is damaged"):
            for number, picture in enumerate(container.decode(video=0)):
                frame = to_frame(picture, aspect=aspect, as_stored=True)
                yield TimedFrame(frame, round(number * 1_000_000 / rate))

    return float(rate), walk()
