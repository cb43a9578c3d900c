# SPDX-License-Identifier: Apache-2.0
"""Clips and pictures to measure on, as planes, with a digest that names their content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import av
import cv2
import numpy as np

from services.media.avframes import is_native, native_planes, to_frame
from streamcodec.frame import Frame

Group = Literal["camera", "screen", "pictures"]

VIDEO_SUFFIXES = (".mkv", ".mp4", ".y4m", ".webm", ".mov", ".avi")
PICTURE_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
_SYNTHETIC_PREFIXES = ("screen_", "bunny_")  # reported separately from camera clips


@dataclass(frozen=True, slots=True)
class Clip:
    """Frames of one size; a picture is a clip of one frame."""

    name: str
    group: Group
    fps: float
    frames: tuple[Frame, ...]
    digest: str

    @property
    def pixels(self) -> int:
        """Luma samples of one frame."""
        return self.frames[0].width * self.frames[0].height


def load_clips(folder: Path, *, frames: int | None = None, only: str = "") -> Iterator[Clip]:
    """Every video of a folder in order of name, at most `frames` frames of each.

    `only` keeps the names that contain one of its comma-separated parts. Planes are taken
    untouched where they are 4:2:0.
    """
    for path in _listed(folder, VIDEO_SUFFIXES, only):
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            kept: list[Frame] = []
            for picture in container.decode(stream):
                native = is_native(picture, as_stored=True)
                frame = native_planes(picture) if native else to_frame(picture, as_stored=True)
                kept.append(frame)
                if len(kept) == frames:
                    break
            fps = float(stream.average_rate or 30)
        group: Group = "screen" if path.name.startswith(_SYNTHETIC_PREFIXES) else "camera"
        yield Clip(path.stem, group, fps, tuple(kept), digest_of(kept))


def load_pictures(folder: Path, *, only: str = "") -> Iterator[Clip]:
    """Every picture of a folder in order of name, as BT.709 limited range 4:2:0."""
    for path in _listed(folder, PICTURE_SUFFIXES, only):
        pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if pixels is None:
            raise SystemExit(f"{path}: not a picture that OpenCV reads")
        frame = Frame.from_bgr(np.asarray(pixels, np.uint8))
        yield Clip(path.stem, "pictures", 1.0, (frame,), digest_of([frame]))


def digest_of(frames: list[Frame]) -> str:
    """A digest of the samples of these frames, independent of their file."""
    digest = hashlib.blake2b(digest_size=16)
    for frame in frames:
        digest.update(f"{frame.width}x{frame.height}".encode())
        for plane in frame.planes:
            digest.update(plane.tobytes())
    return digest.hexdigest()


def _listed(folder: Path, suffixes: tuple[str, ...], only: str) -> list[Path]:
    wanted = [part for part in only.split(",") if part]
    found = [
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in suffixes
        and (not wanted or any(part in path.name for part in wanted))
    ]
    if not found:
        raise SystemExit(f"{folder}: no matching {suffixes[0]} or similar file")
    return found
