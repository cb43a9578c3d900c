# SPDX-License-Identifier: Apache-2.0
"""Between PyAV's video frames and ours: planes pass as they are, other colours are converted."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.sidedata.sidedata import Type as SideData
from av.video.reformatter import ColorRange, Colorspace, Interpolation

from services.media.geometry import UPRIGHT, Orientation, of_display_matrix, square, upright
from streamcodec.frame import Frame, Plane

# AVColorSpace values as frames carry them (libavutil/pixfmt.h); swscale's own list has fewer.
_BT709 = 1
_MATRICES = {
    _BT709: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,  # BT470BG (PAL) and SMPTE170M (NTSC): one matrix
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,  # constant luminance: as players do, by the other's matrix
}
_HDR_CURVES = {16: "PQ", 18: "HLG"}  # AVColorTransferCharacteristic
# Larger pictures without a word about their colours are high definition's, as players hold it.
_SD_WIDTH_PX, _SD_HEIGHT_PX = 1280, 576
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


def to_frame(
    picture: av.VideoFrame,
    *,
    aspect: Fraction | None = None,
    as_stored: bool = False,
    orientation: Orientation | None = None,
) -> Frame:
    """Our frame (8-bit 4:2:0, BT.709 limited range) from a decoded picture, planes copied.

    Native planes are copied unchanged; full range, other matrices, layouts and depths are
    converted. Colours that the stream does not declare are BT.709's in large pictures and
    BT.601's in small ones; with `as_stored`, for raw planes whose format has no word for colours,
    they are taken as they are.
    Alpha is laid on white. Pictures come out as they are to be looked at: turned and mirrored as
    the stream says (or `orientation`), with square pixels where they are `aspect` times as
    wide as high. Raises FrameError when the size is out of range.
    """
    if is_native(picture, as_stored=as_stored):
        frame = native_planes(picture)
    elif _has_alpha(picture):
        frame = Frame.from_bgr(_on_white(picture))
    elif picture.format.name.startswith("gray") and "f" not in picture.format.name:
        frame = _grey(picture)
    else:
        frame = native_planes(_converted(picture, as_stored=as_stored))
    held = orientation_of(picture) if orientation is None else orientation
    if held.transpose and aspect:
        aspect = 1 / aspect
    return square(upright(frame, held), aspect)


def is_native(picture: av.VideoFrame, *, as_stored: bool = False) -> bool:
    """Whether the picture needs no conversion."""
    return (
        picture.format.name == _NATIVE
        and picture.color_range != ColorRange.JPEG
        and _matrix(picture, as_stored=as_stored) == Colorspace.ITU709
    )


def native_planes(picture: av.VideoFrame) -> Frame:
    """The three planes of a yuv420p or yuvj420p picture, copied, whatever their colours mean."""
    planes: list[Plane] = [_samples(plane) for plane in picture.planes]
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


def orientation_of(picture: av.VideoFrame) -> Orientation:
    """How pictures are to be turned and mirrored, by the stream's side data.

    Not for every picture of a stream: asked for its side data, a picture of PyAV is part of a cycle
    that waits for the garbage collector, megabytes each.
    """
    found: Any = picture.side_data  # its stub knows it as the keywords of another function
    try:
        return of_display_matrix(bytes(found[SideData.DISPLAYMATRIX]))
    except KeyError:
        return UPRIGHT


def hdr_of(picture: av.VideoFrame) -> str:
    """The name of the curve of a high dynamic range picture, which is shown without tone mapping;
    empty for others."""
    return _HDR_CURVES.get(int(picture.color_trc), "")


def _samples(plane: av.video.plane.VideoPlane) -> Plane:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width].copy()


def _matrix(picture: av.VideoFrame, *, as_stored: bool = False) -> Colorspace:
    if picture.format.is_rgb:
        return Colorspace.ITU709
    found = _MATRICES.get(int(picture.colorspace))
    if found is not None:
        return found
    large = as_stored or picture.width >= _SD_WIDTH_PX or picture.height > _SD_HEIGHT_PX
    return Colorspace.ITU709 if large else Colorspace.ITU601


def _range(picture: av.VideoFrame) -> ColorRange:
    full = (
        picture.format.is_rgb
        or picture.color_range == ColorRange.JPEG
        or picture.format.name in _FULL_RANGE_FORMATS
    )
    return ColorRange.JPEG if full else ColorRange.MPEG


def _has_alpha(picture: av.VideoFrame) -> bool:
    shown = picture.format
    return shown.has_palette or any(component.is_alpha for component in shown.components)


def _on_white(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """8-bit BGR (H, W, 3) of a picture with an alpha channel."""
    ranged = picture.format.name.startswith("ya") and picture.color_range == 0
    packed = picture.reformat(
        format="bgra",
        src_colorspace=_matrix(picture),
        src_color_range=ColorRange.JPEG if ranged else _range(picture),
        dst_color_range=ColorRange.JPEG,
        interpolation=_REDUCING,
        threads=1,
    )
    (plane,) = packed.planes
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    pixels = rows[: packed.height, : 4 * packed.width].reshape(packed.height, packed.width, 4)
    return over_white(pixels)


def over_white(
    pixels: npt.NDArray[np.generic], *, multiplied: bool = False
) -> npt.NDArray[np.uint8]:
    """8-bit (H, W, 3) of colours and alpha (H, W, 4), of 8 or 16 bits, laid on white.

    `multiplied`: the colours are, by their alpha.
    One colour for pictures, clips and streams, whatever brought them here.
    """
    scale = 257 if pixels.dtype == np.uint16 else 1
    values = pixels.astype(np.float32) / scale
    alpha = values[..., 3:] / 255
    laid = values[..., :3] * (1 if multiplied else alpha) + 255 * (1 - alpha)
    return np.asarray(np.clip(np.rint(laid), 0, 255), np.uint8)


def luma_of(picture: av.VideoFrame, *, limited: bool) -> npt.NDArray[np.floating[Any]]:
    """(H, W) first plane, as 8-bit levels with fractions; `limited`: white is 235, else 255."""
    plane, component = picture.planes[0], picture.format.components[0]
    if component.bits == 8:
        return _samples(plane).astype(np.float32)
    order = ">u2" if picture.format.is_big_endian else "<u2"
    rows = np.frombuffer(memoryview(plane), order).reshape(-1, plane.line_size // 2)
    deep = rows[: plane.height, : plane.width].astype(np.float32)
    steps = 1 << (component.bits - 8)
    return deep / steps if limited else deep * 255 / (256 * steps - 1)


def _grey(picture: av.VideoFrame) -> Frame:
    """Full range unless the stream has another, as FFmpeg reads grey."""
    limited = picture.color_range == ColorRange.MPEG
    levels = luma_of(picture, limited=limited)
    if not limited:
        levels = 16 + levels * 219 / 255  # BT.709
    return Frame.grey(np.asarray(np.clip(np.rint(levels), 0, 255), np.uint8))


def _converted(picture: av.VideoFrame, *, as_stored: bool) -> av.VideoFrame:
    return picture.reformat(
        format=_NATIVE,
        src_colorspace=_matrix(picture, as_stored=as_stored),
        dst_colorspace=Colorspace.ITU709,
        src_color_range=_range(picture),
        dst_color_range=ColorRange.MPEG,
        interpolation=_SAME_GRID if picture.format.name in _SAME_GRID_FORMATS else _REDUCING,
        threads=1,
    )
