# SPDX-License-Identifier: Apache-2.0
"""A .scv recording played back: packets decoded as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from services.errors import SourceError
from services.files.reader import TimedFrame
from streamcodec.codec import Codec
from streamcodec.container import ScvReader
from streamcodec.errors import StreamCodecError


def open_recording(
    path: Path, load_codec: Callable[[str], Codec] | None
) -> tuple[Callable[[], Iterator[TimedFrame]], float]:
    """How to play a recording from its start, and its frame rate.

    `load_codec` gives the codec for a size letter, by default the shipped one. Raises SourceError,
    here or while playing.
    """
    try:
        with ScvReader(path) as reader:
            header = reader.header
    except (StreamCodecError, OSError) as error:
        raise SourceError(f"{path}: {_reason(error)}") from None
    try:
        codec = (load_codec or Codec.load)(header.size)
    except (StreamCodecError, ValueError) as error:
        raise SourceError(f"{path}: no codec of size {header.size} ({error})") from None
    if codec.model_hash != header.model_hash:
        raise SourceError(
            f"{path}: was made with model {header.model_hash.hex()}, "
            f"the one here is {codec.model_hash.hex()}"
        )
    return lambda: _play(path, codec), float(header.fps)


def _play(path: Path, codec: Codec) -> Iterator[TimedFrame]:
    first_us: int | None = None
    reference = None
    number = 0
    try:
        with ScvReader(path) as reader:
            for record in reader.records():
                number = record.number
                first_us = record.timestamp_us if first_us is None else first_us
                frame, reference = codec.decode(record.packet, reference)
                yield TimedFrame(frame, record.timestamp_us - first_us)
    except (StreamCodecError, OSError) as error:
        raise SourceError(f"{path}: unreadable at frame {number} ({_reason(error)})") from None


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
