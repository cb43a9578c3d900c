# SPDX-License-Identifier: Apache-2.0
"""A .scv recording played back: packets decoded as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from services.errors import SourceError
from services.media.boundary import reading, reason
from services.media.files.reader import TimedFrame
from services.media.files.timeline import Timeline, rate_of, usual_step_us
from streamcodec.codec import Codec
from streamcodec.container import ScvReader
from streamcodec.errors import BitstreamError, ReferenceMissing, StreamCodecError
from streamcodec.frame import Reference

_FIRST_STAMPS = 200  # that tell the frame rate


def open_recording(
    path: Path, load_codec: Callable[[str], Codec] | None
) -> tuple[Callable[[], Iterator[TimedFrame]], float, Callable[[], int]]:
    """How to play a recording from its start, its frame rate, and how much was left out so far.

    `load_codec` gives the codec for a size letter, by default the shipped one. Raises SourceError,
    here or while playing.
    """
    try:
        with ScvReader(path) as reader:
            header = reader.header
            stamps = [place.timestamp_us for place in islice(reader.places(), _FIRST_STAMPS)]
    except (StreamCodecError, OSError) as error:
        raise SourceError(f"{path}: {reason(error)}") from None
    try:
        codec = (load_codec or Codec.load)(header.size)
    except (StreamCodecError, ValueError) as error:
        raise SourceError(f"{path}: no codec of size {header.size} ({error})") from None
    if codec.model_hash != header.model_hash:
        raise SourceError(
            f"{path}: was made with model {header.model_hash.hex()}, "
            f"the one here is {codec.model_hash.hex()}"
        )
    left_out = [0]
    rate = rate_of(stamps, told=(header.fps,)) or header.fps
    step_us = usual_step_us(stamps)
    return (
        lambda: _play(path, codec, left_out, Timeline(step_us=step_us)),
        float(rate),
        lambda: left_out[0],
    )


def _play(
    path: Path, codec: Codec, left_out: list[int], timeline: Timeline
) -> Iterator[TimedFrame]:
    """Frames with their times; what is damaged is left out up to the next keyframe, and counted."""
    reference: Reference | None = None
    number = 0
    failure = ""
    with reading(str(path), "unreadable"), ScvReader(path) as reader:
        for record in reader.records():
            try:
                frame, reference = codec.decode(record.packet, reference)
            except (BitstreamError, ReferenceMissing) as error:
                reference = None
                left_out[0] += 1
                number = number if failure else record.number
                failure = failure or str(error)
                continue
            failure = ""
            yield TimedFrame(frame, timeline.place(record.timestamp_us))
    if failure:
        raise SourceError(f"{path}: unreadable at frame {number} ({failure})")
