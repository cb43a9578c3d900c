# SPDX-License-Identifier: Apache-2.0
"""Between PyAV's video frames and ours: planes pass as they are, other colours are converted."""

from __future__ import annotations

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from streamcodec.frame import Frame, Plane

# AVColorSpace values as frames carry them (libavutil/pixfmt.h); swscale's own list has fewer.
_UNSPECIFIED = 2
_BT709 = 1
_BT601 = (5, 6)  # BT470BG (PAL) and SMPTE170M (NTSC): one matrix
_NATIVE = "yuv420p"
_SAME_GRID_FORMATS = ("yuv420p", "yuvj420p", "nv12", "nv21", "yuv420p10le")
# Where chroma keeps its grid, resampling it would only blur: 53 to 57 dB against exact arithmetic,
# 43 to 53 with swscale's defaults.
_SAME_GRID = (
    Interpolation.POINT
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
)
_REDUCING = Interpolation.BILINEAR | Interpolation.ACCURATE_RND
_FULL_RANGE_FORMATS = ("yuvj420p", "yuvj422p", "yuvj444p", "yuvj440p", "yuvj411p")


def to_frame(picture: av.VideoFrame) -> Frame:
    """Our frame (8-bit 4:2:0, BT.709 limited range) from a decoded picture, planes copied.

    Native planes are taken untouched; full range, BT.601, other layouts and depths are
    converted. Colours that the stream does not declare are taken as they are. Pictures that a
    camera held on its side come out upright. Raises FrameError when the size is out of range.
    """
    frame = native_planes(picture if is_native(picture) else _converted(picture))
    quarters = round(picture.rotation / 90) % 4  # counterclockwise, as np.rot90 counts
    if not quarters:
        return frame
    return Frame(*(np.ascontiguousarray(np.rot90(plane, quarters)) for plane in frame.planes))


def is_native(picture: av.VideoFrame) -> bool:
    """Whether the picture needs no conversion."""
    return (
        picture.format.name == _NATIVE
        and picture.color_range != ColorRange.JPEG
        and picture.colorspace in (_BT709, _UNSPECIFIED, 0)
    )


def native_planes(picture: av.VideoFrame) -> Frame:
    """The three planes of a yuv420p or yuvj420p picture, copied, whatever their colours mean."""
    planes: list[Plane] = [
        np.frombuffer(memoryview(plane), np.uint8)
        .reshape(-1, plane.line_size)[: plane.height, : plane.width]
        .copy()
        for plane in picture.planes
    ]
    return Frame(*planes)


def from_frame(frame: Frame, *, full_range: bool = False) -> av.VideoFrame:
    """A PyAV picture that holds a copy of the planes, marked BT.709 limited range.

    `full_range` only names the layout yuvj420p, which some encoders insist on: no sample changes.
    """
    picture = av.VideoFrame(frame.width, frame.height, "yuvj420p" if full_range else _NATIVE)
    for plane, samples in zip(picture.planes, frame.planes, strict=True):
        target = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        target[: plane.height, : plane.width] = samples
    picture.colorspace = _BT709
    picture.color_range = ColorRange.JPEG if full_range else ColorRange.MPEG
    return picture


def _converted(picture: av.VideoFrame) -> av.VideoFrame:
    is_rgb = picture.format.is_rgb
    full = (
        is_rgb
        or picture.color_range == ColorRange.JPEG
        or picture.format.name in _FULL_RANGE_FORMATS
    )
    if is_rgb:
        source = Colorspace.ITU709
    elif picture.colorspace in _BT601 or (full and picture.colorspace == _UNSPECIFIED):
        source = Colorspace.ITU601  # full-range pictures without a matrix are JPEG's (JFIF)
    else:
        source = Colorspace.ITU709
    return picture.reformat(
        format=_NATIVE,
        src_colorspace=source,
        dst_colorspace=Colorspace.ITU709,
        src_color_range=ColorRange.JPEG if full else ColorRange.MPEG,
        dst_color_range=ColorRange.MPEG,
        interpolation=_SAME_GRID if picture.format.name in _SAME_GRID_FORMATS else _REDUCING,
        threads=1,
    )
