# SPDX-License-Identifier: Apache-2.0
"""Frames of a picture, a folder of pictures or a video, in order and without waiting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from services.errors import SourceError
from streamcodec.errors import FrameError
from streamcodec.frame import Frame

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
_PICTURE_FPS = 25.0  # of a folder, where nothing tells
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class TimedFrame:
    """A frame and when it is due after the first."""

    frame: Frame
    time_us: int


@dataclass(frozen=True, slots=True)
class Material:
    """What is to be coded. `frames` can be walked once; `count` is None where it is not known."""

    frames: Iterator[TimedFrame]
    fps: float
    count: int | None
    still: bool


def open_material(path: Path) -> Material:
    """Open a picture, a folder of pictures or a video.

    Raises SourceError, here or while walking, with what is wrong and where.
    """
    if path.is_dir():
        return _folder(path)
    if not path.exists():
        raise SourceError(f"{path}: no such file")
    if path.suffix.lower() in PICTURE_SUFFIXES:
        frame = read_picture(path)
        return Material(iter((TimedFrame(frame, 0),)), _PICTURE_FPS, 1, still=True)
    return _video(path)


def read_picture(path: Path) -> Frame:
    """One picture file as a frame, turned upright; transparency is put on white."""
    try:
        data = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise SourceError(f"{path}: not a picture that can be read (PNG, JPEG, WebP, BMP, TIFF)")
    try:
        if pixels.ndim == 3 and pixels.shape[2] == 4:
            return Frame.from_bgr(_on_white(pixels))
        upright = cv2.imdecode(data, cv2.IMREAD_COLOR)
        return Frame.from_bgr(np.asarray(upright, np.uint8))
    except FrameError as error:
        raise SourceError(f"{path}: {error}") from None


def _on_white(pixels: np.ndarray) -> np.ndarray:
    """8-bit BGR of a picture with an alpha channel of 8 or 16 bits."""
    scale = 257 if pixels.dtype == np.uint16 else 1
    values = pixels.astype(np.float32) / scale
    alpha = values[..., 3:] / 255
    return np.rint(values[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)


def _folder(path: Path) -> Material:
    files = sorted(p for p in path.iterdir() if p.suffix.lower() in PICTURE_SUFFIXES)
    if not files:
        raise SourceError(f"{path}: no pictures in this folder ({', '.join(PICTURE_SUFFIXES)})")
    step_us = round(_MICROSECONDS / _PICTURE_FPS)
    frames = (TimedFrame(read_picture(file), i * step_us) for i, file in enumerate(files))
    return Material(frames, _PICTURE_FPS, len(files), still=False)


def _video(path: Path) -> Material:
    import av  # noqa: PLC0415  (pictures do not need FFmpeg)

    try:
        container = av.open(str(path))
    except (av.FFmpegError, OSError) as error:
        raise SourceError(f"{path}: not a video that can be read ({_reason(error)})") from None
    if not container.streams.video:
        container.close()
        raise SourceError(f"{path}: there is no video in this file")
    stream = container.streams.video[0]
    rate = stream.average_rate or stream.guessed_rate or Fraction(25)
    fps = float(rate) if rate > 0 else 25.0
    return Material(_walk(container, path, fps), fps, stream.frames or None, still=False)


def _walk(container: object, path: Path, fps: float) -> Iterator[TimedFrame]:
    """Decode to the end. A file that breaks off after its first frames keeps what it had."""
    import av  # noqa: PLC0415

    from services.media.avframes import to_frame  # noqa: PLC0415

    assert isinstance(container, av.container.InputContainer)
    first_us: int | None = None
    last_us = -1
    count = 0
    with container:
        try:
            for picture in container.decode(video=0):
                if picture.time is None:
                    time_us = round(count * _MICROSECONDS / fps)
                else:
                    time_us = round(picture.time * _MICROSECONDS)
                first_us = time_us if first_us is None else first_us
                last_us = max(time_us - first_us, last_us + 1)
                yield TimedFrame(to_frame(picture), last_us)
                count += 1
        except FrameError as error:
            raise SourceError(f"{path}: {error}") from None
        except (av.FFmpegError, OSError) as error:
            raise SourceError(
                f"{path}: unreadable after frame {count} ({_reason(error)})"
            ) from None
    if not count:
        raise SourceError(f"{path}: there is no picture in this video")


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
