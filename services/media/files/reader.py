# SPDX-License-Identifier: Apache-2.0
"""Frames of a picture, a folder of pictures or a video, in order and without waiting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from services.errors import SourceError
from services.media.boundary import reading
from services.media.files.pictures import (
    PICTURE_SUFFIXES,
    TILED_SUFFIXES,
    is_animation,
    pictures_of,
    read_picture,
    webp_frames,
)
from services.media.files.timeline import Timeline, rate_of
from services.process import logs
from streamcodec.frame import Frame

if TYPE_CHECKING:
    from services.media.files.video import VideoFile

__all__ = ["PICTURE_SUFFIXES", "Material", "TimedFrame", "open_material", "read_picture"]

_PICTURE_RATE = Fraction(25)  # of a folder, where nothing tells
_MICROSECONDS = 1_000_000
_AHEAD = 12  # frames of an animation, to know its frame rate

_log = logs.get("source")


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame and when it is due after the first."""

    frame: Frame
    time_us: int


@dataclass(frozen=True, slots=True)
class Material:
    """What is to be coded. `frames` can be walked once.

    `rate` is the usual frame rate, by the stamps. `count` is what the file declares, None where it
    does not: for progress only. `left` tells how many frames come after the one given last, once
    that can be seen. `damaged` counts pictures that were left out.
    """

    frames: Iterator[TimedFrame]
    rate: Fraction
    count: int | None
    still: bool
    left: Callable[[], int | None] = field(default=lambda: None)
    damaged: Callable[[], int] = field(default=lambda: 0)

    @property
    def fps(self) -> float:
        """`rate`, as a number."""
        return float(self.rate)


def open_material(path: Path) -> Material:
    """Open a picture, a folder of pictures or a video.

    Raises SourceError, here or while walking, with what is wrong and where.
    """
    with reading(str(path)):  # a name that is too long, a folder that is closed to us
        is_folder, is_there = path.is_dir(), path.exists()
    if is_folder:
        return _folder(path)
    if not is_there:
        raise SourceError(f"{path}: no such file")
    suffix = path.suffix.lower()
    if suffix in PICTURE_SUFFIXES and not is_animation(path):
        return _still(path)
    if suffix == ".webp":
        return _clip(webp_frames(path))
    if suffix in TILED_SUFFIXES:
        from services.media.files.heif import is_sequence  # noqa: PLC0415  (FFmpeg)

        if not is_sequence(path):
            return _still(path)
    from services.media.files.video import open_video  # noqa: PLC0415  (pictures do not need FFmpeg)

    return of_video(open_video(path))


def of_video(video: VideoFile) -> Material:
    """A video that is open, from a file or an address."""
    frames = (TimedFrame(frame, time_us) for frame, time_us in video.frames())
    return Material(
        frames,
        video.rate,
        video.told_count,
        still=False,
        left=video.left,
        damaged=lambda: video.frames_damaged,
    )


def _still(path: Path) -> Material:
    frames = iter((TimedFrame(read_picture(path), 0),))
    return Material(frames, _PICTURE_RATE, 1, still=True, left=lambda: 0)


def _clip(frames: Iterator[tuple[Frame, int]]) -> Material:
    """An animation: its first frames tell its frame rate."""
    ahead = [pair for _, pair in zip(range(_AHEAD), frames, strict=False)]
    rate = rate_of([time_us for _, time_us in ahead]) or Fraction(10)
    timeline = Timeline(step_us=round(_MICROSECONDS / rate))

    def walk() -> Iterator[TimedFrame]:
        for group in (ahead, frames):
            for frame, time_us in group:
                yield TimedFrame(frame, timeline.place(time_us))

    return Material(walk(), rate, None, still=False)


class _Folder:
    """The pictures of a folder as they come; what cannot be read is left out and counted."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._files = pictures_of(path)
        self._next = 0
        self.damaged = 0

    def left(self) -> int:
        return len(self._files) - self._next

    def frames(self) -> Iterator[TimedFrame]:
        step_us = round(_MICROSECONDS / _PICTURE_RATE)
        first_error: SourceError | None = None
        while self._next < len(self._files):
            file = self._files[self._next]
            self._next += 1
            try:
                frame = read_picture(file)
            except SourceError as error:
                first_error = first_error or error
                self.damaged += 1
                _log.warning("picture_left_out", reason=str(error))
                continue
            yield TimedFrame(frame, (self._next - 1 - self.damaged) * step_us)
        if self.damaged == len(self._files):
            assert first_error is not None
            raise SourceError(f"{self._path}: none of its pictures can be read ({first_error})")


def _folder(path: Path) -> Material:
    folder = _Folder(path)
    return Material(
        folder.frames(),
        _PICTURE_RATE,
        folder.left(),
        still=False,
        left=folder.left,
        damaged=lambda: folder.damaged,
    )
