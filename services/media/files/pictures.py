# SPDX-License-Identifier: Apache-2.0
"""Pictures: one file as a frame, an animation as a clip, a folder as a series."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import numpy.typing as npt

from services.errors import SourceError
from services.media.boundary import reading, reason
from services.media.geometry import of_exif, oriented
from streamcodec.frame import Frame

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
TILED_SUFFIXES = (".avif", ".heic", ".heif")
_PNG = b"\x89PNG\r\n\x1a\n"
_ANIMATION_BYTES = 128 * 1024 * 1024  # decoded at once
_MOST_CHUNKS = 256  # of a PNG, before its first samples
_DEFAULT_STEP_MS = 100  # of an animation with 0, as browsers show it
_NUMBERS = re.compile(r"(\d+)")


def read_picture(path: Path) -> Frame:
    """One picture file as a frame, turned upright; transparency is put on white.

    Raises SourceError.
    """
    if path.suffix.lower() in TILED_SUFFIXES:
        from services.media.files.heif import read_tiled  # noqa: PLC0415  (FFmpeg)

        return read_tiled(path)
    data = np.frombuffer(_bytes(path), np.uint8)
    with reading(str(path), "not a picture that can be read"):
        return _decoded(path, data)


def _decoded(path: Path, data: npt.NDArray[np.uint8]) -> Frame:
    pixels = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
    if pixels is None:
        raise SourceError(f"{path}: not a picture that can be read (PNG, JPEG, WebP, BMP, TIFF)")
    if pixels.dtype not in (np.uint8, np.uint16):
        raise SourceError(
            f"{path}: its samples are {pixels.dtype}; pictures of 8 or 16 bits can be read"
        )
    if pixels.ndim == 3 and pixels.shape[2] == 4:
        from services.media.avframes import over_white  # noqa: PLC0415  (FFmpeg)

        # OpenCV turns pictures only where it drops their alpha.
        _, kinds, parts = cv2.imdecodeWithMetadata(data, flags=cv2.IMREAD_UNCHANGED)
        found = dict(zip(kinds, parts, strict=False))
        exif = bytes(found.get(cv2.IMAGE_METADATA_EXIF, b""))
        # libtiff multiplies the colours of 8-bit pictures by their alpha.
        laid = over_white(
            np.asarray(pixels), multiplied=_is_tiff(data) and pixels.dtype == np.uint8
        )
        return Frame.from_bgr(oriented(laid, of_exif(exif)))
    upright = cv2.imdecode(data, cv2.IMREAD_COLOR)
    if upright is None:
        raise SourceError(f"{path}: not a picture that can be read (its colours are unknown)")
    return Frame.from_bgr(np.asarray(upright, np.uint8))


def _is_tiff(data: npt.NDArray[np.uint8]) -> bool:
    return bytes(data[:4]) in (b"II*\0", b"MM\0*")


def is_animation(path: Path) -> bool:
    """Whether a picture file holds several: APNG and WebP. GIF and AVIF go by FFmpeg anyway."""
    try:
        with path.open("rb") as file:
            head = file.read(21)
            return _apng_frames(file) > 1 if head.startswith(_PNG) else _is_animated_webp(head)
    except OSError:
        return False


def _is_animated_webp(head: bytes) -> bool:
    """Whether a file that begins like this is an animated WebP (by its VP8X chunk)."""
    return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and any(b & 2 for b in head[20:21])


def _apng_frames(file: BinaryIO) -> int:
    """Frames that the chunk acTL announces, which comes before the first IDAT; else 1."""
    at = len(_PNG)
    for _ in range(_MOST_CHUNKS):
        file.seek(at)
        head = file.read(12)
        if len(head) < 12:
            break
        size, kind, frames = struct.unpack(">I4sI", head)
        if kind == b"acTL":
            return int(frames)
        if kind == b"IDAT":
            break
        at += 12 + size
    return 1


def webp_frames(path: Path) -> Iterator[tuple[Frame, int]]:
    """Frames of an animated WebP with their times in microseconds. Raises SourceError."""
    data = np.frombuffer(_bytes(path), np.uint8)
    number = time_us = 0
    step = 1
    while True:
        animation = cv2.Animation()
        with reading(str(path), f"unreadable after frame {number}"):
            found, animation = cv2.imdecodeanimation(data, number, step)
            frames = list(animation.frames) if found else []
            shown = [Frame.from_bgr(_opaque(f)) for f in frames]
        for frame, duration_ms in zip(shown, animation.durations, strict=False):
            yield frame, time_us
            time_us += (int(duration_ms) or _DEFAULT_STEP_MS) * 1000
            number += 1
        if len(frames) < step:
            break
        pixels = frames[0].shape[0] * frames[0].shape[1]
        step = max(1, min(256, _ANIMATION_BYTES // (4 * pixels)))
    if not number:
        raise SourceError(f"{path}: not a picture that can be read")


def _opaque(pixels: cv2.typing.MatLike) -> npt.NDArray[np.uint8]:
    """8-bit BGR of a picture that may have alpha."""
    from services.media.avframes import over_white  # noqa: PLC0415  (FFmpeg)

    values = np.ascontiguousarray(pixels, np.uint8)
    return over_white(values) if values.shape[2] == 4 else values


def pictures_of(folder: Path) -> list[Path]:
    """The pictures of a folder in natural order.

    Hidden files and what is no picture at all are passed over. Raises SourceError where there is
    no picture.
    """
    try:
        names = [p for p in folder.iterdir() if not p.name.startswith(".") and p.is_file()]
    except OSError as error:
        raise SourceError(f"{folder}: cannot be read ({reason(error)})") from None
    suffixes = (*PICTURE_SUFFIXES, *TILED_SUFFIXES)
    files = sorted((p for p in names if p.suffix.lower() in suffixes), key=natural)
    if not files:
        raise SourceError(f"{folder}: no pictures in this folder ({', '.join(suffixes)})")
    return files


def natural(path: Path) -> tuple[tuple[bool, int, str], ...]:
    """Order as people count: `2.png` before `10.png`; equal numbers by their zeros."""
    return tuple(
        (not part.isdecimal(), int(part) if part.isdecimal() else 0, part)
        for part in _NUMBERS.split(path.name)
        if part
    )


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path}: {error.strerror}") from None
