# SPDX-License-Identifier: Apache-2.0
"""Pictures and clips for training: found, checked, and cut into short chains of frames."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt

from streamcodec.errors import StreamCodecError
from streamcodec.frame import MIN_SIDE_PX, Frame

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
CLIPS = frozenset({".mp4", ".mkv", ".mov", ".webm", ".avi", ".y4m"})

# The evaluation set: training on it would make its figures worthless.
_EVALUATION = re.compile(
    r"kodim\d\d|autumn_street_pan|bee_flower|bunny_animation|mobile_calendar|rollercoaster"
    r"|screen_paper|screen_scroll|talking_head_room|talking_selfie|walkers_static"
)
_DRAWN_FROM = 600  # frames of a clip, from which chains are drawn
_HELD_OUT_EVERY = 12  # one file in so many is held out, to measure whether training helped


class DataError(StreamCodecError):
    """Training data is missing, unreadable, or must not be used."""


@dataclass(frozen=True, slots=True)
class Files:
    """Files to train on, and files to evaluate on."""

    train: tuple[Path, ...]
    held_out: tuple[Path, ...]


def find(folders: Sequence[str]) -> Files:
    """All pictures and clips below the folders, each read once. Raises DataError."""
    if not folders:
        raise DataError("no training data: name a folder with --data DIR or `data` in the file")
    found: list[Path] = []
    for name in folders:
        folder = Path(name)
        if not folder.is_dir():
            raise DataError(f"training data {folder} is not a folder: give one with pictures")
        found += sorted(
            p for p in folder.rglob("*") if p.suffix.lower() in PICTURES | CLIPS and p.is_file()
        )
    if not found:
        raise DataError(f"no pictures or clips below {', '.join(folders)}: nothing to train on")
    for path in found:
        if _EVALUATION.fullmatch(path.stem) or "eval" in path.resolve().parts:
            raise DataError(f"{path} is evaluation data, and training may not see it: remove it")
    unreadable = [path for path in found if not _is_readable(path)]
    if unreadable:
        more = f", and {len(unreadable) - 1} more" if len(unreadable) > 1 else ""
        raise DataError(
            f"{unreadable[0]} cannot be read as a picture or clip{more}: remove or convert it"
        )
    held = found[_HELD_OUT_EVERY - 1 :: _HELD_OUT_EVERY] or found[-1:]
    train = [p for p in found if p not in held] or found
    return Files(tuple(train), tuple(held))


def _is_readable(path: Path) -> bool:
    try:
        if path.suffix.lower() in PICTURES:
            return _picture(path) is not None
        with av.open(str(path)) as container:
            first = next(container.decode(video=0), None)
            return first is not None and min(first.width, first.height) >= MIN_SIDE_PX
    except (av.FFmpegError, OSError, ValueError, IndexError, cv2.error):
        return False


def _picture(path: Path) -> npt.NDArray[np.uint8] | None:
    """A picture as BGR, or None where it cannot be read or is too small for the codec."""
    data = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    if picture is None or min(picture.shape[:2]) < MIN_SIDE_PX:
        return None
    return np.asarray(picture, np.uint8)


def _frame_count(path: Path) -> int:
    """Frames of a clip, at most `_DRAWN_FROM`: counted, since counts in files are unreliable."""
    with av.open(str(path)) as container:
        return sum(1 for _ in islice(container.decode(video=0), _DRAWN_FROM))


def chain(path: Path, *, frames: int, crop_px: int, rng: np.random.Generator) -> list[Frame]:
    """A short chain of a file: of a clip its frames, of a picture a pan over it.

    A picture gets half as many frames: real motion is better training data.
    """
    if path.suffix.lower() in PICTURES:
        picture = _picture(path)
        assert picture is not None  # `find` has read it
        scale = float(rng.choice([1.0, 1.0, 0.7, 0.5]))
        if min(picture.shape[:2]) * scale >= 2 * MIN_SIDE_PX:
            picture = np.asarray(
                cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA),
                np.uint8,
            )
        return _panned(picture, max(min(frames, 2), frames // 2), crop_px, rng)
    return _part_of_clip(path, frames, crop_px, rng)


def _part_of_clip(path: Path, frames: int, crop_px: int, rng: np.random.Generator) -> list[Frame]:
    """A crop of consecutive frames from a random place in a clip, mirrored half of the time and
    reversed half of the time."""
    first = int(rng.integers(0, max(_frame_count(path) - frames, 0) + 1))
    with av.open(str(path)) as container:
        seen = [
            planes_of(frame) for frame in islice(container.decode(video=0), first, first + frames)
        ]
    (height, width), (down, across) = _window(seen[0][0].shape, crop_px)
    y, x = int(rng.integers(0, down + 1)) & ~1, int(rng.integers(0, across + 1)) & ~1
    if rng.random() < 0.5:
        seen.reverse()
    chosen = [cut(planes, y, x, height, width) for planes in seen]
    return [_mirrored(frame) for frame in chosen] if rng.random() < 0.5 else chosen


def _mirrored(frame: Frame) -> Frame:
    y, u, v = (np.ascontiguousarray(plane[:, ::-1]) for plane in frame.planes)
    return Frame(y, u, v)


def planes_of(frame: av.VideoFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Planes y, u, v of a frame, chroma at half size."""
    whole = frame.reformat(format="yuv420p")
    found = []
    for number, plane in enumerate(whole.planes):
        w, h = whole.width, whole.height
        if number:
            w, h = (w + 1) // 2, (h + 1) // 2
        rows = np.asarray(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        found.append(rows[:h, :w].copy())
    return found[0], found[1], found[2]


def cut(planes: Sequence[np.ndarray], y: int, x: int, h: int, w: int) -> Frame:
    """A window of planes; y and x are even."""
    half = (slice(y // 2, (y + h + 1) // 2), slice(x // 2, (x + w + 1) // 2))
    return Frame(
        np.ascontiguousarray(planes[0][y : y + h, x : x + w]),
        np.ascontiguousarray(planes[1][half]),
        np.ascontiguousarray(planes[2][half]),
    )


def _window(shape: tuple[int, ...], crop_px: int) -> tuple[tuple[int, int], tuple[int, int]]:
    height, width = min(shape[0], crop_px), min(shape[1], crop_px)
    return (height, width), (shape[0] - height, shape[1] - width)


def _panned(
    picture: npt.NDArray[np.uint8], frames: int, crop_px: int, rng: np.random.Generator
) -> list[Frame]:
    """A window that moves over the picture at a constant, sub-sample velocity."""
    side = max(int(0.9 * min(crop_px, *picture.shape[:2])), MIN_SIDE_PX)
    (height, width), (down, across) = _window(picture.shape, side)
    start = rng.uniform(0, 1, 2) * (down, across)
    speed = rng.normal(0, 2.5, 2) * (rng.random() < 0.8)
    flipped = picture[:, ::-1] if rng.random() < 0.5 else picture
    made = []
    for n in range(frames):
        y, x = np.clip(start + n * speed, 0, (down, across))
        shift = np.array([[1, 0, -x], [0, 1, -y]], np.float64)
        moved = cv2.warpAffine(
            flipped, shift, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
        )
        noisy = moved + rng.normal(0, 1.0, moved.shape) * (n > 0)
        made.append(_frame(np.clip(np.rint(noisy), 0, 255).astype(np.uint8)))
    return made


def _frame(bgr: npt.NDArray[np.uint8]) -> Frame:
    return Frame.from_bgr(np.ascontiguousarray(bgr))
