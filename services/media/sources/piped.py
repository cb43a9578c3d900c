# SPDX-License-Identifier: Apache-2.0
"""A .y4m stream on standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import BinaryIO

import av

from services.errors import SourceError
from services.media.avframes import to_frame
from services.media.boundary import reading
from services.media.files.reader import TimedFrame
from services.media.files.video import rest_of_raw
from services.media.geometry import UPRIGHT

_NAME = "standard input"


def piped_frames() -> tuple[Fraction, Iterator[TimedFrame]]:
    """Frame rate and frames of the stream: its rate is its only clock, its planes are taken as
    they are. Raises SourceError, here or while walking; a stream that breaks off within a picture
    once those before are through."""
    if sys.stdin is None:  # started with `<&-`
        raise SourceError(f"{_NAME}: it is closed; expected a .y4m stream")
    counted = _Counted(sys.stdin.buffer)
    with reading(_NAME, "expected a .y4m stream"):
        container = av.open(counted, "r", format="yuv4mpegpipe")
    stream = container.streams.video[0]
    told = stream.average_rate
    rate = told if told and told > 0 else Fraction(25)
    aspect = stream.sample_aspect_ratio

    def walk() -> Iterator[TimedFrame]:
        number = end = 0
        with container, reading(_NAME, "the stream is damaged"):
            for packet in container.demux(stream):
                end = (packet.pos or 0) + packet.size if packet.size else end
                for picture in packet.decode():
                    frame = to_frame(picture, aspect=aspect, orientation=UPRIGHT, as_stored=True)
                    yield TimedFrame(frame, round(number * 1_000_000 / rate))
                    number += 1
            if not number or rest_of_raw(container, end, counted.bytes_read):
                raise SourceError(f"{_NAME}: it breaks off after frame {number}")

    return rate, walk()


class _Counted:
    """Reads on, and knows how much."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes_read = 0

    def read(self, size: int) -> bytes:
        found = self._file.read(size)
        self.bytes_read += len(found)
        return found
