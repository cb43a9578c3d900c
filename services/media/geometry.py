# SPDX-License-Identifier: Apache-2.0
"""Turns, mirrors and pixels that are not square: frames as they are to be looked at."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from services.media.scaling import fitted
from streamcodec.frame import MAX_HEIGHT_PX, MAX_WIDTH_PX, Frame, Plane

_MOST_ASPECT = 8  # of a pixel; beyond that the file lies


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways to hold a picture: transposed first, then mirrored."""

    transpose: bool = False
    mirror_x: bool = False  # left becomes right
    mirror_y: bool = False

    def turned(self, quarters: int) -> Orientation:
        """This, then quarter turns counterclockwise."""
        result = self
        for _ in range(quarters % 4):
            # A quarter turn transposes and then mirrors upside down.
            result = Orientation(not result.transpose, result.mirror_y, not result.mirror_x)
        return result

    def mirrored(self, *, x: bool, y: bool) -> Orientation:
        """This, then mirrored."""
        return Orientation(self.transpose, self.mirror_x ^ x, self.mirror_y ^ y)


UPRIGHT = Orientation()
# TIFF 6.0, tag 274, as EXIF has it: where the first row and column of the stored picture lie.
_EXIF = {
    2: Orientation(mirror_x=True),
    3: Orientation(mirror_x=True, mirror_y=True),
    4: Orientation(mirror_y=True),
    5: Orientation(transpose=True),
    6: Orientation(transpose=True, mirror_x=True),
    7: Orientation(transpose=True, mirror_x=True, mirror_y=True),
    8: Orientation(transpose=True, mirror_y=True),
}
_ORIENTATION_TAG = 274


def of_display_matrix(matrix: bytes) -> Orientation:
    """From the matrix of a video track (ISO/IEC 14496-12, 6.2.2): nine 16.16 numbers.

    A picture point (x, y) is shown at (a x + c y, b x + d y); turns that are no quarter are not
    applied.
    """
    if len(matrix) < 36:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack_from("=9i", matrix)
    if abs(a) >= abs(b):
        return Orientation(mirror_x=a < 0, mirror_y=d < 0)
    return Orientation(transpose=True, mirror_x=c < 0, mirror_y=b < 0)


def of_exif(data: bytes) -> Orientation:
    """From the first directory of EXIF data; upright where there is none, or it is damaged."""
    start = data.find(b"Exif\0\0")
    tiff = data[start + 6 :] if start >= 0 else data
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(tiff[:4])
    if order is None:
        return UPRIGHT
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, at)
        for entry in range(count):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, at + 2 + 12 * entry)
            if tag == _ORIENTATION_TAG:
                return _EXIF.get(value, UPRIGHT)
    except struct.error:
        pass
    return UPRIGHT


def oriented(pixels: Plane, orientation: Orientation) -> Plane:
    """Samples (H, W, ...) turned and mirrored; the same one where nothing is to be done."""
    if orientation == UPRIGHT:
        return pixels
    result = pixels.swapaxes(0, 1) if orientation.transpose else pixels
    if orientation.mirror_x:
        result = result[:, ::-1]
    if orientation.mirror_y:
        result = result[::-1]
    return np.ascontiguousarray(result)


def upright(frame: Frame, orientation: Orientation) -> Frame:
    """The frame as it is to be looked at."""
    if orientation == UPRIGHT:
        return frame
    return Frame(*(oriented(plane, orientation) for plane in frame.planes))


def square(frame: Frame, aspect: Fraction | None) -> Frame:
    """The frame with square pixels, from pixels that are `aspect` times as wide as high.

    The shorter way is made longer, so that nothing is lost, within what the codec takes.
    """
    if not aspect or aspect == 1 or not Fraction(1, _MOST_ASPECT) <= aspect <= _MOST_ASPECT:
        return frame
    width, height = Fraction(frame.width), Fraction(frame.height)
    if aspect > 1:
        width *= aspect
    else:
        height /= aspect
    shrink = min(Fraction(1), MAX_WIDTH_PX / width, MAX_HEIGHT_PX / height)
    size = (_even(width * shrink), _even(height * shrink))
    # 1:1.001 and its like are rounding of whoever wrote the file.
    if abs(size[0] - frame.width) <= 1 and abs(size[1] - frame.height) <= 1:
        return frame
    return fitted(frame, *size)


def _even(side: Fraction) -> int:
    return max(16, 2 * round(side / 2))
