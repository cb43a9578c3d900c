# SPDX-License-Identifier: Apache-2.0
"""A picture in the codec's format (`Frame`), and a decoder's state after one (`Reference`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from streamcodec.errors import FrameError

Plane: TypeAlias = npt.NDArray[np.uint8]

MIN_SIDE_PX = 16
MAX_WIDTH_PX = 4096
MAX_HEIGHT_PX = 2304
NEUTRAL_CHROMA = 128


def check_size(width: int, height: int) -> None:
    """Raise FrameError unless both sides are within what the bitstream can carry."""
    if not (MIN_SIDE_PX <= width <= MAX_WIDTH_PX and MIN_SIDE_PX <= height <= MAX_HEIGHT_PX):
        raise FrameError(
            f"frame is {width}x{height}; the codec takes {MIN_SIDE_PX}x{MIN_SIDE_PX} "
            f"to {MAX_WIDTH_PX}x{MAX_HEIGHT_PX}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One 8-bit YUV 4:2:0 picture, BT.709 limited range.

    `y` is (H, W) uint8, `u` and `v` are (ceil(H/2), ceil(W/2)) uint8. The frame does not copy its
    planes: whoever hands them over must not write to them afterwards. Raises FrameError on
    any other shape, dtype or size.
    """

    y: Plane
    u: Plane
    v: Plane

    def __post_init__(self) -> None:
        if self.y.ndim != 2:
            raise FrameError(f"luma plane has {self.y.ndim} dimensions, expected 2")
        check_size(self.width, self.height)
        chroma = ((self.height + 1) // 2, (self.width + 1) // 2)
        for name, plane, shape in (
            ("y", self.y, self.y.shape),
            ("u", self.u, chroma),
            ("v", self.v, chroma),
        ):
            if plane.dtype != np.uint8:
                raise FrameError(f"plane {name} is {plane.dtype}, expected uint8")
            if plane.shape != shape:
                raise FrameError(f"plane {name} has shape {plane.shape}, expected {shape}")

    @property
    def width(self) -> int:
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        return int(self.y.shape[0])

    @property
    def planes(self) -> tuple[Plane, Plane, Plane]:
        return self.y, self.u, self.v

    def same_pixels(self, other: Frame) -> bool:
        """True when both frames have the same size and every sample is equal."""
        return all(np.array_equal(a, b) for a, b in zip(self.planes, other.planes, strict=True))

    @classmethod
    def grey(cls, y: Plane) -> Frame:
        """A greyscale picture: flat chroma, which costs the codec nothing."""
        shape = ((y.shape[0] + 1) // 2, (y.shape[1] + 1) // 2)
        flat = np.full(shape, NEUTRAL_CHROMA, np.uint8)
        return cls(y, flat, flat)

    @classmethod
    def from_bgr(cls, bgr: npt.NDArray[np.uint8]) -> Frame:
        """Convert (H, W, 3) uint8 BGR, as OpenCV delivers it, to BT.709 limited range 4:2:0."""
        if bgr.ndim != 3 or bgr.shape[2] != 3 or bgr.dtype != np.uint8:
            raise FrameError(f"expected (H, W, 3) uint8 BGR, got {bgr.shape} {bgr.dtype}")
        check_size(bgr.shape[1], bgr.shape[0])
        yuv = np.asarray(cv2.transform(bgr, _BGR_TO_YUV), np.uint8)
        half = cv2.resize(_even(yuv[..., 1:]), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        return cls(
            np.ascontiguousarray(yuv[..., 0]),
            np.ascontiguousarray(half[..., 0]),
            np.ascontiguousarray(half[..., 1]),
        )

    @classmethod
    def from_rgb(cls, rgb: npt.NDArray[np.uint8]) -> Frame:
        """Convert (H, W, 3) uint8 RGB; see `from_bgr`."""
        return cls.from_bgr(np.ascontiguousarray(rgb[..., ::-1]))

    def to_bgr(self) -> npt.NDArray[np.uint8]:
        """The picture as (H, W, 3) uint8 BGR, a new array."""
        h, w = self.height, self.width
        u = cv2.resize(self.u, (self.u.shape[1] * 2, self.u.shape[0] * 2))[:h, :w]
        v = cv2.resize(self.v, (self.v.shape[1] * 2, self.v.shape[0] * 2))[:h, :w]
        bgr = cv2.transform(
            cv2.merge((self.y, np.ascontiguousarray(u), np.ascontiguousarray(v))), _YUV_TO_BGR
        )
        return np.asarray(bgr, dtype=np.uint8)

    def to_rgb(self) -> npt.NDArray[np.uint8]:
        """The picture as (H, W, 3) uint8 RGB, a new array."""
        return np.ascontiguousarray(self.to_bgr()[..., ::-1])


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """The state of a decoder after a frame; an encoder holds the same. Opaque outside the codec.

    `digest` (4 bytes) names the chain of packets that led here: a packet says which digest it
    needs. `frame` is the decoded picture, `quality` the index it was coded at. `state` belongs to
    the codec that made it.
    """

    frame: Frame
    digest: bytes
    quality: int
    state: object = None


def _even(chroma: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Repeat the last row or column so that both sides are even."""
    pad = ((0, chroma.shape[0] % 2), (0, chroma.shape[1] % 2), (0, 0))
    return np.pad(chroma, pad, mode="edge") if pad[0][1] or pad[1][1] else chroma


def _matrices() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """BT.709 limited range (ITU-R BT.709-6, section 3), as 3x4 affine maps for cv2.transform."""
    kr, kb = 0.2126, 0.0722
    kg = 1 - kr - kb
    full = np.array(
        [
            [kb, kg, kr],
            [0.5, -0.5 * kg / (1 - kb), -0.5 * kr / (1 - kb)],
            [-0.5 * kb / (1 - kr), -0.5 * kg / (1 - kr), 0.5],
        ]
    )
    scale = np.diag([219 / 255, 224 / 255, 224 / 255]) @ full
    offset = np.array([16.0, 128.0, 128.0])
    inverse = np.linalg.inv(scale)
    return np.column_stack((scale, offset)), np.column_stack((inverse, -inverse @ offset))


_BGR_TO_YUV, _YUV_TO_BGR = _matrices()
