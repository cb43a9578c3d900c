# SPDX-License-Identifier: Apache-2.0
"""Decodes a .scv file to a picture, a folder of pictures or a video."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import cv2

from services.errors import ConfigError, SinkError, SourceError
from services.files.scv import open_scv, places_of, records_of, writing_file
from services.files.summary import Coded, Progress
from services.media.files.reader import PICTURE_SUFFIXES
from services.media.files.timeline import rate_of
from streamcodec.bitstream import read_header
from streamcodec.container import ScvReader
from streamcodec.errors import BitstreamError, ReferenceMissing

if TYPE_CHECKING:
    from services.media.sinks.sink import Sink
    from streamcodec.codec import Codec
    from streamcodec.frame import Frame, Reference


def decode_file(
    codec: Codec,
    source: Path,
    target: str,
    *,
    limit: int | None,
    progress: Progress,
    stopped: Event,
) -> Coded:
    """Decode a file into what the target's name asks for.

    What was written before an error stays. Raises SourceError, SinkError, or ModelError where
    the file was made with other weights.
    """
    started_s = time.monotonic()
    sizes: list[int] = []
    keyframes = pixels = last_us = damaged = 0
    failure = ""
    with open_scv(source) as reader:
        fps = reader.header.fps
        count = reader.frames if limit is None else min(limit, reader.frames)
        if not count:
            raise SourceError(f"{source}: there is no whole frame in this file")
        with _Output(target, count, _frame_rate(reader, source, fps)) as output:
            reference: Reference | None = None
            for record in records_of(reader, source):
                if record.number == count or stopped.is_set():
                    break
                progress(record.number + 1, count, "")
                last_us = record.timestamp_us
                try:
                    frame, reference = codec.decode(record.packet, reference)
                except (BitstreamError, ReferenceMissing) as error:
                    # The file goes on at its next keyframe.
                    reference = None
                    damaged += 1
                    failure = failure or f"frame {record.number} is damaged ({error})"
                    continue
                failure = ""
                output.write(frame, record.timestamp_us)
                sizes.append(len(record.packet))
                keyframes += read_header(record.packet).keyframe
                pixels += frame.width * frame.height
    if failure:
        raise SourceError(f"{source}: {failure}; the frames before it were written")
    return Coded(
        frame_bytes=sizes,
        keyframes=keyframes,
        pixels=pixels,
        fps=fps,
        seconds=last_us / 1e6 + 1 / float(fps),
        psnr_db=(),
        coding_s=time.monotonic() - started_s,
        damaged=damaged,
    )


def _frame_rate(reader: ScvReader, source: Path, told: Fraction) -> Fraction:
    """The rate at which no frame is lost, by the times in the file.

    The one that the header names, where the whole fits it to half a frame: a live recording holds
    when pictures were taken, not when they were due.
    """
    stamps = [place.timestamp_us for place in places_of(reader, source, whole=False)]
    tolerance = max(0.001, 0.5 / max(1, len(stamps)))
    return rate_of(stamps, told=(told,), tolerance=tolerance) or told


class _Output:
    """A picture file or a sink, opened with the first frame."""

    def __init__(self, target: str, count: int, rate: Fraction) -> None:
        suffix = Path(target).suffix.lower()
        if suffix == ".scv":
            raise ConfigError(
                f"{target}: decode writes pictures and videos (.png, .mp4, .y4m, folder/); "
                "a .scv file is copied as it is, and cut with encode"
            )
        # A name without a suffix is a folder, with or without its slash.
        self._target = target if suffix or target == "-" else target.rstrip("/") + "/"
        self._picture = suffix in PICTURE_SUFFIXES
        if self._picture and count > 1:
            raise ConfigError(
                f"{target} is one picture, but there are {count} frames: "
                "write to a folder/ or a video, or take one with --frames 1"
            )
        self._rate = rate
        self._sink: Sink | None = None

    def write(self, frame: Frame, timestamp_us: int) -> None:
        if self._picture:
            write_picture(Path(self._target), frame)
            return
        if self._sink is None:
            from services.media.sinks import open_sink  # noqa: PLC0415  (imports FFmpeg)

            self._sink = open_sink(
                self._target, width=frame.width, height=frame.height, fps=self._rate
            )
        self._sink.write(frame, shown_us=timestamp_us)

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._sink is None:
            return
        try:
            self._sink.close()
        except SinkError:
            if kind is None:  # else what came first is told
                raise


def write_picture(path: Path, frame: Frame) -> None:
    """One frame as a picture file; the suffix chooses the format. Raises SinkError."""
    with writing_file(path):
        done, data = cv2.imencode(path.suffix.lower(), frame.to_bgr())
        if not done:
            raise SinkError(f"{path}: this kind of picture cannot be written; use .png")
        path.write_bytes(data.tobytes())
